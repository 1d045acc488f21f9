# SPDX-License-Identifier: LGPL-2.1-or-later
"""check.py - the test harness, as tests/check.h is for C.

A program lists its cases and calls run(); what it prints and its exit code are those of
tests/check.h: "N passed, N failed, N skipped"; 0, 1, or 77 when all were skipped.  An argument
selects the cases whose names contain it; --list prints them.
"""
import os
import signal
import sys
import time
import traceback


class Skip(Exception):
    """Cannot run here; says why."""


def equal(seen, expected, what):
    if seen != expected:
        raise AssertionError(f'{what} is {seen!r}, expected {expected!r}')


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def contains(seen, part, what):
    if part not in seen:
        raise AssertionError(f'{what} is {seen!r}, expected {part!r} in it')


def wait_until(predicate, seconds, what):
    """What predicate() returns once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'no {what} after {seconds} s')
        time.sleep(0.02)


def run(cases):
    """cases: (name, function, argument...) each; ends the program."""
    # Whoever ends this program ends its QEMUs too: leave by the way that cleans up.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    if sys.argv[1:] == ['--list']:
        print('\n'.join(name for name, *_ in cases))
        sys.exit(0)
    wanted = sys.argv[1] if len(sys.argv) > 1 else ''
    passed = failed = skipped = 0
    for name, function, *arguments in cases:
        if wanted not in name:
            continue
        begun = time.monotonic()
        try:
            function(*arguments)
        except Skip as reason:
            print(f'SKIPPED {name}: {reason}')
            skipped += 1
        except Exception as error:  # pylint: disable=broad-except
            if not isinstance(error, AssertionError) or 'GODWIT_TRACE' in os.environ:
                traceback.print_exc(file=sys.stdout)
            print(f'FAILED {name}: {error}')
            failed += 1
        else:
            print(f'ok {name} ({time.monotonic() - begun:.1f} s)')
            passed += 1
        sys.stdout.flush()
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed else 77 if skipped and not passed else 0)
