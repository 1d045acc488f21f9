#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make_payload_seeds.py - the seeds of the payload_decode fuzz target.

Written here from docs/protocol.md, not by the code under test.  The format of a seed is in
src/codec/payload_decode_fuzz.c and src/codec/decode_fuzz.h.
"""
import os
import struct
import zlib

PAGE = 4096
QPL, UADK, QATZIP = 0, 1, 2
SINGLE = 128  # each page is a room of its own

TEXT = (b'godwit ' * 1170)[:PAGE]
RAW = bytes((i * i >> 3) * 167 + i & 255 for i in range(PAGE))


def deflated(data, window=-12):
    stream = zlib.compressobj(1, zlib.DEFLATED, window)
    return stream.compress(data) + stream.flush()


def pages(*bodies):
    return b''.join(struct.pack('>I', len(body)) for body in bodies) + b''.join(bodies)


def member(data, flags=4):
    body = deflated(data, -15)
    extra = struct.pack('<H2sHII', 12, b'QZ', 8, len(data), len(body)) if flags & 4 else b''
    name = b'a\0' if flags & 8 else b''
    return (b'\x1f\x8b\x08' + bytes([flags]) + b'\0\0\0\0\4\xff' + extra + name + body
            + struct.pack('<II', zlib.crc32(data), len(data)))


def packet(count, payload, single=0):
    return bytes([count - 1 | single]) + struct.pack('>H', len(payload)) + payload


SEEDS = {
    'qpl': (QPL, packet(3, pages(deflated(TEXT), RAW, deflated(bytes(PAGE))), SINGLE)
            + packet(1, pages(deflated(TEXT)))),
    'qpl-too-long': (QPL, packet(1, struct.pack('>I', PAGE + 1) + bytes(PAGE + 1))),
    'qpl-sum': (QPL, packet(2, pages(deflated(TEXT), deflated(TEXT)) + b'more')),
    'uadk': (UADK, packet(2, pages(deflated(TEXT, 12), RAW))
             + packet(2, pages(deflated(TEXT, 12)[:-4], deflated(TEXT, 15)), SINGLE)),
    'uadk-adler': (UADK, packet(1, pages(deflated(TEXT, 12)[:-1] + b'x'))),
    'qatzip': (QATZIP, packet(3, member(TEXT * 2) + member(TEXT), SINGLE)
               + packet(1, member(TEXT))),
    'qatzip-plain': (QATZIP, packet(2, member(TEXT, 0) + member(TEXT, 8))),
    'qatzip-crc': (QATZIP, packet(1, member(TEXT)[:-8] + bytes(8))),
}

for seed_name, (codec, seed_bytes) in SEEDS.items():
    path = os.path.join(os.path.dirname(__file__), 'payload_decode', seed_name)
    with open(path, 'wb') as file:
        file.write(bytes([codec]) + seed_bytes)
