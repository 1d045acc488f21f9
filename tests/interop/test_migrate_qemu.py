#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_migrate_qemu.py - `godwit migrate` moves QEMU's guests to other QEMUs, and ends sanely."""
import contextlib
import itertools
import json
import signal

import check
import pairs
import peers
import ram
from heartbeat import SIZE_MIB, goes_on_from, heartbeat, ticking, ticks
from peers import CANCELLED, DONE, FAILED, UNKNOWN, USAGE
from qemu import q35

# So slow that a migration is under way until it is told otherwise: 528 KiB take half a minute.
CRAWL = '16K'

KEYS = set('''method engine level channels total_ms downtime_ms setup_ms throughput_mbps
pages_per_second send_cpu_percent recv_cpu_percent send_cpu_seconds recv_cpu_seconds wire_bytes
ram_bytes zero_pages normal_pages rounds verified status'''.split())


class Migrating(pairs.Pair):
    """What `godwit migrate` is told to migrate."""

    def migrate(self, *arguments, uri=None, incoming=True):
        there = ['--incoming-qmp', self.sockets[1]] if incoming else []
        return peers.Godwit(self.directory, 'migrate', '--qmp', self.sockets[0], *there,
                            *arguments, uri or f'unix:{self.path("migration")}')


@contextlib.contextmanager
def pair(version, running=True):
    with peers.scratch() as directory:
        made = Migrating(directory)
        if running:
            machines = [ticking(directory, file) for file in made.memory]
        else:
            machines = [q35(file, SIZE_MIB) for file in made.memory]
            ram.fill(made.memory[0], SIZE_MIB * ram.MIB)
        with made.started((version, version), machines):
            if running:
                ticks(made.memory[0])
            yield made


def stream_options(channels, method):
    return ['--channels', str(channels), *(['--method', method] if channels else [])]


def paused_guest_arrives(version, channels, method):
    with pair(version, running=False) as both:
        with both.migrate(*stream_options(channels, method)) as command:
            [report] = command.finish(DONE)
            check.contains(command.said(), 'the guest is at the destination, paused', 'output')
        ram.check_equal(*both.memory)
        check.equal((report['method'], report['channels'], report['status']),
                    (method, channels, 'completed'), 'method, channels, status')
        check.true(report['ram_bytes'] >= SIZE_MIB * ram.MIB, 'ram_bytes')


def running_guest_arrives(version, channels, method):
    """Once in hundreds of runs on a busy machine a QEMU 7.2 whose guest has arrived fails in its last
    write and runs it on, so that both run it.  It has to be told then, and is no failure of ours."""
    for attempt in range(3):
        try:
            running_guest_arrives_or_is_told(version, channels, method)
            return
        except TwoGuests:
            if version != '7.2' or attempt == 2:
                raise


class TwoGuests(AssertionError):
    """QEMU let its guest run on at both ends, and the command said so."""


def running_guest_arrives_or_is_told(version, channels, method):
    with pair(version) as both:
        with both.migrate(*stream_options(channels, method)) as command:
            try:
                [report] = command.finish(DONE)
            except AssertionError:
                if 'source and destination both say that they run the guest' in command.said():
                    raise TwoGuests(command.said()) from None
                raise
            check.contains(command.said(), 'the guest runs at the destination', 'output')
        left = heartbeat(both.memory[0])
        goes_on_from(left, both.memory[1])
        check.equal(heartbeat(both.memory[0]), left, 'heartbeat left at the source')
        check.true(both.destination.qmp.execute('query-status')['running'],
                   'the destination is paused')
        check.true(KEYS <= set(report), f'keys are missing: {KEYS - set(report)}')
        check.equal(report['status'], 'completed', 'status')
        for name in ('engine', 'verified'):
            check.equal(report[name], None, name)
        for name in ('total_ms', 'downtime_ms', 'send_cpu_seconds', 'recv_cpu_seconds', 'rounds',
                     'pages_per_second'):
            check.true(isinstance(report[name], (int, float)), f'{name} is {report[name]!r}')
        # 7.2 counts what it compresses by its size before.
        known = version != '7.2' or method == 'none'
        check.equal(report['wire_bytes'] is not None, known, 'wire_bytes are known')


def other_side_may_be_set_up_by_hand(version):
    with pair(version) as both:
        both.destination.set_up(3, 'zstd', return_path=True)
        uri = both.destination.listen('tcp:127.0.0.1:0')
        with both.migrate('--channels', '3', '--method=zstd', uri=uri, incoming=False) as command:
            [report] = command.finish(DONE)
        both.destination.wait_for('completed')
        ticks(both.memory[1])
        check.equal(report['recv_cpu_seconds'], None, 'recv_cpu_seconds')


def stream_tells_polls_and_events(version):
    with pair(version) as both:
        with both.migrate('--json-stream', both.path('stream')) as command:
            command.finish(DONE)
        with open(both.path('stream'), encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
        check.equal(sorted({line['kind'] for line in lines}), ['event', 'message', 'poll'], 'kinds')
        check.equal([line['query-migrate']['status'] for line in lines
                     if line['kind'] == 'poll'][-1], 'completed', 'last status')
        names = [line['event']['event'] for line in lines if line['kind'] == 'event']
        for name in ('MIGRATION', 'MIGRATION_PASS', 'STOP'):
            check.true(name in names, f'no event {name}')
        times = [line['at_ms'] for line in lines]
        check.equal(times, sorted(times), 'times')


def interrupt_cancels(version):
    with pair(version) as both:
        with both.migrate('--max-bandwidth', CRAWL) as command:
            command.wait_to_say(' active ')
            command.interrupt()
            command.end(CANCELLED, 'cancelled; the guest runs on at the source')
            [report] = command.finish(CANCELLED)
        check.equal(report['status'], 'cancelled', 'status')
        both.runs_on_at_source()


def second_interrupt_leaves(version):
    with pair(version) as both:
        with both.migrate('--max-bandwidth', CRAWL) as command:
            command.wait_to_say(' active ')
            # It cannot answer: nobody learns whether the cancel was heard.
            both.kill('from', signal.SIGSTOP)
            try:
                command.interrupt()
                command.wait_to_say('interrupt again to leave at once')
                command.interrupt()
                command.end(UNKNOWN, 'it may still be going on', both.sockets[0],
                            'migrate_cancel there ends it')
            finally:
                both.kill('from', signal.SIGCONT)


def killed_source_is_told(version):
    with pair(version) as both:
        with both.migrate('--max-bandwidth', CRAWL) as command:
            command.wait_to_say(' active ')
            both.kill('from')
            command.end(UNKNOWN, 'the migration was active when last seen',
                        f'the source process ({both.pid("from")}) is gone')


def killed_destination_leaves_the_source(version):
    with pair(version) as both:
        with both.migrate('--max-bandwidth', CRAWL) as command:
            command.wait_to_say(' active ')
            both.kill('to')
            command.end(FAILED, 'the guest runs on at the source',
                        'the destination process is gone')
        both.runs_on_at_source()


def refused_connection_leaves_the_source(version):
    with pair(version) as both:
        with both.migrate(uri=f'unix:{both.path("nobody")}', incoming=False) as command:
            said = command.end(FAILED)
        check.true('the guest runs on at the source' in said or
                   'no migration began, the guest is as it was' in said, f'it said {said}')
        check.contains(said, 'No such file or directory', 'what it said')
        both.runs_on_at_source()


def paused_guest_stays_paused(version):
    with pair(version, running=False) as both:
        with both.migrate(uri=f'unix:{both.path("nobody")}', incoming=False) as command:
            said = command.end(FAILED)
        check.true('paused as before (prelaunch)' in said or 'the guest is as it was' in said,
                   f'it said {said}')


def refusal_is_shown(arguments, part):
    with pair('7.2') as both:
        with both.migrate(*arguments, incoming=False) as command:
            command.end(FAILED, part, 'no migration began, the guest is as it was')
        both.runs_on_at_source()


def ignored_level_is_a_warning():
    with pair('7.2') as both:
        with both.migrate('--method', 'zstd', '--level', '9') as command:
            [report] = command.finish(DONE)
            check.contains(command.said(), 'source: multifd-zstd-level: 9 was set, 1 reads back: '
                           'QEMU before 9.0 ignores it', 'what it said')
        check.equal(report['level'], 1, 'level')


def level_is_set():
    with pair('11.1') as both:
        with both.migrate('--method', 'zstd', '--level', '9') as command:
            [report] = command.finish(DONE)
        check.equal((report['method'], report['level'], report['channels']), ('zstd', 9, 2),
                    'method, level, channels')


def missing_destination_leaves_the_source_alone():
    """A destination that is not there is no reason to touch the source."""
    with pair('7.2') as both:
        both.sockets[1] = both.path('nobody')
        with both.migrate() as command:
            command.end(USAGE, 'QMP of the destination', 'no such file or directory')
        check.equal(both.source.migration(), {}, 'query-migrate of the source')
        both.runs_on_at_source()


def waits_at_pre_switchover(version):
    with pair(version) as both:
        with both.migrate('--cap', 'pause-before-switchover=on') as command:
            command.wait_to_say('the guest is paused before the switchover')
            both.source.wait_for('pre-switchover')
            both.source.qmp.execute('migrate-continue', state='pre-switchover')
            command.finish(DONE)
        ticks(both.memory[1])


def continues_at_pre_switchover(version):
    with pair(version) as both:
        with both.migrate('--cap', 'pause_before_switchover=on', '--continue') as command:
            command.finish(DONE)
        ticks(both.memory[1])


def cancel_at_pre_switchover_lets_it_run(version):
    with pair(version) as both:
        with both.migrate('--cap', 'pause-before-switchover=on') as command:
            command.wait_to_say('the guest is paused before the switchover')
            command.interrupt()
            command.end(CANCELLED, 'the guest runs on at the source')
        both.runs_on_at_source()


def no_convergence_is_told(version):
    with pair(version) as both:
        with both.migrate('--max-bandwidth', '256K', '--downtime-limit', '1') as command:
            command.wait_to_say('not converging: the guest writes')
            check.contains(command.said(), 'ms would do', 'what it said')
            both.source.qmp.execute('migrate-set-parameters', max_bandwidth=1 << 40)
            command.finish(DONE)
        ticks(both.memory[1])


STREAMS = [(0, 'none'), (2, 'none'), (2, 'zlib'), (2, 'zstd')]

BOTH = [other_side_may_be_set_up_by_hand, stream_tells_polls_and_events, interrupt_cancels,
        second_interrupt_leaves, killed_source_is_told, killed_destination_leaves_the_source,
        refused_connection_leaves_the_source, paused_guest_stays_paused, waits_at_pre_switchover,
        continues_at_pre_switchover, cancel_at_pre_switchover_lets_it_run,
        no_convergence_is_told]

REFUSALS = [
    (['--set', 'multifd-channels=0'], "'multifd_channels' expects a value between 1 and 255"),
    (['--set', 'downtime-limit=2000001'], 'an integer in the range of 0 to'),
    (['--set', 'nosuch=1'], "Parameter 'nosuch' is unexpected"),
    (['--method', 'lz4'], "'multifd-compression' does not accept value 'lz4'"),
    # QEMU has it since 9.1, where it was built with it.
    (['--method', 'qpl'], "'multifd-compression' does not accept value 'qpl'"),
    (['--accelerator', 'qpl'], 'the source has no parameter compression-accelerator'),
    (['--cap', 'nosuch=on'], "does not accept value 'nosuch'"),
    (['--cap', 'postcopy-preempt=on'], 'Postcopy preempt requires postcopy-ram'),
]

check.run(
    [(f'{kind}_guest_arrives_{peers.stream_name(channels, method)}_{version}', function, version,
      channels, method)
     for version, (channels, method), (kind, function) in itertools.product(
         peers.VERSIONS, STREAMS, (('paused', paused_guest_arrives),
                                   ('running', running_guest_arrives)))] +
    [(f'{function.__name__}_{version}', function, version)
     for version, function in itertools.product(peers.VERSIONS, BOTH)] +
    [(f'refusal_is_shown_{" ".join(arguments)}', refusal_is_shown, arguments, part)
     for arguments, part in REFUSALS] +
    [(function.__name__, function)
     for function in (ignored_level_is_a_warning, level_is_set,
                      missing_destination_leaves_the_source_alone)])
