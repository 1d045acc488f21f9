#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_man.py - the man pages: their examples run, their options are the command's.

An example is a line of EXAMPLES that starts with "$ ", with its continuation; those of one
display are one script.  Displays without need a QEMU or a file and are only looked at.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import DONE, check, run, scratch  # noqa: E402

DOCS = os.path.join(command.HERE, '..', '..', 'docs')
PAGES = sorted(glob.glob(f'{DOCS}/godwit*.1'))


def read(page):
    with open(page, encoding='ascii') as file:
        return file.read()


def examples(page):
    """The displays of EXAMPLES, as their reader sees them."""
    section = re.search(r'^\.Sh EXAMPLES\n(.*?)(?=^\.Sh |\Z)', read(page),
                        re.MULTILINE | re.DOTALL).group(1)
    displays = re.findall(r'^\.Bd -literal.*?\n(.*?)^\.Ed$', section, re.MULTILINE | re.DOTALL)
    return [display.replace('\\e\n', '\\\n') for display in displays]


def example_runs(script):
    lines = [line.removeprefix('$ ') for line in script.splitlines()]
    with scratch() as directory:
        os.mkdir(f'{directory}/bin')
        os.symlink(command.GODWIT, f'{directory}/bin/godwit')
        done = subprocess.run(['bash', '-euc', '\n'.join(lines)], cwd=directory, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=command.PATIENCE,
                              env=os.environ | {'PATH': f'{directory}/bin:{os.environ["PATH"]}'})
    check.equal(done.returncode, 0, f'exit code, having said {done.stderr!r},')
    check.true(done.stdout != '', 'it printed nothing')


def example_is_right(script):
    """Its options are there and take those values: only the file or the peer is missing."""
    for line in script.splitlines():
        arguments = line.split()
        check.equal(arguments[0], 'godwit', 'command')
        ended = run(*arguments[1:], '--no-such-option')
        check.contains(ended.err, '--no-such-option: no such option', 'standard error')


def options_are_the_commands(subcommand):
    page = read(f'{DOCS}/godwit-{subcommand}.1')
    told = set(re.findall(r'^\.It Fl -([a-z-]+)', page, re.MULTILINE))
    there = set(re.findall(r'^  --([a-z-]+)', run(subcommand, '--help').expect(DONE).out,
                           re.MULTILINE))
    check.equal(told, there - {'help'}, 'options of the page')


def every_command_has_a_page():
    commands = re.findall(r'^  (\w+) ', run('--help').expect(DONE).out, re.MULTILINE)
    for name in commands:
        check.contains(read(f'{DOCS}/godwit.1'), f'.Xr godwit-{name} 1', 'godwit.1')
        check.true(os.path.exists(f'{DOCS}/godwit-{name}.1'), f'no page of {name}')


def page_is_clean(page):
    """No formatter has anything to say of it."""
    formatters = [command for command in (['mandoc', '-T', 'lint', '-W', 'warning', page],
                                          ['groff', '-mdoc', '-Tutf8', '-ww', '-z', page])
                  if shutil.which(command[0])]
    if not formatters:
        raise check.Skip('neither mandoc nor groff is here')
    for formatter in formatters:
        done = subprocess.run(formatter, check=False, capture_output=True, text=True)
        check.equal((done.returncode, done.stdout + done.stderr), (0, ''),
                    f'what {formatter[0]} says')


CASES = []
for where in PAGES:
    name = os.path.basename(where)
    CASES.append((f'{name} is clean', page_is_clean, where))
    for number, text in enumerate(examples(where), 1):
        runs = text.startswith('$ ')
        CASES.append((f'{name} example {number} {"runs" if runs else "is right"}',
                      example_runs if runs else example_is_right, text))
CASES += [(f'{name} tells all options', options_are_the_commands, name)
          for name in ('bench', 'demo', 'engines', 'inspect', 'migrate', 'recv', 'send', 'vm')]
CASES.append(('every command has a page', every_command_has_a_page))

if __name__ == '__main__':
    check.run(CASES)
