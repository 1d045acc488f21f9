# SPDX-License-Identifier: LGPL-2.1-or-later
"""command.py - what the tests of the command share: to run it, to watch it, to end it."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'interop'))

import check  # noqa: E402  pylint: disable=wrong-import-position

GODWIT = os.path.abspath(os.environ.get('GODWIT', os.path.join(HERE, '..', '..', 'build',
                                                               'godwit')))
LONG = bool(os.environ.get('GODWIT_LONG') or os.environ.get('GODWIT_TEST_LONG'))

# Against hangs: nothing is measured by it.
PATIENCE = 600 if LONG else 120

DONE, FAILED, USAGE, CANCELLED, UNKNOWN = range(5)

RUNS_ON = '; the guest runs on at the source'

# Bytes that compress as programs do, and are on every host that runs this.
PROGRAM = os.path.realpath(sys.executable)
MIXED = f'zeros:50,random:10,{PROGRAM}:40'


# Under nohup it would be ignored here, and in all that is started from here.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Ended:
    """How a command ended."""

    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    def __str__(self):
        return f'{" ".join(self.arguments)}: exit {self.code}, said {self.err!r}'

    def expect(self, code):
        check.true(self.code == code, f'{self}; exit {code} was expected')
        return self

    def sentence(self):
        """The one line that says what happened; warnings about strangers may come before."""
        lines = [line for line in self.err.splitlines() if not line.startswith('listener: ')]
        check.true(len(lines) == 1, f'{self}; one line was expected')
        return lines[0]


@contextlib.contextmanager
def scratch():
    """A directory for one case, gone at its end."""
    directory = tempfile.mkdtemp(prefix='cli-')
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


class Running:
    """A command on its way; `with Running('demo', ...) as demo: ... demo.end()`"""

    def __init__(self, *arguments, stdin=subprocess.DEVNULL, pass_fds=()):
        self.arguments, self._stdin, self._pass_fds = arguments, stdin, pass_fds
        self.process = self._out = self._err = None

    def __enter__(self):
        # Files, since a pipe that nobody reads would stop it.
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen([GODWIT, *self.arguments], stdin=self._stdin,
                                        stdout=self._out, stderr=self._err,
                                        pass_fds=self._pass_fds)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()

    @staticmethod
    def _read(file):
        return os.pread(file.fileno(), 1 << 24, 0).decode(errors='replace')

    def said(self):
        return self._read(self._err)

    def wait_to_say(self, what):
        def look():
            check.true(what in self.said() or self.process.poll() is None,
                       f'{self.arguments[0]} ended before {what!r}: {self.said()!r}')
            return what in self.said()
        check.wait_until(look, PATIENCE, f'{what!r} of {self.arguments[0]}')

    def listening_on(self):
        self.wait_to_say('listening on ')
        check.wait_until(lambda: self.said().partition('listening on ')[2].endswith('\n'),
                         PATIENCE, 'end of the line')
        return self.said().partition('listening on ')[2].split()[0]

    def children(self):
        """Source and destination, once both are there."""
        def look():
            check.true(self.process.poll() is None, f'it ended: {self.said()!r}')
            found = descendants(self.process.pid)
            return found if len(found) == 2 else None
        return check.wait_until(look, PATIENCE, 'two processes')

    def end(self):
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{" ".join(self.arguments)}: still runs after {PATIENCE} s, '
                                 f'said {self.said()!r}') from None
        return Ended(self.arguments, code, self._read(self._out), self.said())


def descendants(pid):
    """Children of a process, in the order of their birth."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for thread in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{thread}/children', encoding='ascii') as file:
                found += map(int, file.read().split())
    return found


def run(*arguments, stdin=subprocess.DEVNULL):
    with Running(*arguments, stdin=stdin) as running:
        return running.end()


def demo(*arguments):
    """Migrations that must succeed: their figures, from --json."""
    ended = run('demo', *arguments, '--json', '-').expect(DONE)
    check.equal(ended.err, '', f'standard error of {ended}')
    return json.loads(ended.out)


def meeting_places():
    """Where commands without --uri meet; those of others on this host, too."""
    return {name for name in os.listdir('/tmp') if name.startswith('godwit-demo-')}


def nothing_new_stays(before):
    """Others' commands end some time; what nobody removes is ours."""
    for name in meeting_places() - before:
        check.wait_until(lambda name=name: not os.path.exists(f'/tmp/{name}'), PATIENCE,
                         f'end of /tmp/{name}')


def closed_port():
    """Where nobody listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return f'tcp:127.0.0.1:{server.getsockname()[1]}'


def same_files(one, other):
    with open(one, 'rb') as first, open(other, 'rb') as second:
        while True:
            left, right = first.read(1 << 20), second.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True


def pause(seconds):
    """Lets something go on meanwhile; nothing depends on how far it gets."""
    time.sleep(seconds)
