#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make_receive_seeds.py - the seeds of the receive fuzz target: streams that arrive.

Written here from docs/protocol.md, not by the code under test.  The format of a seed is in
src/migrate/receive_input_for_tests.h, and src/migrate/receiver_test.c sees each of them arrive.
"""
import os
import struct
import zlib

PAGE = 4096
NONE, ZLIB, ZSTD, QPL, UADK, QATZIP, SYNC = 0, 2, 4, 8, 16, 32, 1
ZERO, MEM_SIZE, RAW, EOS, CONTINUE, FLUSH = 2, 4, 8, 16, 32, 512
START, PART, END, FULL = 1, 2, 3, 4
OPEN_RETURN_PATH, PING, SWITCHOVER_START = 1, 2, 11
GUEST = 0x80
FOOTER = b'\x7e' + struct.pack('>I', 1)


def text(name):
    return bytes([len(name)]) + name.encode()


def header(machine):
    return b'QEVM' + struct.pack('>IBI', 3, 7, len(machine)) + machine.encode()


def command(number, data=b''):
    return struct.pack('>BHH', 8, number, len(data)) + data


def words(*values):
    return struct.pack(f'>{len(values)}Q', *values)


def setup(blocks, *flush):
    return (struct.pack('>BI', START, 1) + text('ram') + struct.pack('>II', 0, 4)
            + words(sum(blocks.values()) * PAGE | MEM_SIZE)
            + b''.join(text(name) + words(pages * PAGE) for name, pages in blocks.items())
            + words(*flush, EOS) + FOOTER)


def section(kind, *flush, records=b''):
    return struct.pack('>BI', kind, 1) + records + words(*flush, EOS) + FOOTER


def device(name, number):
    """As long as the fuzz target's guest takes it to be: its name and its version, 1."""
    return (struct.pack('>BI', FULL, number) + text(name) + struct.pack('>II', 0, 1)
            + b'd' * (len(name) + 1) + b'\x7e' + struct.pack('>I', number))


def closing(*devices):
    entries = ','.join(f'{{"name":"{name}","instance_id":0,"vmsd_name":"{name}","version":1,'
                       f'"fields":[{{"name":"x","type":"buffer","size":{len(name) + 1}}}]}}'
                       for name in devices)
    json = f'{{"page_size":4096,"devices":[{entries}]}}'.encode()
    return (b''.join(device(name, 2 + i) for i, name in enumerate(devices))
            + b'\0\x06' + struct.pack('>I', len(json)) + json)


def packet(flags=SYNC, block='', pages=(), zeros=(), payload=b'', size=None):
    offsets = b''.join(words(page * PAGE) for page in (*pages, *zeros))
    size = len(payload) if size is None else size
    return (struct.pack('>IIIIIIQI28x', 0x11223344, 1, flags, 128, len(pages), size, 0,
                        len(zeros))
            + block.encode().ljust(256, b'\0') + offsets.ljust(1024, b'\0') + payload)


class Deflate:
    """One stream a channel, flushed a packet."""

    def __init__(self):
        self._stream = zlib.compressobj(1)

    def __call__(self, data):
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)


def frame(byte, pages):
    """A zstd frame of one block, that many times the same byte."""
    return (b'\x28\xb5\x2f\xfd\0\x48' + (pages * PAGE << 3 | 1 << 1 | 1).to_bytes(3, 'little')
            + bytes([byte]))


def seed(choice, main, *channels):
    streams = (main, *channels)
    return (bytes([choice | len(channels)])
            + b''.join(struct.pack('>H', len(stream)) + stream for stream in streams))


def per_section(choice):
    """As QEMU 7.2: SYNC on the data, and a stray packet with a stale size behind it."""
    deflate = Deflate()
    data = deflate(b'godwit ' * 1170 + b'..')
    main = (header('pc-q35-7.2') + setup({'pc.ram': 8})
            + section(PART, records=words(0x3000 | ZERO) + text('pc.ram') + b'\0'
                      + words(0x4000 | ZERO | CONTINUE) + b'\0')
            + section(END) + closing('timer'))
    return seed(choice, main,
                packet() + packet(ZLIB | SYNC, 'pc.ram', (0, 1), payload=data)
                + packet(0, 'pc.ram', size=len(data))
                + packet(ZLIB | SYNC, 'pc.ram', (1,), payload=deflate(b'p' * PAGE)))


def per_round(choice):
    main = (header('pc-q35-10.0') + command(OPEN_RETURN_PATH) + command(PING, b'\0\0\0\1')
            + setup({'ram': 4}, FLUSH) + section(PART) + section(PART, FLUSH)
            + command(SWITCHOVER_START) + section(END, FLUSH) + closing('timer', 'cpu'))
    return seed(choice, main,
                packet() + packet(NONE, 'ram', (2,), (0,), payload=b'raw ' * 1024) + packet()
                + packet())


def several_blocks():
    """Three of them and three channels; each packet of another method."""
    deflate = Deflate()
    main = (header('pc-q35-9.2')
            + setup({'pc.ram': 16, 'vga.vram': 4, '/rom@etc/acpi/tables': 2}, FLUSH)
            + section(PART, FLUSH) + section(END) + closing())
    return seed(GUEST, main,
                packet() + packet(ZLIB, 'pc.ram', (3, 4), payload=deflate(b'z' * 2 * PAGE))
                + packet(ZSTD, 'vga.vram', (0, 1, 3), (2,), frame(7, 3)) + packet(),
                packet() + packet(ZSTD | SYNC, '/rom@etc/acpi/tables', (1, 0),
                                  payload=frame(1, 1) + frame(2, 1)),
                # The last SYNC of 9.1 and 9.2, which nothing matches.
                packet() + packet() + packet())


def pages_on_main():
    """Without multifd, with a FLUSH that means nothing, and no description."""
    records = (words(0x1000 | RAW) + text('ram') + b'godwit..' * 512
               + words(0x1000 | ZERO | CONTINUE) + b'\0')
    return seed(GUEST, header('none') + setup({'ram': 2}, FLUSH)
                + section(PART, FLUSH, records=records) + section(END) + b'\0')


def every_method():
    """Of the three whose payload is made of units, one packet each."""
    text_page, zero_page = b'units   ' * 512, b'u' * PAGE
    raw = zlib.compressobj(1, zlib.DEFLATED, -12)
    raw = raw.compress(text_page) + raw.flush()
    wrapped = zlib.compress(zero_page, 1)
    member = zlib.compressobj(1, zlib.DEFLATED, 31)
    member = member.compress(text_page + zero_page) + member.flush()
    main = (header('pc-q35-10.0') + setup({'ram': 8}, FLUSH) + section(PART, FLUSH)
            + section(END, FLUSH) + closing())
    return seed(GUEST, main,
                packet()
                + packet(QPL, 'ram', (0, 1), payload=struct.pack('>II', len(raw), PAGE)
                         + raw + zero_page)
                + packet(UADK, 'ram', (2,), (3,), struct.pack('>I', len(wrapped)) + wrapped)
                + packet(QATZIP, 'ram', (5, 4), payload=member) + packet() + packet())


SEEDS = {
    'per-section-guest': per_section(GUEST),
    'per-section-tail': per_section(0),
    'per-round-guest': per_round(GUEST),
    'per-round-tail': per_round(0),
    'several-blocks': several_blocks(),
    'pages-on-main': pages_on_main(),
    'every-method': every_method(),
}

for seed_name, seed_bytes in SEEDS.items():
    with open(os.path.join(os.path.dirname(__file__), 'receive', seed_name), 'wb') as file:
        file.write(seed_bytes)
