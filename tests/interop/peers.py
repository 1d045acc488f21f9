# SPDX-License-Identifier: LGPL-2.1-or-later
"""peers.py - what the tests of both directions share: places, addresses, our own command."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

import check
from qemu import HERE, LEASHED, PATIENCE

GODWIT = os.environ.get('GODWIT', os.path.join(HERE, '..', '..', 'build', 'godwit'))

DONE, FAILED, USAGE, CANCELLED, UNKNOWN = range(5)

# QEMU's versions at hand: where barriers are per section and zero pages travel on main, and
# where barriers are per round and zero pages travel in packets.
VERSIONS = ('7.2', '11.1')

# (channels, method); without channels there is no multifd.
MULTIFD = [(count, method) for method in ('none', 'zlib', 'zstd') for count in (2, 5)]
STREAMS = [(0, 'none'), *MULTIFD]

# `make test-long` sets it.
SIZE_MIB = 256 if os.environ.get('GODWIT_TEST_LONG') else 64


def stream_name(channels, method):
    return f'{method}_{channels}_channels' if channels else 'no_multifd'


@contextlib.contextmanager
def scratch(parent=None):
    """A directory for one case, gone at its end."""
    directory = tempfile.mkdtemp(prefix='godwit-', dir=parent)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def address(transport, directory):
    """Where to listen; the port of a tcp address is whichever is free."""
    return f'unix:{directory}/migration' if transport == 'unix' else 'tcp:127.0.0.1:0'


class Godwit:
    """`with Godwit(directory, 'inspect', ...) as godwit: ... godwit.finish()`"""

    def __init__(self, directory, command, *arguments, **environment):
        self._environment = os.environ | environment
        self._json = os.path.join(directory, f'{command}.json')
        self._arguments = [GODWIT, command, *arguments, '--json', self._json]
        self._log = os.path.join(directory, f'{command}.log')
        self._process = None

    def __enter__(self):
        with open(self._log, 'wb') as log:
            self._process = subprocess.Popen([*LEASHED, *self._arguments],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             env=self._environment)
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def runs(self):
        return self._process.poll() is None

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def said(self):
        with open(self._log, encoding='utf-8', errors='replace') as log:
            return log.read().strip() or 'nothing'

    def listening_on(self):
        """Waits until it listens; where to connect to."""
        def look():
            found = re.search(r'listening on (\S+)', self.said())
            if not found and self._process.poll() is not None:
                raise AssertionError(f'it exited {self._process.returncode} instead of '
                                     f'listening, and said: {self.said()}')
            return found and found.group(1)
        return check.wait_until(look, PATIENCE, f'listener of {self._arguments[1]}')

    def wait_to_say(self, what):
        def look():
            runs, said = self.runs(), self.said()
            check.true(what in said or runs, f'it ended before {what!r}: {said}')
            return what in said
        check.wait_until(look, PATIENCE, f'{what!r}')

    def wait(self):
        """For its end; the exit code."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self._arguments[1]} still runs after {PATIENCE} s, '
                                 f'and said: {self.said()}') from None

    def end(self, code, *parts):
        """Waits for its end, which must be by that exit code; what it said, each of those parts
        included."""
        seen = self.wait()
        if seen != code:
            raise AssertionError(f'{self._arguments[1]} exited {seen}, expected {code}, '
                                 f'and said: {self.said()}')
        for part in parts:
            check.contains(self.said(), part, f'what {self._arguments[1]} said')
        return self.said()

    def finish(self, code=0):
        """Waits for its end, which must be by that exit code; its report."""
        self.end(code)
        with open(self._json, encoding='utf-8') as file:
            return json.load(file)
