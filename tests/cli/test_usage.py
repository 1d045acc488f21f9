#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_usage.py - what the command refuses: one line that names the value and what is allowed.

Exit code 2, nothing on standard output.  Values at a limit are accepted.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import DONE, FAILED, USAGE, check, run, scratch  # noqa: E402

DIALECTS = ('qemu-7.2 qemu-8.0 qemu-8.1 qemu-8.2 qemu-9.0 qemu-9.1 qemu-9.2 qemu-10.0 qemu-10.1 '
            'qemu-10.2 qemu-11.0 qemu-11.1').split()
SIZE = 'is not a size: a number with K, M, G or T'
RATE = 'is not a rate: bytes a second'
SCHEMES = 'expected tcp:HOST:PORT, unix:PATH, fd:N or file:PATH'
LONG_PATH = 'unix:/' + 'p' * 107

# A command line of `send` and `recv` that lacks a QEMU, and nothing else.
QMP = ['--qmp', '/nonexistent/q']
SEND = [*QMP, '--to', 'tcp:127.0.0.1:1']
DOOR = ['--socket', '/nonexistent/s', '--to', 'tcp:127.0.0.1:1']

# (arguments, what the line must hold)
REFUSED = [
    (['dmeo'], ['dmeo', 'godwit --help']),
    (['demo\n'], ['no such command']),
    (['--memory', '1G'], ['--memory', 'no such command']),
    (['demo', 'extra'], ['extra', 'no argument is expected']),
    (['demo', '-x'], ['-x', 'no such option', 'godwit demo --help']),
    (['demo', '--memmory', '1G'], ['--memmory', 'no such option']),
    (['demo', '--mem', '1G'], ['--mem', 'no such option']),
    (['demo', '--line\nbreak'], ['no such option']),
    (['demo', '--verbose=yes'], ['--verbose=yes', 'takes no value']),
    (['demo', '--memory'], ['--memory', 'needs a value, SIZE']),
    (['demo', '--json'], ['--json', 'needs a value, FILE']),
    (['demo', '--to'], ['--to', 'needs a value, URI']),

    (['demo', '--memory', '12x'], ['"12x"', SIZE]),
    (['demo', '--memory', ''], ['""', SIZE]),
    (['demo', '--memory', '-1G'], ['"-1G"', SIZE]),
    (['demo', '--memory', '0x1000000'], ['"0x1000000"', SIZE]),
    (['demo', '--memory', '1e9'], ['"1e9"', SIZE]),
    (['demo', '--memory', ' 1G'], ['" 1G"', SIZE]),
    (['demo', '--memory', '1.G'], ['"1.G"', SIZE]),
    (['demo', '--memory', '1Gbit'], ['"1Gbit"', SIZE]),
    (['demo', '--memory', '99999999999999999999'], ['99999999999999999999', SIZE]),
    (['demo', '--memory', '99999999T'], ['99999999T', SIZE]),
    (['demo', '--memory', '0'], ['--memory 0', '8.0 MiB to 4.0 TiB are allowed']),
    (['demo', '--memory', '8191K'], ['--memory 8191K', '8.0 MiB to 4.0 TiB are allowed']),
    (['demo', '--memory', '4097G'], ['--memory 4097G', '8.0 MiB to 4.0 TiB are allowed']),
    (['demo', '--memory', '8388609'], ['--memory 8388609', 'a multiple of 4096 is allowed']),
    (['demo', '--working-set', '4095'], ['--working-set 4095', '4.0 KiB to 4.0 TiB']),
    (['demo', '--guest', 'process', '--memory', '8M', '--working-set', '8M'],
     ['--working-set 8388608', 'at most 8384512']),
    (['demo', '--memory', '8M', '--working-set', '8K', '--vcpus', '3'],
     ['--vcpus 3', 'the working set has 2']),

    (['demo', '--dirty-rate', 'fast'], ['"fast"', RATE]),
    (['demo', '--dirty-rate', '5T'], ['--dirty-rate 5T', '0 B to 1.0 TiB a second']),
    (['demo', '--max-bandwidth', '10Gbyte'], ['"10Gbyte"', RATE]),
    (['demo', '--max-bandwidth', '1025T'], ['--max-bandwidth 1025T', '0 B to 1.0 PiB']),

    (['demo', '--channels', '0', '--methods', 'none,zstd'],
     ['--channels 0', 'as they are, not by zstd']),
    (['demo', '--channels', '256'], ['--channels 256', '0 to 255 are allowed']),
    (['demo', '--channels', '-1'], ['--channels -1', '0 to 255 are allowed']),
    (['demo', '--channels', 'two'], ['--channels two', '0 to 255 are allowed']),
    (['demo', '--channels', '2.5'], ['--channels 2.5', '0 to 255 are allowed']),
    (['demo', '--channels', '4294967298'], ['--channels 4294967298', '0 to 255 are allowed']),
    (['demo', '--channels=18446744073709551618'],
     ['--channels 18446744073709551618', '0 to 255 are allowed']),
    (['demo', '--vcpus', '0'], ['--vcpus 0', '1 to 64 are allowed']),
    (['demo', '--vcpus', '65'], ['--vcpus 65', '1 to 64 are allowed']),
    (['demo', '--downtime-limit', '2000001'], ['--downtime-limit 2000001', '0 to 2000000']),
    (['demo', '--downtime-limit', '1s'], ['--downtime-limit 1s', '0 to 2000000']),
    (['demo', '--timeout', '0'], ['--timeout 0', '1 to 86400 are allowed']),
    (['demo', '--timeout', '86401'], ['--timeout 86401', '1 to 86400 are allowed']),
    (['demo', '--seed', '18446744073709551616'],
     ['--seed 18446744073709551616', '0 to 18446744073709551615']),
    (['demo', '--seed', '1\n2'], ['0 to 18446744073709551615']),

    (['demo', '--methods', 'lz4'], ['--methods', '"lz4"', 'none, zlib, zstd']),
    (['demo', '--methods', ''], ['--methods', '""', 'none, zlib, zstd']),
    (['demo', '--methods', 'none,,zlib'], ['--methods', '""', 'none, zlib, zstd']),
    (['demo', '--methods', 'zlib,'], ['--methods', '""', 'none, zlib, zstd']),
    (['demo', '--methods', 'ZLIB'], ['"ZLIB"', 'none, zlib, zstd']),
    (['demo', '--methods', 'x' * 200], ['xxx', 'none, zlib, zstd']),
    (['demo', '--methods', 'none:1'], ['none:1', 'none has no levels']),
    (['demo', '--methods', 'zlib,qpl:1'], ['qpl:1', 'qpl has no levels']),
    (['demo', '--methods', 'uadk:'], ['uadk:', 'uadk has no levels']),
    (['demo', '--methods', 'qatzip:0'], ['qatzip level 0', '1 to 9 are allowed']),
    (['demo', '--methods', 'qatzip:10'], ['qatzip level 10', '1 to 9 are allowed']),
    (['demo', '--methods', 'zlib:10'], ['zlib level 10', '0 to 9 are allowed']),
    (['demo', '--methods', 'none,zstd:21'], ['zstd level 21', '0 to 20 are allowed']),
    (['demo', '--methods', 'zlib:'], ['zlib level ""', '0 to 9 are allowed']),
    (['demo', '--methods', 'zlib:-1'], ['zlib level "-1"', '0 to 9 are allowed']),
    (['demo', '--methods', 'zlib:99999999999'], ['"99999999999"', '0 to 9 are allowed']),
    (['demo', '--methods', 'zlib:6:6'], ['"6:6"', '0 to 9 are allowed']),
    (['demo', '--methods', ','.join(['none'] * 17)], ['--methods none,none', 'at most 16']),

    (['demo', '--accelerator', 'gpu'], ['--accelerator', '"gpu"', 'auto, none, qpl, qatzip, uadk']),
    (['demo', '--accelerator', ''], ['--accelerator', '""', 'auto, none, qpl, qatzip, uadk']),
    (['demo', '--accelerator-jobs', '0'], ['--accelerator-jobs 0', '1 to 128 are allowed']),
    (['demo', '--accelerator-jobs', '129'], ['--accelerator-jobs 129', '1 to 128 are allowed']),
    (['demo', '--simulate', 'fast'], ['--simulate', '"fast"']),
    (['demo', '--simulate', 'busy=101%'], ['--simulate', '101%', '0% to 100% are allowed']),
    (['demo', '--simulate', 'busy=1%', '--accelerator', 'none'],
     ['--simulate', 'not allowed with --accelerator none']),

    (['demo', '--guest', 'kvm2'], ['--guest kvm2', 'kvm and process are allowed']),
    (['demo', '--pattern', 'zigzag'], ['--pattern zigzag', 'sequential and random']),
    (['demo', '--guest', 'process', '--tracker', 'soft'],
     ['--tracker soft', 'a process guest has auto, wp-async and wp-sync']),
    (['demo', '--guest', 'process', '--tracker', 'dirty-log'], ['--tracker dirty-log']),
    (['demo', '--guest', 'process', '--tracker', ''], ['--tracker', 'wp-async and wp-sync']),
    (['demo', '--dialect', 'qemu-9'], ['"qemu-9"', *DIALECTS]),
    (['demo', '--dialect', 'xen-4.2'], ['"xen-4.2"', *DIALECTS]),
    (['demo', '--machine', ''], ['--machine ""', '1 to 255 characters']),
    (['demo', '--machine', 'm' * 256], ['--machine "mmm', '1 to 255 characters']),

    (['demo', '--fill', '/nonexistent'], ['--fill', '/nonexistent: no such file']),
    (['demo', '--fill', ''], ['--fill', 'zeros, random or a path']),
    (['demo', '--fill', 'zeros:0'], ['--fill', '"zeros:0"', '1 to 100 are allowed']),
    (['demo', '--fill', 'zeros:101'], ['--fill', '"zeros:101"', '1 to 100 are allowed']),
    (['demo', '--fill', 'zeros:50,random:49'], ['zeros:50,random:49', '99 percent', '100']),
    (['demo', '--fill', 'zeros:60,random:41'], ['zeros:60,random:41', '101 percent', '100']),
    (['demo', '--fill', 'zeros,random:50'], ['zeros,random:50', 'no percentage']),
    (['demo', '--fill', ','.join(['zeros:5'] * 17)], ['--fill', 'more than 16 parts']),

    (['demo', '--to', ''], ['--to', SCHEMES]),
    (['demo', '--to', 'udp:1.2.3.4:5'], ['--to', '"udp:1.2.3.4:5"', SCHEMES]),
    (['demo', '--to', 'localhost:4444'], ['--to', '"localhost:4444"', SCHEMES]),
    (['demo', '--to', 'tcp:localhost'], ['"tcp:localhost"', 'expected tcp:HOST:PORT']),
    (['demo', '--to', 'tcp:localhost:'], ['"tcp:localhost:"', 'expected 0 to 65535']),
    (['demo', '--to', 'tcp:localhost:65536'], ['65536', 'expected 0 to 65535']),
    (['demo', '--to', 'tcp:localhost:-1'], ['"-1"', 'expected 0 to 65535']),
    (['demo', '--to', 'tcp:localhost:http'], ['"http"', 'expected 0 to 65535']),
    (['demo', '--to', 'tcp:localhost:0'], ['tcp:localhost:0', 'port 0 is for listening only']),
    (['demo', '--to', 'tcp:localhost:00'], ['port 0 is for listening only']),
    (['demo', '--to', 'tcp:::1:4444'], ['brackets: tcp:[ADDRESS]:PORT']),
    (['demo', '--to', 'tcp:[::1:4444'], ['expected tcp:[ADDRESS]:PORT']),
    (['demo', '--to', 'tcp:[1.2.3.4]:4444'], ['no IPv6 address in the brackets']),
    (['demo', '--to', 'tcp:a b:1'], ['a host name has no " "']),
    (['demo', '--to', 'tcp:h:1,ipv4=on'], ['option "ipv4=on" is not supported']),
    (['demo', '--to', 'unix:'], ['"unix:"', 'the path is missing']),
    (['demo', '--to', LONG_PATH], ['108 bytes, at most 107']),
    (['demo', '--to', 'unix:/a\nb'], ['has a control character']),
    (['demo', '--to', 'fd:3'], ['--to fd:3', 'several channels need tcp: or unix:']),
    (['demo', '--to', 'fd:x'], ['descriptor "x"', 'expected a number']),
    (['demo', '--to', 'file:/tmp/x'], ['file:/tmp/x', 'several channels need tcp: or unix:']),
    (['demo', '--to', 'tcp:' + 'h' * 600 + ':1'], ['606 bytes long, at most 511']),
    (['demo', '--uri', 'nowhere'], ['--uri', '"nowhere"', SCHEMES]),
    (['demo', '--uri', 'fd:3'], ['--uri fd:3', 'several channels need tcp: or unix:']),
    (['demo', '--memory', '8M', '--fill', 'zeros', '--uri', 'unix:/nonexistent/socket'],
     ['--uri', 'unix:/nonexistent/socket', 'no such file or directory']),
    (['demo', '--to', 'tcp:h:1', '--uri', 'unix:/tmp/x'],
     ['--uri unix:/tmp/x', 'not allowed with --to']),
    (['demo', '--to', 'tcp:h:1', '--flip-byte'], ['--flip-byte', 'not allowed with --to']),
    (['demo', '--json', '/nonexistent/f'], ['--json /nonexistent/f', 'no such file']),
    (['demo', '--json', '/'], ['--json /', 'is a directory']),
    (['demo', '--json', ''], ['--json', 'no such file']),
    (['demo', '--dump-ram', '/nonexistent/d'], ['--dump-ram /nonexistent/d', 'no such file']),
    (['demo', '--dump-ram', '/dev/null'], ['--dump-ram /dev/null']),

    (['inspect'], ['FILE, - or --listen URI']),
    (['inspect', 'a', 'b'], ['b: one file is expected']),
    (['inspect', '--listen', 'tcp::0', 'f'], ['f: no file is allowed with --listen']),
    (['inspect', '/nonexistent'], ['/nonexistent: no such file']),
    (['inspect', '/'], ['file:/', 'neither a file nor a block device']),
    (['inspect', 'x' * 600], ['xxx', '600 bytes, at most 506']),
    (['inspect', '--listen'], ['--listen', 'needs a value, URI']),
    (['inspect', '--listen', 'here'], ['--listen', '"here"', SCHEMES]),
    (['inspect', '--listen', 'file:/tmp/x'], ['file:/tmp/x', 'nobody can connect to a file']),
    (['inspect', '--listen', 'fd:0'], ['fd:0']),
    (['inspect', '--listen', 'fd:999'], ['fd:999']),
    (['inspect', '--listen', 'unix:/nonexistent/s'],
     ['unix:/nonexistent/s', 'no such file or directory']),
    (['inspect', '--listen', 'unix:/etc/passwd'],
     ['unix:/etc/passwd', 'exists and is not a socket']),
    (['inspect', '--channels', '256', 'f'], ['--channels 256', '0 to 255 are allowed']),
    (['inspect', '--max-memory', '4095', 'f'], ['--max-memory 4095', '4.0 KiB to 64 TiB']),
    (['inspect', '--max-memory', '65T', 'f'], ['--max-memory 65T', '4.0 KiB to 64 TiB']),
    (['inspect', '--timeout', '0', 'f'], ['--timeout 0', '1 to 86400 are allowed']),
    (['inspect', '--dialect', 'new', 'f'], ['"new"', *DIALECTS]),
    (['inspect', '--json', '/nonexistent/f', 'f'], ['--json /nonexistent/f', 'no such file']),
    (['inspect', '--dump-ram', '/nonexistent/d', 'f'], ['--dump-ram /nonexistent/d']),
    (['inspect', '--methods', 'none', 'f'], ['--methods', 'no such option']),
    (['inspect', '--accelerator', 'fpga', 'f'], ['--accelerator', '"fpga"']),

    (['engines', 'zlib'], ['zlib: no argument is expected']),
    (['engines', '--self-test=yes'], ['--self-test=yes', 'takes no value']),
    (['engines', '--simulate', 'depth'], ['--simulate', 'depth']),
    (['engines', '--root', '/nonexistent'], ['--root /nonexistent', 'no such file']),
    (['engines', '--root', 'r' * 300], ['--root rrr', '300 bytes, at most 255']),
    (['engines', '--json', '/nonexistent/f'], ['--json /nonexistent/f', 'no such file']),

    (['send'], ['--qmp SOCKET or --socket PATH is expected']),
    (['send', '--to', 'tcp:h:1'], ['--qmp SOCKET or --socket PATH is expected']),
    (['send', *QMP, '--socket', 's', '--to', 'tcp:h:1'],
     ['--socket s', 'not allowed with --qmp']),
    (['send', *QMP], ['--to URI or --to-qemu URI is expected']),
    (['send', *QMP, '--to', 'tcp:h:1', '--to-qemu', 'unix:q'],
     ['--to-qemu unix:q', 'not allowed with --to']),
    (['send', *QMP, '--to', 'here'], ['--to', '"here"', SCHEMES]),
    (['send', *QMP, '--to-qemu', 'here'], ['--to-qemu', '"here"', SCHEMES]),
    (['send', *QMP, '--to', 'file:/tmp/x'], ['--to', 'file:/tmp/x']),
    (['send', *QMP, '--to', 'fd:3'], ['--to', 'fd:3']),
    (['send', *QMP, 'tcp:h:1'], ['tcp:h:1', 'no argument is expected']),
    (['send', *SEND, '--method', 'lz4'], ['--method', '"lz4"', 'none, zlib, zstd']),
    (['send', *SEND, '--method', ''], ['--method', '""', 'none, zlib, zstd']),
    (['send', *SEND, '--level', '21'], ['--level 21', '0 to 20 are allowed']),
    (['send', *SEND, '--method', 'zlib', '--level', '10'],
     ['--level', 'zlib level 10', '0 to 9 are allowed']),
    (['send', *SEND, '--method', 'qatzip', '--level', '0'],
     ['--level', 'qatzip level 0', '1 to 9 are allowed']),
    (['send', *SEND, '--method', 'qpl', '--level', '1'], ['--level', 'qpl has no levels']),
    (['send', *SEND, '--method', 'none', '--level', '1'], ['--level', 'none has no levels']),
    (['send', *SEND, '--channels', '0'], ['--channels 0', '1 to 255 are allowed']),
    (['send', *SEND, '--channels', '256'], ['--channels 256', '1 to 255 are allowed']),
    (['send', *SEND, '--qemu-channels', '256'], ['--qemu-channels 256', '0 to 255 are allowed']),
    (['send', *SEND, '--accelerator', 'gpu'], ['--accelerator', '"gpu"', 'auto, none, qpl']),
    (['send', *SEND, '--accelerator-jobs', '129'], ['--accelerator-jobs 129', '1 to 128']),
    (['send', *SEND, '--simulate', 'fast'], ['--simulate', '"fast"']),
    (['send', *SEND, '--max-bandwidth', '1025T'], ['--max-bandwidth 1025T', '0 B to 1.0 PiB']),
    (['send', *SEND, '--downtime-limit', '2000001'], ['--downtime-limit 2000001']),
    (['send', *SEND, '--postcopy-after', '86401'], ['--postcopy-after 86401', '0 to 86400']),
    (['send', *SEND, '--set', 'downtime-limit'], ['--set', 'downtime-limit']),
    (['send', *SEND, '--cap', 'xbzrle=maybe'], ['--cap', 'xbzrle=maybe']),
    (['send', *SEND, '--timeout', '0'], ['--timeout 0', '1 to 86400 are allowed']),
    (['send', *SEND, '--json', '-', '--json-stream', '-'], ['--json -', '--json-stream']),
    (['send', *SEND, '--json', '/nonexistent/f'], ['--json /nonexistent/f', 'no such file']),
    (['send', *SEND, '--json-stream', '/nonexistent/f'],
     ['--json-stream /nonexistent/f', 'no such file']),
    (['send', *SEND, '--socket-mode', '0660'], ['--socket-mode', 'only allowed with --socket']),
    (['send', *SEND, '--socket-owner', '0'], ['--socket-owner', 'only allowed with --socket']),
    *[(['send', *DOOR, '--socket-mode', mode], ['--socket-mode', f'"{mode}"', '0 to 0777, octal'])
      for mode in ('', '8', '0680', '1777', '00660', '0x1b0', 'rw', '-1', '660 ')],
    (['send', *DOOR, '--socket-owner', 'no such user'], ['--socket-owner', 'no such user']),
    (['send', *DOOR, '--postcopy-after', '5'], ['--postcopy-after', 'only allowed with --qmp']),
    (['send', *DOOR, '--set', 'max-bandwidth=0'],
     ['--set max-bandwidth=0', 'only allowed with --qmp']),
    (['send', *DOOR, '--cap', 'xbzrle=on'], ['--cap xbzrle=on', 'only allowed with --qmp']),
    (['send', '--listen', 'tcp::0'], ['--listen', 'no such option']),

    (['recv'], ['--qmp SOCKET or --socket PATH is expected']),
    (['recv', *QMP, '--socket', 's', '--listen', 'unix:l'],
     ['--socket s', 'not allowed with --qmp']),
    (['recv', *QMP], ['--listen URI or --from-qemu URI is expected']),
    (['recv', *QMP, '--listen', 'unix:l', '--from-qemu', 'unix:q'],
     ['--from-qemu unix:q', 'not allowed with --listen']),
    (['recv', *QMP, '--listen', 'here'], ['--listen', '"here"', SCHEMES]),
    (['recv', *QMP, '--from-qemu', 'here'], ['--from-qemu', '"here"', SCHEMES]),
    (['recv', *QMP, '--listen', 'file:/tmp/x'], ['--listen', 'file:/tmp/x']),
    *[(['recv', *QMP, option, uri], [option, uri, '--insecure'])
      for option in ('--listen', '--from-qemu')
      for uri in ('tcp::0', 'tcp:0.0.0.0:0', 'tcp:[::]:0', 'tcp:192.0.2.1:4444')],
    (['recv', '--socket', 's', '--listen', 'unix:l', '--resume-at-once'],
     ['--resume-at-once', 'only allowed with --qmp']),
    (['recv', *QMP, '--listen', 'unix:l', '--channels', '2'],
     ['--channels', 'only allowed with --from-qemu']),
    (['recv', *QMP, '--from-qemu', 'unix:q', '--channels', '0'],
     ['--channels 0', '1 to 255 are allowed']),
    (['recv', *QMP, '--listen', 'unix:l', '--method', 'zstd'], ['--method', 'no such option']),
    (['recv', *QMP, '--listen', 'unix:l', '--accelerator', 'fpga'], ['--accelerator', '"fpga"']),
    (['recv', *QMP, '--listen', 'unix:l', '--json', '-', '--json-stream', '-'],
     ['--json -', '--json-stream']),
    (['recv', *QMP, '--listen', 'unix:l', '--json', '/nonexistent/f'],
     ['--json /nonexistent/f', 'no such file']),
]

# Taken: it goes on to a peer that is not there, and fails by that.
ACCEPTED = [
    ['--memory', '8M'],
    ['--memory', '8.5m'],
    ['--memory', '8388608'],
    ['--memory', '8M', '--working-set', '8384512'],
    ['--working-set', '4K'],
    ['--working-set', '8K', '--vcpus', '2'],
    ['--channels', '0'],
    ['--channels', '1'],
    ['--channels=255'],
    ['--vcpus', '64', '--memory', '8M'],
    ['--dirty-rate', '0'],
    ['--dirty-rate', '1T'],
    ['--dirty-rate', '9600bit'],
    ['--max-bandwidth', '0'],
    ['--max-bandwidth', '1024T'],
    ['--max-bandwidth', '2.5Gbit'],
    ['--downtime-limit', '0'],
    ['--downtime-limit', '2000000'],
    ['--timeout', '1'],
    ['--timeout', '86400'],
    ['--seed', '0'],
    ['--seed', '18446744073709551615'],
    ['--methods', 'zlib:0'],
    ['--methods', 'zlib:9'],
    ['--methods', 'zstd:0'],
    ['--methods', 'zstd:20'],
    ['--methods', 'qatzip:1'],
    ['--methods', 'qatzip:9'],
    ['--methods', ','.join(['none'] * 16)],
    ['--accelerator', 'none', '--methods', 'qpl'],
    ['--accelerator-jobs', '1', '--simulate', 'busy=100%', '--methods', 'qpl'],
    ['--accelerator-jobs', '128'],
    ['--machine', 'm' * 255],
    ['--fill', 'zeros:1,random:99'],
    ['--fill', 'zeros:100'],
    ['--fill', ','.join(['zeros:6'] * 15 + ['random:10'])],
    ['--pattern', 'random', '--auto-converge', '--no-return-path', '--verbose'],
    ['--dialect', '9.2.1'],
    *[['--dialect', dialect] for dialect in DIALECTS],
]


# Taken: it goes on to a socket that is not there.
TRANSFERS_ACCEPTED = [
    *[['send', *SEND, *more] for more in (
        [], ['--method', 'none'], ['--method', 'qpl'], ['--level', '20'],
        ['--method', 'zlib', '--level', '0'], ['--channels', '255'], ['--qemu-channels', '0'],
        ['--channels', '1', '--qemu-channels', '255'], ['--accelerator', 'none'],
        ['--simulate', 'busy=50%', '--accelerator-jobs', '128', '--method', 'qatzip'],
        ['--max-bandwidth', '1Gbit'], ['--downtime-limit', '2000000'],
        ['--postcopy-after', '0'], ['--set', 'cpu-throttle-initial=30', '--cap', 'xbzrle=off'],
        ['--timeout', '1', '--verbose'])],
    ['send', *QMP, '--to', 'unix:/nonexistent/there'],
    ['send', *QMP, '--to-qemu', 'tcp:127.0.0.1:1', '--method', 'zlib', '--channels', '4'],
    *[['send', *DOOR, '--socket-mode', mode, '--socket-owner', str(os.getuid())]
      for mode in ('0777', '660', '0')],
    *[['recv', *QMP, '--listen', uri]
      for uri in ('tcp:127.0.0.1:0', 'tcp:127.1.2.3:0', 'tcp:localhost:0')],
    *[['recv', *QMP, '--listen', 'tcp::0', '--insecure', *more]
      for more in ([], ['--resume-at-once'], ['--accelerator', 'reference', '--verbose'])],
    ['recv', *QMP, '--from-qemu', 'tcp:127.0.0.1:0', '--channels', '255'],
]


def refuses(arguments, parts):
    ended = run(*arguments).expect(USAGE)
    check.equal(ended.out, '', f'standard output of {ended}')
    check.true(re.fullmatch(r'godwit( demo| inspect| engines| send| recv)?: [^\n]+\n', ended.err),
               f'{ended}; one line was expected')
    check.true(not ended.err.endswith('.\n'), f'{ended}; no full stop was expected')
    for part in parts:
        check.contains(ended.err, part, 'the line')


def accepts(arguments):
    fill = [] if '--fill' in arguments else ['--fill', 'zeros']
    memory = [] if '--memory' in arguments else ['--memory', '8M']
    ended = run('demo', '--guest', 'process', *memory, *fill, '--to', command.closed_port(),
                *arguments)
    ended.expect(FAILED)
    check.contains(ended.err, 'connection refused', 'standard error')


def inspect_accepts(arguments):
    with scratch() as directory:
        path = os.path.join(directory, '-odd name')
        with open(path, 'wb') as file:
            file.write(b'')
        for name in (['--', path], [os.path.join(directory, '-odd name')]):
            ended = run('inspect', *arguments, *name).expect(FAILED)
            check.contains(ended.sentence(), 'cut short at byte 0', 'the line')


def transfer_accepts(arguments):
    ended = run(*arguments).expect(USAGE)
    check.equal(ended.out, '', f'standard output of {ended}')
    check.contains(ended.err, '/nonexistent/', 'standard error')
    check.contains(ended.err, 'no such file or directory', 'standard error')


def refuses_what_it_may_not_touch():
    with scratch() as directory:
        os.chmod(directory, 0o755)
        with open(f'{directory}/file', 'wb') as file:
            os.fchmod(file.fileno(), 0)
        os.mkdir(f'{directory}/closed', 0o500)
        # Root may do everything.
        user = {'user': 65534} if os.geteuid() == 0 else {}
        for arguments in (['inspect', f'{directory}/file'],
                          ['demo', '--fill', f'{directory}/file'],
                          ['demo', '--dump-ram', f'{directory}/closed'],
                          ['demo', '--dump-ram', f'{directory}/closed/new'],
                          ['demo', '--json', f'{directory}/closed/new']):
            try:
                ended = subprocess.run([command.GODWIT, *arguments], check=False, text=True,
                                       stdin=subprocess.DEVNULL, capture_output=True,
                                       timeout=command.PATIENCE, **user)
            except PermissionError:
                raise check.Skip('nobody may not run the command where it is') from None
            check.equal(ended.returncode, USAGE, f'exit code of {arguments}')
            check.true(re.fullmatch(rf'godwit \w+: .*{re.escape(arguments[-1])}: permission '
                                    r'denied\n', ended.stderr), f'it said {ended.stderr!r}')


def empty_tree_fills_nothing():
    with scratch() as directory:
        refuses(['demo', '--memory', '8M', '--fill', directory],
                ['--fill', directory, 'no readable regular file'])


def help_fits_a_screen(arguments):
    ended = run(*arguments).expect(DONE)
    check.equal(ended.err, '', 'standard error')
    lines = ended.out.splitlines()
    check.true(lines[0].startswith('usage: godwit'), f'it starts with {lines[0]!r}')
    check.true(len(lines) < 40, f'{len(lines)} lines; 39 leave room for the prompt')
    for line in lines:
        check.true(len(line) <= 80, f'{len(line)} columns: {line!r}')


def help_names_every_default():
    """What it says in brackets is what happens; the rest of this file knows the limits."""
    text = run('demo', '--help').expect(DONE).out
    for part in ('(1G)', '(auto)', '(16)', '(2)', '(16M)', '(sequential)', '(300)', '(30)'):
        check.contains(text, part, 'help')


def version_is_told():
    ended = run('--version').expect(DONE)
    check.true(re.fullmatch(r'godwit \d+\.\d+\.\d+\n', ended.out), f'it says {ended.out!r}')


def no_command_shows_the_help():
    ended = run().expect(USAGE)
    check.equal(ended.out, '', 'standard output')
    check.equal(ended.err, run('--help').expect(DONE).out, 'standard error')


def full_disk_fails():
    with open('/dev/full', 'wb') as full:
        ended = subprocess.run([command.GODWIT, 'demo', '--memory', '8M', '--fill', 'zeros',
                                '--methods', 'none', '--json', '-'], stdin=subprocess.DEVNULL,
                               stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                               timeout=command.PATIENCE)
    check.equal(ended.returncode, FAILED, 'exit code')
    check.equal(ended.stderr, 'godwit demo: --json -: no space left on device\n', 'the line')


def label(arguments):
    return ' '.join(arguments).replace('\n', '\\n')[:60].strip() or '(nothing)'


CASES = [
    *[(f'refuses {label(arguments)}', refuses, arguments, parts)
      for arguments, parts in REFUSED],
    *[(f'accepts {label(arguments)}', accepts, arguments) for arguments in ACCEPTED],
    *[(f'inspect accepts {label(arguments)}', inspect_accepts, arguments)
      for arguments in ([], ['--max-memory', '4K'], ['--max-memory', '64T'],
                        ['--timeout', '86400'], ['--channels', '0'], ['--channels', '255'],
                        ['--dialect', 'qemu-7.2'])],
    *[(f'accepts {label(arguments)}', transfer_accepts, arguments)
      for arguments in TRANSFERS_ACCEPTED],
    ('refuses what it may not touch', refuses_what_it_may_not_touch),
    ('empty tree is refused', empty_tree_fills_nothing),
    *[(f'help fits a screen: {label(arguments)}', help_fits_a_screen, arguments)
      for arguments in (['--help'], ['-h'], ['demo', '--help'], ['demo', '--memory', '8M', '-h'],
                        ['inspect', '--help'], ['engines', '--help'], ['vm', '--help'],
                        ['migrate', '--help'], ['send', '--help'], ['recv', '--help'])],
    ('help names every default', help_names_every_default),
    ('version is told', version_is_told),
    ('no command shows the help', no_command_shows_the_help),
    ('full disk fails', full_disk_fails),
]

if __name__ == '__main__':
    check.run(CASES)
