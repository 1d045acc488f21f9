#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_qemu_to_us.py - guests of QEMU arrive at `godwit inspect`, byte for byte.

The guest is paused and its RAM is a file, so that file is what the dump has to equal.
"""
import itertools
import os

import check
import peers
import ram
from qemu import Qemu, install_of, need_kvm, q35


def receive(directory, version, channels, method, return_path, transport, **guest):
    """A whole migration; the guest's RAM file, the directory of the dump, the report."""
    ram_file, dump = os.path.join(directory, 'ram'), os.path.join(directory, 'dump')
    ram.fill(ram_file, peers.SIZE_MIB * ram.MIB)
    with Qemu(version, directory, q35(ram_file, peers.SIZE_MIB, **guest)) as source, \
            peers.Godwit(directory, 'inspect', '--listen', peers.address(transport, directory),
                         '--channels', str(channels), '--dump-ram', dump) as inspect:
        source.set_up(channels, method, return_path)
        source.migrate(inspect.listening_on())
        source.wait_for('completed')
        report = inspect.finish()
    return ram_file, dump, report


def check_report(report, version, channels, method, return_path):
    check.equal(report['status'], 'completed', 'status')
    check.contains(report['machine'], 'pc-q35-', 'machine')
    check.equal(report['return_path'], return_path, 'return_path')
    check.contains(report['blocks'], {'name': 'ram0', 'bytes': peers.SIZE_MIB * ram.MIB}, 'blocks')
    # QEMU sends VMDESC with and without a return path, so device sizes are known.
    check.true(report['devices_known'], 'the sizes of the device sections are not known')
    check.contains([device['name'] for device in report['devices']], 'globalstate', 'devices')
    check.true(report['zero_pages'] > 0, 'no zero pages were seen')
    if channels == 0:
        check.equal(report['methods'], {}, 'methods')
        check.true(report['main_normal_pages'] > 0, 'no pages on the main channel')
        return
    check.equal(list(report['methods']), [method], 'methods')
    if version == '7.2':
        check.equal(report['barrier'], 'section', 'barrier')
        check.true(report['main_zero_pages'] > 0, 'no zero pages on the main channel')
    else:
        check.equal(report['barrier'], 'round', 'barrier')
        check.equal(report['main_zero_pages'], 0, 'zero pages on the main channel')


def memory_arrives(version, channels, method, return_path, transport):
    with peers.scratch() as directory:
        ram_file, dump, report = receive(directory, version, channels, method, return_path,
                                         transport)
        check_report(report, version, channels, method, return_path)
        ram.check_equal(ram_file, os.path.join(dump, 'ram0'))


def every_block_is_dumped(version):
    """Under its name, whatever is in that; the firmware as the file that it came from."""
    firmware = os.path.join(install_of(version)[1], 'usr/share/seabios/bios-256k.bin')
    with peers.scratch() as directory:
        _, dump, report = receive(directory, version, 2, 'zlib', True, 'unix')
        names = [block['name'] for block in report['blocks']]
        check.contains(names, '/rom@etc/acpi/tables', 'blocks')
        check.equal(sorted(os.listdir(dump)), sorted(map(ram.file_name_of, names)), 'dump')
        ram.check_equal(firmware, os.path.join(dump, 'pc.bios'))


def running_guest_arrives(version):
    """Its firmware runs and writes meanwhile, so only the report can be checked."""
    need_kvm()
    with peers.scratch() as directory:
        _, _, report = receive(directory, version, 2, 'zstd', True, 'unix', stopped=False)
        check_report(report, version, 2, 'zstd', True)


check.run(
    [(f'qemu_{version}_{transport}_{peers.stream_name(channels, method)}_'
      f'{"with" if return_path else "without"}_return_path_memory_arrives',
      memory_arrives, version, channels, method, return_path, transport)
     for version, (channels, method), return_path, transport in itertools.product(
         peers.VERSIONS, peers.STREAMS, (True, False), ('unix', 'tcp'))] +
    [(f'qemu_{version}_every_block_is_dumped', every_block_is_dumped, version)
     for version in peers.VERSIONS] +
    [(f'qemu_{version}_running_guest_arrives', running_guest_arrives, version)
     for version in peers.VERSIONS])
