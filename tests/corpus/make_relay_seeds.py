#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make_relay_seeds.py - the seeds of the relay fuzz target: sessions of another godwit.

Written here from docs/session.md and docs/protocol.md, not by the code under test.  The format of
a seed is in src/relay/relay_fuzz.c.
"""
import json
import os
import struct
import zlib

PAGE = 4096
HELLO, CONTROL, STREAM, PACKET, ACK, END = 1, 2, 3, 4, 5, 6
NONE, ZLIB, ZSTD, SYNC = 0, 2, 4, 1
EOS, FLUSH = 16, 512
GUARDED = 0x80
FOOTER = b'\x7e' + struct.pack('>I', 1)


def record(kind, body=b''):
    return bytes([kind]) + len(body).to_bytes(3, 'big') + body


def word(**members):
    return record(CONTROL, json.dumps(members).encode())


def words(*values):
    return struct.pack(f'>{len(values)}Q', *values)


def main_stream(*flush):
    """Setup, one round and the end, with or without a FLUSH in each; then a device."""
    machine = b'pc-q35-10.0'
    return (b'QEVM' + struct.pack('>IBI', 3, 7, len(machine)) + machine
            + struct.pack('>BI', 1, 1) + b'\3ram' + struct.pack('>II', 0, 4)
            + words(8 * PAGE | 4) + b'\3ram' + words(8 * PAGE) + words(*flush, EOS) + FOOTER
            + b''.join(struct.pack('>BI', kind, 1) + words(*flush, EOS) + FOOTER
                       for kind in (2, 3))
            + struct.pack('>BI', 4, 2) + b'\5timer' + struct.pack('>II', 0, 1) + b'd' * 40)


def packet(flags=SYNC, pages=(), zeros=(), payload=b''):
    offsets = words(*(page * PAGE for page in (*pages, *zeros)))
    block = b'ram' if pages or zeros else b''
    return record(PACKET, struct.pack('>IIIIIIQI28x', 0x11223344, 1, flags, 128, len(pages),
                                      len(payload), 0, len(zeros))
                  + block.ljust(256, b'\0') + offsets.ljust(1024, b'\0') + payload)


def frame(byte, pages):
    """A zstd frame of one block, that many times the same byte."""
    return (b'\x28\xb5\x2f\xfd\0\x48' + (pages * PAGE << 3 | 1 << 1 | 1).to_bytes(3, 'little')
            + bytes([byte]))


def deflate(data):
    stream = zlib.compressobj(1)
    return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def seed(choice, *rows):
    return (bytes([choice | len(rows) - 1])
            + b''.join(struct.pack('>H', len(row)) + row for row in rows))


RAW = packet(NONE, (2,), (0,), b'raw ' * 1024)
DEFLATED = packet(ZLIB, (3, 4), payload=deflate(b'z' * 2 * PAGE))
FRAMES = packet(ZSTD | SYNC, (0, 1, 3), (2,), frame(7, 3))
PER_ROUND, PER_SECTION = main_stream(FLUSH), main_stream()

SEEDS = {
    'per-round': seed(
        GUARDED,
        word(say='alive') + record(STREAM, PER_ROUND[:50]) + record(STREAM, PER_ROUND[50:])
        + record(END) + word(say='completed', run=True),
        packet() + RAW + packet() + packet() + record(END),
        packet() + DEFLATED + FRAMES + packet() + record(END)),
    'per-section': seed(
        GUARDED, record(STREAM, PER_SECTION) + record(END),
        packet() + FRAMES + RAW + DEFLATED + packet() + record(END)),
    'no-page-channels': seed(0, record(STREAM, PER_SECTION) + record(END)),
    'one-ends-early': seed(
        GUARDED, record(STREAM, PER_ROUND) + record(END), packet() + record(END),
        packet() + packet() + packet() + record(END)),
    'not-guarded': seed(
        0, record(STREAM, PER_ROUND) + record(END), RAW + record(END), record(END),
        packet(NONE, (), (1, 2)) + record(END)),
    'aborted': seed(
        GUARDED, record(STREAM, PER_ROUND[:99]) + word(say='abort', why='it was cancelled'),
        packet() + RAW),
    'out-of-place': seed(0, record(HELLO, b'{}') + word(say='abort'), packet()),
    'behind-the-end': seed(0, record(END) + record(STREAM, b'more')),
}

for seed_name, seed_bytes in SEEDS.items():
    with open(os.path.join(os.path.dirname(__file__), 'relay', seed_name), 'wb') as file:
        file.write(seed_bytes)
