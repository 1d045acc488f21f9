# SPDX-License-Identifier: LGPL-2.1-or-later
"""relays.py - two QEMUs with `godwit send` and `godwit recv` between them."""
import contextlib
import os

import check
import heartbeat
import pairs
import peers
import ram
from qemu import bare, q35

# Both QEMUs know it; what the newer one does by itself on newer machines, the older one would
# not understand.
MACHINE = 'pc-q35-7.2'

# The commands' helpers clean up behind a killed one, and give a QEMU ten seconds to close.
CLEAN_UP_S = 20


class Relay(pairs.Pair):
    """What is between them lives in a runtime directory of its own, and is gone at the end."""

    def __init__(self, directory):
        super().__init__(directory)
        self.runtime = self.path('runtime')
        os.mkdir(self.runtime, 0o700)
        self._before = None

    def godwit(self, command, *arguments):
        return peers.Godwit(self.directory, command, *arguments, XDG_RUNTIME_DIR=self.runtime)

    def recv(self, *arguments, listen='tcp:127.0.0.1:0'):
        return self.godwit('recv', '--qmp', self.sockets[1], '--listen', listen, *arguments)

    def send(self, to, *arguments):
        self._before = settings(self.source)
        return self.godwit('send', '--qmp', self.sockets[0], '--to', to, *arguments)

    def leave_settings(self):
        """Whoever would put them back will be killed."""
        self._before = None

    def leftovers(self):
        """Files and processes of the commands that have ended."""
        marker = f'XDG_RUNTIME_DIR={self.runtime}'.encode()
        found = os.listdir(self.runtime)
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError), open(f'/proc/{pid}/environ', 'rb') as file:
                if marker in file.read().split(b'\0'):
                    found.append(f'process {pid}')
        return found

    def nothing_is_left(self):
        check.wait_until(lambda: not self.leftovers(), CLEAN_UP_S,
                         f'end of {self.leftovers()}')

    def settings_are_back(self):
        if self._before is not None and self.source.runs():
            changed = {name: value for name, value in settings(self.source).items()
                       if self._before.get(name) != value}
            check.true(not changed, f'the source has other settings than before: {changed}')

    def states(self):
        """What both QEMUs say of themselves; who is gone says nothing."""
        return [side.qmp.execute('query-status')['status'] if side.runs() else None
                for side in (self.source, self.destination)]


def settings(qemu):
    return qemu.qmp.execute('query-migrate-parameters') | {
        item['capability']: item['state']
        for item in qemu.qmp.execute('query-migrate-capabilities')}


def running(made, ram_file, size_mib, machine):
    return heartbeat.ticking(made.directory, ram_file, machine, size_mib)


def paused(_made, ram_file, size_mib, machine):
    """With firmware and devices, before its first instruction."""
    return q35(ram_file, size_mib, kvm=False, machine=machine)


def empty(_made, ram_file, size_mib, _machine):
    return bare(ram_file, size_mib)


@contextlib.contextmanager
def relay(versions, guest=running, size_mib=heartbeat.SIZE_MIB, machines=(MACHINE, MACHINE),
          real_bytes=False, extras=((), ()), parent=None):
    """`extras`: arguments of source and destination; `parent`: where its directory is made."""
    with peers.scratch(parent) as directory:
        made = Relay(directory)
        if real_bytes:
            ram.fill(made.memory[0], size_mib * ram.MIB)
        sides = [guest(made, ram_file, size_mib, machine) + list(extra)
                 for ram_file, machine, extra in zip(made.memory, machines, extras)]
        with made.started(versions, sides):
            if guest is running:
                heartbeat.ticks(made.memory[0])
            yield made
            made.nothing_is_left()
            made.settings_are_back()
