# SPDX-License-Identifier: LGPL-2.1-or-later
"""waking_guest.py - a guest that runs and writes, and leaves the CPU alone nearly always."""


def waking(path):
    """QEMU's arguments for a ROM made there, which runs on what else there is of a PC.  Real mode;
    a hundred times a second it wakes, counts in eight pages of half a mebibyte and in the word
    that heartbeat.py reads, and halts.  A local APIC would start with the timer masked."""
    code = bytes.fromhex(
        'fa31c08ed88ed0bc0060'              # cli; ds = ss = 0; sp = 0x6000
        'c70620003d00c706220000f0'          # vector 8: f000:tick
        'b011e620b008e621b004e621b001e621'  # interrupt controller: IRQ 0 is vector 8
        'b0fee621'                          # and the only one
        'b034e643b09ce640b02ee640'          # timer: 100 Hz
        'bf0010fb'                          # di = 0x1000; sti
        'f4ebfd'                            # hlt, again and again
        '0f20c0663500000100'                # tick: mov eax, cr0; xor eax, 0x10000
        '0f22c0'                            # mov cr0, eax: flushes the TLB, as heartbeat.py's does
        'b90800'                            # mov cx, 8
        '8edf66ff060000'                    # next: mov ds, di; inc dword [0]
        '81c7000181ff00907203bf0010'        # the next page, or the first one
        'e2ea'                              # loop next
        '31c08ed866ff060070'                # ds = 0; inc dword [0x7000]
        'b020e620cf')                       # end of interrupt; iret
    image = bytearray(65536)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = bytes.fromhex('ea000000f0')  # jmp 0xf000:0
    with open(path, 'wb') as file:
        file.write(image)
    return ['-cpu', 'qemu64,-apic', '-bios', path]
