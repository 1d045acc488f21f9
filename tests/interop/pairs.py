# SPDX-License-Identifier: LGPL-2.1-or-later
"""pairs.py - two QEMUs between which a command of ours moves a guest."""
import contextlib
import os
import signal

import check
from heartbeat import ticks
from qemu import Qemu


class Pair:
    """In one directory; each has a second QMP socket, which is the command's."""

    def __init__(self, directory):
        self.directory = directory
        self.source = self.destination = None
        self.sockets = [self.path('from-qmp'), self.path('to-qmp')]
        self.memory = [self.path('from-ram'), self.path('to-ram')]

    def path(self, name):
        return os.path.join(self.directory, name)

    def _qemu(self, number, version, machine, *more):
        name = ('from', 'to')[number]
        return Qemu(version, self.directory,
                    [*machine, '-qmp', f'unix:{self.sockets[number]},server=on,wait=off',
                     '-pidfile', self.path(f'{name}-pid'), *more], name)

    @contextlib.contextmanager
    def started(self, versions, machines):
        """Both of them; the source's version and arguments come first."""
        with self._qemu(1, versions[1], machines[1], '-incoming', 'defer') as self.destination, \
                self._qemu(0, versions[0], machines[0]) as self.source:
            yield self

    def pid(self, name):
        """Of "from" or "to"."""
        with open(self.path(f'{name}-pid'), encoding='ascii') as file:
            return int(file.read())

    def kill(self, name, number=signal.SIGKILL):
        os.kill(self.pid(name), number)

    def runs_on_at_source(self):
        check.true(self.source.qmp.execute('query-status')['running'], 'the source is paused')
        ticks(self.memory[0])
