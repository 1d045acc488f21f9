# SPDX-License-Identifier: LGPL-2.1-or-later
"""vms.py - `godwit vm` as the tests use it: started, told over QMP and the monitor, moved."""
import contextlib
import os
import socket

from command import PATIENCE, Running, check
from qemu import Qmp, QmpError

# A guest that is small, and still takes a moment to move.
GUEST = ['--memory', '32M', '--fill', 'random', '--dirty-rate', '4M', '--working-set', '4M']

ENDS = ('completed', 'failed', 'cancelled')


class Vm(Running):
    """`with Vm(directory, 'source') as source:`; QMP is there, and a serial port that is kept."""

    def __init__(self, directory, name, *arguments, guest='process', **others):
        self.path = os.path.join(directory, name)
        self.name = name
        self.guest = guest
        super().__init__('vm', '--guest', guest, *GUEST, '--qmp', f'unix:{self.path}.qmp',
                         '--serial', f'file:{self.path}.serial', *arguments, **others)
        self.qmp = None

    def __enter__(self):
        super().__enter__()
        try:
            self.qmp = Qmp(self.connect('qmp'))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.qmp:
            self.qmp.close()
        super().__exit__(*_)

    def connect(self, what):
        """To a socket of it, as soon as it is there."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)

        def look():
            check.true(self.process.poll() is None, f'it ended: {self.said()!r}')
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                connection.connect(f'{self.path}.{what}')
                return True
            return False
        check.wait_until(look, PATIENCE, f'{what} of {self.name}')
        return connection

    def execute(self, command, **arguments):
        return self.qmp.execute(command, **arguments)

    def refuses(self, text, command, **arguments):
        try:
            self.execute(command, **arguments)
        except QmpError as error:
            check.equal(str(error), f'{command}: {text}', 'refusal')
        else:
            raise AssertionError(f'{command} {arguments} was not refused')

    def capabilities(self, **states):
        self.execute('migrate-set-capabilities', capabilities=[
            {'capability': name.replace('_', '-'), 'state': state}
            for name, state in states.items()])

    def status(self):
        return self.execute('query-status')['status']

    def migration(self):
        return self.execute('query-migrate')

    def wait_for(self, status):
        """Until query-migrate says so; its answer."""
        def look():
            seen = self.migration()
            state = seen.get('status', 'none')
            check.true(state == status or state not in ENDS,
                       f'{self.name}: {state} instead of {status}: {seen.get("error-desc")}; '
                       f'said {self.said()!r}')
            return state == status and seen
        return check.wait_until(look, PATIENCE, f'"{status}" of {self.name}')

    def events(self):
        """As "STOP" or "MIGRATION active", up to now."""
        self.execute('query-status')
        return [' '.join([event['event'], *map(str, event.get('data', {}).values())])
                for event in self.qmp.events]

    def wait_for_event(self, text):
        check.wait_until(lambda: text in self.events(), PATIENCE,
                         f'"{text}" of {self.name}, which told {self.events()}')

    def listen(self, uri):
        """Started with --incoming defer.  Where to connect to."""
        self.execute('migrate-incoming', uri=uri)
        return self.listening_on()

    def beats(self):
        """What the serial port said: the numbers of whole lines "beat N"."""
        if not os.path.exists(f'{self.path}.serial'):
            return []
        with open(f'{self.path}.serial', encoding='ascii', newline='') as file:
            lines = file.read().replace('\r', '').split('\n')[:-1]
        for line in lines:
            check.true(line.startswith('beat '), f'{self.name}: "{line}" on the serial port')
        return [int(line.removeprefix('beat ')) for line in lines]

    def beats_on(self):
        """The guest runs: it says something new."""
        before = len(self.beats())
        check.wait_until(lambda: len(self.beats()) > before, PATIENCE,
                         f'beat of {self.name}, which is {self.status()}')

    def quit(self, code=0):
        self.execute('quit')
        return self.end().expect(code)


def pair(directory, *arguments, guest='process', source=(), destination=()):
    """Source and destination, which waits to be told where to listen."""
    return (Vm(directory, 'source', *arguments, *source, guest=guest),
            Vm(directory, 'destination', *arguments, *destination, '--incoming', 'defer',
               guest=guest))


def set_up(vms, channels=2, method='none', **capabilities):
    for vm in vms:
        vm.capabilities(events=True, return_path=True, multifd=channels > 0)
        vm.execute('migrate-set-parameters', multifd_channels=max(channels, 1),
                   multifd_compression=method, max_bandwidth=0)
    if capabilities:
        vms[0].capabilities(**capabilities)


def check_moved(source, destination):
    """Every beat was told once, in order, by the one or the other."""
    destination.beats_on()
    left, arrived = source.beats(), destination.beats()
    told = left + arrived
    check.equal(told, list(range(told[0], told[0] + len(told))), 'beats')
    check.equal(source.status(), 'postmigrate', 'run state of the source')
    check.equal(destination.status(), 'running', 'run state of the destination')
    check.equal(source.beats(), left, 'beats of the source after it was left')
