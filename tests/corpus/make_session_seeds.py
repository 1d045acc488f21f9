#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make_session_seeds.py - the seeds of the fuzz target for the records of a session.

Written here from docs/session.md, not by the code under test.  The first byte says how the target
reads them, see src/session/session_record_fuzz.c; numbers and checksums are its to fill in where
that byte has bit 0.
"""
import json
import os
import struct

HELLO, CONTROL, STREAM, PACKET, ACK, END = range(1, 7)
REPAIR, TWO_STEPS = 1, 2


def record(kind, body=b'', length=None, flags=0):
    return struct.pack('>BBHIQQ', kind, flags, 0, len(body) if length is None else length,
                       0, 0) + body


def text(kind, **members):
    return record(kind, json.dumps(members).encode())


def hello(**members):
    return text(HELLO, **{'godwit': '0.1.0', 'protocol': {'oldest': 1, 'newest': 1},
                          'session': '00112233445566778899aabbccddeeff', 'role': 'page',
                          'index': 3, 'formats': ['none', 'zstd', 'lz9']} | members)


def packet(payload):
    head = struct.pack('>IIIIIIQ', 0x11223344, 1, 4, 128, 1, len(payload), 0)
    return record(PACKET, head.ljust(1344, b'\0') + payload)


def ack(*numbers):
    return record(ACK, struct.pack(f'>{len(numbers)}Q', *numbers))


ROW = (hello(role='main', index=0, about={'machine': 'pc-q35-7.2'})
       + text(CONTROL, say='prepare', downtime=300) + record(STREAM, b'QEVM\0\0\0\3')
       + packet(b'payload') + packet(b'') + ack(1 << 20, 4096, 5, 9, 9) + record(END))
SEEDS = {
    'row': (REPAIR, ROW),
    'row-in-steps': (REPAIR | TWO_STEPS, ROW),
    'row-unsummed': (0, ROW),
    'newer': (REPAIR, hello(protocol={'oldest': 1, 'newest': 9}, compass=['n', None])
              + hello(protocol={'oldest': 4, 'newest': 6})),
    'refused': (REPAIR, hello(refused='busy with another session')),
    'hello-wrong': (REPAIR, hello(session='xyz') + hello(role='host') + hello(index=-1)
                    + hello(formats={}) + hello(about=[], role='main')
                    + record(HELLO, b'[]') + record(HELLO, b'{"a":1,"a":2}')),
    'words-wrong': (REPAIR | TWO_STEPS, record(CONTROL, b'{"say":5}') + record(CONTROL, b'')
                    + record(CONTROL, b'[[[[[[[[[[')),
    'ack-uneven': (REPAIR, ack(1, 2) + record(ACK, b'12345678' * 2 + b'9')),
    'oversize': (0, record(STREAM, length=65537)),
    'short-packet': (REPAIR, record(PACKET, b'x' * 1343)),
    'cut': (REPAIR | TWO_STEPS, ROW + packet(b'payload')[:-3]),
    'cut-in-head': (TWO_STEPS, record(END)[:23]),
    'flags': (0, record(END, flags=0x80)),
    'qemu': (TWO_STEPS, b'QEVM\0\0\0\3\7\0\0\0\nmicrovm-10'),
}

if __name__ == '__main__':
    where = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'session_record')
    os.makedirs(where, exist_ok=True)
    for name, (how, body) in SEEDS.items():
        with open(os.path.join(where, name), 'wb') as file:
            file.write(bytes([how]) + body)
