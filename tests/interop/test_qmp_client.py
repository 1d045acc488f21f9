#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_qmp_client.py - a QMP client that others wrote works with `godwit vm` as with QEMU.

The client is Debian's go-qemu, in a program of a hundred lines (go_qemu/main.go).  It is run
against two QEMUs and against two of ours; what it saw is the same.
"""
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))

import command  # noqa: E402
from command import PATIENCE, check  # noqa: E402
from qemu import Qemu  # noqa: E402
from vms import Vm  # noqa: E402

# Where Debian's golang-github-*-dev packages lie.
GOPATH = '/usr/share/gocode'
MEMORY_MIB = 32


@functools.cache
def client():
    """The program, compiled."""
    if not shutil.which('go'):
        raise check.Skip('no go: golang-go is not installed')
    if not os.path.isdir(f'{GOPATH}/src/github.com/digitalocean/go-qemu'):
        raise check.Skip('no go-qemu: golang-github-digitalocean-go-qemu-dev is not installed')
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix='interop-'))
    done = subprocess.run(['go', 'build', '-o', f'{directory}/client', 'main.go'],
                          cwd=f'{HERE}/go_qemu', check=False, capture_output=True, text=True,
                          env=os.environ | {'GO111MODULE': 'off', 'GOPATH': GOPATH,
                                            'GOCACHE': f'{directory}/cache'})
    check.equal(done.returncode, 0, f'go build, having said {done.stderr!r},')
    return f'{directory}/client'


def drive(directory, source, destination):
    """What the client saw."""
    done = subprocess.run([client(), source, destination, f'unix:{directory}/mig'], check=False,
                          capture_output=True, text=True, timeout=PATIENCE)
    check.equal((done.returncode, done.stderr), (0, ''), 'exit code and standard error')
    return done.stdout.splitlines()


@functools.cache
def seen_of_qemu():
    client()
    with command.scratch() as directory:
        def qemu(name, *arguments):
            return Qemu('7.2', directory,
                        ['-M', 'none', '-m', str(MEMORY_MIB), '-qmp',
                         f'unix:{directory}/{name},server=on,wait=off', *arguments], name)
        with qemu('source'), qemu('destination', '-incoming', 'defer'):
            return drive(directory, f'{directory}/source', f'{directory}/destination')


def client_migrates_qemu():
    seen = seen_of_qemu()
    check.contains(seen, 'source: postmigrate, running false', 'what it saw')


def client_migrates_ours():
    client()
    with command.scratch() as directory, Vm(directory, 'source') as source, \
            Vm(directory, 'destination', '--incoming', 'defer') as destination:
        seen = drive(directory, f'{source.path}.qmp', f'{destination.path}.qmp')
        source.end().expect(command.DONE)
        destination.end().expect(command.DONE)
    # Newer QEMUs tell this state always, as godwit does.
    seen = [line.replace('STOP MIGRATION device ', 'STOP ') for line in seen]
    check.equal(seen, seen_of_qemu(), 'what it saw')


CASES = [
    ('client migrates QEMU', client_migrates_qemu),
    ('client migrates ours', client_migrates_ours),
]

if __name__ == '__main__':
    with contextlib.ExitStack() as stack:
        check.run(CASES)
