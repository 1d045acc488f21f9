#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_vm.py - godwit vm: guests that move between two of them, told by QMP.

A guest prints "beat N" on its serial port: what source and destination have printed has neither
a gap nor a repeat.
"""
import contextlib
import json
import os
import random
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from command import (DONE, FAILED, LONG, MIXED, PATIENCE, UNKNOWN, USAGE, check,  # noqa: E402
                     closed_port, pause, run, scratch)
from qemu import QmpError  # noqa: E402
from vms import ENDS, Vm, check_moved, pair, set_up  # noqa: E402

# Nothing moves within the test's time.
CRAWL = 64 << 10


def need(guest):
    """A guest of that kind, or a reason why not."""
    if guest != 'kvm':
        return
    # Either the host lacks it, or the next thing is wrong.
    said = run('vm', '--guest', 'kvm', '--fill', '/no/where').sentence()
    if '--guest kvm: ' in said:
        raise check.Skip(f'no /dev/kvm for guests: {said}')


@contextlib.contextmanager
def vms(*arguments, **others):
    with scratch() as directory:
        source, destination = pair(directory, *arguments, **others)
        with source, destination:
            yield source, destination


@contextlib.contextmanager
def under_way(channels=2, **capabilities):
    """A migration that will not end by itself, in its first round."""
    with vms() as (source, destination):
        set_up((source, destination), channels, **capabilities)
        source.execute('migrate-set-parameters', max_bandwidth=CRAWL)
        source.beats_on()
        source.execute('migrate', uri=destination.listen(f'unix:{destination.path}.mig'))
        source.wait_for('active')
        yield source, destination


# ---- a guest moves ----

def without_own(answer):
    """What QEMU tells as well."""
    return {name: value for name, value in answer.items() if name != 'x-godwit'}


def guest_moves(guest, method, channels, scheme, *arguments):
    need(guest)
    with vms(*arguments, guest=guest) as (source, destination):
        set_up((source, destination), channels, method)
        at = 'tcp:127.0.0.1:0' if scheme == 'tcp' else f'unix:{destination.path}.mig'
        source.beats_on()
        source.execute('migrate', uri=destination.listen(at))
        seen = source.wait_for('completed')
        check.equal(without_own(destination.wait_for('completed')), {'status': 'completed'},
                    'query-migrate of the destination')
        check.equal(seen['ram']['total'], 32 << 20, 'RAM')
        check.equal(seen['ram']['remaining'], 0, 'remaining')
        check.true(seen['ram']['normal'] > 0, f'normal pages: {seen}')
        check.equal(seen['ram']['multifd-bytes'] > 0, channels > 0, 'bytes over multifd')
        check_moved(source, destination)
        source.quit()
        destination.quit()


def guest_moves_on_and_on():
    """Each arrives, leaves again; the third is told where to listen at the start."""
    with scratch() as directory, contextlib.ExitStack() as stack:
        chain = [stack.enter_context(Vm(directory, 'first', '--cap', 'return-path=on'))]
        for name in ('second', 'third'):
            vm = stack.enter_context(Vm(
                directory, name, '--cap', 'return-path=on', '--incoming',
                f'unix:{directory}/{name}.mig'))
            chain[-1].beats_on()
            chain[-1].execute('migrate', uri=vm.listening_on())
            chain[-1].wait_for('completed')
            vm.wait_for('completed')
            check_moved(chain[-1], vm)
            chain.append(vm)


def an_inherited_connection_carries_it():
    near, far = socket.socketpair()
    with near, far, scratch() as directory, \
            Vm(directory, 'source', pass_fds=[near.fileno()]) as source, \
            Vm(directory, 'destination', '--incoming', f'fd:{far.fileno()}',
               pass_fds=[far.fileno()]) as destination:
        uri = f'fd:{near.fileno()}'
        near.close()
        far.close()
        source.beats_on()
        source.capabilities(multifd=True)
        source.refuses(f'{uri} is one connection: multifd needs tcp: or unix:', 'migrate',
                       uri=uri)
        source.capabilities(multifd=False, return_path=True)
        source.execute('migrate', uri=uri)
        source.wait_for('completed')
        check_moved(source, destination)


def own_descriptors_carry_nothing():
    with scratch() as directory, Vm(directory, 'source') as source:
        own = os.listdir(f'/proc/{source.process.pid}/fd')
        for fd in sorted(map(int, own)):
            if fd > 1:
                source.refuses(
                    f'fd:{fd}: no descriptor that the vm was started with and still has',
                    'migrate', uri=f'fd:{fd}')
        check.equal(set(os.listdir(f'/proc/{source.process.pid}/fd')), set(own), 'descriptors')
        source.beats_on()


def paused_guest_arrives_paused():
    with vms() as (source, destination):
        set_up((source, destination))
        source.beats_on()
        source.execute('stop')
        beats = source.beats()
        source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
        source.wait_for('completed')
        destination.wait_for('completed')
        check.equal(destination.status(), 'paused', 'run state')
        check.equal(destination.beats(), [], 'beats of a paused guest')
        check.equal(source.events().count('STOP'), 1, 'STOPs')
        check.true('RESUME' not in destination.events(), f'{destination.events()}')
        destination.execute('cont')
        destination.beats_on()
        check.equal(destination.beats()[0], beats[-1] + 1, 'first beat')


def paused_destination_keeps_it_paused():
    """--paused there, or stop before it came."""
    for arguments, command in ((['--paused'], None), ([], 'stop')):
        with vms(destination=arguments) as (source, destination):
            set_up((source, destination))
            if command:
                destination.execute(command)
            source.beats_on()
            source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
            source.wait_for('completed')
            destination.wait_for('completed')
            check.equal(destination.status(), 'paused', 'run state')
            destination.execute('cont')
            check_moved(source, destination)


def events_come_in_order():
    with vms() as (source, destination):
        set_up((source, destination), pause_before_switchover=True)
        source.beats_on()
        source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
        source.wait_for('pre-switchover')
        check.equal(source.status(), 'finish-migrate', 'run state')
        source.refuses('Migration is not finalized yet', 'cont')
        source.refuses('Migration not in expected state: pre-switchover', 'migrate-continue',
                       state='device')
        source.execute('migrate-continue', state='pre-switchover')
        source.wait_for('completed')
        destination.wait_for('completed')
        told = source.events()
        passes = [event for event in told if event.startswith('MIGRATION_PASS')]
        check.equal([event for event in told if not event.startswith('MIGRATION_PASS')],
                    ['MIGRATION setup', 'MIGRATION active', 'STOP', 'MIGRATION pre-switchover',
                     'MIGRATION device', 'MIGRATION completed'], 'events of the source')
        check.equal(passes, [f'MIGRATION_PASS {n + 1}' for n in range(len(passes))], 'passes')
        check.equal(told[:2], ['MIGRATION setup', 'MIGRATION_PASS 1'], 'first events')
        check.equal(told[-2:], [passes[-1], 'MIGRATION completed'], 'last events')
        check.equal(destination.events(),
                    ['MIGRATION setup', 'MIGRATION active', 'RESUME', 'MIGRATION completed'],
                    'events of the destination')
        check_moved(source, destination)


def nothing_is_told_without_the_capability():
    with vms() as (source, destination):
        set_up((source, destination))
        for vm in (source, destination):
            vm.capabilities(events=False)
        source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
        source.wait_for('completed')
        destination.wait_for('completed')
        check.equal(source.events(), ['STOP'], 'events of the source')
        check.equal(destination.events(), ['RESUME'], 'events of the destination')


# ---- who compresses ----

SHRINKS = ('--fill', MIXED)

ENGINE = {'name', 'units', 'device-units', 'fallback-units', 'retries', 'device-failures',
          'raw-pages', 'bytes-in', 'bytes-out'}


def engine_of(vm):
    engine = vm.migration()['x-godwit']['engine']
    check.equal(engine.keys(), ENGINE, 'keys of the engine')
    return engine


def by_monitor(vm, line):
    return vm.execute('human-monitor-command', command_line=line)


def move(source, destination):
    source.beats_on()
    source.execute('migrate', uri=destination.listen(f'unix:{destination.path}.mig'))
    source.wait_for('completed')
    destination.wait_for('completed')
    check_moved(source, destination)


def guest_moves_by_software(accelerator, method, sends, receives):
    """One side by another engine than the other: only the format has to be the same."""
    with vms(*SHRINKS) as (source, destination):
        set_up((source, destination), 2, method)
        source.execute('migrate-set-parameters', compression_accelerator=accelerator)
        move(source, destination)
        for vm, name in ((source, sends), (destination, receives)):
            engine = engine_of(vm)
            check.equal(engine['name'], name, f'engine of {vm.name}')
            check.true(engine['units'] > 0 and engine['bytes-in'] > 0 and
                       engine['bytes-out'] > 0, f'{engine}')
            check.equal(engine['device-units'] + engine['fallback-units'], 0, 'units of a device')
            check.contains(by_monitor(vm, 'info migrate'), f'\nengine: {name}, ', 'info migrate')


def guest_moves_by_device(method, ends):
    """Of the sender, the receiver, or both; the other one has software.  What two channels give to
    it is just what it holds."""
    device = ['--accelerator', 'simulated', '--accelerator-jobs', '4', '--simulate', 'depth=8']
    with vms(*SHRINKS, source=device if 'source' in ends else [],
             destination=device if 'destination' in ends else []) as both:
        set_up(both, 2, method)
        move(*both)
        for vm in both:
            engine = engine_of(vm)
            check.equal(engine['name'] == 'simulated', vm.name in ends, f'{vm.name}: {engine}')
            check.equal(engine['device-units'] > 0, vm.name in ends, f'{vm.name}: {engine}')
            check.equal([engine[name] for name in ('fallback-units', 'retries', 'device-failures')],
                        [0, 0, 0], f'what went wrong at {vm.name}')


def guest_moves_although_the_device_does_not_do_well(simulate, method, told):
    """What the device refuses or spoils, software does; every unit is accounted for."""
    with vms(*SHRINKS, '--simulate', simulate) as both:
        set_up(both, 2, method)
        for vm in both:
            check.equal(vm.execute('query-migrate-parameters')['compression-accelerator'],
                        'simulated', 'accelerator')
        move(*both)
        engine = engine_of(both[0])
        check.equal(engine['device-units'] + engine['fallback-units'], engine['units'],
                    f'units of {engine}')
        for name in told:
            check.true(engine[name] > 0, f'{name}: {engine}')
        line = by_monitor(both[0], 'info migrate').partition('\nengine: ')[2].split('\r')[0]
        check.true(re.fullmatch(
            rf"simulated, {engine['units']} units \(device {engine['device-units']}, software in "
            rf"its stead {engine['fallback-units']}, retries {engine['retries']}, device "
            rf"failures {engine['device-failures']}\), {engine['raw-pages']} raw pages, "
            r'\d+ kbytes in, \d+ kbytes out', line), f'info migrate: {line!r}')


def device_that_dies_is_told_once(end):
    """Its channels share what they know of it."""
    with vms(*SHRINKS, **{end: ['--simulate', 'dead-after=100']}) as both:
        set_up(both, 2, 'qpl')
        move(*both)
        [vm] = [vm for vm in both if vm.name == end]
        engine = engine_of(vm)
        check.equal(engine['device-units'], 100, 'units of the device')
        check.true(engine['fallback-units'] > 0 and engine['device-failures'] >= 64, f'{engine}')
        check.equal(vm.said().count(' failures in a row, the last: '), 1,
                    f'lines on it in {vm.said()!r}')


def without_a_method_there_is_no_engine():
    with vms() as both:
        set_up(both, 2, 'none')
        move(*both)
        check.true('engine' not in both[0].migration()['x-godwit'], 'engine of the source')
        check.true('x-godwit' not in both[1].migration(), 'x-godwit of the destination')
        check.true('engine:' not in by_monitor(both[0], 'info migrate'), 'info migrate')


def device_that_is_not_there_is_refused(by):
    """At once, with the probe's reason, by QMP and by the monitor; a wish for it is fine."""
    why = r'format qpl, accelerator simulated: simulated: [^\n]+'
    with vms(source=['--simulate', 'absent']) as (source, destination):
        set_up((source, destination), 2, 'qpl')
        uri = destination.listen(f'unix:{destination.path}.mig')
        if by == 'QMP':
            try:
                source.execute('migrate', uri=uri)
            except QmpError as error:
                check.true(re.fullmatch('migrate: ' + why, str(error)), f'refusal: {error}')
            else:
                raise AssertionError('it was not refused')
        else:
            answer = by_monitor(source, f'migrate {uri}')
            check.true(re.fullmatch(f'Error: {why}\r\n', answer), f'answer {answer!r}')
        check.equal(source.migration(), {}, 'query-migrate')
        source.beats_on()
        # The destination still waits, and software does it.
        source.execute('migrate-set-parameters', compression_accelerator='none')
        source.execute('migrate', uri=uri)
        source.wait_for('completed')
        check_moved(source, destination)


def destination_refuses_a_device_that_is_not_there():
    with scratch() as directory, Vm(directory, 'destination', '--incoming', 'defer',
                                    '--simulate', 'absent') as destination:
        try:
            destination.listen('tcp:127.0.0.1:0')
        except QmpError as error:
            check.contains(str(error), 'migrate-incoming: accelerator simulated: ', 'refusal')
        else:
            raise AssertionError('it was not refused')
        check.equal(destination.status(), 'inmigrate', 'run state')
        destination.execute('migrate-set-parameters', compression_accelerator='auto')
        destination.listen('tcp:127.0.0.1:0')
        ended = run('vm', '--guest', 'process', '--simulate', 'absent', '--incoming',
                    'tcp:127.0.0.1:0').expect(FAILED)
        check.contains(ended.sentence(), '--incoming: accelerator simulated: ', 'sentence')


def devices_of_vendors_are_there_or_say_why(accelerator, method):
    """On most hosts they are not."""
    with vms() as (source, destination):
        set_up((source, destination), 2, method)
        source.execute('migrate-set-parameters', compression_accelerator=accelerator)
        uri = destination.listen('tcp:127.0.0.1:0')
        try:
            source.execute('migrate', uri=uri)
        except QmpError as error:
            said = f'migrate: format {method}, accelerator {accelerator}: {accelerator}: '
            check.true(str(error).startswith(said) and len(str(error)) > len(said) + 10,
                       f'refusal: {error}')
            check.equal(source.said().count('\n'), destination.said().count('\n') - 1,
                        f'lines that {source.said()!r} has')
        else:
            source.wait_for('completed')
            check.equal(engine_of(source)['name'], accelerator, 'engine')


def accelerator_without_the_method_is_refused():
    with vms() as (source, destination):
        set_up((source, destination), 2, 'zstd')
        source.execute('migrate-set-parameters', compression_accelerator='uadk')
        answer = by_monitor(source, f'migrate {destination.listen("tcp:127.0.0.1:0")}')
        check.contains(answer, 'Error: accelerator uadk has no engine for the format zstd; it has '
                       'none, ', 'answer')


# ---- it does not go smoothly ----

def what_does_not_converge_is_called_so():
    with vms('--dirty-rate', '64M', '--working-set', '16M') as (source, destination):
        set_up((source, destination))
        source.execute('migrate-set-parameters', max_bandwidth=2 << 20)
        source.beats_on()
        source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
        source.wait_to_say(': not converging: ')
        seen = source.wait_for('active')['x-godwit']['convergence']
        check.equal(seen['verdict'], 'no', 'verdict')
        check.true(seen['dirty-bytes-per-second'] > seen['bytes-per-second'] > 0, f'{seen}')
        source.execute('migrate-set-parameters', max_bandwidth=0)
        source.wait_for('completed')
        check_moved(source, destination)


def cancel_at_any_moment():
    """Whatever was under way: the guest has run on here, or has moved as a whole."""
    dice = random.Random(7)
    with scratch() as directory, contextlib.ExitStack() as stack:
        source = stack.enter_context(Vm(directory, 'source'))
        set_up((source,))
        for number in range(200 if LONG else 12):
            source.beats_on()
            threads = threads_of(source)
            there = stack.enter_context(
                Vm(directory, f'destination{number}', '--incoming', 'defer'))
            set_up((there,))
            source.execute('migrate', uri=there.listen(f'unix:{there.path}.mig'))
            pause(dice.random() * 0.12)
            with contextlib.suppress(QmpError):  # too late
                source.execute('migrate_cancel')
            check.wait_until(lambda: source.migration()['status'] in ENDS, PATIENCE, 'end')
            if source.migration()['status'] == 'completed':
                check_moved(source, there)
                there.wait_for('completed')
                source.process.kill()
                source = there
                continue
            check.equal((source.migration()['status'], source.status()),
                        ('cancelled', 'running'), 'status and run state')
            check.equal(there.beats(), [], 'beats of the destination')
            there.process.kill()
            check.equal(threads_of(source), threads, 'threads')
            beats = source.beats()
            check.equal(beats, list(range(beats[0], beats[0] + len(beats))), 'beats')


def threads_of(vm):
    return len(os.listdir(f'/proc/{vm.process.pid}/task'))


def cancel_leaves_the_guest_running():
    with under_way() as (source, destination):
        source.execute('migrate_cancel')
        source.wait_for('cancelled')
        check.equal(source.status(), 'running', 'run state')
        source.beats_on()
        check.equal(source.events()[-2:], ['MIGRATION cancelling', 'MIGRATION cancelled'],
                    'last events')
        # The other side was there for one migration, and says why it ends.
        ended = destination.end().expect(FAILED)
        check.contains(ended.err, 'godwit vm: ', 'standard error')


def cancel_is_fine_when_there_is_nothing():
    with vms() as (source, destination):
        for vm in (source, destination):
            check.equal(vm.execute('migrate_cancel'), {}, 'answer')
            check.equal(vm.migration(), {}, 'query-migrate')


def cancel_in_the_pause_resumes():
    with vms() as (source, destination):
        set_up((source, destination), pause_before_switchover=True)
        source.beats_on()
        source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
        source.wait_for('pre-switchover')
        beats = source.beats()
        source.execute('migrate_cancel')
        source.wait_for('cancelled')
        check.equal(source.status(), 'running', 'run state')
        check.equal([event for event in source.events() if event in ('STOP', 'RESUME')],
                    ['STOP', 'RESUME'], 'events')
        source.beats_on()
        check.equal(source.beats()[:len(beats) + 1], [*beats, beats[-1] + 1], 'beats')


def stop_in_the_pause_keeps_it_paused():
    """Whoever says stop meanwhile means the guest, wherever it will be."""
    with vms() as (source, destination):
        set_up((source, destination), pause_before_switchover=True)
        source.execute('migrate', uri=destination.listen('tcp:127.0.0.1:0'))
        source.wait_for('pre-switchover')
        source.execute('stop')
        source.execute('migrate_cancel')
        source.wait_for('cancelled')
        check.equal(source.status(), 'paused', 'run state')
        source.execute('cont')
        source.beats_on()


def nobody_there_fails_it():
    with scratch() as directory, Vm(directory, 'source') as source:
        for uri, why in ((f'unix:{directory}/nowhere', 'no such file or directory'),
                         (closed_port(), 'connection refused')):
            check.equal(source.execute('migrate', uri=uri), {}, 'answer')
            seen = source.wait_for('failed')
            check.equal(seen['error-desc'], f'{uri}: {why}', 'error-desc')
            check.equal(source.status(), 'running', 'run state')
        source.beats_on()
        check.contains(source.said(), 'the guest stays here', 'standard error')


def second_migration_waits_its_turn():
    with under_way() as (source, destination):
        source.refuses("There's a migration process in progress", 'migrate', uri='tcp:x:1')
        source.refuses("There's a migration process in progress", 'migrate-set-capabilities',
                       capabilities=[{'capability': 'events', 'state': False}])
        destination.refuses('The incoming migration has already been started',
                            'migrate-incoming', uri='tcp:127.0.0.1:0')
        destination.refuses('Guest is waiting for an incoming migration', 'migrate',
                            uri='tcp:x:1')
        source.execute('migrate_cancel')
        source.wait_for('cancelled')
        destination.end()
        source.execute('migrate', uri=closed_port())
        source.wait_for('failed')


def limits_hold_at_once():
    with under_way() as (source, destination):
        source.execute('migrate-set-parameters', downtime_limit=1234)
        source.execute('migrate-set-parameters', max_bandwidth=2 * CRAWL)
        seen = source.execute('query-migrate-parameters')
        check.equal((seen['max-bandwidth'], seen['downtime-limit']), (2 * CRAWL, 1234), 'limits')
        check.equal(source.migration()['status'], 'active', 'status')
        # At the rate that it began with it would take minutes more.
        source.execute('migrate-set-parameters', max_bandwidth=0)
        source.wait_for('completed')
        check_moved(source, destination)


def killed_destination_is_a_failure():
    with under_way() as (source, destination):
        destination.process.kill()
        seen = source.wait_for('failed')
        check.true(seen['error-desc'], f'error-desc: {seen}')
        check.equal(source.status(), 'running', 'run state')
        source.beats_on()
        source.quit()


def killed_source_is_a_failure():
    with under_way() as (source, destination):
        source.process.kill()
        ended = destination.end().expect(FAILED)
        check.contains(ended.err, 'godwit vm: ', 'standard error')
        check.equal(destination.beats(), [], 'beats')


def destination_may_be_tried_again():
    with vms() as (source, destination):
        set_up((source, destination), channels=0)
        path = f'{destination.path}.mig'
        destination.execute('migrate-incoming', uri=f'unix:{path}', exit_on_error=False)
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(path)
            stranger.sendall(b'QEVM' + bytes([0, 0, 0, 9]))
            seen = destination.wait_for('failed')
        check.contains(seen['error-desc'], 'version', 'error-desc')
        check.equal(destination.status(), 'inmigrate', 'run state')
        check.contains(destination.said(), 'it can be tried again', 'standard error')
        source.beats_on()
        source.execute('migrate', uri=destination.listen(f'unix:{path}'))
        source.wait_for('completed')
        check_moved(source, destination)


def destination_ends_when_it_failed():
    """As QEMU's does, unless it is told not to."""
    for listens in (False, True):
        with scratch() as directory:
            uri = f'unix:{directory}/mig'
            arguments = ['--incoming', uri if listens else 'defer']
            with Vm(directory, 'destination', *arguments) as destination:
                if not listens:
                    destination.execute('migrate-incoming', uri=uri)
                with socket.socket(socket.AF_UNIX) as stranger:
                    stranger.connect(f'{directory}/mig')
                    stranger.sendall(b'QEVM' + bytes([0, 0, 0, 9]))
                    ended = destination.end().expect(FAILED)
                check.contains(ended.err.splitlines()[-1], 'version', 'sentence')


def quit_cancels_first():
    for how in ('QMP', 'signal'):
        with under_way() as (source, destination):
            if how == 'QMP':
                source.execute('quit')
            else:
                source.process.send_signal(signal.SIGTERM)
            ended = source.end().expect(DONE)
            check.contains(ended.err, 'is cancelled first', 'standard error')
            destination.end().expect(FAILED)


def nothing_begins_after_quit():
    for told in ([], ['--incoming', 'defer']):
        with scratch() as directory, Vm(directory, 'alone', *told) as vm:
            command = 'migrate-incoming' if told else 'migrate'
            asked = [{'execute': 'qmp_capabilities'}, {'execute': 'quit'},
                     {'execute': command, 'arguments': {'uri': f'unix:{directory}/there'}}]
            # All at once: it ends before it would read again.
            with vm.connect('qmp') as connection:
                connection.sendall(''.join(map(json.dumps, asked)).encode())
                said = b''
                while part := connection.recv(1 << 16):
                    said += part
            vm.end().expect(DONE)
            check.contains(said.decode(), 'The vm is about to end', 'answers')


def quitting_destination_gives_the_guest_back():
    with under_way() as (source, destination):
        destination.quit()
        source.wait_for('failed')
        check.equal(source.status(), 'running', 'run state')
        source.beats_on()


# ---- never two guests ----

def guest_that_left_does_not_run_here():
    with vms() as (source, destination):
        set_up((source, destination))
        source.beats_on()
        uri = destination.listen('tcp:127.0.0.1:0')
        source.execute('migrate', uri=uri)
        source.wait_for('completed')
        left = source.beats()
        source.refuses(f'The guest was migrated to {uri}; to run it here, make sure that it '
                       'does not run there, then cont with x-force true (in the monitor: '
                       'cont -f)', 'cont')
        source.refuses("Can't migrate the vm that was paused due to previous migration",
                       'migrate', uri=uri)
        source.execute('stop')
        check.equal(source.status(), 'postmigrate', 'run state')
        check.equal(source.beats(), left, 'beats')
        destination.process.kill()
        source.execute('cont', x_force=True)
        source.beats_on()
        check.equal(source.status(), 'running', 'run state')


class Link(threading.Thread):
    """Carries one connection, both ways; cut_back() ends what comes back."""

    def __init__(self, path, to):
        super().__init__()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._to = to
        self._near = self._far = None
        self._open = True

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.end()
        self.join()
        self._listener.close()

    def run(self):
        with contextlib.suppress(OSError):
            self._near, _ = self._listener.accept()
            self._far = socket.socket(socket.AF_UNIX)
            self._far.connect(self._to)
            back = threading.Thread(target=self._carry, args=(self._far, self._near, True))
            back.start()
            self._carry(self._near, self._far, False)
            back.join()

    def _carry(self, here, there, back):
        with contextlib.suppress(OSError):
            while data := here.recv(1 << 16):
                if self._open or not back:
                    there.sendall(data)

    def cut_back(self):
        self._open = False

    def end(self):
        for connection in (self._near, self._far):
            with contextlib.suppress(OSError, AttributeError):
                connection.shutdown(socket.SHUT_RDWR)


def unheard_answer_leaves_one_guest():
    """Everything arrived, the guest runs there, and the source never hears of it."""
    with vms() as (source, destination):
        set_up((source, destination), channels=0, pause_before_switchover=True)
        uri = f'unix:{source.path}.link'
        destination.listen(f'unix:{destination.path}.mig')
        with Link(f'{source.path}.link', f'{destination.path}.mig') as link:
            source.beats_on()
            source.execute('migrate', uri=uri)
            source.wait_for('pre-switchover')
            link.cut_back()
            source.execute('migrate-continue', state='pre-switchover')
            destination.wait_for('completed')
            source.refuses('The migration can no longer be cancelled: the guest may run at '
                           f'{uri}', 'migrate_cancel')
            link.end()
            seen = source.wait_for('failed')
        check.contains(seen['error-desc'], "before the destination's answer", 'error-desc')
        check_moved(source, destination)
        source.refuses(f'The guest may run at {uri}, which did not say; to run it here, make '
                       'sure that it does not run there, then cont with x-force true (in the '
                       'monitor: cont -f)', 'cont')
        ended = source.quit(UNKNOWN)
        check.contains(ended.err.splitlines()[-1], 'it may run at the destination', 'sentence')


# ---- without a migration ----

def answers_about_itself():
    with scratch() as directory, Vm(directory, 'alone', '--name', 'wader', '--paused') as vm:
        check.equal(vm.execute('query-name'), {'name': 'wader'}, 'query-name')
        check.equal(vm.execute('query-status'),
                    {'status': 'prelaunch', 'singlestep': False, 'running': False},
                    'query-status')
        check.equal(vm.execute('query-kvm')['enabled'], False, 'query-kvm')
        version = vm.execute('query-version')
        check.equal((version['qemu']['major'], version['qemu']['minor']), (7, 2), 'version')
        check.true(re.fullmatch(r'godwit \d+\.\d+\.\d+', version['package']), f'{version}')
        names = {command['name'] for command in vm.execute('query-commands')}
        check.true({'migrate', 'query-migrate', 'cont', 'qmp_capabilities'} <= names, f'{names}')
        check.equal(vm.beats(), [], 'beats before it runs')
        vm.execute('cont')
        vm.beats_on()
        vm.execute('stop')
        check.equal(vm.status(), 'paused', 'run state')
        beats = vm.beats()
        vm.execute('stop')
        vm.execute('cont')
        vm.beats_on()
        check.equal(vm.beats()[len(beats)], beats[-1] + 1, 'next beat')
        check.equal(vm.events(), ['RESUME', 'STOP', 'RESUME'], 'events')
        ended = vm.quit()
        check.equal(ended.out, '', 'standard output')


def quit_is_told():
    with scratch() as directory, Vm(directory, 'alone') as vm:
        vm.execute('quit')
        check.equal([(event['event'], event['data']) for event in vm.qmp.events],
                    [('SHUTDOWN', {'guest': False, 'reason': 'host-qmp-quit'})], 'events')
        vm.end().expect(DONE)
        check.true(not os.path.exists(f'{vm.path}.qmp'), 'the socket stays')


def refuses_what_it_does_not_have():
    with scratch() as directory, Vm(directory, 'alone') as vm:
        for text, command, arguments in (
                ("Parameter 'uri' is missing", 'migrate', {}),
                ("Parameter 'uri' expects a valid migration protocol", 'migrate',
                 {'uri': 'foo:bar'}),
                ('godwit does not migrate by exec:; tcp:HOST:PORT, unix:PATH and fd:N are there',
                 'migrate', {'uri': 'exec:cat'}),
                ("Parameters 'blk' and 'inc': godwit's guests have no disk to migrate",
                 'migrate', {'uri': 'tcp:x:1', 'blk': True}),
                ('Cannot resume if there is no paused migration', 'migrate',
                 {'uri': 'tcp:x:1', 'resume': True}),
                ("Parameter 'foo' is unexpected", 'migrate', {'uri': 'tcp:x:1', 'foo': 1}),
                ("'-incoming' was not specified on the command line", 'migrate-incoming',
                 {'uri': 'tcp:127.0.0.1:0'}),
                ("Parameter 'state' does not accept value 'foo'", 'migrate-continue',
                 {'state': 'foo'}),
                ('Migration not in expected state: none', 'migrate-continue',
                 {'state': 'pre-switchover'}),
                ('migrate-start-postcopy: godwit has no post-copy', 'migrate-start-postcopy',
                 {}),
                ('The command device_add has not been found', 'device_add', {}),
        ):
            vm.refuses(text, command, **arguments)
        # What QEMU 8.2 and later say instead of a URI.
        vm.execute('migrate', channels=[{
            'channel-type': 'main',
            'addr': {'transport': 'socket', 'type': 'unix', 'path': f'{directory}/nowhere'}}])
        vm.wait_for('failed')
        vm.refuses('channels: one of channel-type main is expected', 'migrate', channels=[])


def failed_beginning_ends_it():
    with scratch() as directory:
        for arguments, code, part in (
                (['--incoming', 'foo:1'], USAGE, '--incoming: unknown migration protocol: foo:1'),
                (['--incoming', f'unix:{directory}/no/where'], USAGE, 'no such file'),
                (['--qmp', 'tcp:127.0.0.1:0'], USAGE, '--qmp tcp:127.0.0.1:0: unix:PATH is'),
                (['--qmp', f'{directory}/x'], USAGE, '/x: unix:PATH is allowed'),
                (['--monitor', 'x'], USAGE, '--monitor x: stdio and unix:PATH are allowed'),
                (['--serial', 'x'], USAGE, '--serial: x: stdio, null and file:PATH are allowed'),
                (['--serial', f'file:{directory}/no/where'], USAGE, 'no such file'),
                (['--monitor', 'stdio', '--serial', 'stdio'], USAGE, '--serial stdio'),
                (['--cap', 'multifd'], USAGE, '--cap multifd: NAME=on or NAME=off'),
                (['--cap', 'nosuch=on'], USAGE, 'no such capability'),
                (['--cap', 'xbzrle=on'], FAILED, '--cap: '),
                (['--set', 'downtime-limit'], USAGE, '--set downtime-limit: NAME=VALUE'),
                (['--set', 'nosuch=1'], USAGE, 'no such parameter'),
                (['--set', 'multifd-channels=0'], USAGE, '--set multifd-channels=0: '),
                (['--set', 'downtime-limit=1'] * 65, USAGE, 'at most 64 of them'),
                (['--set', 'compression-accelerator=iaa'], USAGE, 'it expects auto, none, qpl'),
                (['--accelerator', 'iaa'], USAGE, '--accelerator: '),
                (['--accelerator-jobs', '0'], USAGE, '1 to 128 are allowed'),
                (['--accelerator-jobs', '129'], USAGE, '1 to 128 are allowed'),
                (['--simulate', 'busy=101%'], USAGE, '--simulate: simulated device: busy: '),
                (['--simulate', '', '--accelerator', 'qpl'], USAGE, '--simulate: '),
                (['--tls-creds', 'x'], FAILED, '--tls-creds: godwit does not speak TLS yet'),
                (['--guest', 'x'], USAGE, '--guest x: kvm and process are allowed'),
                (['--name', os.fsdecode(b'caf\xe9')], USAGE, '--name: UTF-8 is allowed'),
                (['--machine', ''], USAGE, '--machine ""'),
                (['--pattern', 'x'], USAGE, '--pattern x: sequential and random'),
                (['--fill', '/no/where'], USAGE, '--fill'),
                (['extra'], USAGE, 'extra: no argument is expected'),
        ):
            ended = run('vm', '--guest', 'process', *arguments).expect(code)
            check.contains(ended.sentence(), part, f'sentence of {arguments}')
            check.equal(ended.out, '', 'standard output')


def command_line_sets_parameters():
    with scratch() as directory, Vm(
            directory, 'alone', '--cap', 'multifd=on', '--cap', 'events=on', '--cap',
            'events=off', '--set', 'multifd-channels=7', '--set', 'multifd_compression=qatzip',
            '--set', 'max-bandwidth=1M', '--accelerator', 'qatzip', '--accelerator-jobs', '128',
            '--set', 'multifd-qatzip-level=9') as vm:
        seen = vm.execute('query-migrate-parameters')
        check.equal([seen[name] for name in (
            'multifd-channels', 'multifd-compression', 'max-bandwidth', 'multifd-qatzip-level',
            'compression-accelerator', 'compression-accelerator-jobs')],
            [7, 'qatzip', 1 << 20, 9, 'qatzip', 128], 'set')
        on = [entry['capability'] for entry in vm.execute('query-migrate-capabilities')
              if entry['state']]
        check.equal(on, ['multifd'], 'capabilities that are on')


CASES = [
    *[(f'guest moves: {" ".join(map(str, how))}', guest_moves, *how)
      for how in (
          ('process', 'none', 0, 'unix'), ('process', 'none', 1, 'tcp'),
          ('process', 'none', 4, 'unix'), ('process', 'zlib', 1, 'tcp'),
          ('process', 'zlib', 4, 'unix'), ('process', 'zstd', 1, 'unix'),
          ('process', 'zstd', 4, 'tcp'),
          ('process', 'qpl', 2, 'unix'), ('process', 'uadk', 2, 'tcp'),
          ('process', 'qatzip', 2, 'unix'), ('process', 'qpl', 8, 'tcp'),
          ('kvm', 'none', 0, 'unix'), ('kvm', 'none', 4, 'unix'), ('kvm', 'zstd', 2, 'tcp'),
          ('kvm', 'zlib', 2, 'unix', '--vcpus', '2'))],
    ('guest moves on and on', guest_moves_on_and_on),
    ('an inherited connection carries it', an_inherited_connection_carries_it),
    ('own descriptors carry nothing', own_descriptors_carry_nothing),
    ('paused guest arrives paused', paused_guest_arrives_paused),
    ('paused destination keeps it paused', paused_destination_keeps_it_paused),
    ('events come in order', events_come_in_order),
    ('nothing is told without the capability', nothing_is_told_without_the_capability),
    *[(f'guest moves by software: {" ".join(how)}', guest_moves_by_software, *how)
      for how in (('none', 'zlib', 'isal', 'isal'), ('reference', 'zlib', 'zlib', 'isal'),
                  ('auto', 'zstd', 'zstd', 'zstd'),
                  ('none', 'qpl', 'isal', 'libdeflate'), ('reference', 'qpl', 'zlib', 'libdeflate'),
                  ('none', 'uadk', 'isal', 'libdeflate'),
                  ('reference', 'qatzip', 'zlib', 'libdeflate'))],
    *[(f'guest moves by device: {method} {" ".join(ends)}', guest_moves_by_device, method, ends)
      for method, ends in (('qpl', ('source', 'destination')), ('qpl', ('source',)),
                           ('uadk', ('source', 'destination')), ('uadk', ('destination',)),
                           ('qatzip', ('source', 'destination')), ('zlib', ('source',)))],
    *[(f'guest moves although the device does not do well: {simulate} {method}',
       guest_moves_although_the_device_does_not_do_well, simulate, method, told)
      for simulate, method, told in (
          ('busy=100%', 'qpl', ('fallback-units', 'retries')),
          ('busy=30%,shuffle,latency=50us', 'uadk', ('device-units', 'retries')),
          ('failed=5%,short=5%,corrupt=5%', 'qatzip',
           ('device-units', 'fallback-units', 'device-failures')))],
    *[(f'device that dies is told once by the {end}', device_that_dies_is_told_once, end)
      for end in ('source', 'destination')],
    ('without a method there is no engine', without_a_method_there_is_no_engine),
    *[(f'device that is not there is refused by {by}', device_that_is_not_there_is_refused, by)
      for by in ('QMP', 'monitor')],
    ('destination refuses a device that is not there',
     destination_refuses_a_device_that_is_not_there),
    *[(f'devices of vendors are there or say why: {" ".join(how)}',
       devices_of_vendors_are_there_or_say_why, *how)
      for how in (('qpl', 'qpl'), ('qatzip', 'qatzip'), ('qatzip', 'zlib'), ('uadk', 'uadk'))],
    ('accelerator without the method is refused', accelerator_without_the_method_is_refused),
    ('what does not converge is called so', what_does_not_converge_is_called_so),
    ('cancel at any moment', cancel_at_any_moment),
    ('cancel leaves the guest running', cancel_leaves_the_guest_running),
    ('cancel is fine when there is nothing', cancel_is_fine_when_there_is_nothing),
    ('cancel in the pause resumes', cancel_in_the_pause_resumes),
    ('stop in the pause keeps it paused', stop_in_the_pause_keeps_it_paused),
    ('nobody there fails it', nobody_there_fails_it),
    ('second migration waits its turn', second_migration_waits_its_turn),
    ('limits hold at once', limits_hold_at_once),
    ('killed destination is a failure', killed_destination_is_a_failure),
    ('killed source is a failure', killed_source_is_a_failure),
    ('destination may be tried again', destination_may_be_tried_again),
    ('destination ends when it failed', destination_ends_when_it_failed),
    ('quit cancels first', quit_cancels_first),
    ('nothing begins after quit', nothing_begins_after_quit),
    ('quitting destination gives the guest back', quitting_destination_gives_the_guest_back),
    ('guest that left does not run here', guest_that_left_does_not_run_here),
    ('unheard answer leaves one guest', unheard_answer_leaves_one_guest),
    ('answers about itself', answers_about_itself),
    ('quit is told', quit_is_told),
    ('refuses what it does not have', refuses_what_it_does_not_have),
    ('failed beginning ends it', failed_beginning_ends_it),
    ('command line sets parameters', command_line_sets_parameters),
]

if __name__ == '__main__':
    check.run(CASES)
