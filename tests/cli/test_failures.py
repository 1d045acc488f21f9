#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_failures.py - what goes wrong, told once: killed processes, lost peers, Ctrl-C, garbage.

Until the last byte the guest runs on at the source and one sentence says why it did not move.
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import (CANCELLED, DONE, FAILED, RUNS_ON, UNKNOWN, USAGE, Running,  # noqa: E402
                     check, closed_port, meeting_places, nothing_new_stays, pause, run,
                     scratch)

# Takes four seconds, unless something happens.
PROCESS = ['--guest', 'process']
SLOW = [*PROCESS, '--memory', '16M', '--fill', 'random', '--dirty-rate', '1M', '--methods', 'none',
        '--max-bandwidth', '4M']
SMALL = [*PROCESS, '--memory', '8M', '--fill', 'random', '--dirty-rate', '1M']

# Seconds into the first round.
MOMENTS = (0, 0.2, 1, 2)


@contextlib.contextmanager
def leaves_nothing(running_children):
    """No process and nothing in /tmp, whatever happens within."""
    before = meeting_places()
    yield
    for pid in running_children:
        check.wait_until(lambda pid=pid: not os.path.exists(f'/proc/{pid}'), 20,
                         f'end of process {pid}')
    nothing_new_stays(before)


@contextlib.contextmanager
def under_way(seconds, *arguments):
    """A slow migration so long into its first round, with source and destination."""
    pids = []
    with leaves_nothing(pids), Running('demo', *SLOW, '--verbose', *arguments) as demo:
        pids += demo.children()
        demo.wait_to_say('source: active')
        pause(seconds)
        yield demo, *pids


def last_line(ended):
    """With --verbose much is said before."""
    return ended.err.splitlines()[-1]


# ---- processes that are killed ----

def destination_is_killed(seconds):
    with under_way(seconds, '--json', '-') as (demo, _, destination):
        os.kill(destination, signal.SIGKILL)
        ended = demo.end().expect(FAILED)
    check.equal(last_line(ended), f'godwit demo: none: the destination process ended{RUNS_ON}',
                'sentence')
    (figures,) = json.loads(ended.out)
    check.equal((figures['status'], figures['verified'], figures['recv_cpu_seconds']),
                ('failed', None, None), 'status, verified, receive CPU')
    check.equal(figures['error'], 'the destination process ended', 'error')


def destination_is_killed_before_it_begins():
    """However early, nobody waits for it."""
    before = meeting_places()
    for _ in range(5):
        with Running('demo', *SMALL, '--methods', 'none') as demo:
            os.kill(demo.children()[1], signal.SIGKILL)
            ended = demo.end()
        check.true(ended.code in (FAILED, UNKNOWN), f'{ended}')
        check.contains(ended.sentence(), 'destination process', 'sentence')
    nothing_new_stays(before)


def sentence_is_the_only_line():
    """Without --verbose."""
    with Running('demo', *SLOW) as demo:
        _, destination = demo.children()
        pause(1.5)
        os.kill(destination, signal.SIGKILL)
        ended = demo.end().expect(FAILED)
    check.equal(ended.sentence(), f'godwit demo: none: the destination process ended{RUNS_ON}',
                'sentence')
    check.equal(ended.out.splitlines()[3].split()[-1], 'failed', 'verdict of the table')


def source_is_killed(seconds):
    with under_way(seconds, '--json', '-') as (demo, source, _):
        os.kill(source, signal.SIGKILL)
        ended = demo.end().expect(UNKNOWN)
    check.equal(last_line(ended), 'godwit demo: none: the source process ended; neither side '
                'holds the guest', 'sentence')
    check.equal(json.loads(ended.out)[0]['status'], 'failed', 'status')


def both_are_killed():
    with under_way(0.2) as (demo, source, destination):
        os.kill(source, signal.SIGKILL)
        os.kill(destination, signal.SIGKILL)
        ended = demo.end().expect(UNKNOWN)
    check.contains(last_line(ended), 'neither side holds the guest', 'sentence')


def command_is_killed():
    """Its processes go with it."""
    with scratch() as directory:
        with Running('demo', *SLOW, '--verbose', '--uri', f'unix:{directory}/socket') as demo:
            pids = demo.children()
            demo.wait_to_say('source: active')
            demo.process.kill()
            demo.process.wait()
        for pid in pids:
            check.wait_until(lambda pid=pid: not os.path.exists(f'/proc/{pid}'), 20,
                             f'end of process {pid}')


def sockets_go_when_it_is_killed(*arguments):
    """Those of `send` and `recv`, at once, while nobody has come."""
    with scratch() as directory:
        path = f'{directory}/socket'
        with Running(*(argument.format(path) for argument in arguments)) as running:
            check.equal(running.listening_on(), f'unix:{path}', 'place')
            running.process.kill()
        check.wait_until(lambda: not os.path.exists(path), 20, f'end of {path}')


# ---- Ctrl-C ----

def cancelled(seconds, number):
    with under_way(seconds, '--json', '-') as (demo, _, _):
        demo.process.send_signal(number)
        ended = demo.end().expect(CANCELLED)
    check.equal(last_line(ended), f'godwit demo: none: cancelled{RUNS_ON}', 'sentence')
    check.equal(json.loads(ended.out)[0]['status'], 'cancelled', 'status')


def cancelled_by_terminal():
    """A Ctrl-C reaches the whole process group."""
    with leaves_nothing([]):
        process = subprocess.Popen([command.GODWIT, 'demo', *SLOW], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   start_new_session=True, text=True)
        pause(1)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=command.PATIENCE)
    check.equal(process.returncode, CANCELLED, f'exit code, having said {said!r}')
    check.equal(said, f'godwit demo: none: cancelled{RUNS_ON}\n', 'sentence')


def terminated_as_a_group():
    """As timeout(1) and service managers do."""
    with leaves_nothing([]):
        process = subprocess.Popen([command.GODWIT, 'demo', *SLOW], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   start_new_session=True, text=True)
        pause(1)
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=command.PATIENCE)
    check.equal(process.returncode, CANCELLED, f'exit code, having said {said!r}')
    check.equal(said, f'godwit demo: none: cancelled{RUNS_ON}\n', 'sentence')


def cancelled_at_any_time():
    """From the first instant to the end: it is cancelled, or it was done before."""
    seen = set()
    with leaves_nothing([]):
        for milliseconds in (5, 20, 50, 100, 110, 115, 120, 125, 130, 140, 160, 200, 300, 400):
            with Running('demo', *SMALL, '--methods', 'none,zstd', '--channels', '8') as demo:
                time.sleep(milliseconds / 1000)
                demo.process.send_signal(signal.SIGINT)
                ended = demo.end()
            if ended.code == -signal.SIGINT:
                continue  # before it could know
            check.true(ended.code in (DONE, CANCELLED), f'{ended}, interrupted after '
                       f'{milliseconds} ms')
            if ended.code == CANCELLED:
                check.true(re.fullmatch(rf'godwit demo: (\w+: cancelled{RUNS_ON}|cancelled '
                                        r'before the migration began)', ended.sentence()),
                           f'{ended}')
            seen.add(ended.code)
    check.true(CANCELLED in seen, f'exit codes {seen}')


def nohup_goes_on():
    """Who closes the terminal does not cancel what was started to outlive it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with under_way(0.1) as (demo, _, _):
            demo.process.send_signal(signal.SIGHUP)
            demo.end().expect(DONE)
    finally:
        signal.signal(signal.SIGHUP, before)


def inspect_is_cancelled():
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0', '--json', '-') as inspect:
        inspect.listening_on()
        inspect.process.send_signal(signal.SIGINT)
        ended = inspect.end().expect(CANCELLED)
    check.equal(ended.err.splitlines()[-1], 'godwit inspect: cancelled', 'sentence')
    check.equal(json.loads(ended.out)['status'], 'cancelled', 'status')


# ---- peers ----

def nobody_listens(uri):
    ended = run('demo', *SMALL, '--to', uri, '--json', '-').expect(FAILED)
    check.equal(ended.sentence(), f'godwit demo: none: {uri}: connection refused{RUNS_ON}',
                'sentence')
    (figures,) = json.loads(ended.out)
    check.equal((figures['status'], figures['verified']), ('failed', None), 'status, verified')


def nobody_listens_on_tcp():
    nobody_listens(closed_port())


def nobody_listens_on_unix():
    with scratch() as directory:
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(f'{directory}/socket')
        nobody_listens(f'unix:{directory}/socket')
        ended = run('demo', *SMALL, '--to', f'unix:{directory}/none').expect(FAILED)
        check.equal(ended.sentence(), f'godwit demo: none: unix:{directory}/none: no such file '
                    f'or directory{RUNS_ON}', 'sentence')


class Peer:
    """A listener that does with each connection what it is told to."""

    def __init__(self, serve):
        self._serve, self._open = serve, []

    def __enter__(self):
        self._server = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.uri = f'tcp:127.0.0.1:{self._server.getsockname()[1]}'
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with contextlib.suppress(OSError):
            self._serve(connection)

    def __exit__(self, *_):
        self._server.close()
        for connection in self._open:
            connection.close()


def read_on(connection):
    while connection.recv(1 << 20):
        pass


def peer_fails(serve, pattern, *arguments, memory='64M'):
    with Peer(serve) as peer:
        begun = time.monotonic()
        ended = run('demo', *PROCESS, '--memory', memory, '--fill', 'random', '--dirty-rate', '1M',
                    '--timeout', '2', '--to', peer.uri, *arguments).expect(FAILED)
        taken = time.monotonic() - begun
    check.true(re.fullmatch(rf'godwit demo: none: {pattern}{RUNS_ON}', ended.sentence()),
               f'sentence is {ended.sentence()!r}, expected {pattern!r}')
    check.true(taken < 60, f'it took {taken:.0f} s')


def peer_reads_and_leaves(connection):
    connection.recv(1)


def peer_refuses(connection):
    connection.close()


def peer_talks_nonsense(connection):
    connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
    read_on(connection)


PEERS = [
    ('accepts and is silent', lambda _: None,
     r'(main channel|channel \d+): .*(2 s|2000 ms).*', []),
    ('is silent by 16 channels', lambda _: None,
     r'(main channel|channel \d+): .*(2 s|2000 ms).*', ['--channels', '16']),
    ('reads and never answers', read_on,
     r'main channel: no answer to PING 1 within 2 s', []),
    ('closes at once', peer_refuses, r'(main channel|channel \d+|return path): .+', []),
    ('says what is no return path', peer_talks_nonsense, r'(main channel|return path).*', []),
    ('resets', lambda connection: connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0') or connection.close(),
     r'(main channel|channel \d+|return path|tcp:).*', []),
]


def wrong_channel_count(there, here, fill):
    """Neither is done, neither hangs: not even where all that is sent fits in socket buffers."""
    for _ in range(3):
        with scratch() as directory:
            with Running('inspect', '--listen', f'unix:{directory}/socket', '--channels',
                         str(there), '--timeout', '1', '--json', f'{directory}/report') as inspect:
                sent = run('demo', *PROCESS, '--memory', '8M', '--fill', fill, '--methods',
                           'zstd', '--channels', str(here), '--timeout', '1', '--to',
                           inspect.listening_on())
                received = inspect.end()
            sent.expect(FAILED)
            received.expect(FAILED)
            with open(f'{directory}/report', encoding='utf-8') as file:
                check.equal(json.load(file)['status'], 'failed', 'status of the report')
        check.true(sent.sentence().startswith('godwit demo: zstd: '), f'{sent}')
        check.true(sent.sentence().endswith(RUNS_ON), f'{sent}')
        last = received.err.splitlines()[-1]
        check.true(last.startswith('godwit inspect: '), f'{received}')
        if there > here:
            check.contains(last, f'{here} of {there} page channels', 'sentence of inspect')


def dialects_disagree():
    """The machine type says one, the option another: what is sent counts."""
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0', '--dialect', 'qemu-7.2',
                 '--json', '-') as inspect:
        run('demo', *SMALL, '--to', inspect.listening_on()).expect(DONE)
        ended = inspect.end().expect(DONE)
    check.contains(ended.err, 'barriers once a round, unlike qemu-7.2', 'standard error')


def too_large_guest_is_refused():
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0', '--max-memory', '3M') as inspect:
        sent = run('demo', *SMALL, '--to', inspect.listening_on()).expect(FAILED)
        received = inspect.end().expect(FAILED)
    check.true(re.search('the destination reported a failure|closed the connection',
                         sent.sentence()), f'{sent}')
    check.true(sent.sentence().endswith(RUNS_ON), f'{sent}')
    check.contains(received.err.splitlines()[-1], f'{3 << 20}', 'sentence of inspect')


def two_listeners_do_not_share():
    with scratch() as directory:
        uri = f'unix:{directory}/socket'
        with Running('inspect', '--listen', uri) as inspect:
            inspect.listening_on()
            ended = run('inspect', '--listen', uri).expect(FAILED)
            check.contains(ended.sentence(), 'somebody listens there already', 'sentence')
            run('demo', *SMALL, '--to', uri).expect(DONE)
            inspect.end().expect(DONE)


# ---- strangers ----

def garbage_is_shown_out():
    """Whoever comes first with something else does not spoil it for the migration."""
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0', '--channels', '4',
                 '--json', '-') as inspect:
        uri = inspect.listening_on()
        port = int(uri.rpartition(':')[2])
        kept = []
        for garbage in (b'', b'G', b'GET / HTTP/1.0\r\n\r\n', bytes(4096), b'\xff' * 64,
                        b'QEVM'[:3], b'\x11\x22\x33\x44'[:2]):
            connection = socket.create_connection(('127.0.0.1', port))
            connection.sendall(garbage)
            if len(garbage) % 2:
                connection.close()
            else:
                kept.append(connection)
        ended = run('demo', *SMALL, '--channels', '4', '--to', uri).expect(DONE)
        report = json.loads(inspect.end().expect(DONE).out)
        for connection in kept:
            connection.close()
    check.equal(ended.err, '', 'standard error of the source')
    check.equal((report['status'], report['channels']), ('completed', 4), 'report')


def nobody_comes_in_time():
    """A stranger starts the clock; without a migration it runs out."""
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0', '--timeout', '1') as inspect:
        port = int(inspect.listening_on().rpartition(':')[2])
        with socket.create_connection(('127.0.0.1', port)):
            ended = inspect.end().expect(FAILED)
    check.contains(ended.err.splitlines()[-1], 'main channel missing, 0 of 2 page channels within '
                   '1000 ms', 'sentence')


# ---- recorded streams ----

def record(directory):
    """A main stream, as socat and qemu -incoming would have it: a guest with the pages on main
    does not come from us, so one of QEMU's is unpacked."""
    golden = os.path.join(command.HERE, '..', 'golden', 'qemu-7.2-none.main.zst')
    path = f'{directory}/recorded'
    done = subprocess.run(['zstd', '-dqf', golden, '-o', path], check=False,
                          capture_output=True, text=True)
    if done.returncode:
        raise check.Skip(f'zstd: {done.stderr.strip()}')
    return path


def recorded_stream_is_read():
    with scratch() as directory:
        path = record(directory)
        report = json.loads(run('inspect', path, '--json', '-').expect(DONE).out)
        with open(path, 'rb') as file:
            piped = json.loads(run('inspect', '-', '--json', '-', stdin=file).expect(DONE).out)
        with subprocess.Popen(['cat', path], stdout=subprocess.PIPE) as cat:
            from_pipe = json.loads(run('inspect', '-', '--json', '-',
                                       stdin=cat.stdout).expect(DONE).out)
    for other in (piped, from_pipe):
        for key in report.keys() - {'total_ms'}:
            check.equal(other[key], report[key], key)
    check.equal((report['status'], report['machine'], report['channels']),
                ('completed', 'none', 0), 'report')
    check.true(report['main_normal_pages'] + report['main_zero_pages'] > 0, 'no pages')


def truncated_stream_is_named():
    """Wherever it ends, that it does is said; the whole is the only success."""
    with scratch() as directory:
        path = record(directory)
        with open(path, 'rb') as file:
            whole = file.read()
        # The description after the end may be missing; it tells the devices, of which this
        # machine has none.
        lengths = {0, 1, 3, 4, 7, 8, 9, 12, 17, 20, 40, 80, 100, 150, len(whole) // 2,
                   len(whole) - 4096}
        for length in sorted(length for length in lengths if 0 <= length < len(whole) - 64):
            with open(f'{directory}/cut', 'wb') as file:
                file.write(whole[:length])
            ended = run('inspect', f'{directory}/cut').expect(FAILED)
            check.equal(ended.out, '', f'standard output of {ended}')
            check.true(re.search(r'cut short|ended|end of', ended.sentence()),
                       f'of {length} bytes: {ended.sentence()!r}')


def spoilt_stream_is_refused():
    with scratch() as directory:
        path = record(directory)
        with open(path, 'r+b') as file:
            file.write(b'QEVN')
        ended = run('inspect', path, '--json', f'{directory}/report').expect(FAILED)
        check.contains(ended.sentence(), 'magic 0x5145564e, expected 0x5145564d', 'sentence')
        with open(f'{directory}/report', encoding='utf-8') as file:
            check.equal(json.load(file)['status'], 'failed', 'status')


# ---- the road's end ----

def our_destination_refuses():
    """A stream without the guest's state is of no use to our destination."""
    ended = run('demo', *SMALL, '--machine', 'none').expect(FAILED)
    check.contains(ended.sentence(), 'destination: start: the stream ended without '
                   '"godwit/process-guest"', 'sentence')
    check.true(ended.sentence().endswith(RUNS_ON), f'{ended}')


def closed_output_is_no_file_of_ours():
    """What is printed does not go into the file that was opened in its place."""
    with scratch() as directory:
        said = subprocess.run(['sh', '-c', 'exec "$0" "$@" >&-', command.GODWIT, 'demo', *SMALL,
                               '--methods', 'none', '--json', f'{directory}/figures'],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                              timeout=command.PATIENCE)
        check.equal(said.returncode, DONE, f'exit code, having said {said.stderr!r}')
        with open(f'{directory}/figures', encoding='utf-8') as file:
            check.equal(json.load(file)[0]['status'], 'completed', 'status')


def place_is_taken():
    with socket.create_server(('127.0.0.1', 0)) as server:
        uri = f'tcp:127.0.0.1:{server.getsockname()[1]}'
        ended = run('demo', *SMALL, '--uri', uri)
        check.true(ended.code in (FAILED, USAGE), f'{ended}')
        check.contains(ended.sentence(), f'{uri}: address already in use', 'sentence')


CASES = [
    *[(f'destination is killed {seconds} s into it', destination_is_killed, seconds)
      for seconds in MOMENTS],
    ('destination is killed before it begins', destination_is_killed_before_it_begins),
    ('sentence is the only line', sentence_is_the_only_line),
    *[(f'source is killed {seconds} s into it', source_is_killed, seconds)
      for seconds in MOMENTS],
    ('both are killed', both_are_killed),
    ('command is killed', command_is_killed),
    ('recv is killed', sockets_go_when_it_is_killed,
     'recv', '--socket', '{}.qemu', '--listen', 'unix:{}'),
    ('send is killed', sockets_go_when_it_is_killed,
     'send', '--socket', '{}', '--qemu-channels', '2', '--to', 'tcp:127.0.0.1:1'),
    *[(f'cancelled {seconds} s into it', cancelled, seconds, signal.SIGINT)
      for seconds in MOMENTS],
    ('cancelled by SIGTERM', cancelled, 0.1, signal.SIGTERM),
    ('cancelled by SIGHUP', cancelled, 0.1, signal.SIGHUP),
    ('nohup goes on', nohup_goes_on),
    ('cancelled by the terminal', cancelled_by_terminal),
    ('terminated as a group', terminated_as_a_group),
    ('cancelled at any time', cancelled_at_any_time),
    ('inspect is cancelled', inspect_is_cancelled),
    ('nobody listens on tcp', nobody_listens_on_tcp),
    ('nobody listens on unix', nobody_listens_on_unix),
    *[(f'peer {name}', lambda serve=serve, pattern=pattern, arguments=arguments: peer_fails(
        serve, pattern, *arguments)) for name, serve, pattern, arguments in PEERS],
    *[(f'wrong channel count: {here} to {there}, {fill}', wrong_channel_count, there, here, fill)
      for there, here in ((4, 2), (2, 4), (16, 1), (0, 2)) for fill in ('random', 'zeros')],
    ('dialects disagree', dialects_disagree),
    ('too large guest is refused', too_large_guest_is_refused),
    ('two listeners do not share', two_listeners_do_not_share),
    ('garbage is shown out', garbage_is_shown_out),
    ('nobody comes in time', nobody_comes_in_time),
    ('recorded stream is read', recorded_stream_is_read),
    ('truncated stream is named', truncated_stream_is_named),
    ('spoilt stream is refused', spoilt_stream_is_refused),
    ('our destination refuses', our_destination_refuses),
    ('closed output is no file of ours', closed_output_is_no_file_of_ours),
    ('place is taken', place_is_taken),
]

if __name__ == '__main__':
    check.run(CASES)
