# SPDX-License-Identifier: LGPL-2.1-or-later
"""heartbeat.py - a guest that runs, and can be seen to.

It is a ROM of a few instructions that never stop: they count in page after page of half a
mebibyte, and in a word of their own that the tests read from the file of its memory.
"""
import os

import check
from qemu import PATIENCE

SIZE_MIB = 32
HEARTBEAT_AT = 0x7000


def rom(path):
    """Real mode, from the reset vector on."""
    code = bytes.fromhex(
        'fa'            # cli
        '0f20c0'        # again: mov eax, cr0
        '663500000100'  # xor eax, 0x10000
        '0f22c0'        # mov cr0, eax: flushes what QEMU 7.2 would go on writing through
        'bb0010'        # mov bx, 0x1000
        '8edb'          # next: mov ds, bx
        '66ff060000'    # inc dword [0]
        '31c0'          # xor ax, ax
        '8ed8'          # mov ds, ax
        '66ff060070'    # inc dword [0x7000]
        '81c30001'      # add bx, 0x100
        '81fb0090'      # cmp bx, 0x9000
        '72e6'          # jb next
        'ebd5')         # jmp again
    image = bytearray(65536)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = bytes.fromhex('ea000000f0')  # jmp 0xf000:0
    with open(path, 'wb') as file:
        file.write(image)


def heartbeat(path):
    with open(path, 'rb') as file:
        file.seek(HEARTBEAT_AT)
        return int.from_bytes(file.read(4), 'little')


def ticks(path):
    """Waits until it does."""
    before = heartbeat(path)
    check.wait_until(lambda: heartbeat(path) != before, PATIENCE, 'heartbeat')


def goes_on_from(left, path):
    """It ticks there, and has not gone back."""
    ticks(path)
    check.true((heartbeat(path) - left) % (1 << 32) < 1 << 31, 'the heartbeat went back')


def ticking(directory, ram_file, machine='pc', size_mib=SIZE_MIB):
    """A guest that runs; emulated, since not every /dev/kvm runs real mode."""
    rom(os.path.join(directory, 'rom'))
    return ['-M', f'{machine},memory-backend=ram0', '-accel', 'tcg', '-m', str(size_mib),
            '-object', f'memory-backend-file,id=ram0,share=on,size={size_mib}M,'
            f'mem-path={ram_file}', '-bios', os.path.join(directory, 'rom')]
