#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_us_to_qemu.py - a guest of ours arrives in QEMU, byte for byte.

QEMU has no machine, only one block "ram" in a file; our guest writes to its memory until the
switchover.  QEMU's file has to equal what our side dumped there.
"""
import itertools
import os

import check
import peers
import ram
from qemu import Qemu, bare


def memory_arrives(version, channels, method, return_path, transport):
    with peers.scratch() as directory:
        fill, arrived, dump = (os.path.join(directory, name)
                               for name in ('fill', 'arrived', 'dump'))
        ram.fill(fill, peers.SIZE_MIB * ram.MIB)
        with Qemu(version, directory,
                  bare(arrived, peers.SIZE_MIB) + ['-incoming', 'defer']) as destination:
            destination.set_up(channels, method, return_path)
            uri = destination.listen(peers.address(transport, directory))
            with peers.Godwit(directory, 'demo', '--to', uri, '--machine', 'none',
                              '--dialect', f'qemu-{version}', '--methods', method,
                              '--channels', str(channels), '--memory', f'{peers.SIZE_MIB}M',
                              '--fill', fill, '--dump-ram', dump,
                              *([] if return_path else ['--no-return-path'])) as demo:
                [report] = demo.finish()
            destination.wait_for('completed')
            ram.check_equal(os.path.join(dump, 'ram'), arrived)
        check.true(ram.different_pages(fill, arrived), 'our guest wrote nothing')
        check.equal(report['status'], 'completed', 'status')
        check.equal(report['method'], method, 'method')
        check.equal(report['channels'], channels, 'channels')
        check.equal(report['ram_bytes'], peers.SIZE_MIB * ram.MIB, 'ram_bytes')


check.run(
    [(f'{peers.stream_name(channels, method)}_{"with" if return_path else "without"}_'
      f'return_path_{transport}_arrives_in_qemu_{version}',
      memory_arrives, version, channels, method, return_path, transport)
     for version, (channels, method), return_path, transport in itertools.product(
         peers.VERSIONS, peers.STREAMS, (True, False), ('unix', 'tcp'))])
