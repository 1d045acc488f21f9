# SPDX-License-Identifier: LGPL-2.1-or-later
"""ram.py - guest memory for the tests: files of real bytes, and where two of them differ."""
import functools
import os
import random

PAGE = 4096
MIB = 1 << 20


def _real_bytes(size):
    """Programs and libraries of this machine, one after the other."""
    parts, have = [], 0
    for directory in ('/usr/lib/x86_64-linux-gnu', '/usr/bin', '/usr/lib'):
        if not os.path.isdir(directory):
            continue
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if not os.path.isfile(path) or not os.access(path, os.R_OK):
                continue
            with open(path, 'rb') as file:
                part = file.read(4 * MIB)
            parts.append(part)
            have += len(part)
            if have >= size:
                return b''.join(parts)[:size]
    whole = b''.join(parts)
    return (whole * (size // len(whole) + 1))[:size]


@functools.cache
def _content(size):
    chance = random.Random(size)
    real = _real_bytes(size // 2)
    pages, at = [], 0
    for number in range(size // PAGE):
        is_real = number * PAGE // (2 * MIB) % 2 == 0
        kind = chance.random()
        if kind < 0.02:
            pages.append(chance.randbytes(PAGE))
        elif (kind < 0.12) != is_real:
            at %= len(real) - PAGE + 1
            pages.append(real[at:at + PAGE])
            at += PAGE
        else:
            pages.append(bytes(PAGE))
    return b''.join(pages)


def fill(path, size):
    """Half real bytes, half zeros, in stretches of 2 MiB.

    In each stretch some pages are of the other kind, so that runs of every length meet; and a
    few pages hold noise, which no method makes smaller.
    """
    with open(path, 'wb') as file:
        file.write(_content(size))


def different_pages(one, other):
    """Byte offsets of the pages in which two files differ; their sizes must agree."""
    size = os.path.getsize(one)
    if os.path.getsize(other) != size:
        raise AssertionError(f'{one} has {size} bytes, {other} {os.path.getsize(other)}')
    offsets = []
    with open(one, 'rb') as a, open(other, 'rb') as b:
        for start in range(0, size, MIB):
            left, right = a.read(MIB), b.read(MIB)
            if left != right:
                offsets += [start + page for page in range(0, len(left), PAGE)
                            if left[page:page + PAGE] != right[page:page + PAGE]]
    return offsets


def check_equal(one, other):
    offsets = different_pages(one, other)
    if offsets:
        raise AssertionError(f'{len(offsets)} pages of {os.path.basename(one)} differ, '
                             f'the first at {offsets[0]:#x}')


def file_name_of(block):
    """As src/ram/dump.h names a block's file."""
    plain = b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.'
    return ''.join(chr(c) if c in plain and (i > 0 or c != ord('.')) else f'%{c:02X}'
                   for i, c in enumerate(block.encode()))
