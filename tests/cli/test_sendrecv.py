#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_sendrecv.py - godwit send and recv move a guest between two godwit vms.

A vm answers QMP as a QEMU does, so all of both commands runs, without a QEMU.  Whatever ends, the
guest runs on one side, and its beats have neither a gap nor a repeat.
"""
import contextlib
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from command import (CANCELLED, DONE, FAILED, UNKNOWN, USAGE, Running, check,  # noqa: E402
                     run, scratch)
from vms import check_moved, pair, set_up  # noqa: E402

# Nothing moves within the test's time.
CRAWL = ['--max-bandwidth', '16K']


@contextlib.contextmanager
def beside_vms(*recv, **others):
    """`with beside_vms() as (source, destination, receiving):`"""
    with scratch() as directory:
        source, destination = pair(directory, **others)
        with source, destination, \
                Running('recv', '--qmp', f'{destination.path}.qmp', '--listen',
                        f'unix:{directory}/meet', *recv) as receiving:
            receiving.listening_on()
            source.beats_on()
            yield source, destination, receiving


def send(source, *arguments):
    return Running('send', '--qmp', f'{source.path}.qmp', '--to',
                   f'unix:{os.path.dirname(source.path)}/meet', *arguments)


@contextlib.contextmanager
def under_way():
    with beside_vms() as (source, destination, receiving), \
            send(source, '--method', 'none', *CRAWL) as sending:
        sending.wait_to_say(' active ')
        yield source, destination, sending, receiving


def settings(vm):
    return (vm.execute('query-migrate-parameters'), vm.execute('query-migrate-capabilities'))


def guest_moves(method, channels, qemu_channels):
    """Without page channels of the source there are none on the network."""
    with beside_vms('--json', '-') as (source, destination, receiving):
        before = settings(source)
        with send(source, '--method', method, '--channels', str(channels), '--qemu-channels',
                  str(qemu_channels), '--json', '-') as sending:
            [sent] = json.loads(sending.end().expect(DONE).out)
            [received] = json.loads(receiving.end().expect(DONE).out)
        check_moved(source, destination)
        check.equal(settings(source), before, 'settings of the source')
    check.equal([sent[name] for name in ('method', 'status', 'channels', 'qemu_channels', 'where')],
                [method, 'completed', channels if qemu_channels else 0, qemu_channels,
                 'the guest runs at the destination'], 'what send tells')
    check.equal(received['where'], 'the guest runs here', 'what recv tells')


def paused_guest_arrives_paused():
    with beside_vms() as (source, destination, receiving):
        source.execute('stop')
        with send(source) as sending:
            sending.end().expect(DONE)
            receiving.end().expect(DONE)
        check.equal([vm.status() for vm in (source, destination)], ['postmigrate', 'paused'],
                    'run states')


def guest_that_does_not_fit_stays():
    """A vm does not tell how much memory it has: what the destination refuses comes back."""
    with beside_vms(destination=['--memory', '48M']) as (source, destination, receiving):
        with send(source) as sending:
            check.contains(sending.end().expect(FAILED).err, '; the guest runs on at the source',
                           'what send says')
        check.contains(receiving.end().expect(FAILED).err, ' at the source', 'what recv says')
        source.beats_on()
        check.equal(destination.beats(), [], 'beats at the destination')


def without_return_path_nothing_begins():
    """Settings are put back, and whoever comes next is welcome."""
    with beside_vms() as (source, destination, receiving):
        left = settings(source)
        with send(source, '--cap', 'return-path=off') as sending:
            check.contains(sending.end().expect(USAGE).err, 'return-path is off', 'send')
        check.equal(settings(source), left, 'settings of the source')
        with send(source) as sending:
            sending.end().expect(DONE)
            receiving.end().expect(DONE)
        check_moved(source, destination)


def interrupt_cancels(who):
    with under_way() as (source, destination, sending, receiving):
        asked, other = (sending, receiving) if who == 'send' else (receiving, sending)
        asked.process.send_signal(signal.SIGINT)
        asked.end().expect(CANCELLED)
        other.end().expect(FAILED)
        source.beats_on()
        check.equal(destination.beats(), [], 'beats at the destination')


def killed_recv_is_told():
    with under_way() as (source, destination, sending, receiving):
        receiving.process.kill()
        check.contains(sending.end().expect(FAILED).err, 'the guest runs on at the source',
                       'what send says')
        source.beats_on()
        check.equal(destination.beats(), [], 'beats at the destination')


def killed_send_is_told():
    with under_way() as (source, destination, sending, receiving):
        sending.process.kill()
        check.true(receiving.end().code in (FAILED, UNKNOWN), f'recv said {receiving.said()!r}')
        source.beats_on()
        check.equal(destination.beats(), [], 'beats at the destination')


def killed_source_is_told():
    with under_way() as (source, _, sending, receiving):
        source.process.kill()
        check.contains(sending.end().expect(UNKNOWN).err, 'is gone, and not all of the guest',
                       'what send says')
        receiving.end().expect(UNKNOWN)


# ---- somebody else drives the source ----

@contextlib.contextmanager
def passive(**limits):
    """The vm is told by the test where to migrate to."""
    with beside_vms() as (source, destination, receiving):
        set_up([source])
        if limits:
            source.execute('migrate-set-parameters', **limits)
        with Running('send', '--socket', f'{source.path}.out', '--qemu-channels', '2', '--to',
                     receiving.listening_on()) as sending:
            source.execute('migrate', uri=sending.listening_on())
            yield source, destination, sending, receiving


def guest_of_whom_somebody_else_drives_moves():
    with passive() as (source, destination, sending, receiving):
        sending.end().expect(DONE)
        receiving.end().expect(DONE)
        check_moved(source, destination)


def passive_cancel_is_no_success():
    with passive(max_bandwidth=64 << 10) as (source, destination, sending, receiving):
        source.wait_for('active')
        source.execute('migrate_cancel')
        sending.end().expect(FAILED)
        receiving.end().expect(FAILED)
        source.wait_for('cancelled')
        source.beats_on()
        check.equal(destination.beats(), [], 'beats at the destination')


def interrupt_of_a_passive_send_ends_it():
    with passive(max_bandwidth=64 << 10) as (source, destination, sending, receiving):
        source.wait_for('active')
        sending.wait_to_say(' guest ')
        sending.process.send_signal(signal.SIGINT)
        sending.end().expect(CANCELLED)
        receiving.end().expect(FAILED)
        source.wait_for('failed')
        source.beats_on()
        check.equal(destination.beats(), [], 'beats at the destination')


def nobody_is_there():
    with scratch() as directory:
        for command in (['send', '--to'], ['recv', '--listen']):
            ended = run(*command, f'unix:{directory}/meet', '--qmp', f'{directory}/no.qmp')
            check.contains(ended.expect(USAGE).sentence(), 'no.qmp', 'the sentence')


CASES = [
    *[(f'guest moves: {" ".join(map(str, how))}', guest_moves, *how)
      for how in (('zstd', 2, 2), ('qpl', 3, 1), ('none', 2, 0))],
    ('paused guest arrives paused', paused_guest_arrives_paused),
    ('guest that does not fit stays', guest_that_does_not_fit_stays),
    ('without return-path nothing begins', without_return_path_nothing_begins),
    *[(f'interrupt of {who} cancels', interrupt_cancels, who) for who in ('send', 'recv')],
    ('killed recv is told', killed_recv_is_told),
    ('killed send is told', killed_send_is_told),
    ('killed source is told', killed_source_is_told),
    ('guest of whom somebody else drives moves', guest_of_whom_somebody_else_drives_moves),
    ('passive cancel is no success', passive_cancel_is_no_success),
    ('interrupt of a passive send ends it', interrupt_of_a_passive_send_ends_it),
    ('nobody is there', nobody_is_there),
]

if __name__ == '__main__':
    check.run(CASES)
