#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_migrate.py - `godwit migrate` and peers that do what QEMU does rarely or never.

The peers are threads of this program that answer QMP from a script.
"""
import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import CANCELLED, DONE, FAILED, UNKNOWN, USAGE, check, run, scratch  # noqa: E402

URI = 'unix:/nowhere'


class Peer:
    """A side of a migration: `with Peer(directory, 'from') as peer: ...`

    `migrations` are the answers to query-migrate once `migrate` was told, the last one for ever;
    `guests` those to query-status.  None as an answer ends the connection.
    """

    def __init__(self, directory, name, **script):
        self.path = os.path.join(directory, name)
        self.version = script.get('version', (11, 1, 0))
        self.migrations = list(script.get('migrations', [{'status': 'completed'}]))
        self.guests = list(script.get('guests', [(True, 'running')]))
        self.deaf = script.get('deaf', ())
        self.on_cancel = script.get('on_cancel')
        self.begun = script.get('begun', False)
        self.capabilities = {name: False for name in ('events', 'return-path', 'multifd')}
        self.parameters = {'multifd-channels': 2, 'multifd-compression': 'none',
                           'multifd-zstd-level': 1, 'max-bandwidth': 1 << 27,
                           'downtime-limit': 300, 'cpu-throttle-tailslow': False}
        self.told = []  # commands that change something, with their arguments
        self._listener = self._thread = None

    def __enter__(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(command.PATIENCE)

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection, connection.makefile('rwb') as stream:
                self._talk(stream)

    def _talk(self, stream):
        def say(message):
            stream.write(json.dumps(message).encode() + b'\n')
            stream.flush()
        major, minor, micro = self.version
        say({'QMP': {'version': {'qemu': {'major': major, 'minor': minor, 'micro': micro},
                                 'package': ''}, 'capabilities': []}})
        for line in stream:
            asked = json.loads(line)
            answer = self._answer(asked['execute'], asked.get('arguments', {}))
            if answer is None:
                return
            say({'return': answer, 'id': asked['id']} if 'class' not in answer else
                {'error': answer, 'id': asked['id']})

    @staticmethod
    def _next(answers):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _answer(self, name, arguments):
        if name in ('qmp_capabilities', 'query-cpus-fast'):
            return {} if name == 'qmp_capabilities' else []
        if name == 'query-migrate':
            return self._next(self.migrations) if self.begun else {}
        if name == 'query-status':
            running, status = self._next(self.guests)
            return {'running': running, 'status': status}
        if name == 'query-migrate-capabilities':
            return [{'capability': key, 'state': on} for key, on in self.capabilities.items()]
        if name == 'query-migrate-parameters':
            return self.parameters
        self.told.append((name, arguments))
        if name in ('migrate', 'migrate-incoming'):
            self.begun = True
        elif name == 'migrate-set-parameters':
            self.parameters |= {key: value for key, value in arguments.items()
                                if key not in self.deaf}
        elif name == 'migrate-set-capabilities':
            for one in arguments['capabilities']:
                if one['capability'] not in self.deaf:
                    self.capabilities[one['capability']] = one['state']
        elif name == 'migrate_cancel':
            if self.on_cancel is not None:
                self.migrations = [self.on_cancel]
        else:
            return {'class': 'CommandNotFound', 'desc': f'The command {name} has not been found'}
        return {}


def active(**more):
    return {'status': 'active', 'total-time': 10,
            'ram': {'total': 1 << 20, 'remaining': 1 << 19, 'page-size': 4096, 'normal': 128,
                    'duplicate': 0, 'transferred': 1 << 19, 'mbps': 8.0, 'dirty-sync-count': 1,
                    'dirty-pages-rate': 0}} | more


COMPLETED = active(status='completed', downtime=3) | {'setup-time': 1}


@contextlib.contextmanager
def source(**script):
    with scratch() as directory, Peer(directory, 'from', **script) as peer:
        yield peer


@contextlib.contextmanager
def sides(here=None, there=None):
    with scratch() as directory, Peer(directory, 'from', **(here or {})) as one, \
            Peer(directory, 'to', **(there or {})) as other:
        yield one, other


def migrate(peer, *arguments, uri=URI):
    return run('migrate', '--qmp', peer.path, *arguments, uri)


def says(ended, *parts):
    for part in parts:
        check.contains(ended.err, part, 'standard error')


# ---- the command line ----

REFUSED = [
    ([], ['--qmp SOCKET is expected']),
    (['--qmp'], ['--qmp: needs a value, SOCKET']),
    (['--qmp', 's'], ['URI is expected', 'tcp:HOST:PORT']),
    (['--qmp', 's', 'a', 'b'], ['b: one URI is expected']),
    (['--qmp', 's', '--channels', '256', URI], ['--channels 256', '0 to 255 are allowed']),
    (['--qmp', 's', '--channels', '0', '--method', 'zstd', URI],
     ['--method zstd', 'needs page channels']),
    (['--qmp', 's', '--level', '1', URI], ['--level 1', 'needs --method']),
    (['--qmp', 's', '--level', '1', '--method', 'none', URI], ['needs --method zlib, zstd']),
    (['--qmp', 's', '--level', '1', '--method', 'qpl', URI], ['needs --method zlib, zstd']),
    (['--qmp', 's', '--level', '21', '--method', 'zstd', URI], ['0 to 20 are allowed']),
    (['--qmp', 's', '--level', '0', '--method', 'qatzip', URI],
     ['--level: qatzip level 0: 1 to 9 are allowed']),
    (['--qmp', 's', '--accelerator', 'iaa', URI], ['--accelerator: ', '"iaa"', 'qatzip']),
    (['--qmp', 's', '--max-bandwidth', 'fast', URI], ['"fast" is not a rate']),
    (['--qmp', 's', '--downtime-limit', '2000001', URI], ['0 to 2000000 are allowed']),
    (['--qmp', 's', '--set', 'x', URI], ['--set x: NAME=VALUE is expected']),
    (['--qmp', 's', '--set', '=1', URI], ['--set =1: NAME=VALUE is expected']),
    (['--qmp', 's', '--cap', 'x', URI], ['--cap x: NAME=on or NAME=off is expected']),
    (['--qmp', 's', '--cap', 'x=1', URI], ['--cap x=1: on and off are allowed']),
    (['--qmp', 's', '--json', '/nonexistent/f', URI], ['--json /nonexistent/f', 'no such file']),
    (['--qmp', 's', '--json-stream', '/nonexistent/f', URI],
     ['--json-stream /nonexistent/f', 'no such file']),
    (['--qmp', 's', '--json', '-', '--json-stream', '-', URI], ['--json -: standard output']),
    (['--qmp', '/nonexistent/s', URI],
     ['QMP of the source, /nonexistent/s: no such file or directory']),
    (['--qmp', 'unix:/nonexistent/s', URI], ['no such file or directory']),
    (['--qmp', '', URI], ['QMP of the source', 'the path is missing']),
    (['--qmp', 'x' * 200, URI], ['QMP of the source', 'at most 107']),
    (['--nonsense', URI], ['--nonsense: no such option']),
]


def refuses(arguments, parts):
    ended = run('migrate', *arguments).expect(USAGE)
    check.equal(ended.out, '', f'standard output of {ended}')
    check.true(re.fullmatch(r'godwit migrate: [^\n]+[^.]\n', ended.err), f'{ended}; one line')
    says(ended, *parts)


def help_fits_a_screen():
    lines = run('migrate', '--help').expect(DONE).out.splitlines()
    check.true(len(lines) < 40, f'{len(lines)} lines')
    for line in lines:
        check.true(len(line) <= 80, f'{len(line)} columns: {line!r}')


def socket_that_nobody_serves_is_told():
    with scratch() as directory:
        path = f'{directory}/dead'
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
        says(run('migrate', '--qmp', path, URI).expect(FAILED), 'connection refused')


# ---- settings ----

def nothing_else_is_set_than_what_was_told():
    with source(migrations=[COMPLETED]) as peer:
        migrate(peer).expect(DONE)
        check.equal(peer.told, [('migrate-set-capabilities', {'capabilities': [
            {'capability': 'events', 'state': True},
            {'capability': 'return-path', 'state': True}]}), ('migrate', {'uri': URI})], 'told')


def file_has_no_return_path():
    with source(migrations=[COMPLETED]) as peer:
        migrate(peer, uri='file:/tmp/x').expect(DONE)
        check.equal(peer.capabilities['return-path'], False, 'return-path')


def settings_go_to_both_sides():
    with sides({'migrations': [COMPLETED]}, {'migrations': [{'status': 'completed'}]}) as both:
        ended = migrate(both[0], '--incoming-qmp', both[1].path, '--channels', '7', '--method',
                        'zstd', '--level=3', '--max-bandwidth', '1Gbit', '--downtime-limit=50',
                        '--set', 'cpu_throttle_tailslow=on', '--cap', 'return-path=off',
                        '--set', 'downtime-limit=60').expect(DONE)
        for peer in both:
            check.equal(peer.parameters, {
                'multifd-channels': 7, 'multifd-compression': 'zstd', 'multifd-zstd-level': 3,
                'max-bandwidth': 125000000, 'downtime-limit': 60, 'cpu-throttle-tailslow': True},
                'parameters')
            check.equal(peer.capabilities,
                        {'events': True, 'return-path': False, 'multifd': True}, 'capabilities')
        check.equal(both[1].told[-1], ('migrate-incoming', {'uri': URI}), 'last told')
        check.contains(ended.out, 'the guest runs at the destination', 'standard output')


def level_goes_with_its_method():
    with source(migrations=[COMPLETED]) as peer:
        peer.parameters['multifd-qatzip-level'] = 1
        migrate(peer, '--method', 'qatzip', '--level', '9').expect(DONE)
        check.equal((peer.parameters['multifd-compression'],
                     peer.parameters['multifd-qatzip-level']), ('qatzip', 9), 'parameters')


def accelerator_is_set_where_there_is_a_choice():
    with sides({'migrations': [COMPLETED]}, {'migrations': [{'status': 'completed'}]}) as both:
        for peer in both:
            peer.parameters['compression-accelerator'] = 'auto'
        migrate(both[0], '--incoming-qmp', both[1].path, '--accelerator', 'none').expect(DONE)
        for peer in both:
            check.equal(peer.told[1], ('migrate-set-parameters',
                                       {'compression-accelerator': 'none'}), 'told')


def qemu_has_no_accelerator_to_choose():
    """Either side's; nothing that QEMU does not know is sent."""
    for ours in ([], [0], [1]):
        with sides() as both:
            for number in ours:
                both[number].parameters['compression-accelerator'] = 'auto'
            ended = migrate(both[0], '--incoming-qmp', both[1].path, '--accelerator', 'qpl')
            role = 'destination' if ours == [0] else 'source'
            says(ended.expect(FAILED), f'--accelerator qpl: the {role} has no parameter '
                 'compression-accelerator, it is no godwit vm; a QEMU computes a method with what '
                 'it was built with', 'no migration began')
            for number, peer in enumerate(both):
                check.true(number in ours or 'migrate-set-parameters' not in dict(peer.told),
                           f'told {peer.told}')
                check.true('migrate' not in dict(peer.told), 'it began')


def no_channels_turn_multifd_off():
    with source(migrations=[COMPLETED]) as peer:
        peer.capabilities['multifd'] = True
        migrate(peer, '--channels', '0').expect(DONE)
        check.equal(peer.capabilities['multifd'], False, 'multifd')


def sides_that_differ_are_not_begun():
    with sides() as (one, other):
        one.capabilities['multifd'] = True
        ended = migrate(one, '--incoming-qmp', other.path).expect(FAILED)
        says(ended, 'the source has 2 page channels and method none, the destination 0',
             '--channels and --method set both alike', 'the guest is as it was')
        check.true(all(name != 'migrate' for name, _ in one.told), 'it began')


def what_reads_back_otherwise_is_an_error(script, arguments, parts):
    with source(**script) as peer:
        says(migrate(peer, *arguments).expect(FAILED), *parts, 'no migration began')
        check.true(all(name != 'migrate' for name, _ in peer.told), 'it began')


def ignored_level_is_a_warning():
    with source(version=(8, 2, 9), deaf=['multifd-zstd-level'], migrations=[COMPLETED]) as peer:
        says(migrate(peer, '--method=zstd', '--level=9').expect(DONE),
             'multifd-zstd-level: 9 was set, 1 reads back: QEMU before 9.0 ignores it, only '
             '-global migration.multifd-zstd-level=9 sets it')


def wrong_type_is_a_mistake():
    with source() as peer:
        says(migrate(peer, '--set', 'downtime-limit=long').expect(USAGE),
             '--set: downtime-limit=long: a whole number is expected')


# ---- ends ----

def figures_of(ended):
    check.equal(ended.err.count('\n'), len(ended.err.splitlines()), 'lines')
    [figures] = json.loads(ended.out)
    return figures


def json_is_all_of_standard_output():
    with source(migrations=[active(), COMPLETED]) as peer:
        figures = figures_of(migrate(peer, '--json', '-').expect(DONE))
        check.equal((figures['status'], figures['total_ms'], figures['downtime_ms'],
                     figures['ram_bytes'], figures['recv_cpu_seconds'], figures['error']
                     if 'error' in figures else None),
                    ('completed', 10, 3, 1 << 20, None, None), 'figures')
        check.equal(figures['query-migrate'], COMPLETED, 'query-migrate')


def stream_may_be_standard_output():
    with source(migrations=[active(), COMPLETED]) as peer:
        lines = migrate(peer, '--json-stream', '-').expect(DONE).out.splitlines()
        *polls, end = [json.loads(line) for line in lines]
        seen = [poll['query-migrate']['status'] for poll in polls]
        check.equal(seen[0], 'active', 'first')
        check.equal(seen[-1], 'completed', 'last')
        check.equal((end['kind'], end['text']), ('message', 'the guest is at the destination'),
                    'the end')


def stream_has_all_that_is_said():
    with source(version=(8, 2, 9), deaf=['multifd-zstd-level'],
                migrations=[active(), {'status': 'failed', 'error-desc': 'No route'}]) as peer:
        ended = migrate(peer, '--method=zstd', '--level=9', '--json-stream', '-').expect(FAILED)
    lines = [json.loads(line) for line in ended.out.splitlines()]
    said = [line['text'] for line in lines if line['kind'] == 'message']
    check.equal(len(said), 2, f'messages, {said}')
    check.contains(said[0], 'QEMU before 9.0 ignores it', 'first message')
    check.equal(said[1], 'failed: No route; the guest runs on at the source', 'last message')
    says(ended, *said)


def failure_shows_the_reason():
    with source(migrations=[active(), {'status': 'failed', 'error-desc': 'No\nroute'}]) as peer:
        ended = migrate(peer).expect(FAILED)
        says(ended, 'godwit migrate: failed: No\\x0aroute; the guest runs on at the source\n')


def guest_that_does_not_run_on_is_unknown():
    with source(migrations=[active(), {'status': 'failed'}],
                guests=[(True, 'running'), (False, 'paused')]) as peer:
        says(migrate(peer).expect(UNKNOWN), 'failed; the source holds the guest, paused (paused)',
             f"cont at the source's QMP, {peer.path}, does")


def guest_of_ours_that_may_be_elsewhere_is_unknown():
    failed = {'status': 'failed', 'error-desc': 'lost', 'x-godwit': {'guest': 'unknown'}}
    with source(migrations=[active(), failed]) as peer:
        says(migrate(peer).expect(UNKNOWN), 'failed: lost',
             'does not know whether the destination runs it', 'cont')


def lost_source_is_unknown():
    with source(migrations=[active(), active(), None]) as peer:
        says(migrate(peer).expect(UNKNOWN),
             'source: query-migrate: the other side closed the connection',
             'the migration was active when last seen', peer.path,
             'migrate_cancel there ends it')


def lost_source_whose_guest_has_arrived_is_told():
    with sides({'migrations': [active(), None]}, {'migrations': [{'status': 'completed'}]}) as both:
        says(migrate(both[0], '--incoming-qmp', both[1].path).expect(UNKNOWN),
             "the destination's guest is running, its migration completed")


def two_running_guests_are_told():
    with sides({'migrations': [active(), {'status': 'failed'}]},
               {'migrations': [{'status': 'completed'}]}) as both:
        says(migrate(both[0], '--incoming-qmp', both[1].path).expect(UNKNOWN),
             'source and destination both say that they run the guest', both[0].path,
             both[1].path)


def destination_that_has_failed_is_told():
    with sides({'migrations': [COMPLETED]},
               {'migrations': [{'status': 'failed', 'error-desc': 'no disk'}],
                'guests': [(False, 'paused')]}) as both:
        says(migrate(both[0], '--incoming-qmp', both[1].path).expect(UNKNOWN),
             'the source has completed, the destination has not',
             'its migration failed: no disk', 'the source holds the guest, paused',
             f"cont at the source's QMP, {both[0].path}")


def interrupted(peer, code, *parts, before=' active '):
    with command.Running('migrate', '--qmp', peer.path, URI) as running:
        running.wait_to_say(before)
        running.process.send_signal(signal.SIGINT)
        ended = running.end().expect(code)
    check.equal([name for name, _ in peer.told if name == 'migrate_cancel'], ['migrate_cancel'],
                'cancels')
    says(ended, 'cancelling; interrupt again to leave at once', *parts)


def interrupt_cancels():
    with source(migrations=[active()], on_cancel={'status': 'cancelled'}) as peer:
        interrupted(peer, CANCELLED, 'cancelled; the guest runs on at the source')


def interrupt_that_comes_too_late_is_done():
    with source(migrations=[active()], on_cancel=COMPLETED) as peer:
        interrupted(peer, DONE)


def second_interrupt_leaves():
    with source(migrations=[active()]) as peer, \
            command.Running('migrate', '--qmp', peer.path, URI) as running:
        running.wait_to_say(' active ')
        running.process.send_signal(signal.SIGINT)
        running.wait_to_say('interrupt again')
        running.process.send_signal(signal.SIGTERM)
        says(running.end().expect(UNKNOWN), 'left while the migration was active',
             'it may still be going on', peer.path)


def verdict_is_told():
    said = {'verdict': 'no', 'dirty-bytes-per-second': 812 << 20, 'bytes-per-second': 117 << 20,
            'remaining-bytes': 530 << 20, 'downtime-would-do': 4600}
    with source(migrations=[active(), active(**{'x-godwit': {'convergence': said}}),
                            COMPLETED]) as peer:
        says(migrate(peer).expect(DONE), 'not converging: the guest writes 812 MiB/s, 117 MiB/s '
             'are moved, 530 MiB remain; a downtime limit of about 4600 ms would do')


# ---- guests of our own ----

@contextlib.contextmanager
def guests(*options):
    """Two of `godwit vm`, the second one waiting: the paths of their QMP and of a socket."""
    with scratch() as directory:
        paths = [f'{directory}/{name}' for name in ('from', 'to', 'there')]
        common = ['vm', '--guest', 'process', '--memory', '32M']
        with command.Running(*common, '--fill', 'zeros:50,random:50', '--working-set', '8M',
                             *options, '--qmp', f'unix:{paths[0]}') as here, \
                command.Running(*common, '--incoming', 'defer', '--qmp',
                                f'unix:{paths[1]}') as there:
            for running, path in ((here, paths[0]), (there, paths[1])):
                def look(running=running, path=path):
                    check.true(running.process.poll() is None, f'it ended: {running.said()}')
                    return os.path.exists(path)
                check.wait_until(look, command.PATIENCE, path)
            yield paths


def guest_of_ours_moves(method):
    with guests('--dirty-rate', '1M') as (here, there, meeting):
        ended = run('migrate', '--qmp', here, '--incoming-qmp', there, '--channels', '2',
                    '--method', method, '--json', f'{meeting}.json', f'unix:{meeting}')
        check.contains(ended.expect(DONE).out, 'the guest runs at the destination', 'output')
        with open(f'{meeting}.json', encoding='utf-8') as file:
            [figures] = json.load(file)
    check.equal((figures['status'], figures['method'], figures['channels']),
                ('completed', method, 2), 'status, method, channels')
    check.equal(figures['engine'] is not None, method != 'none', 'whether an engine is told')
    for name in ('wire_bytes', 'ratio', 'recv_cpu_seconds', 'downtime_ms', 'rounds'):
        check.true(figures[name] is not None, f'{name} is not known')


def accelerator_of_ours_is_chosen():
    with guests() as (here, there, meeting):
        ended = run('migrate', '--qmp', here, '--incoming-qmp', there, '--channels', '2',
                    '--method', 'qpl', '--accelerator', 'simulated', '--json', '-',
                    f'unix:{meeting}')
        [figures] = json.loads(ended.expect(DONE).out)
        engine = figures['query-migrate']['x-godwit']['engine']
    check.equal((figures['engine'], engine['name']), ('simulated', 'simulated'), 'engine')
    check.equal(engine['units'], engine['device-units'], 'units')


def accelerator_that_cannot_compute_the_method_is_told():
    with guests() as (here, there, meeting):
        ended = run('migrate', '--qmp', here, '--incoming-qmp', there, '--channels', '2',
                    '--method', 'zstd', '--accelerator', 'simulated', f'unix:{meeting}')
        says(ended.expect(FAILED), 'accelerator simulated has no engine for the format zstd',
             'the guest is as it was')


def busy_guest_of_ours_is_called_so_and_cancelled():
    with guests('--dirty-rate', '64M') as (here, there, meeting), \
            command.Running('migrate', '--qmp', here, '--incoming-qmp', there, '--max-bandwidth',
                            '8M', '--downtime-limit', '50', f'unix:{meeting}') as running:
        running.wait_to_say('not converging: the guest writes')
        running.process.send_signal(signal.SIGINT)
        says(running.end().expect(CANCELLED), 'cancelled; the guest runs on at the source')


CASES = [
    *[(f'refuses {" ".join(arguments)[:60]}', refuses, arguments, parts)
      for arguments, parts in REFUSED],
    *[(f'what reads back otherwise is an error: {" ".join(arguments)}',
       what_reads_back_otherwise_is_an_error, script, arguments, parts)
      for script, arguments, parts in [
          ({'deaf': ['max-bandwidth']}, ['--max-bandwidth', '7'],
           ['source: max-bandwidth: 7 was set, 134217728 reads back']),
          ({'deaf': ['multifd']}, ['--channels', '3'],
           ['source: capability multifd: on was set, off reads back']),
          ({'deaf': ['events']}, [], ['source: capability events: on was set, off reads back']),
          ({'deaf': ['multifd-zstd-level'], 'version': (9, 0, 0)},
           ['--method=zstd', '--level=9'],
           ['source: multifd-zstd-level: 9 was set, 1 reads back']),
          ({'deaf': ['nosuch']}, ['--set', 'nosuch=text'],
           ['nosuch: "text" was set, nothing reads back'])]],
    *[(function.__name__, function) for function in (
        help_fits_a_screen, socket_that_nobody_serves_is_told,
        nothing_else_is_set_than_what_was_told, file_has_no_return_path,
        settings_go_to_both_sides, level_goes_with_its_method,
        accelerator_is_set_where_there_is_a_choice, qemu_has_no_accelerator_to_choose,
        no_channels_turn_multifd_off, sides_that_differ_are_not_begun,
        ignored_level_is_a_warning, wrong_type_is_a_mistake, json_is_all_of_standard_output,
        stream_may_be_standard_output, stream_has_all_that_is_said, failure_shows_the_reason,
        guest_that_does_not_run_on_is_unknown, guest_of_ours_that_may_be_elsewhere_is_unknown,
        lost_source_is_unknown, lost_source_whose_guest_has_arrived_is_told,
        two_running_guests_are_told, destination_that_has_failed_is_told, interrupt_cancels,
        interrupt_that_comes_too_late_is_done, second_interrupt_leaves, verdict_is_told,
        busy_guest_of_ours_is_called_so_and_cancelled, accelerator_of_ours_is_chosen,
        accelerator_that_cannot_compute_the_method_is_told)],
    *[(f'guest of ours moves by {method}', guest_of_ours_moves, method)
      for method in ('none', 'zlib', 'zstd', 'qpl', 'uadk', 'qatzip')],
]

if __name__ == '__main__':
    check.run(CASES)
