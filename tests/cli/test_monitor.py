#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_monitor.py - the human monitor of godwit vm: on a socket, on standard input, by QMP.

What people type, and what nobody should have sent.
"""
import contextlib
import os
import random
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import DONE, PATIENCE, check, scratch  # noqa: E402
from vms import Vm, check_moved, pair, set_up  # noqa: E402

PROMPT = '(godwit) '
LINE_MOST = 4095
CRAWL = 64 << 10


class Monitor:
    """A session on a socket."""

    def __init__(self, vm):
        self.connection = vm.connect('monitor')
        self.greeting = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def read(self, prompts=1):
        """Up to a prompt, without that."""
        said = b''
        while said.count(PROMPT.encode()) < prompts or not said.endswith(PROMPT.encode()):
            part = self.connection.recv(1 << 16)
            check.true(part, f'the monitor left after {said!r}')
            said += part
        return said.decode().removesuffix(PROMPT)

    def send(self, data):
        self.connection.sendall(data)

    def say(self, line):
        self.send(line.encode() + b'\n')
        return self.read()

    def prompt_waits(self):
        """Nothing was said, so far."""
        self.connection.setblocking(False)
        try:
            said = self.connection.recv(1 << 16)
        except BlockingIOError:
            said = b''
        self.connection.settimeout(PATIENCE)
        check.equal(said, b'', 'what it said too early')


@contextlib.contextmanager
def monitored(*arguments):
    with scratch() as directory, \
            Vm(directory, 'vm', '--monitor', f'unix:{directory}/vm.monitor', *arguments) as vm, \
            Monitor(vm) as monitor:
        yield vm, monitor


def answers_are_qemus():
    with monitored('--name', 'wader') as (vm, monitor):
        check.true(monitor.greeting.endswith("type 'help' for more information\r\n"),
                   f'greeting {monitor.greeting!r}')
        for line, answer in (
                ('info status', 'VM status: running\r\n'),
                ('stop', ''),
                ('info status', 'VM status: paused\r\n'),
                ('c', ''),
                ('info name', 'wader\r\n'),
                ('', ''),
                ('   ', ''),
                ('  info\tstatus  ', 'VM status: running\r\n'),
                ('"info" "status"', 'VM status: running\r\n'),
                ('foo', "unknown command: 'foo'\r\n"),
                ('info foo', "unknown command: 'info foo'\r\n"),
                ('help foo', "unknown command: 'foo'\r\n"),
                ('migrate', 'migrate: string expected\r\n'
                 'Try "help migrate" for more information\r\n'),
                ('migrate -x foo', 'migrate: unsupported option -x\r\n'
                 'Try "help migrate" for more information\r\n'),
                ('stop extra', 'stop: extraneous characters at the end of line\r\n'
                 'Try "help stop" for more information\r\n'),
                ('info status x', 'status: extraneous characters at the end of line\r\n'
                 'Try "help info status" for more information\r\n'),
                ('migrate_set_parameter max-bandwidth',
                 'migrate_set_parameter: string expected\r\n'
                 'Try "help migrate_set_parameter" for more information\r\n'),
                ('migrate_set_parameter foo 1', 'Error: invalid parameter value: foo\r\n'),
                ('migrate_set_parameter downtime-limit 7', ''),
                ('migrate_set_parameter max-bandwidth 3', ''),
                ('migrate_set_parameter multifd-compression qpl', ''),
                ('migrate_set_parameter multifd-qatzip-level 9', ''),
                ('migrate_set_parameter multifd-qatzip-level 0',
                 "Error: Parameter 'multifd_qatzip_level' expects a value between 1 and 9\r\n"),
                ('migrate_set_parameter compression-accelerator qatzip', ''),
                ('migrate_set_parameter compression-accelerator iaa',
                 "Error: Parameter 'compression-accelerator' does not accept value 'iaa': it "
                 'expects auto, none, qpl, qatzip, uadk, reference or simulated\r\n'),
                ('migrate_set_parameter compression_accelerator_jobs 128', ''),
                ('migrate_set_parameter compression_accelerator_jobs 129',
                 "Error: Parameter 'compression_accelerator_jobs' expects a value between 1 and "
                 '128\r\n'),
                ('migrate_set_capability foo on', 'Error: invalid parameter value: foo\r\n'),
                ('migrate_set_capability events maybe', "Expected 'on' or 'off'\r\n"
                 'Try "help migrate_set_capability" for more information\r\n'),
                ('migrate_set_capability events', "Expected 'on' or 'off'\r\n"
                 'Try "help migrate_set_capability" for more information\r\n'),
                ('migrate_set_capability', 'migrate_set_capability: string expected\r\n'
                 'Try "help migrate_set_capability" for more information\r\n'),
                ('migrate_set_capability events on', ''),
                ('migrate_continue foo', 'Error: invalid parameter value: foo\r\n'),
                ('migrate_continue pre-switchover',
                 'Error: Migration not in expected state: none\r\n'),
                ('migrate_incoming tcp:127.0.0.1:0',
                 "Error: '-incoming' was not specified on the command line\r\n"),
                ('migrate foo:bar',
                 "Error: Parameter 'uri' expects a valid migration protocol\r\n"),
                ('migrate_cancel', ''),
                ('help migrate_cancel',
                 'migrate_cancel  -- cancel the current VM migration\r\n'),
                ('help info status',
                 'info status  -- show the current VM status (running|paused)\r\n'),
                ('migrate "tcp:x', 'Error: unterminated string\r\n'),
        ):
            check.equal(monitor.say(line), answer, f'answer to {line!r}')
        seen = vm.execute('query-migrate-parameters')
        check.equal((seen['downtime-limit'], seen['max-bandwidth']), (7, 3 << 20), 'parameters')
        check.contains(monitor.say('info migrate_parameters'), 'downtime-limit: 7 ms\r\n',
                       'parameters')
        check.contains(monitor.say('info migrate_parameters'),
                       'multifd-qatzip-level: 9\r\ncompression-accelerator: qatzip\r\n'
                       'compression-accelerator-jobs: 128\r\n', 'parameters')
        check.contains(monitor.say('info migrate_capabilities'), 'events: on\r\n',
                       'capabilities')
        check.contains(monitor.say('info version'), 'godwit', 'version')


def help_lists_all_commands():
    with monitored() as (_, monitor):
        names = [line.split()[0].split('|')[0]
                 for line in monitor.say('help').replace('\r\n\t', '\t').split('\r\n')[:-1]]
        check.equal(names, sorted(names), 'order')
        for name in names:
            check.contains(monitor.say(f'help {name}'), name, f'help of {name}')
        infos = [line.split()[1] for line in monitor.say('info').split('\r\n')[:-1]]
        check.true({'status', 'migrate', 'version'} <= set(infos), f'info has {infos}')
        check.equal(monitor.say('help info'), monitor.say('info'), 'help info')


def qmp_gets_the_same_answers():
    with scratch() as directory, Vm(directory, 'vm') as vm:
        def say(line):
            return vm.execute('human-monitor-command', command_line=line)
        check.equal(say('info status'), 'VM status: running\r\n', 'answer')
        check.equal(say('nonsense'), "unknown command: 'nonsense'\r\n", 'answer')
        check.equal(say(f'migrate unix:{directory}/nowhere'),
                    'terminal does not allow synchronous migration, continuing detached\r\n',
                    'answer')
        vm.wait_for('failed')
        vm.refuses('cpu-index: no command of this monitor is about a CPU',
                   'human-monitor-command', command_line='info status', cpu_index=0)


@contextlib.contextmanager
def moving(**limits):
    """A source with a monitor, and where it may migrate to."""
    with scratch() as directory:
        source, destination = pair(
            directory, source=['--monitor', f'unix:{directory}/source.monitor'])
        with source, destination, Monitor(source) as monitor:
            set_up((source, destination))
            source.execute('migrate-set-parameters', **limits)
            source.beats_on()
            yield source, destination, monitor, destination.listen('tcp:127.0.0.1:0')


def migrate_blocks_until_it_is_over():
    with moving(max_bandwidth=CRAWL) as (source, destination, monitor, uri):
        monitor.send(f'migrate {uri}\ninfo status\n'.encode())
        source.wait_for('active')
        monitor.prompt_waits()
        # Nobody else is held up by it.
        with Monitor(source) as other:
            check.equal(other.say('info status'), 'VM status: running\r\n', 'answer')
            check.contains(other.say('info migrate'), 'Migration status: active\r\n', 'answer')
            check.equal(other.say(f'migrate -d {uri}'),
                        "Error: There's a migration process in progress\r\n", 'answer')
            check.equal(other.say('migrate_set_parameter max-bandwidth 0'), '', 'answer')
        check.equal(monitor.read(prompts=2), f'{PROMPT}VM status: paused (postmigrate)\r\n',
                    'answers to both')
        check_moved(source, destination)
        check.contains(monitor.say('cont'), 'Error: The guest was migrated to ', 'answer')
        destination.process.kill()
        check.equal(monitor.say('cont -f'), '', 'answer')
        source.beats_on()


def migrate_tells_a_failure():
    with monitored() as (vm, monitor):
        path = f'unix:{vm.path}.nowhere'
        check.equal(monitor.say(f'migrate {path}'),
                    f'Error: {path}: no such file or directory\r\n', 'answer')


def detached_migrate_does_not_block():
    with moving(max_bandwidth=CRAWL) as (source, destination, monitor, uri):
        check.equal(monitor.say(f'migrate -d {uri}'), '', 'answer')
        source.wait_for('active')
        check.equal(monitor.say('migrate_cancel'), '', 'answer')
        source.wait_for('cancelled')
        check.equal(source.status(), 'running', 'run state')
        destination.end()


def leaving_while_it_blocks_is_fine():
    with moving(max_bandwidth=CRAWL) as (source, destination, monitor, uri):
        monitor.send(f'migrate {uri}\nquit\n'.encode())
        source.wait_for('active')
        monitor.connection.close()
        check.equal(source.migration()['status'], 'active', 'status')
        source.execute('migrate-set-parameters', max_bandwidth=0)
        source.wait_for('completed')
        check_moved(source, destination)


# ---- what nobody should have sent ----

def lines_have_a_limit():
    with monitored() as (vm, monitor):
        line = 'info status'
        check.equal(monitor.say(line + ' ' * (LINE_MOST - len(line))), 'VM status: running\r\n',
                    'answer at the limit')
        check.equal(monitor.say(line + ' ' * (LINE_MOST + 1 - len(line))),
                    f'Error: a line of more than {LINE_MOST} bytes\r\n', 'answer past it')
        monitor.send(b'x' * (1 << 20))
        check.equal(monitor.say(''), f'Error: a line of more than {LINE_MOST} bytes\r\n',
                    'answer to a MiB')
        check.contains(monitor.say('migrate ' + 'x' * 3000), 'Error: ', 'answer to a long word')
        check.contains(monitor.say(' '.join('x' * 17)), 'Error: more than 16 words', 'answer')
        vm.beats_on()


def garbage_is_no_command():
    dice = random.Random(3)
    with monitored() as (vm, monitor):
        for size in (1, 10, 100, 1000, 4000):
            for _ in range(20):
                line = bytes(dice.choice([b for b in range(256) if b != 10])
                             for _ in range(size))
                monitor.send(line + b'\n')
                said = monitor.read()
                check.true(said == '' or said.startswith(('Error: ', "unknown command: '")),
                           f'answer {said!r}')
                check.true(all(' ' <= c < '\x7f' or c in '\r\n' for c in said),
                           f'unprintable answer {said!r}')
        check.equal(monitor.say('info status'), 'VM status: running\r\n', 'answer')
        vm.beats_on()


def who_does_not_read_holds_up_nobody():
    with monitored() as (vm, monitor):
        monitor.connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                monitor.connection.send(b'help\n' * 1000)
        vm.beats_on()
        with Monitor(vm) as other:
            check.equal(other.say('info status'), 'VM status: running\r\n', 'answer')


def more_than_it_takes_wait_their_turn():
    with scratch() as directory, \
            Vm(directory, 'vm', '--monitor', f'unix:{directory}/vm.monitor') as vm:
        sessions = [Monitor(vm) for _ in range(4)]
        waiting = vm.connect('monitor')
        check.equal(sessions[0].say('info status'), 'VM status: running\r\n', 'answer')
        sessions[0].connection.close()
        check.true(waiting.recv(1) == b'g', 'the next one is not greeted')
        for session in sessions[1:]:
            session.connection.close()
        waiting.close()


def half_a_line_is_not_run():
    with monitored() as (vm, monitor):
        monitor.send(b'quit')
        monitor.connection.shutdown(socket.SHUT_WR)
        check.equal(monitor.connection.recv(100), b'', 'answer')
        vm.beats_on()


def lines_that_came_are_answered_after_the_end():
    with monitored() as (_, monitor):
        monitor.send(b'info status\ninfo status\r\n')
        monitor.connection.shutdown(socket.SHUT_WR)
        said = b''
        while part := monitor.connection.recv(1000):
            said += part
        check.equal(said.decode(), f'VM status: running\r\n{PROMPT}' * 2, 'answers')


# ---- standard input ----

def standard_input_is_a_monitor():
    with scratch() as directory:
        done = subprocess.run(
            [command.GODWIT, 'vm', '--guest', 'process', '--memory', '16M', '--fill', 'zeros',
             '--monitor', 'stdio', '--serial', f'file:{directory}/serial'],
            input='info status\nstop\ninfo status\nquit\n', capture_output=True, text=True,
            timeout=PATIENCE, check=False)
        check.equal((done.returncode, done.stderr), (DONE, ''), 'exit code and standard error')
        check.true('\r' not in done.stdout, f'it said {done.stdout!r}')
        check.equal(done.stdout.split(PROMPT)[1:4],
                    ['VM status: running\n', '', 'VM status: paused\n'], 'answers')


def end_of_standard_input_does_not_quit():
    with scratch() as directory, Vm(directory, 'vm', '--monitor', 'stdio') as vm:
        vm.beats_on()
        vm.quit()


def terminal_goes_on_after_its_end_was_typed():
    typed, terminal = os.openpty()
    try:
        with scratch() as directory, \
                Vm(directory, 'vm', '--monitor', 'stdio', stdin=terminal) as vm:
            for line in (b'\x04', b'stop\n'):
                os.write(typed, line)
            vm.wait_for_event('STOP')
            os.write(typed, b'quit\n')
            vm.end().expect(DONE)
    finally:
        os.close(typed)
        os.close(terminal)


CASES = [
    ('answers are QEMU\'s', answers_are_qemus),
    ('help lists all commands', help_lists_all_commands),
    ('QMP gets the same answers', qmp_gets_the_same_answers),
    ('migrate blocks until it is over', migrate_blocks_until_it_is_over),
    ('migrate tells a failure', migrate_tells_a_failure),
    ('detached migrate does not block', detached_migrate_does_not_block),
    ('leaving while it blocks is fine', leaving_while_it_blocks_is_fine),
    ('lines have a limit', lines_have_a_limit),
    ('garbage is no command', garbage_is_no_command),
    ('who does not read holds up nobody', who_does_not_read_holds_up_nobody),
    ('more than it takes wait their turn', more_than_it_takes_wait_their_turn),
    ('half a line is not run', half_a_line_is_not_run),
    ('lines that came are answered after the end', lines_that_came_are_answered_after_the_end),
    ('standard input is a monitor', standard_input_is_a_monitor),
    ('end of standard input does not quit', end_of_standard_input_does_not_quit),
    ('terminal goes on after its end was typed', terminal_goes_on_after_its_end_was_typed),
]

if __name__ == '__main__':
    check.run(CASES)
