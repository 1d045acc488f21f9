#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_relay_linux.py - a Linux guest that writes and counts goes through `godwit send` and `recv`.

It counts on its serial console, as long as the process that writes its memory lives: what both
consoles have shown of that, put together, has no gap and no repetition.
"""
import functools
import os
import subprocess

import check
from qemu import HERE, PATIENCE
from relays import relay

SIZE_MIB = 256

# Two seconds, in which it writes its whole working set once.
BEFORE = AFTER = 20

VERSIONS = [('7.2', '7.2'), ('11.1', '11.1'), ('7.2', '11.1')]


@functools.cache
def _ask_linux():
    return subprocess.run([os.path.join(HERE, '..', 'linux_guest')], capture_output=True, text=True,
                          check=False)


def linux_files():
    """Where its kernel and its initramfs lie; made when there are none."""
    made = _ask_linux()
    if made.returncode != 0:
        raise check.Skip(f'no Linux guest: {made.stderr.strip()}')
    return made.stdout.strip()


def console_of(ram_file):
    return f'{ram_file}.console'


def linux(_made, ram_file, size_mib, machine):
    """Emulated, since not every /dev/kvm boots Linux.  Its page tables apart, each way into the
    kernel flushes the TLB, through which QEMU 7.2 would go on writing what it takes for clean."""
    files = linux_files()
    return ['-M', machine, '-accel', 'tcg,thread=single', '-m', str(size_mib),
            '-kernel', os.path.join(files, 'vmlinuz'), '-initrd', os.path.join(files, 'initrd'),
            '-append', 'console=ttyS0 loglevel=0 pti=on',
            '-serial', f'file:{console_of(ram_file)}']


def shown(ram_file):
    """On that guest's console; the last line may be unfinished."""
    with open(console_of(ram_file), encoding='ascii', newline='') as file:
        return file.read()


def wait_for_numbers(ram_file, count):
    check.wait_until(lambda: shown(ram_file).count('\n') >= count, PATIENCE,
                     f'{count} numbers in {console_of(ram_file)}')


def check_counted_on(before, after):
    """From 1, and over both; a line may have been cut in two."""
    for number, line in enumerate((before + after).split('\r\n')[:-1], 1):
        check.true(line == str(number), f'line {number} is {line!r}; the source ended with '
                   f'{before[-20:]!r}, the destination began with {after[:20]!r}')


def linux_counts_on(versions, method):
    with relay(versions, linux, SIZE_MIB) as both:
        source, destination = both.memory
        wait_for_numbers(source, BEFORE)
        with both.recv() as recv, \
                both.send(recv.listening_on(), '--method', method) as send:
            [report] = send.finish()
            recv.finish()
        left = shown(source)
        check.true(report['rounds'] > 1, f"rounds are {report['rounds']}: nothing was written")
        wait_for_numbers(destination, AFTER)
        check_counted_on(left, shown(destination))
        check.equal(shown(source), left, 'what the source shows at last')


def gaps_and_repetitions_are_seen():
    check_counted_on('1\r\n2\r', '\n3\r\n4')
    for before, after in (('1\r\n2\r\n', '4\r\n'), ('1\r\n2\r\n', '2\r\n3\r\n'),
                          ('1\r\n1', '2\r\n'), ('1\r\n', '[ 0.1 ] oops\r\n')):
        try:
            check_counted_on(before, after)
        except AssertionError:
            continue
        raise AssertionError(f'{before!r} and {after!r} count on')


check.run([('gaps_and_repetitions_are_seen', gaps_and_repetitions_are_seen)] +
          [(f'linux_counts_on_{"_to_".join(versions)}_{method}', linux_counts_on, versions, method)
           for versions in VERSIONS for method in ('zstd', 'qpl')])
