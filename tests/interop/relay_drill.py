#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""relay_drill.py - what becomes of a guest when something dies on its way.

  relay_drill.py [--count N] [--seed N] [--version 7.2|11.1]

Each time two QEMUs with `godwit send` and `godwit recv` between them, and at a random moment one of
the four is killed, or their link is cut or stalled.  Then: never two running guests; none only if
who was killed held it, or both sides are paused and complete and somebody said so; QEMUs that are
there answer; nothing is left behind.  The seed is printed, and in the end what came of what.
"""
import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import time

import check
import peers
from forwarder import Forwarder
from heartbeat import goes_on_from, heartbeat, ticks
from peers import CANCELLED, DONE, FAILED, UNKNOWN
from relays import relay

VICTIMS = ('send', 'recv', 'source', 'destination', 'cut', 'stall')

# About a second each, most of it spent on rounds.
OPTIONS = ('--max-bandwidth', '12M', '--timeout', '4')

# In which a QEMU that was told nothing more decides what it does.
SETTLE_S = 15
ANSWER_S = 10

# More than --timeout: until then somebody may still come.
WAIT_S = 6


# ---- who has the guest ----

def _answer(qemu):
    """query-status and query-migrate's states; None when its process is gone."""
    def look():
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            qemu.qmp.patience(ANSWER_S)
            return (qemu.qmp.execute('query-status')['status'],
                    qemu.migration().get('status', 'none'))
        return not qemu.runs() and (None, None)
    try:
        return check.wait_until(look, ANSWER_S, 'end of a QEMU that closed its monitor')
    except TimeoutError:
        raise AssertionError(f'no answer from a QEMU within {ANSWER_S} s') from None


def _end_waiting(made, receiving):
    """Of a sender that came to nothing it knows little, and waits for the next one."""
    deadline = time.monotonic() + WAIT_S
    while receiving.runs() and time.monotonic() < deadline and \
            'came to nothing' not in receiving.said():
        time.sleep(0.02)
    if receiving.runs() and _answer(made.destination) == ('inmigrate', 'none'):
        receiving.interrupt()
        check.equal(receiving.wait(), CANCELLED, 'exit code of recv, to which nobody came')


class End:
    """What both QEMUs came to, and how the commands ended that were not killed."""

    def __init__(self, made, commands, killed):
        self._made, self._killed = made, killed
        self.left = heartbeat(made.memory[0])
        commands = {name: command for name, command in commands.items() if name != killed}
        if 'recv' in commands:
            _end_waiting(made, commands['recv'])
        self.codes = {name: command.wait() for name, command in commands.items()}
        self.told = ' '.join(command.said() for command in commands.values())
        self._look()

    def _look(self):
        self.source, self.source_migration = _answer(self._made.source)
        self.destination, self.destination_migration = _answer(self._made.destination)

    def runs(self):
        return [self.source == 'running', self.destination == 'running']

    def settle(self):
        """Nobody is waited for who has said that it is over."""
        deadline = time.monotonic() + SETTLE_S
        while True not in self.runs() and self._may_run_yet() and time.monotonic() < deadline:
            time.sleep(0.05)
            self._look()

    def _may_run_yet(self):
        return self.source not in (None, 'postmigrate') and UNKNOWN not in self.codes.values()

    def is_told(self):
        """Both paused: what to do is in the words of somebody who ended with that code."""
        return UNKNOWN in self.codes.values() and 'cont' in self.told

    def __str__(self):
        return (f'source {self.source} ({self.source_migration}), destination {self.destination} '
                f'({self.destination_migration}), exit codes {self.codes}')


def _check_source_alone(made, end, killed):
    made.runs_on_at_source()
    check.true(DONE not in end.codes.values(), f'success, but the source runs: {end}')
    if killed != 'send':
        check.true(end.codes['send'] in (FAILED, CANCELLED), f'send did not know: {end}')
    return 'source runs'


def _check_destination_alone(made, end, killed):
    goes_on_from(end.left, made.memory[1])
    check.equal(heartbeat(made.memory[0]), end.left, 'heartbeat left at the source')
    for code in end.codes.values():
        check.true(code in (DONE, UNKNOWN), f'a failure, but the destination runs: {end}')
    if killed != 'recv':
        check.equal(end.codes['recv'], DONE, 'exit code of recv, whose guest runs')
    return 'destination runs'


def _check_nobody(end, killed):
    complete = end.destination_migration == 'completed'
    for name, code in end.codes.items():
        check.true(code != DONE or killed == 'destination',
                   f'success of {name}, and nobody runs: {end}')
    if killed == 'source' and not complete:
        return 'died with the source'
    if killed == 'destination' and end.source == 'postmigrate':
        return 'died with the destination'
    check.true(end.is_told(), f'nobody runs, and nobody says so: {end}')
    check.true(complete, f'nobody runs, and the destination is not complete: {end}')
    return 'both paused, and told'


def check_end(made, commands, killed=None):
    """`commands` by name, ended or about to; what came of the guest, in a few words."""
    end = End(made, commands, killed)
    end.settle()
    try:
        runs = end.runs()
        check.true(runs != [True, True], f'both run: {end}')
        if runs[0]:
            return _check_source_alone(made, end, killed)
        if runs[1]:
            return _check_destination_alone(made, end, killed)
        return _check_nobody(end, killed)
    except AssertionError as error:
        told = {name: command.said() for name, command in commands.items()}
        raise AssertionError(f'{error}; they said {told}') from None


# ---- what happens to whom, and when ----

class Moment:
    """Half of them at any time, half of them around the switchover, which is short."""

    def __init__(self, chance, span_s):
        self._around_stop = chance.random() < 0.5
        self._delay_s = chance.uniform(0, 0.08 if self._around_stop else 1.1 * span_s)

    def come(self, made, commands):
        if self._around_stop:
            source = made.source.qmp
            while all(command.runs() for command in commands.values()) and \
                    source.execute('query-status')['running']:
                time.sleep(0.001)
        time.sleep(self._delay_s)

    def __str__(self):
        return f'{"stop" if self._around_stop else "start"} + {self._delay_s * 1e3:.0f} ms'


def strike(made, commands, link, victim):
    """One of VICTIMS."""
    if victim in commands:
        if victim == 'send':
            made.leave_settings()
        if commands[victim].runs():
            os.kill(commands[victim].pid, signal.SIGKILL)
    elif victim in ('source', 'destination'):
        made.kill({'source': 'from', 'destination': 'to'}[victim])
    else:
        getattr(link, victim)()


@contextlib.contextmanager
def _migration(version):
    with relay((version, version), real_bytes=True) as made, \
            made.recv('--timeout', '4') as receiving, \
            Forwarder(receiving.listening_on()) as link, \
            made.send(link.uri, *OPTIONS) as sending:
        yield made, {'send': sending, 'recv': receiving}, link


def _span_of(version):
    """How long it takes when nothing happens."""
    with _migration(version) as (made, commands, _):
        begun = time.monotonic()
        for command in commands.values():
            command.finish(DONE)
        ticks(made.memory[1])
        return time.monotonic() - begun


def strike_once(version, victim, moment):
    """What came of it."""
    with _migration(version) as (made, commands, link):
        moment.come(made, commands)
        strike(made, commands, link, victim)
        return check_end(made, commands, victim)


def drill(version, seed, count, report=print):
    """Raises at the first guest that came to harm."""
    chance = random.Random(f'{seed} {version}')
    span_s = _span_of(version)
    tally = collections.Counter()
    for number in range(count):
        victim, moment = VICTIMS[number % len(VICTIMS)], Moment(chance, span_s)
        what = f'{version} seed {seed} number {number}: {victim} at {moment}'
        try:
            outcome = strike_once(version, victim, moment)
        except AssertionError as error:
            raise AssertionError(f'{what}: {error}') from None
        report(f'{what}: {outcome}')
        tally[victim, outcome] += 1
    return tally


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--version', choices=peers.VERSIONS)
    chosen = parser.parse_args()
    versions = [chosen.version] if chosen.version else peers.VERSIONS
    print(f'seed {chosen.seed}')
    tally = collections.Counter()
    try:
        for version in versions:
            tally += drill(version, chosen.seed, chosen.count // len(versions),
                           lambda line: print(line, flush=True))
    except AssertionError as error:
        print(f'FAILED {error}')
        sys.exit(1)
    for (victim, outcome), times in sorted(tally.items()):
        print(f'{victim:12} {outcome:26} {times:4}')


if __name__ == '__main__':
    main()
