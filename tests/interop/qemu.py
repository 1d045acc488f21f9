# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu.py - QEMU as a peer: started, asked over QMP, migrated, and gone at the end."""
import functools
import json
import os
import shutil
import socket
import subprocess
import time

from check import Skip, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
FORKY = os.path.join(HERE, '..', 'forky')

# Enough for a sanitizer build on a busy machine; nothing is measured by it.
PATIENCE = 60

# Who dies with whoever started it, however that ended.
LEASHED = ['setpriv', '--pdeathsig', 'KILL', '--']


class QmpError(Exception):
    """A command that QEMU refused."""


class Qmp:
    """One QMP connection; events are kept in the order they came."""

    def __init__(self, connection):
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._lines = connection.makefile('rb')
        self.events = []
        self.version = self._read()['QMP']['version']['qemu']
        self.execute('qmp_capabilities')

    def _read(self):
        line = self._lines.readline()
        if not line:
            raise EOFError('QEMU closed its QMP socket')
        return json.loads(line)

    def execute(self, command, **arguments):
        """Argument names as QMP has them, '_' for '-'."""
        message = {'execute': command,
                   'arguments': {name.replace('_', '-'): value
                                 for name, value in arguments.items()}}
        self._connection.sendall(json.dumps(message).encode() + b'\n')
        while True:
            answer = self._read()
            if 'event' in answer:
                self.events.append(answer)
            elif 'error' in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            else:
                return answer['return']

    def patience(self, seconds):
        """For answers, from now on."""
        self._connection.settimeout(seconds)

    def close(self):
        self._lines.close()
        self._connection.close()


@functools.cache
def _ask_forky():
    return subprocess.run([FORKY], capture_output=True, text=True, check=False)


def forky_root():
    """Where the newer QEMU's root file system lies; made when there is none."""
    made = _ask_forky()
    if made.returncode != 0:
        raise Skip(f'no forky root: {made.stderr.strip()}')
    return made.stdout.strip()


def install_of(version):
    """How to start QEMU of that version, and the root below which its files lie."""
    if version == '7.2':
        if not shutil.which('qemu-system-x86_64'):
            raise Skip('no QEMU 7.2: qemu-system-x86_64 is not on PATH')
        return ['qemu-system-x86_64'], '/'
    return [FORKY, 'run', 'qemu-system-x86_64'], forky_root()


def has_kvm():
    return os.access('/dev/kvm', os.R_OK | os.W_OK)


def need_kvm():
    if not has_kvm():
        raise Skip('no /dev/kvm that this user may open')


class Qemu:
    """A QEMU process in `directory`: `with Qemu('7.2', directory, ['-M', 'none']) as qemu`."""

    def __init__(self, version, directory, arguments, name='qemu'):
        self.log = os.path.join(directory, name + '.log')
        path = os.path.join(directory, name + '.qmp')
        self._arguments = [*LEASHED, *install_of(version)[0], '-nodefaults', '-display', 'none',
                           '-qmp', f'unix:{path}', *arguments]
        self._path = path
        self._version = version
        self._process = None
        self.qmp = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        with socket.socket(socket.AF_UNIX) as listener, open(self.log, 'wb') as log:
            # QEMU connects to us: nobody has to poll for its socket.
            listener.bind(self._path)
            listener.listen(1)
            listener.settimeout(0.2)
            self._process = subprocess.Popen(self._arguments, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log)
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    connection, _ = listener.accept()
                    break
                except TimeoutError:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        raise AssertionError(f'QEMU did not start: {self.said()}') from None
        self.qmp = Qmp(connection)
        seen = f"{self.qmp.version['major']}.{self.qmp.version['minor']}"
        if seen != self._version:
            raise Skip(f'no QEMU {self._version}: {self._arguments[len(LEASHED)]} is {seen}')

    def __exit__(self, *_):
        if self.qmp:
            try:
                self.qmp.execute('quit')
            except (OSError, EOFError, QmpError):
                pass
            self.qmp.close()
        if self._process:
            try:
                self._process.wait(10 if self.qmp else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def runs(self):
        return self._process.poll() is None

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as log:
            return log.read().strip() or 'nothing in its log'

    def set_up(self, channels=0, method='none', return_path=False, **parameters):
        """Capabilities and parameters; both sides of a migration need the same."""
        self.qmp.execute('migrate-set-capabilities', capabilities=[
            {'capability': 'return-path', 'state': return_path},
            {'capability': 'multifd', 'state': channels > 0}])
        if channels > 0:
            parameters |= {'multifd_channels': channels, 'multifd_compression': method}
        self.qmp.execute('migrate-set-parameters', max_bandwidth=1 << 40, **parameters)

    def listen(self, uri):
        """Started with -incoming defer; set_up() comes before this.  Where to connect to."""
        self.qmp.execute('migrate-incoming', uri=uri)
        if not uri.startswith('tcp:'):
            return uri
        bound = self.migration()['socket-address'][0]
        return f"tcp:{bound['host']}:{bound['port']}"

    def migrate(self, uri):
        self.qmp.execute('migrate', uri=uri)

    def migration(self):
        return self.qmp.execute('query-migrate')

    def wait_for(self, status):
        """Until query-migrate says so; its answer."""
        def look():
            try:
                seen = self.migration()
            except (OSError, EOFError) as error:
                raise AssertionError(f'QEMU {self._version} is gone: {error}; '
                                     f'{self.said()}') from None
            state = seen.get('status', 'none')
            if state in ('failed', 'cancelled', 'completed') and state != status:
                raise AssertionError(f"QEMU {self._version}: {state} instead of {status}: "
                                     f"{seen.get('error-desc', self.said())}")
            return state == status and seen
        return wait_until(look, PATIENCE, f'"{status}" from QEMU {self._version}')


def q35(ram_file, size_mib, kvm=None, stopped=True, machine='q35'):
    """A guest whose RAM, block "ram0", is that file.

    Its devices bring blocks with names of all kinds: "0000:00:02.0/e1000.rom",
    "/rom@etc/acpi/tables".
    """
    accelerator = 'kvm' if (has_kvm() if kvm is None else kvm) else 'tcg'
    arguments = ['-M', f'{machine},memory-backend=ram0', '-accel', accelerator,
                 '-m', str(size_mib),
                 '-object', 'memory-backend-file,id=ram0,share=on,'
                 f'size={size_mib}M,mem-path={ram_file}',
                 '-device', 'VGA', '-device', 'e1000']
    return arguments + (['-S'] if stopped else [])


def bare(ram_file, size_mib):
    """No machine at all: one block "ram", no devices."""
    return ['-M', 'none,memory-backend=ram', '-m', str(size_mib),
            '-object', f'memory-backend-file,id=ram,share=on,size={size_mib}M,'
            f'mem-path={ram_file}']
