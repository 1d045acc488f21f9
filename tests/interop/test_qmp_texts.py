#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_qmp_texts.py - odd and malformed QMP: our answers are QEMU 7.2's, word for word.

Each input goes over a connection of its own to a QEMU 7.2 and to a guest of ours; what comes back
until a last, good command is answered has to be the same: how many messages, in which order, of
which class, with which text.  GODWIT_QMP=PATH asks a server that is running already.
"""
import json
import os
import re
import socket
import subprocess
import tempfile

from check import equal, run, wait_until
from peers import GODWIT
from qemu import LEASHED, PATIENCE, install_of

NEGOTIATE = b'{"execute":"qmp_capabilities"}\n'
# Of any type, and nothing that an input below would use.
LAST = b'\n{"execute":"query-name","id":["last"]}\n'


class Server:
    """Answers QMP on a UNIX socket in a directory of its own."""

    def __init__(self, command, path=None):
        self._directory = tempfile.TemporaryDirectory()
        self.path = path or os.path.join(self._directory.name, 'qmp')
        self._process = None if path else subprocess.Popen(
            [*LEASHED, *command(self.path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def __enter__(self):
        try:
            wait_until(self._answers, PATIENCE, 'QMP socket')
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self):
        if self._process and self._process.poll() is not None:
            raise AssertionError(f'it did not start: exit {self._process.returncode}')
        try:
            self.ask(b'')
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def __exit__(self, *_):
        if self._process:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()

    def ask(self, data, negotiated=True):
        """All that is answered to `data` before what is said last is answered."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(self.path)
            connection.sendall((NEGOTIATE if negotiated else b'') + data + LAST)
            answers = []
            with connection.makefile('rb') as lines:
                for line in lines:
                    answers.append(json.loads(line))
                    if answers[-1].get('id') == ['last']:
                        return answers
        raise AssertionError(f'closed the connection after {answers!r}')


def qemu(path):
    return [*install_of('7.2')[0], '-M', 'none', '-nodefaults', '-display', 'none',
            '-qmp', f'unix:{path},server=on,wait=off']


def godwit(path):
    return [GODWIT, 'vm', '--qmp', f'unix:{path}', '--guest', 'process', '--memory', '64M']


def comparable(answers):
    """Without what may differ: who it is, what time it is, what was returned, capabilities."""
    kept = []
    for answer in answers:
        if 'QMP' in answer:
            kept.append(('QMP', sorted(answer['QMP']), sorted(answer['QMP']['version'])))
        elif 'error' in answer:
            kept.append(answer)
        elif 'event' in answer:
            kept.append(answer['event'])
        else:
            kept.append(('return', type(answer['return']).__name__, answer.get('id')))
    return kept


def same(inputs, negotiated=True):
    path = os.environ.get('GODWIT_QMP')
    with Server(qemu) as theirs, Server(godwit, path) as ours:
        for data in inputs:
            if isinstance(data, str):
                data = data.encode()
            equal(comparable(ours.ask(data, negotiated)),
                  comparable(theirs.ask(data, negotiated)), f'our answer to {data[:200]!r}')


def command(name, **members):
    return json.dumps({'execute': name} | members)


def test_members():
    same(REQUESTS)


def test_before_negotiation():
    same(REQUESTS, negotiated=False)
    same([command('qmp_capabilities', arguments=arguments)
          for arguments in ({}, {'enable': []}, {'enable': 1}, {'enable': [1]},
                            {'enable': None}, {'enable': ['nosuch']}, {'x': 1})],
         negotiated=False)


REQUESTS = [
    '{}', '[]', '1', '"x"', 'null', 'true', '1.5', '{"execute":1}', '{"execute":null}',
    '{"foo":1}', '{"id":7}', '{"id":7,"foo":1}', command('nosuch'), command('nosuch', foo=1),
    command(''), command('Stop'), command('nosuch\x07é'), command('query-version'),
    command('query-version', arguments=1), command('query-version', arguments=[]),
    command('query-version', arguments=None), command('query-version', arguments={'a': 1}),
    command('query-version', control={}), command('query-commands', arguments={'x': 1}),
    '{"exec-oob":"query-version"}', '{"exec-oob":1}', command('qmp_capabilities', id=2),
    *(command('query-name', id=value) for value in
      (0, -1, 'x', None, [1, {'a': None}], {'b': 1, 'a': 2}, 1.5, 'é€😀/"\\\x01')),
]


def test_arguments():
    capabilities = 'migrate-set-capabilities'
    # Not {'nosuch': 1} alone: what ours misses is not "uri", since it knows "channels" as well.
    same([command('migrate'), command('migrate', arguments={'uri': 1}),
          command('migrate', arguments={'uri': None}),
          command('migrate', arguments={'uri': 1, 'nosuch': 1}),
          command('migrate', arguments={'uri': 'x', 'nosuch': 1}),
          command('migrate', arguments={'uri': 'x', 'resume': 1}),
          command(capabilities), command(capabilities, arguments={'capabilities': {}}),
          command(capabilities, arguments={'capabilities': 1}),
          command(capabilities, arguments={'capabilities': [1]}),
          command(capabilities, arguments={'capabilities': [{}]}),
          command(capabilities, arguments={'capabilities': [
              {'capability': 'nosuch', 'state': True}]}),
          command(capabilities, arguments={'capabilities': [
              {'capability': 'events', 'state': 'true'}]}),
          command('migrate-set-parameters', arguments={'nosuch': 1}),
          command('migrate-set-parameters', arguments={'downtime-limit': 'x'}),
          command('migrate-set-parameters', arguments={'downtime-limit': 1.5}),
          command('migrate-set-parameters', arguments={'multifd-channels': 0}),
          command('migrate-set-parameters', arguments={'multifd-channels': 256})])


def test_events_go_ahead_of_answers():
    same([command('stop') + command('cont') + command('stop') + command('cont')])


def test_tokens():
    same(['FOO', 'tRue', 'nul1', 'a-b', 'a_b', '-a', '01', '00', '-01', '1.', '1e', '1e+', '1E5',
          '+1', '.5', '1x', '1x{}', '-', '--1', '1-1', '1"a"', '"a""b"', "'a\"b'", "'a\\'b'",
          '"\\a"', '"\\u12"', '"\\u12g4"', '["\\u"]', '["\\udc00"]', '["\\ud800\\udc00"]',
          '["\\ud800\\u0041"]', '["\\ud800x"]', '["\\ufffe"]', '["\\ufdd0"]', '["\\uD800"]',
          b'["\xc3"]', b'["\xed\xa0\x80"]', b'["\xf5"]', b'["\xfe"]', b'["\x1f"]', b'["\x00"]',
          b'\xc3\xa9', b'\x01', b'\x7f', '@', '@x y', '@ {}', '@x,y', '@"{"', '@\rx', '"a',
          '"a\nb c', "'a\nb", '["abc\\\n"]', 'tru"e"', 'tru[1]', '%d', '/* x */',
          b'[1\x00]', b'[tr\xff]', '[tr%]', '[1.]', '[-x]', '[01]'])


def test_structure():
    same(['{"a" 1}', '{"a":1 "b":2}', '{1:2}', '{:2}', '{,}', '{"a":1,}', '{"a":}', '{"a"}',
          '{"a",}', '{"a":1,,}', '{"a":1:}', '[,]', '[1,]', '[1 2]', '[1:2]', '[1,,2]', '[1}',
          '[{]}', '{[}]', '{"a":{]', '{"a":1]', '[1}]', '{null:1}', '{foo:1}', '[foo,bar]',
          '{"a":foo,"b" 1}', '{"a":1,"a":foo}', '{"a":1,"a":2}', '{{}}', ']]', '{}}', '}{}', ',',
          ':', '[@,2]', '{"a":%d}', "{'execute':'query-name'}", '[1,2\n{\n]\n}',
          '{"execute":\r\n\t"query-name"}', command('query-name') + ',' + command('query-name')])


def test_depth():
    at_limit = '[' * 1024 + ']' * 1024
    same([at_limit, '[' * 1000 + '{' * 24 + '}' * 24 + ']' * 1000])


run([(name.removeprefix('test_'), function) for name, function in list(globals().items())
     if re.match('test_', name)])
