# SPDX-License-Identifier: LGPL-2.1-or-later
"""sessions.py - a QEMU and a guest of ours, told the same lines; and how their answers compare."""
import json
import os
import socket
import subprocess

from check import wait_until
from peers import GODWIT
from qemu import LEASHED, PATIENCE, install_of

# What QEMU 7.2 does not know yet, and what is ours alone.
NEWER_PARAMETERS = {'avail-switchover-bandwidth', 'multifd-qatzip-level',
                    'compression-accelerator', 'compression-accelerator-jobs'}
NEWER_CAPABILITIES = {'switchover-ack'}

QEMU_SIZE_MIB = 64
PROMPTS = (b'(qemu) ', b'(godwit) ')


class Peer:
    """Whoever answers QMP and the monitor: told lines as they are, events kept as they came."""

    def __init__(self, directory, name, arguments, echoes=False):
        self._echoes = echoes
        self._path = os.path.join(directory, name)
        self._arguments = [*LEASHED, *arguments]
        self._process = self._qmp = self._lines = self._monitor = None
        self.name, self.events, self.greeting = name, [], None

    def __enter__(self):
        try:
            with open(self._path + '.log', 'wb') as log:
                self._process = subprocess.Popen(self._arguments, stdin=subprocess.DEVNULL,
                                                 stdout=log, stderr=log)
            self._qmp = self._connect('qmp')
            self._lines = self._qmp.makefile('rb')
            self.greeting = self._read()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for connection in (self._lines, self._qmp, self._monitor):
            if connection:
                connection.close()
        if self._process:
            self._process.kill()
            self._process.wait()

    def _said(self):
        with open(self._path + '.log', encoding='utf-8', errors='replace') as log:
            return log.read().strip() or 'nothing'

    def _connect(self, what):
        def attempt():
            if self._process.poll() is not None:
                raise AssertionError(f'{self.name} did not start: {self._said()}')
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(f'{self._path}.{what}')
            except OSError:
                connection.close()
                return None
            connection.settimeout(PATIENCE)
            return connection
        return wait_until(attempt, PATIENCE, f'{what} socket of {self.name}')

    def _read(self):
        line = self._lines.readline()
        if not line:
            raise AssertionError(f'{self.name} left: {self._said()}')
        return json.loads(line)

    def say(self, line):
        """The answer to this line, whatever the line is."""
        self._qmp.sendall(line.encode() + b'\n')
        while True:
            answer = self._read()
            if 'event' in answer:
                self.events.append(answer)
            elif 'QMP' not in answer:  # a QEMU that is still starting may greet twice
                return answer

    def execute(self, command, **arguments):
        return self.say(json.dumps({'execute': command, 'arguments': {
            name.replace('_', '-'): value for name, value in arguments.items()}}))

    def turn_on(self, *capabilities):
        return self.execute('migrate-set-capabilities', capabilities=[
            {'capability': name, 'state': True} for name in capabilities])

    def query(self):
        return self.execute('query-migrate')['return']

    def wait_for(self, *states):
        """query-migrate's answer in the first of these states."""
        def look():
            seen = self.query()
            state = seen.get('status', 'none')
            if state in ('failed', 'cancelled', 'completed') and state not in states:
                raise AssertionError(f'{self.name}: {state} instead of {states}: {seen}')
            return state in states and seen
        return wait_until(look, PATIENCE, f'{states} from {self.name}')

    def wait_for_event(self, status):
        """It may come after the first answer that says the same."""
        def look():
            self.query()
            return any(event['event'] == 'MIGRATION' and event['data']['status'] == status
                       for event in self.events)
        wait_until(look, PATIENCE, f'MIGRATION event of {status} from {self.name}')

    def monitor(self, line):
        """What the human monitor prints, without the echo of the line."""
        if not self._monitor:
            self._monitor = self._connect('mon')
            self._until_prompt()
        self._monitor.sendall(line.encode() + b'\n')
        text = self._until_prompt().replace('\r', '')
        return text.partition('\n')[2] if self._echoes else text

    def _until_prompt(self):
        seen = b''
        while not seen.endswith(PROMPTS):
            more = self._monitor.recv(65536)
            if not more:
                raise AssertionError(f'the monitor of {self.name} closed: {self._said()}')
            seen += more
        return seen[:seen.rindex(b'(')].decode()


def qemu(directory, name, incoming=None):
    path = os.path.join(directory, name)
    return Peer(directory, name, [
        *install_of('7.2')[0], '-M', 'none', '-m', str(QEMU_SIZE_MIB), '-nodefaults',
        '-display', 'none', '-qmp', f'unix:{path}.qmp,server=on,wait=off',
        '-monitor', f'unix:{path}.mon,server=on,wait=off',
        *(['-incoming', incoming] if incoming else [])], echoes=True)


def godwit(directory, name, incoming=None):
    path = os.path.join(directory, name)
    return Peer(directory, name, [
        GODWIT, 'vm', '--guest', 'process', '--memory', f'{QEMU_SIZE_MIB}M',
        '--qmp', f'unix:{path}.qmp', '--monitor', f'unix:{path}.mon',
        *(['--incoming', incoming] if incoming else [])])


# ---- how answers compare ----

def kind(value):
    """JSON's types; QEMU writes a real of 0 as an integer does."""
    if isinstance(value, bool):
        return 'boolean'
    if isinstance(value, (int, float)):
        return 'number'
    return {str: 'string', type(None): 'null', dict: 'object', list: 'array'}[type(value)]


def differences(theirs, ours, where='', newer=()):
    """Where the shapes of two answers part: keys and types, all the way down."""
    if kind(theirs) != kind(ours):
        return [f'{where}: a {kind(theirs)}, ours is a {kind(ours)}']
    if isinstance(theirs, dict):
        found = [f'{where}.{key}: ours has none' for key in theirs if key not in ours]
        found += [f'{where}.{key}: ours alone has it' for key in ours
                  if key not in theirs and key != 'x-godwit' and key not in newer]
        for key in theirs.keys() & ours.keys():
            found += differences(theirs[key], ours[key], f'{where}.{key}', newer)
        return found
    if isinstance(theirs, list) and theirs:
        return [difference for i, item in enumerate(ours)
                for difference in differences(theirs[min(i, len(theirs) - 1)], item,
                                              f'{where}[{i}]', newer)]
    return []


def same_shape(theirs, ours, what, newer=()):
    found = differences(theirs, ours, what, newer)
    if found:
        raise AssertionError('; '.join(found))


def story(events):
    """Events in their order: MIGRATION by its status, of the passes only the first."""
    told, passes = [], []
    for event in events:
        name = event['event']
        if name == 'MIGRATION':
            told.append(event['data']['status'])
        elif name == 'MIGRATION_PASS':
            passes.append(event['data']['pass'])
            if len(passes) == 1:
                told.append(name)
        else:
            told.append(name)
    if passes != list(range(1, len(passes) + 1)):
        raise AssertionError(f'passes {passes} are not counted from 1')
    return told
