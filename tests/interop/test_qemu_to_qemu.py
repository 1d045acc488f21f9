#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_qemu_to_qemu.py - what the other tests here rest on, proven without our own command.

The guests migrate between QEMUs alone, their memory files are equal afterwards, and the
comparison sees a single byte that is not.
"""
import os

import check
import peers
import ram
from qemu import Qemu, bare, q35

SIZE_MIB = 32


def migrate(directory, version, machine, channels, method, transport):
    """Between two QEMUs; the paths of both memory files."""
    source_ram, destination_ram = (os.path.join(directory, name) for name in ('from', 'to'))
    ram.fill(source_ram, SIZE_MIB * ram.MIB)
    with Qemu(version, directory,
              machine(destination_ram, SIZE_MIB) + ['-incoming', 'defer'], 'to') as destination, \
            Qemu(version, directory, machine(source_ram, SIZE_MIB), 'from') as source:
        for side in (source, destination):
            side.set_up(channels, method, return_path=True)
        source.migrate(destination.listen(peers.address(transport, directory)))
        source.wait_for('completed')
        destination.wait_for('completed')
    return source_ram, destination_ram


def memory_is_equal(version, machine, channels, method, transport):
    with peers.scratch() as directory:
        one, other = migrate(directory, version, machine, channels, method, transport)
        ram.check_equal(one, other)


def one_flipped_byte_is_seen():
    with peers.scratch() as directory:
        one, other = os.path.join(directory, 'one'), os.path.join(directory, 'other')
        for path in (one, other):
            ram.fill(path, 4 * ram.MIB)
        check.equal(ram.different_pages(one, other), [], 'differing pages')
        with open(other, 'r+b') as file:
            file.seek(3 * ram.MIB + 5000)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        check.equal(ram.different_pages(one, other), [3 * ram.MIB + 4096], 'differing pages')


def failed_migration_is_told():
    with peers.scratch() as directory:
        path = os.path.join(directory, 'ram')
        ram.fill(path, 4 * ram.MIB)
        with Qemu('7.2', directory, bare(path, 4)) as source:
            source.set_up()
            source.migrate(f'unix:{directory}/nobody')
            try:
                source.wait_for('completed')
            except AssertionError as error:
                check.contains(str(error), 'Failed to connect', 'the error')
            else:
                raise AssertionError('completed, to nobody')


check.run(
    [('one_flipped_byte_is_seen', one_flipped_byte_is_seen),
     ('failed_migration_is_told', failed_migration_is_told)] +
    [(f'qemu_{version}_{machine.__name__}_{transport}_'
      f'{peers.stream_name(channels, method)}_memory_is_equal',
      memory_is_equal, version, machine, channels, method, transport)
     for version in peers.VERSIONS
     for machine, channels, method, transport in (
         (q35, 0, 'none', 'tcp'), (q35, 5, 'zstd', 'unix'), (bare, 2, 'zlib', 'tcp'))])
