#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_relay.py - `godwit send` and `godwit recv` move QEMU's guests, and end sanely.

Two QEMUs on this host, the commands beside them, and the loopback as their network.
"""
import contextlib
import itertools
import json
import os
import pwd
import re
import signal
import socket
import stat
import time

import check
import pairwise
import peers
import ram
import relay_drill
from forwarder import Forwarder
from heartbeat import goes_on_from, heartbeat, ticks
from peers import CANCELLED, DONE, FAILED, UNKNOWN
from qemu import PATIENCE, QmpError
from relays import MACHINE, empty, paused, relay, running

LONG = bool(os.environ.get('GODWIT_TEST_LONG'))
SIZE_MIB = 64
PAIRWISE_SIZE_MIB = 1024 if LONG else SIZE_MIB

ALIKE = [(version, version) for version in peers.VERSIONS]
MIXED = [('7.2', '11.1'), ('11.1', '7.2')]
FORMATS = ('none', 'zlib', 'zstd', 'qpl', 'uadk', 'qatzip')

# QEMU's own; the commands have the others beside.
QEMU_FORMATS = ('none', 'zlib', 'zstd')

# Half of its memory is real: its first round takes a minute, or two seconds.
CRAWL = ('--method', 'none', '--max-bandwidth', '256K')
SLOW = ('--method', 'none', '--max-bandwidth', '8M')

KEYS = set('''method engine level channels total_ms downtime_ms setup_ms throughput_mbps
pages_per_second send_cpu_percent recv_cpu_percent send_cpu_seconds recv_cpu_seconds wire_bytes
ram_bytes zero_pages normal_pages rounds verified status engine_there qemu_channels blackout_ms
expected_downtime_ms guest_bytes ratio send_qemu_cpu_seconds send_godwit_cpu_seconds
recv_qemu_cpu_seconds recv_godwit_cpu_seconds most_in_flight_bytes send_memory_bytes
recv_memory_bytes'''.split())


def options(method, channels, qemu_channels):
    return ['--method', method, '--channels', str(channels), '--qemu-channels', str(qemu_channels)]


@contextlib.contextmanager
def both_of(made, *arguments, recv=(), forwarded=False):
    """`with both_of(made, ...) as (send, recv, link)`; the link only when it is forwarded."""
    with contextlib.ExitStack() as stack:
        receiving = stack.enter_context(made.recv(*recv))
        uri, link = receiving.listening_on(), None
        if forwarded:
            link = stack.enter_context(Forwarder(uri))
            uri = link.uri
        yield stack.enter_context(made.send(uri, *arguments)), receiving, link


def moves(made, *arguments, recv=()):
    """A migration that goes well; both reports."""
    with both_of(made, *arguments, recv=recv) as (sending, receiving, _):
        [sent] = sending.finish(DONE)
        [received] = receiving.finish(DONE)
    return sent, received


def has_moved(made):
    """The guest ran, and does so at the destination alone."""
    left = heartbeat(made.memory[0])
    goes_on_from(left, made.memory[1])
    check.equal(heartbeat(made.memory[0]), left, 'heartbeat left at the source')
    check.equal(made.states(), ['postmigrate', 'running'], 'states')


def stays(made):
    """The guest runs at the source alone; the QEMU of the destination is gone, or answers."""
    made.runs_on_at_source()
    if made.destination.runs():
        with contextlib.suppress(EOFError, OSError):
            check.true(not made.destination.qmp.execute('query-status')['running'],
                       'the destination runs, too')


# ---- guests arrive ----

def paused_guest_arrives(versions, method, channels, qemu_channels, size_mib):
    with relay(versions, paused, size_mib, real_bytes=True) as made:
        sent, _ = moves(made, *options(method, channels, qemu_channels))
        ram.check_equal(*made.memory)
        check.true('running' not in made.states(), f'a paused guest is {made.states()}')
    check.equal([sent[name] for name in ('method', 'channels', 'qemu_channels', 'status')],
                [method, channels, qemu_channels, 'completed'], 'method, channels, status')


def running_guest_arrives_and_is_held(versions, method, channels, qemu_channels, size_mib):
    """By -S at the destination, whose QEMU nobody but the test drives."""
    with relay(versions, running, size_mib, real_bytes=True, extras=([], ['-S'])) as made:
        made.destination.set_up(qemu_channels, return_path=True)
        made.destination.listen(f'unix:{made.path("to")}')
        with made.godwit('recv', '--socket', made.path('to'),
                         '--listen', 'tcp:127.0.0.1:0') as receiving, \
                made.send(receiving.listening_on(),
                          *options(method, channels, qemu_channels)) as sending:
            sending.finish(DONE)
            receiving.finish(DONE)
        made.destination.wait_for('completed')
        check.equal(made.states()[0], 'postmigrate', 'state of the source')
        check.true(made.states()[1] != 'running', 'the destination runs in spite of -S')
        ram.check_equal(*made.memory)


def running_guest_arrives_and_is_let_go(versions, method, channels, qemu_channels, size_mib):
    with relay(versions, running, size_mib, real_bytes=True) as made:
        moves(made, *options(method, channels, qemu_channels))
        has_moved(made)


ARRIVALS = {'paused': paused_guest_arrives, 'held': running_guest_arrives_and_is_held,
            'let_go': running_guest_arrives_and_is_let_go}
AXES = [ALIKE + MIXED, FORMATS, list(ARRIVALS), (1, 2, 3, 8), (1, 2, 4, 8)]


def arrivals(rows, size_mib):
    return [(f'{guest}_{method}_{here}_to_{there}_{channels}_for_{qemu_channels}_channels',
             ARRIVALS[guest], (here, there), method, channels, qemu_channels, size_mib)
            for (here, there), method, guest, channels, qemu_channels in rows]


def no_multifd(versions):
    """Everything on main."""
    with relay(versions, paused, SIZE_MIB, real_bytes=True) as made:
        moves(made, '--qemu-channels', '0')
        ram.check_equal(*made.memory)
    with relay(versions) as made:
        moves(made, '--qemu-channels', '0')
        has_moved(made)


def comes_at_once_where_told_to(version):
    """QEMU's own way: the destination starts its guest by itself."""
    with relay((version, version)) as made:
        moves(made, recv=['--resume-at-once'])
        has_moved(made)


# ---- one side alone ----

def to_a_qemu(version, method):
    with relay((version, version), paused, SIZE_MIB, real_bytes=True) as made:
        made.destination.set_up(3, method, return_path=True)
        uri = made.destination.listen('tcp:127.0.0.1:0')
        with made.godwit('send', '--qmp', made.sockets[0], '--to-qemu', uri,
                         *options(method, 3, 2)) as sending:
            [report] = sending.finish(DONE)
        made.destination.wait_for('completed')
        ram.check_equal(*made.memory)
    check.equal((report['method'], report['status']), (method, 'completed'), 'method, status')


def running_to_a_qemu(version):
    with relay((version, version)) as made:
        made.destination.set_up(2, 'zstd', return_path=True)
        uri = made.destination.listen('tcp:127.0.0.1:0')
        with made.godwit('send', '--qmp', made.sockets[0], '--to-qemu', uri) as sending:
            sending.finish(DONE)
        has_moved(made)


def from_a_qemu(version, method):
    with relay((version, version), paused, SIZE_MIB, real_bytes=True) as made:
        made.source.set_up(3, method, return_path=True)
        with made.godwit('recv', '--qmp', made.sockets[1], '--from-qemu', 'tcp:127.0.0.1:0',
                         '--channels', '3') as receiving:
            made.source.migrate(receiving.listening_on())
            made.source.wait_for('completed')
            receiving.finish(DONE)
        made.destination.wait_for('completed')
        ram.check_equal(*made.memory)


def running_from_a_qemu(version):
    with relay((version, version)) as made:
        made.source.set_up(2, 'zstd', return_path=True)
        with made.godwit('recv', '--qmp', made.sockets[1], '--from-qemu',
                         'tcp:127.0.0.1:0') as receiving:
            made.source.migrate(receiving.listening_on())
            made.source.wait_for('completed')
            receiving.finish(DONE)
        has_moved(made)


# ---- what two QEMUs understand differently ----

def zero_pages_reach_the_older_qemu():
    """It passes over those in packets; what the destination had there before has to go."""
    with relay(('11.1', '7.2'), paused, SIZE_MIB, real_bytes=True,
               extras=(['-global', 'migration.zero-page-detection=multifd'], [])) as made:
        with open(made.memory[1], 'r+b') as file:
            file.write(b'\xaa' * (SIZE_MIB * ram.MIB))
        moves(made)
        ram.check_equal(*made.memory)


def switchover_start_is_kept_from_the_older_qemu():
    with relay(('11.1', '7.2'),
               extras=(['-global', 'migration.send-switchover-start=on'], [])) as made:
        moves(made)
        has_moved(made)


def barriers_of_sections_become_those_of_rounds():
    with relay(('7.2', '11.1'), empty, SIZE_MIB, real_bytes=True) as made:
        moves(made, '--channels', '3', '--qemu-channels', '2')
        ram.check_equal(*made.memory)


def barriers_of_rounds_are_refused():
    with relay(('11.1', '7.2'), empty) as made:
        with both_of(made) as (sending, receiving, _):
            said = sending.end(FAILED, 'barriers: ', '11.1', '7.2', '--qemu-channels 0')
            receiving.interrupt()
            receiving.end(CANCELLED)
        check.equal(made.source.migration().get('status', 'none'), 'none', said)


def barriers_do_not_matter_without_page_channels():
    with relay(('11.1', '7.2'), empty, SIZE_MIB, real_bytes=True) as made:
        moves(made, '--qemu-channels', '0')
        ram.check_equal(*made.memory)


# ---- before a byte of the guest moves ----

MISMATCHES = {
    'ram': ('RAM: ', str(32 << 20), str(48 << 20)),
    'machine': ('machine: ', 'pc-q35-7.2', 'pc-i440fx-7.2'),
    'uuid': ('UUID: ', '5c6d1ac5-1b0c-4d4b-a6a6-0f1f2e3d4c5b',
             '00000000-0000-0000-0000-000000000000'),
    'vcpus': ('vCPUs: ', ' 1 ', ' 2 '),
}


def mismatched(kind, made):
    """How each side differs: machines and more arguments."""
    return {
        'ram': ((MACHINE, MACHINE), ([], [])),
        'machine': ((MACHINE, 'pc-i440fx-7.2'), ([], [])),
        'uuid': ((MACHINE, MACHINE), (['-uuid', made['uuid'][1]], [])),
        'vcpus': ((MACHINE, MACHINE), ([], ['-smp', '2'])),
    }[kind]


def mismatch_is_one_line(kind):
    prefix, here, there = MISMATCHES[kind]
    machines, extras = mismatched(kind, MISMATCHES)

    def guest(made, ram_file, size_mib, machine):
        return running(made, ram_file, 48 if kind == 'ram' and ram_file == made.memory[1]
                       else size_mib, machine)

    with relay(('7.2', '7.2'), guest, machines=machines, extras=extras) as made:
        ticks(made.memory[0])
        with both_of(made) as (sending, receiving, _):
            sending.end(FAILED, 'the guest')
            check.wait_until(lambda: prefix in receiving.said(), 10, f'"{prefix}" from recv')
            for told in (sending.said(), receiving.said()):
                lines = [line for line in told.splitlines() if prefix in line]
                check.equal(len(lines), 1, f'lines of {told}')
                for value in (here, there):
                    check.contains(lines[0], value.strip(), 'the line')
            stays(made)
            # Whoever comes next is welcome.
            check.true(receiving.runs(), f'recv has ended: {receiving.said()}')
            with made.send(receiving.listening_on()) as again:
                again.end(FAILED, prefix)
            check.true(receiving.runs(), f'recv has ended: {receiving.said()}')
            receiving.interrupt()
            receiving.end(CANCELLED)
        check.equal(made.states()[1], 'inmigrate', 'state of the destination')


def strangers_delay_nobody():
    """Whoever connects and says something else, or nothing, is shown out."""
    with relay(('7.2', '7.2')) as made, made.recv() as receiving:
        uri = receiving.listening_on()
        host, port = uri.split(':')[1:]
        silent = socket.create_connection((host, int(port)))
        loud = socket.create_connection((host, int(port)))
        with silent, loud, contextlib.suppress(OSError):
            loud.sendall(b'GET / HTTP/1.1\r\n\r\n' * 10)
            with made.send(uri) as sending:
                sending.finish(DONE)
                receiving.finish(DONE)
        has_moved(made)


def addresses_beyond_this_host_need_insecure():
    with relay(('7.2', '7.2')) as made:
        with made.recv(listen='tcp:0.0.0.0:0') as receiving:
            receiving.end(peers.USAGE, '--insecure')
        with made.recv('--insecure', listen='tcp:0.0.0.0:0') as receiving:
            receiving.listening_on()
            receiving.interrupt()
            receiving.end(CANCELLED)


# ---- sockets for whoever drives the QEMUs ----

def passive_on_both_sides(versions):
    with relay(versions) as made:
        made.destination.set_up(2, return_path=True)
        made.source.set_up(2, return_path=True)
        made.destination.listen(f'unix:{made.path("to")}')
        with made.godwit('recv', '--socket', made.path('to'),
                         '--listen', 'tcp:127.0.0.1:0') as receiving, \
                made.godwit('send', '--socket', made.path('from'), '--qemu-channels', '2',
                            '--channels', '3', '--to', receiving.listening_on()) as sending:
            check.equal(sending.listening_on(), f'unix:{made.path("from")}', 'where send listens')
            made.source.migrate(f'unix:{made.path("from")}')
            made.source.wait_for('completed')
            sending.finish(DONE)
            receiving.finish(DONE)
        check.true(not os.path.exists(made.path('from')), 'the socket of send is left')
        has_moved(made)


def socket_has_mode_and_owner():
    """Before anyone can connect to it."""
    me = os.geteuid()
    other = pwd.getpwnam('nobody').pw_uid if me == 0 else me
    for asked, mode, owner in (([], '0o600', me),
                               (['--socket-mode', '0660', '--socket-owner', f'{other}'],
                                '0o660', other)):
        with relay(('7.2', '7.2')) as made:
            with made.recv() as receiving, \
                    made.godwit('send', '--socket', made.path('from'), '--qemu-channels', '2',
                                '--to', receiving.listening_on(), *asked) as sending:
                sending.listening_on()
                seen = os.stat(made.path('from'))
                check.equal((oct(stat.S_IMODE(seen.st_mode)), seen.st_uid), (mode, owner),
                            'mode and owner')
                for command in (sending, receiving):
                    command.interrupt()
                    command.end(CANCELLED)
            check.true(not os.path.exists(made.path('from')), 'the socket of send is left')


# ---- post-copy ----

POSTCOPY_KINDS = [('7.2', 0, False), ('7.2', 0, True), ('11.1', 0, False), ('11.1', 2, False),
                  ('11.1', 2, True)]


def postcopy_machine(version):
    """11.1 as pc-q35-7.2, with page channels and preempt, hangs without us."""
    return MACHINE if version == '7.2' else 'q35'


def need_userfaultfd(qemu):
    """QEMU tries it when it is asked for post-copy."""
    for state in (True, False):
        try:
            qemu.qmp.execute('migrate-set-capabilities', capabilities=[
                {'capability': 'postcopy-ram', 'state': state}])
        except QmpError as error:
            raise check.Skip(f'userfaultfd is not for QEMU here: {error}') from None


@contextlib.contextmanager
def postcopy_relay(version):
    """userfaultfd knows anonymous memory and tmpfs."""
    if not os.path.isdir('/dev/shm'):
        raise check.Skip('userfaultfd needs memory of /dev/shm, which is not here')
    with relay((version, version), machines=[postcopy_machine(version)] * 2, real_bytes=True,
               parent='/dev/shm') as made:
        need_userfaultfd(made.destination)
        yield made


def postcopy_options(qemu_channels, preempt):
    return [*SLOW, '--qemu-channels', str(qemu_channels), '--cap', 'postcopy-ram=on',
            *(['--cap', 'postcopy-preempt=on'] if preempt else [])]


class MixedUp(AssertionError):
    """QEMU 7.2 with preempt put pages into another block than they are of."""


@contextlib.contextmanager
def noticing_mixed_blocks(made):
    """It sends an urgent page on the preempt channel and its neighbours on main, as if main had
    named their block before: recorded, both channels, and never seen with a newer QEMU."""
    try:
        yield
    except AssertionError as error:
        if 'postcopy_place_page' not in made.destination.said():
            raise
        made.leave_settings()
        made.kill('from')
        made.kill('to')
        raise MixedUp(made.destination.said()) from error


def unless_mixed_up(case):
    def attempts(*arguments):
        for left in (2, 1, 0):
            try:
                return case(*arguments)
            except MixedUp:
                if left == 0:
                    raise
    attempts.__name__ = case.__name__
    return attempts


@unless_mixed_up
def postcopy_by_hand(version, qemu_channels, preempt):
    with postcopy_relay(version) as made, noticing_mixed_blocks(made):
        with both_of(made, *postcopy_options(qemu_channels, preempt)) as (sending, receiving, _):
            sending.wait_to_say('active')
            made.source.wait_for('active')
            made.source.qmp.execute('migrate-start-postcopy')
            sending.finish(DONE)
            receiving.finish(DONE)
        has_moved(made)


@unless_mixed_up
def postcopy_after_a_while(version, qemu_channels, preempt):
    with postcopy_relay(version) as made, noticing_mixed_blocks(made):
        moves(made, *postcopy_options(qemu_channels, preempt), '--postcopy-after', '1')
        has_moved(made)


def postcopy_with_page_channels_is_refused_before_10_1():
    with postcopy_relay('7.2') as made:
        with both_of(made, *postcopy_options(2, False)) as (sending, receiving, _):
            sending.end(FAILED, 'post-copy: ', '--qemu-channels 0')
            receiving.interrupt()
            receiving.end(CANCELLED)
        stays(made)


def postcopy_lost_network_is_told(version):
    """Nobody has the whole guest then; both QEMUs wait, and answer."""
    with postcopy_relay(version) as made:
        with both_of(made, *CRAWL, '--qemu-channels', '0', '--cap', 'postcopy-ram=on',
                     forwarded=True) as (sending, receiving, link):
            sending.wait_to_say('active')
            made.source.wait_for('active')
            made.source.qmp.execute('migrate-start-postcopy')
            made.source.wait_for('postcopy-active')
            check.wait_until(lambda: made.states()[1] == 'running', PATIENCE, 'running guest')
            link.cut()
            for command in (sending, receiving):
                command.end(UNKNOWN, 'part of it here', 'migrate-recover')
        made.leave_settings()
        for side in (made.source, made.destination):
            side.wait_for('postcopy-paused')
        # Asked to quit, they would wait for a recovery.
        made.kill('from')
        made.kill('to')


# ---- what is told, and what is left ----

def figures_have_their_keys(version):
    with relay((version, version), paused, SIZE_MIB, real_bytes=True) as made:
        sent, received = moves(made, '--json-stream', made.path('stream'),
                               '--max-bandwidth', '8M')
        with open(made.path('stream'), encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
    for report in (sent, received):
        check.true(KEYS <= set(report), f'keys are missing: {KEYS - set(report)}')
    check.equal([sent[name] for name in ('method', 'status', 'channels', 'qemu_channels')],
                ['zstd', 'completed', 2, 2], 'figures')
    for name in ('total_ms', 'downtime_ms', 'wire_bytes', 'guest_bytes', 'ratio', 'rounds',
                 'send_qemu_cpu_seconds', 'send_godwit_cpu_seconds', 'recv_qemu_cpu_seconds',
                 'recv_godwit_cpu_seconds', 'most_in_flight_bytes', 'send_memory_bytes',
                 'recv_memory_bytes'):
        check.true(isinstance(sent[name], (int, float)), f'{name} is {sent[name]!r}')
    check.true(sent['guest_bytes'] > 2 * sent['wire_bytes'], 'zstd saved nothing')
    check.true(sent['ram_bytes'] >= SIZE_MIB * ram.MIB, 'ram_bytes')
    check.equal(sent['blackout_ms'], None, 'blackout of a paused guest')
    progress = [line for line in lines if line['kind'] == 'progress']
    check.true(len(progress) > 1, f'{len(progress)} lines of progress')
    check.contains({line['kind'] for line in lines}, 'event', 'kinds')
    times = [line['at_ms'] for line in lines]
    check.equal(times, sorted(times), 'times')
    check.true(progress[-1]['wire_bytes'] > progress[0]['wire_bytes'], 'wire_bytes stand still')


def settings_of_the_source_stay_its_own(version):
    """Whatever they were, also where they are refused or fail; relay() compares."""
    with relay((version, version), real_bytes=True) as made:
        made.source.qmp.execute('migrate-set-capabilities', capabilities=[
            {'capability': 'auto-converge', 'state': True}])
        made.source.qmp.execute('migrate-set-parameters', multifd_channels=7,
                                max_bandwidth=123 << 20, downtime_limit=456,
                                multifd_compression='zlib')
        with both_of(made, *CRAWL) as (sending, receiving, _):
            sending.wait_to_say(' active ')
            sending.interrupt()
            sending.end(CANCELLED)
            receiving.wait()
        made.settings_are_back()
        stays(made)


def limits_hold_on_the_network():
    """Half of its memory is real: 1 MiB takes a second each."""
    with relay(('7.2', '7.2'), paused, 8, real_bytes=True) as made:
        begun = time.monotonic()
        sent, _ = moves(made, '--method', 'none', '--max-bandwidth', '2M')
        took = time.monotonic() - begun
    check.true(sent['wire_bytes'] < took * 1.05 * (2 << 20) + (64 << 10) * 2,
               f"{sent['wire_bytes']} bytes in {took:.2f} s")


# ---- ends ----

@contextlib.contextmanager
def under_way(version, *arguments, **how):
    """A migration that goes on until something happens to it."""
    with relay((version, version), real_bytes=True) as made, \
            both_of(made, *CRAWL, *arguments, **how) as commands:
        commands[0].wait_to_say(' active ')
        commands[1].wait_to_say(' guest ')
        yield (made, *commands)


def interrupt_of_send_cancels(version):
    with under_way(version) as (made, sending, receiving, _):
        sending.interrupt()
        sending.end(CANCELLED, 'the guest runs on at the source')
        check.true(receiving.wait() in (FAILED, CANCELLED), f'recv said {receiving.said()}')
        [report] = sending.finish(CANCELLED)
        check.equal(report['status'], 'cancelled', 'status')
        stays(made)


def interrupt_of_recv_cancels(version):
    with under_way(version) as (made, sending, receiving, _):
        receiving.interrupt()
        receiving.end(CANCELLED)
        sending.end(FAILED, 'the guest runs on at the source')
        stays(made)


def second_interrupt_of_send_leaves(version):
    with under_way(version) as (made, sending, receiving, _):
        # It cannot answer: nobody learns whether the cancel was heard.
        made.kill('from', signal.SIGSTOP)
        made.leave_settings()
        try:
            sending.interrupt()
            sending.wait_to_say('interrupt again to leave at once')
            sending.interrupt()
            sending.end(UNKNOWN, made.sockets[0])
        finally:
            made.kill('from', signal.SIGCONT)
        check.true(receiving.wait() != DONE, f'recv said {receiving.said()}')
        stays(made)


def second_interrupt_of_recv_leaves(version):
    with under_way(version) as (made, sending, receiving, _):
        made.kill('to', signal.SIGSTOP)
        try:
            receiving.interrupt()
            receiving.wait_to_say('interrupt again to leave at once')
            receiving.interrupt()
            check.true(receiving.wait() in (CANCELLED, UNKNOWN), f'recv said {receiving.said()}')
        finally:
            made.kill('to', signal.SIGCONT)
        sending.end(FAILED, 'the guest runs on at the source')
        stays(made)


def killed_send_is_told(version):
    with under_way(version) as (made, sending, receiving, _):
        made.leave_settings()
        os.kill(sending.pid, signal.SIGKILL)
        check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')
        made.source.wait_for('failed')
        stays(made)


def killed_recv_is_told(version):
    with under_way(version) as (made, sending, receiving, _):
        os.kill(receiving.pid, signal.SIGKILL)
        sending.end(FAILED, 'the guest runs on at the source')
        stays(made)


def killed_source_is_told(version):
    with under_way(version) as (made, sending, receiving, _):
        made.kill('from')
        sending.end(UNKNOWN, f'({made.pid("from")}) is gone')
        check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')


def killed_destination_is_told(version):
    with under_way(version) as (made, sending, receiving, _):
        made.kill('to')
        sending.end(FAILED, 'the guest runs on at the source')
        check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')
        stays(made)


def cut_link_is_told(version):
    with under_way(version, forwarded=True) as (made, sending, receiving, link):
        link.cut()
        sending.end(FAILED, 'the guest runs on at the source')
        check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')
        stays(made)


def stalled_link_is_told(version):
    patience = ['--timeout', '3']
    with under_way(version, *patience, forwarded=True,
                   recv=patience) as (made, sending, receiving, link):
        link.stall()
        sending.end(FAILED, 'the guest runs on at the source')
        check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')
        stays(made)


def flipped_bit_is_refused(version):
    with relay((version, version), real_bytes=True) as made:
        with both_of(made, forwarded=True) as (sending, receiving, link):
            link.flip(256 << 10)
            sending.end(FAILED, 'the guest runs on at the source')
            said = sending.said() + receiving.said()
            check.true(re.search('checksum|record', said), f'nobody told why: {said}')
            check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')
        stays(made)


# ---- ends, at the switchover ----

@contextlib.contextmanager
def before_switchover(version, **how):
    """The source is paused, and waits."""
    with relay((version, version)) as made, \
            both_of(made, '--cap', 'pause-before-switchover=on', **how) as commands:
        made.source.wait_for('pre-switchover')
        yield (made, *commands)


def goes_on_at_pre_switchover(version):
    with before_switchover(version) as (made, sending, receiving, _):
        sending.wait_to_say('paused before the switchover')
        made.source.qmp.execute('migrate-continue', state='pre-switchover')
        sending.finish(DONE)
        receiving.finish(DONE)
        has_moved(made)


def interrupt_at_pre_switchover_cancels(version):
    with before_switchover(version) as (made, sending, receiving, _):
        sending.interrupt()
        sending.end(CANCELLED, 'the guest runs on at the source')
        check.true(receiving.wait() in (FAILED, CANCELLED), f'recv said {receiving.said()}')
        stays(made)


def killed_recv_at_pre_switchover_lets_it_run(version):
    with before_switchover(version) as (made, sending, receiving, _):
        os.kill(receiving.pid, signal.SIGKILL)
        sending.end(FAILED, 'the guest runs on at the source')
        stays(made)


def killed_send_at_pre_switchover_can_be_cancelled(version):
    """QEMU waits there for whoever asked for that, with or without connections."""
    with before_switchover(version) as (made, sending, receiving, _):
        made.leave_settings()
        os.kill(sending.pid, signal.SIGKILL)
        check.true(receiving.wait() in (FAILED, UNKNOWN), f'recv said {receiving.said()}')
        made.source.qmp.execute('migrate_cancel')
        made.source.wait_for('cancelled')
        stays(made)


def lost_word(version, word, action):
    """The link ends when that word would have passed.  Either nothing has happened yet, or both
    are paused and complete and somebody said so, or the destination runs."""
    patience = ['--timeout', '4']
    with relay((version, version)) as made:
        with both_of(made, *patience, recv=patience, forwarded=True) as (sending, receiving, link):
            link.at_word(word, getattr(link, action))
            sending_code, receiving_code = sending.wait(), receiving.wait()
            check.true(link.heard.is_set(), f'{word} was never said')
        relay_drill.check_end(made, {'send': sending, 'recv': receiving})
    return sending_code, receiving_code


def lost_completed_leaves_both_paused(version, action):
    """The guest is complete on both sides; it is the operator who knows that only one may run."""
    codes = lost_word(version, b'"completed"', action)
    check.equal(codes, (UNKNOWN, UNKNOWN), 'exit codes')


def lost_resumed_is_no_harm(version, action):
    """The destination runs, and recv knows it."""
    codes = lost_word(version, b'"resumed"', action)
    check.equal(codes[1], DONE, 'exit code of recv')


def lost_prepared_moves_nothing(version, action):
    """And whoever comes next is welcome."""
    patience = ['--timeout', '2']
    with relay((version, version)) as made, made.recv(*patience) as receiving:
        with Forwarder(receiving.listening_on()) as link:
            link.at_word(b'"prepared"', getattr(link, action))
            with made.send(link.uri, *patience) as sending:
                sending.end(FAILED, 'the guest is as it was')
            stays(made)
        receiving.wait_to_say('came to nothing')
        with made.send(receiving.listening_on()) as sending:
            sending.finish(DONE)
            receiving.finish(DONE)
        has_moved(made)


def killed_while_preparing(version, victim):
    """The destination has been set up, and nothing has moved."""
    with relay((version, version)) as made:
        with both_of(made, '--timeout', '2', recv=['--timeout', '2'],
                     forwarded=True) as (sending, receiving, link):
            commands = {'send': sending, 'recv': receiving}
            link.at_word(b'"prepared"', lambda: relay_drill.strike(made, commands, link, victim))
            check.true(link.heard.wait(PATIENCE), 'nobody prepared anything')
            relay_drill.check_end(made, commands, victim)


# ---- before the migration ----

def recv_that_waits_ends(version, number):
    with relay((version, version)) as made:
        with made.recv() as receiving:
            receiving.listening_on()
            os.kill(receiving.pid, number)
            if number == signal.SIGKILL:
                receiving.wait()
            else:
                receiving.end(CANCELLED)
        check.equal(made.states()[1], 'inmigrate', 'state of the destination')
        # It can be tried again.
        moves(made)
        has_moved(made)


def nobody_listens(version):
    with relay((version, version)) as made:
        with made.send('tcp:127.0.0.1:1') as sending:
            sending.end(FAILED, 'tcp:127.0.0.1:1')
        check.equal(made.source.migration().get('status', 'none'), 'none', 'migration')
        stays(made)


def no_qemu_here(version):
    with relay((version, version)) as made:
        made.sockets[0] = made.path('nobody')
        with made.recv() as receiving:
            with made.send(receiving.listening_on()) as sending:
                sending.end(peers.USAGE, 'QMP of the source')
            receiving.interrupt()
            receiving.end(CANCELLED)
        stays(made)


def drill(version, seed, count):
    relay_drill.drill(version, seed, count, report=lambda line: None)


ENDS = [interrupt_of_send_cancels, interrupt_of_recv_cancels, second_interrupt_of_send_leaves,
        second_interrupt_of_recv_leaves, killed_send_is_told, killed_recv_is_told,
        killed_source_is_told, killed_destination_is_told, cut_link_is_told, stalled_link_is_told,
        flipped_bit_is_refused, goes_on_at_pre_switchover, interrupt_at_pre_switchover_cancels,
        killed_recv_at_pre_switchover_lets_it_run, killed_send_at_pre_switchover_can_be_cancelled,
        settings_of_the_source_stay_its_own, figures_have_their_keys,
        comes_at_once_where_told_to, running_to_a_qemu, running_from_a_qemu, nobody_listens,
        no_qemu_here]
ALONE = [zero_pages_reach_the_older_qemu, switchover_start_is_kept_from_the_older_qemu,
         barriers_of_sections_become_those_of_rounds, barriers_of_rounds_are_refused,
         barriers_do_not_matter_without_page_channels, strangers_delay_nobody,
         addresses_beyond_this_host_need_insecure, socket_has_mode_and_owner,
         postcopy_with_page_channels_is_refused_before_10_1, limits_hold_on_the_network]
LOST = [lost_completed_leaves_both_paused, lost_resumed_is_no_harm, lost_prepared_moves_nothing]


def all_cases():
    few = pairwise.cover(AXES)
    rest = [row for row in itertools.product(*AXES) if row not in few] if LONG else []
    cases = arrivals(few, PAIRWISE_SIZE_MIB) + arrivals(rest, SIZE_MIB)
    cases += [(f'{case.__name__}_{version}_{method}', case, version, method)
              for case, version, method in itertools.product((to_a_qemu, from_a_qemu),
                                                             peers.VERSIONS, QEMU_FORMATS)]
    cases += [(f'{case.__name__}_{here}_to_{there}', case, (here, there))
              for case, (here, there) in itertools.product((no_multifd, passive_on_both_sides),
                                                           ALIKE + MIXED)]
    cases += [(case.__name__, case) for case in ALONE]
    cases += [(f'mismatch_is_one_line_{kind}', mismatch_is_one_line, kind) for kind in MISMATCHES]
    cases += [(f'{case.__name__}_{version}_{channels}_channels{"_preempt" if preempt else ""}',
               case, version, channels, preempt)
              for case, (version, channels, preempt) in itertools.product(
                  (postcopy_by_hand, postcopy_after_a_while), POSTCOPY_KINDS)]
    cases += [(f'{case.__name__}_{version}', case, version)
              for case, version in itertools.product([*ENDS, postcopy_lost_network_is_told],
                                                     peers.VERSIONS)]
    cases += [(f'{case.__name__}_{version}_{action}', case, version, action)
              for case, version, action in itertools.product(LOST, peers.VERSIONS,
                                                             ('cut', 'stall'))]
    cases += [(f'{killed_while_preparing.__name__}_{version}_{victim}', killed_while_preparing,
               version, victim)
              for version, victim in itertools.product(peers.VERSIONS, relay_drill.VICTIMS[:4])]
    cases += [(f'recv_that_waits_ends_{version}_{number.name}', recv_that_waits_ends, version,
               number)
              for version, number in itertools.product(
                  peers.VERSIONS, (signal.SIGINT, signal.SIGTERM, signal.SIGKILL))]
    cases += [(f'drill_{version}', drill, version, 5, 40 if LONG else 6)
              for version in peers.VERSIONS]
    return cases


check.run(all_cases())
