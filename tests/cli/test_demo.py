#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_demo.py - guests that arrive: godwit demo, its figures and its table, and inspect beside it.

GODWIT_LONG=1 adds a guest of 4 GiB and every dialect with every method and number of channels.
"""
import functools
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import (CANCELLED, DONE, FAILED, MIXED, RUNS_ON, UNKNOWN, Running,  # noqa: E402
                     check, demo, meeting_places, nothing_new_stays, run, same_files,
                     scratch)
from test_usage import DIALECTS  # noqa: E402

METHODS = ('none', 'zlib', 'zstd', 'qpl', 'uadk', 'qatzip')
FEW = ('none', 'zlib', 'zstd')
CHANNELS = (1, 2, 4, 8, 16)

WHOLE = {'level', 'channels', 'wire_bytes', 'ram_bytes', 'zero_pages', 'normal_pages', 'rounds',
         'heartbeat_at_pause', 'heartbeat_after', 'throttle_percent'}
REAL = {'total_ms', 'downtime_ms', 'setup_ms', 'throughput_mbps', 'pages_per_second',
        'send_cpu_percent', 'recv_cpu_percent', 'send_cpu_seconds', 'recv_cpu_seconds', 'ratio',
        'verify_ms', 'heartbeat_gap_ms'}
TEXT = {'method', 'engine', 'status', 'tracker', 'guest'}
SPLIT = {'stop_ms', 'last_sync_ms', 'last_pages_ms', 'state_ms', 'resume_ms'}
PHASES = {'sync_ms', 'scan_ms', 'zero_ms', 'engine_ms', 'send_ms', 'wait_ms'}
PARTS = {'downtime_split': SPLIT, 'phases': PHASES}
RECEIVER = {'recv_cpu_percent', 'recv_cpu_seconds'}
ENGINES = {'recv_engine', 'engine_counters', 'recv_engine_counters'}
COUNTERS = {'units', 'device_units', 'fallback_units', 'retries', 'device_failures', 'raw_pages',
            'bytes_in', 'bytes_out'}

# Small guests that differ in all that may matter.
PROCESS = ['--guest', 'process']
SMALL = [*PROCESS, '--memory', '16M', '--fill', MIXED, '--dirty-rate', '2M']

# Which dirty trackers this kernel has.
TRACKERS = ('wp-async', 'wp-sync')


def mib(text):
    return int(text.removesuffix('M')) << 20


def near(seen, expected, what):
    """Figures that are computed from others of the same object."""
    check.true(abs(seen - expected) <= 1e-6 * max(1, abs(expected)),
               f'{what} is {seen}, expected {expected}')


def check_shape(figures, ours=True):
    """Keys and types, and what holds of them whatever was moved."""
    check.equal(set(figures), WHOLE | REAL | TEXT | PARTS.keys() | ENGINES | {'verified'}, 'keys')
    for key in TEXT:
        check.true(isinstance(figures[key], str) and figures[key], f'{key}: {figures[key]!r}')
    for key in WHOLE:
        check.true(type(figures[key]) is int and figures[key] >= 0, f'{key}: {figures[key]!r}')
    for key in REAL:
        if ours or key not in RECEIVER:
            check.true(type(figures[key]) is float and figures[key] >= 0,
                       f'{key}: {figures[key]!r}')
        else:
            check.true(figures[key] is None, f'{key}: {figures[key]!r}')
    for key, names in PARTS.items():
        check.equal(set(figures[key]), names, key)
        for name, value in figures[key].items():
            check.true(type(value) is float and value >= 0, f'{key}: {name}: {value!r}')
    check.true(figures['total_ms'] > 0 and figures['rounds'] >= 2, 'it took time and rounds')
    check.true(figures['setup_ms'] <= figures['total_ms'], 'setup is part of it')
    near(figures['throughput_mbps'], figures['wire_bytes'] * 8 / 1e3 / figures['total_ms'],
         'throughput_mbps')
    near(figures['pages_per_second'], (figures['normal_pages'] + figures['zero_pages']) * 1e3 /
         figures['total_ms'], 'pages_per_second')
    near(figures['send_cpu_percent'], figures['send_cpu_seconds'] * 1e5 / figures['total_ms'],
         'send_cpu_percent')
    near(figures['ratio'], figures['normal_pages'] * 4096 / figures['wire_bytes'], 'ratio')
    check.true(figures['status'] == 'completed', f"status is {figures['status']}")


@functools.cache
def taken(accelerator='auto'):
    """Who encodes and who decodes each method."""
    names = {'none': ('none', 'none')}
    for one in json.loads(run('engines', '--json', '-').expect(DONE).out)['formats'][1:]:
        names[one['name']] = tuple(next(
            (engine['name'] for engine in one[key]
             if engine['auto' if accelerator == 'auto' else accelerator]), None)
            for key in ('encoders', 'decoders'))
    return names


def check_engines(figures):
    """Both sides' counters agree with each other and with the pages."""
    sent, received = figures['engine_counters'], figures['recv_engine_counters']
    for counters in (sent, received):
        check.equal(set(counters), COUNTERS, 'counters')
        for key, value in counters.items():
            check.true(type(value) is int and value >= 0, f'{key}: {value!r}')
        check.true(counters['device_units'] + counters['fallback_units'] <= counters['units'],
                   f'{counters}')
    if figures['method'] == 'none':
        check.equal(set(sent.values()) | set(received.values()), {0}, 'counters')
        return
    check.equal(sent['bytes_in'], figures['normal_pages'] * 4096, 'bytes encoded')
    check.equal((received['bytes_in'], received['bytes_out']),
                (sent['bytes_out'], sent['bytes_in']), 'bytes decoded')
    # Where a decoder can see them.
    if figures['method'] in ('qpl', 'uadk'):
        check.equal(received['raw_pages'], sent['raw_pages'], 'raw pages')


def check_arrival(figures, method, channels, memory, guest='process'):
    check_shape(figures)
    check_engines(figures)
    check.equal(figures['guest'], guest, 'guest')
    level = {'zlib': 1, 'zstd': 1, 'qatzip': 1}.get(method, 0)
    for key, expected in (('method', method), ('level', level),
                          ('channels', channels), ('ram_bytes', mib(memory)),
                          ('verified', True)):
        check.equal(figures[key], expected, key)
    for key in ('engine', 'recv_engine'):
        check.true((figures[key] == 'none') == (method == 'none'), f'{key}: {figures[key]}')
    check.true(figures['normal_pages'] + figures['zero_pages'] >= mib(memory) // 4096,
               'each page was moved')
    check.true(figures['normal_pages'] > 0 and figures['wire_bytes'] > 0, 'something was sent')
    check.true(figures['send_cpu_seconds'] > 0 and figures['recv_cpu_seconds'] > 0,
               'both sides worked')
    check.true(figures['heartbeat_after'] > figures['heartbeat_at_pause'] > 0,
               f"heartbeat: {figures['heartbeat_at_pause']}, {figures['heartbeat_after']}")
    if method == 'none':
        check.true(figures['wire_bytes'] > figures['normal_pages'] * 4096, 'page by page')
    else:
        check.true(figures['ratio'] > 1, f"ratio is {figures['ratio']}")


def check_arrivals(results, channels, memory, methods=METHODS):
    check.equal([figures['method'] for figures in results], list(methods), 'methods')
    for figures in results:
        check_arrival(figures, figures['method'], channels, memory)


def arrives(transport, channels, memory, methods=METHODS):
    with scratch() as directory:
        uri = f'unix:{directory}/socket' if transport == 'unix' else 'tcp:127.0.0.1:0'
        check_arrivals(demo(*PROCESS, '--memory', memory, '--fill', MIXED, '--dirty-rate', '2M',
                            '--methods', ','.join(methods), '--channels', str(channels), '--uri',
                            uri), channels, memory, methods)
        check.equal(os.listdir(directory), [], 'what is left')


def arrives_with(*arguments, methods=FEW, channels=2, memory='16M'):
    """A variation of a small guest."""
    results = demo(*SMALL, *arguments, '--methods', ','.join(methods))
    check_arrivals(results, channels, memory, methods)
    return results


def default_meeting_place_goes():
    before = meeting_places()
    arrives_with(methods=('none',))
    nothing_new_stays(before)


def levels_reach_the_engine():
    """More work, fewer bytes."""
    results = demo(*PROCESS, '--memory', '16M', '--fill', command.PROGRAM, '--dirty-rate', '0',
                   '--methods', 'zlib:0,zlib:1,zlib:9,zstd:1,zstd:19')
    check.equal([figures['level'] for figures in results], [0, 1, 9, 1, 19], 'levels')
    sizes = [figures['wire_bytes'] for figures in results]
    check.true(sizes[0] > sizes[1] > sizes[2], f'zlib: {sizes[:3]}')
    check.true(sizes[3] > sizes[4], f'zstd: {sizes[3:]}')


# ---- who computes ----

def engines_are_the_ones_asked_for(accelerator):
    arguments = [] if accelerator == 'auto' else ['--accelerator', accelerator]
    names = taken(accelerator)
    # A decoder's format is the sender's choice: whoever can takes it.
    methods = [method for method in METHODS if names[method][0]]
    results = demo(*SMALL, *arguments)
    check.equal([figures['method'] for figures in results], methods, 'methods')
    for figures in results:
        check_arrival(figures, figures['method'], 2, '16M')
        check.equal(figures['engine'], names[figures['method']][0], 'engine')
        if names[figures['method']][1]:
            check.equal(figures['recv_engine'], names[figures['method']][1], 'decoder')


def absent_device_says_why(accelerator, formats):
    """Before anything is begun, in the words of its probe."""
    listed = json.loads(run('engines', '--json', '-').expect(DONE).out)['formats']
    engine = next(one for entry in listed for one in entry['encoders']
                  if one['name'] == accelerator)
    if engine['usable']:
        raise check.Skip(f'{accelerator} works here')
    ended = run('demo', *SMALL, '--methods', formats, '--accelerator', accelerator).expect(FAILED)
    check.equal(ended.out, '', 'standard output')
    check.contains(ended.sentence(), f'accelerator {accelerator}: {engine["why"]}', 'sentence')
    run('demo', *SMALL, '--methods', 'none', '--accelerator', accelerator).expect(FAILED)


SIMULATED = ['none', 'zlib', 'qpl', 'uadk', 'qatzip']


def simulated_device_works(spec, *arguments):
    """Whatever it does: a verified guest, and figures that say who computed."""
    results = demo(*SMALL, '--simulate', spec, *arguments)
    check.equal([figures['method'] for figures in results], SIMULATED, 'methods')
    for figures in results:
        check_arrival(figures, figures['method'], 2, '16M')
        sides = [('engine', 'engine_counters')]
        # No device decodes a stream with history.
        if figures['method'] != 'zlib':
            sides.append(('recv_engine', 'recv_engine_counters'))
        for engine, key in sides if figures['method'] != 'none' else []:
            counters = figures[key]
            check.equal(figures[engine], 'simulated', engine)
            check.true(counters['units'] > 0, f'{key}: {counters}')
            # A raw page that arrives is nobody's unit.
            check.true(counters['device_units'] + counters['fallback_units'] +
                       counters['raw_pages'] >= counters['units'], f'{key}: {counters}')
    return results


def busy_device_is_helped():
    for figures in simulated_device_works('busy=100%'):
        if figures['method'] != 'none':
            counters = figures['engine_counters']
            check.equal((counters['device_units'], counters['device_failures']), (0, 0), 'device')
            check.equal(counters['retries'], 3 * counters['fallback_units'], 'retries')


def table_says_what_devices_did():
    lines = run('demo', *SMALL, '--methods', 'none,qatzip', '--simulate',
                'busy=50%').expect(DONE).out.splitlines()
    check.equal(len(lines), 3 + 2 + 2 + 2, f'lines of {lines}')
    for line, way in zip(lines[-2:], ('sent', 'received')):
        check.true(re.fullmatch(rf' {{8}}{way} by simulated: \d+ units by the device, \d+ retries, '
                                r'0 failures, \d+ by software, 0 raw pages', line), f'{line!r}')


def dead_device_is_told_once():
    ended = run('demo', *SMALL, '--methods', 'qpl', '--simulate', 'dead-after=10', '--json', '-')
    (figures,) = json.loads(ended.expect(DONE).out)
    check_arrival(figures, 'qpl', 2, '16M')
    lines = ended.err.splitlines()
    check.equal(len(lines), 2, f'a line a side, not {ended.err!r},')
    for line in lines:
        check.contains(line, 'simulated', 'line')
    check.true(figures['engine_counters']['device_failures'] >= 64,
               f"{figures['engine_counters']}")


def tracker_is_the_one_asked_for(tracker):
    ended = run('demo', *SMALL, '--methods', 'none', '--tracker', tracker, '--json', '-')
    if ended.code == FAILED and f'--tracker: {tracker}: ' in ended.err:
        raise check.Skip(f'no {tracker}: {ended.sentence().rpartition(": ")[2]}')
    ended.expect(DONE)
    (figures,) = json.loads(ended.out)
    check_arrival(figures, 'none', 2, '16M')
    check.equal(figures['tracker'], tracker, 'tracker')


def writers_are_seen(*arguments):
    """What they write while the first round lasts is moved again."""
    (figures,) = demo(*PROCESS, '--memory', '32M', '--fill', 'random', '--dirty-rate', '8M',
                      '--methods', 'none', '--max-bandwidth', '64M', '--downtime-limit', '100',
                      *arguments)
    check_arrival(figures, 'none', 2, '32M')
    check.true(figures['normal_pages'] > 8192, f"{figures['normal_pages']} pages of 8192")
    return figures


def bandwidth_is_limited():
    """32 MiB that do not shrink, at 32 MiB a second over all channels: not below a second but
    for the slack."""
    (figures,) = demo(*PROCESS, '--memory', '32M', '--fill', 'random', '--dirty-rate', '0',
                      '--methods', 'none', '--channels', '4', '--max-bandwidth', '32M')
    check.true(figures['total_ms'] > 900, f"{figures['total_ms']} ms")


def no_downtime_allowed_takes_quiet_guest():
    """A guest that writes nothing but its heartbeat fits any limit in the end."""
    (figures,) = demo(*PROCESS, '--memory', '16M', '--fill', 'zeros', '--dirty-rate', '0',
                      '--methods', 'none', '--downtime-limit', '1000')
    check.true(figures['zero_pages'] >= 4000, f"{figures['zero_pages']} zero pages")
    check.true(figures['wire_bytes'] < 1 << 20, f"{figures['wire_bytes']} bytes")


def seeds_make_the_guest():
    """The same seed, the same RAM; another, another."""
    with scratch() as directory:
        for name, seed in (('a', '7'), ('b', '7'), ('c', '8')):
            demo(*PROCESS, '--memory', '8M', '--fill', 'random', '--dirty-rate', '0',
                 '--methods', 'none', '--seed', seed, '--dump-ram', f'{directory}/{name}')
        # The heartbeat's page and the working set before it are the guest's own.
        contents = {}
        for name in 'abc':
            with open(f'{directory}/{name}/ram', 'rb') as file:
                contents[name] = file.read(6 << 20)
        check.true(contents['a'] == contents['b'], 'equal seeds gave unequal RAM')
        check.true(contents['a'] != contents['c'], 'unequal seeds gave equal RAM')


# ---- a guest that writes faster than it can be sent ----

# Its working set takes four times the downtime limit, and is written five times in that.
BUSY = [*PROCESS, '--memory', '16M', '--fill', 'zeros', '--methods', 'none', '--dirty-rate', '100M',
        '--working-set', '8M', '--max-bandwidth', '20M', '--downtime-limit', '100']


def busy_guest_is_called_so():
    with Running('demo', *BUSY) as busy:
        busy.wait_to_say('not converging')
        busy.process.send_signal(signal.SIGINT)
        ended = busy.end().expect(CANCELLED)
    lines = ended.err.splitlines()
    check.true(re.fullmatch(r'godwit demo: none: not converging: .*\d+ MiB/s.*', lines[0]),
               f'it says {lines[0]!r}')
    check.equal(lines[-1], f'godwit demo: none: cancelled{RUNS_ON}', 'last line')


def busy_guest_is_slowed_down_until_it_fits(guest='process'):
    ended = run('demo', *BUSY, '--guest', guest, '--auto-converge', '--json', '-').expect(DONE)
    (figures,) = json.loads(ended.out)
    check_arrival(figures, 'none', 2, '16M', guest)
    check.true(20 <= figures['throttle_percent'] <= 99,
               f"throttle_percent is {figures['throttle_percent']}")


# ---- KVM ----

@functools.cache
def why_no_kvm():
    """Empty where there is one."""
    ended = run('demo', '--guest', 'kvm', '--memory', '8M', '--fill', 'zeros', '--methods', 'none')
    if ended.code == FAILED and '--guest kvm: ' in ended.err:
        return ended.sentence().partition('--guest kvm: ')[2]
    ended.expect(DONE)
    return ''


def on_kvm(test, *arguments):
    if why_no_kvm():
        raise check.Skip(f'no /dev/kvm: {why_no_kvm()}')
    test(*arguments)


def kvm_arrives(vcpus, channels, *arguments, memory='32M', methods=FEW):
    results = demo('--guest', 'kvm', '--memory', memory, '--fill', MIXED, '--dirty-rate', '2M',
                   '--methods', ','.join(methods), '--vcpus', str(vcpus), '--channels',
                   str(channels), *arguments)
    check.equal([figures['method'] for figures in results], list(methods), 'methods')
    for figures in results:
        check_arrival(figures, figures['method'], channels, memory, guest='kvm')


def kvm_tracker_is_the_one_asked_for(tracker):
    (figures,) = demo('--guest', 'kvm', '--memory', '16M', '--fill', MIXED, '--dirty-rate', '2M',
                      '--methods', 'none', '--tracker', tracker)
    check_arrival(figures, 'none', 2, '16M', guest='kvm')
    check.equal(figures['tracker'], tracker, 'tracker')


def kvm_is_the_default_where_it_works():
    ended = run('demo', '--memory', '8M', '--fill', 'zeros', '--methods', 'none').expect(DONE)
    expected = f'guest: process; no kvm: {why_no_kvm()}' if why_no_kvm() else 'guest: kvm'
    check.equal(ended.out.splitlines()[0], expected, 'first line')


# ---- what people see ----

def table_shows_the_figures():
    with scratch() as directory:
        path = f'{directory}/figures.json'
        ended = run('demo', *SMALL, '--json', path).expect(DONE)
        check.equal(ended.err, '', 'standard error')
        with open(path, encoding='utf-8') as file:
            check_arrivals(json.load(file), 2, '16M')
    lines = ended.out.splitlines()
    check.equal(len(lines), 3 + 2 * len(METHODS), f'lines of {ended.out!r}')
    check.equal(lines[0], 'guest: process', 'kind')
    check.equal(lines[1].split(), ['method', 'level', 'total', 'downtime', 'throughput', 'pages',
                                   'send', 'receive', 'wire', 'ratio', 'verified'], 'heading')
    for method, line, beats in zip(METHODS, lines[3::2], lines[4::2]):
        cells = line.split()
        check.equal((cells[0], cells[-1]), (method, 'yes'), 'method and verdict')
        check.true(re.search(r'\d+ rounds; heartbeat \d+ at pause, \d+ after', beats),
                   f'it says {beats!r}')


def json_on_standard_output_is_all_of_it():
    ended = run('demo', *SMALL, '--methods', 'none', '--json', '-').expect(DONE)
    check.equal(len(json.loads(ended.out)), 1, 'migrations')


def verbose_says_what_happens():
    ended = run('demo', *SMALL, '--methods', 'none', '--verbose').expect(DONE)
    for part in ('source: setup', 'source: active', 'round 1: ', 'source: device',
                 'source: completed', 'destination: active', 'destination: completed'):
        check.contains(ended.err, part, 'standard error')


def flipped_byte_is_noticed(method, *arguments):
    with scratch() as directory:
        path = f'{directory}/figures.json'
        ended = run('demo', *SMALL, '--methods', method, '--flip-byte', '--json', path, *arguments)
        ended.expect(UNKNOWN)
        with open(path, encoding='utf-8') as file:
            (figures,) = json.load(file)
    check.true(figures['verified'] is False, f"verified is {figures['verified']}")
    check.contains(figures['error'], 'checksum of RAM', 'error')
    check.equal(ended.out.splitlines()[3].split()[-1], 'no', 'verdict of the table')
    check.contains(ended.sentence(), f'{method}: not verified: checksum of RAM: ', 'sentence')


def flipped_byte_ends_the_row():
    """No other method is tried after it."""
    ended = run('demo', *SMALL, '--flip-byte', '--json', '-').expect(UNKNOWN)
    check.equal([figures['method'] for figures in json.loads(ended.out)], ['none'], 'methods')


# ---- to a destination of its own ----

def inspect_gets_the_same_ram(method, channels, *arguments, transport='tcp'):
    """Two programs that know nothing of each other but the wire."""
    with scratch() as directory:
        uri = 'tcp:127.0.0.1:0' if transport == 'tcp' else f'unix:{directory}/socket'
        with Running('inspect', '--listen', uri, '--channels', str(channels), '--dump-ram',
                     f'{directory}/there', '--json', '-') as inspect:
            ended = run('demo', *SMALL, '--methods', method, '--channels', str(channels), '--to',
                        inspect.listening_on(), '--dump-ram', f'{directory}/here', '--json',
                        f'{directory}/figures', *arguments).expect(DONE)
            report = json.loads(inspect.end().expect(DONE).out)
        with open(f'{directory}/figures', encoding='utf-8') as file:
            (figures,) = json.load(file)
        check.true(same_files(f'{directory}/here/ram', f'{directory}/there/ram'),
                   'RAM at switchover and what arrived are not the same')
        check.equal(os.path.getsize(f'{directory}/there/ram'), 16 << 20, 'bytes of the dump')
    check_shape(figures, ours=False)
    check.true(figures['verified'] is None, f"verified is {figures['verified']}")
    cells = ended.out.splitlines()[3].split()
    check.equal((cells[7], cells[-1]), ('-', 'unknown'), 'receive CPU and verdict')
    check.equal(report['status'], 'completed', 'status')
    check.equal(report['blocks'], [{'name': 'ram', 'bytes': 16 << 20}], 'blocks')
    check.equal(list(report['methods']), [method], 'methods')
    check.equal(report['methods'][method]['engine'], taken()[method][1], 'who decoded')
    check.equal(report['methods'][method]['payload_bytes'] if method != 'none' else 0,
                figures['engine_counters']['bytes_out'], 'payload bytes')
    for key in ('normal_pages', 'zero_pages', 'wire_bytes'):
        check.equal(report[key], figures[key], f'{key} of both')


def machine_none_has_no_devices():
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0', '--json', '-') as inspect:
        run('demo', *SMALL, '--machine', 'none', '--to', inspect.listening_on()).expect(DONE)
        report = json.loads(inspect.end().expect(DONE).out)
    check.equal((report['machine'], report['devices'], report['devices_known']),
                ('none', [], True), 'machine and devices')


def report_for_people():
    with Running('inspect', '--listen', 'tcp:127.0.0.1:0') as inspect:
        run('demo', *SMALL, '--methods', 'zstd', '--machine', 'pc-q35-9.2', '--dialect',
            'qemu-9.2', '--to', inspect.listening_on()).expect(DONE)
        text = inspect.end().expect(DONE).out
    for pattern in (r'^machine +pc-q35-9\.2$', r'^dialect +qemu-9\.2$',
                    r'^channels +main and 2, barriers once a round$', r'^way back +open$',
                    r'^block +ram +16 MiB$',
                    r'^method +zstd +\d+ pages in \d+ packets, .* decoded by zstd$',
                    r'^device +\S+ +0 +\d+ bytes$', r'^total +'):
        check.true(re.search(pattern, text, re.MULTILINE), f'no {pattern} in {text!r}')


def every_dialect_every_way():
    for dialect in DIALECTS:
        for channels in CHANNELS:
            arrives_with('--dialect', dialect, '--channels', str(channels), channels=channels)
            for method in METHODS:
                inspect_gets_the_same_ram(method, channels, '--dialect', dialect)


CASES = [
    *[(f'arrives over {transport} by {channels} channels', arrives, transport, channels,
       '128M' if (transport, channels) == ('tcp', 2) else '64M',
       METHODS if transport == 'unix' else FEW)
      for transport in ('unix', 'tcp') for channels in CHANNELS],
    *[(f'arrives at {dialect}', lambda dialect=dialect: arrives_with(
        '--dialect', dialect, methods=('none', 'zstd'))) for dialect in DIALECTS],
    ('arrives over no return path', arrives_with, '--no-return-path'),
    ('arrives with the least memory', lambda: check_arrivals(
        demo(*PROCESS, '--memory', '8M', '--fill', command.PROGRAM, '--methods', 'none,zlib,zstd'),
        2, '8M', FEW)),
    ('arrives by 255 channels', lambda: arrives_with('--channels', '255', channels=255,
                                                     methods=('zstd',))),
    ('default meeting place goes', default_meeting_place_goes),
    ('levels reach the engine', levels_reach_the_engine),
    *[(f'engines are the ones asked for: {accelerator}', engines_are_the_ones_asked_for,
       accelerator) for accelerator in ('auto', 'reference')],
    *[(f'absent {accelerator} says why', absent_device_says_why, accelerator, formats)
      for accelerator, formats in (('qpl', 'qpl'), ('qatzip', 'none,qatzip'), ('uadk', 'uadk'))],
    ('simulated device works', simulated_device_works, 'depth=128'),
    ('simulated device works with one job', simulated_device_works, 'depth=4,latency=5us,shuffle',
     '--accelerator-jobs', '1'),
    ('bad device works', simulated_device_works,
     'depth=16,busy=20%,failed=2%,short=2%,corrupt=2%,shuffle', '--accelerator', 'simulated'),
    ('busy device is helped', busy_device_is_helped),
    ('table says what devices did', table_says_what_devices_did),
    ('dead device is told once', dead_device_is_told_once),
    *[(f'tracker {tracker}', tracker_is_the_one_asked_for, tracker) for tracker in TRACKERS],
    ('writers are seen', writers_are_seen),
    ('writers are seen: small working set', writers_are_seen, '--working-set', '256K'),
    ('writers are seen: all of RAM', writers_are_seen, '--working-set', '33550336'),
    ('writers are seen: random', writers_are_seen, '--pattern', 'random'),
    ('writers are seen: four of them', writers_are_seen, '--vcpus', '4'),
    ('writers are seen: 64 at random', writers_are_seen, '--vcpus', '64', '--pattern',
     'random'),
    ('busy guest is called so', busy_guest_is_called_so),
    ('busy guest is slowed down until it fits', busy_guest_is_slowed_down_until_it_fits),
    *[(f'kvm guest of {vcpus} vCPUs arrives by {channels} channels', on_kvm, kvm_arrives, vcpus,
       channels) for vcpus, channels in ((1, 1), (1, 16), (2, 2), (4, 4))],
    ('kvm guest arrives over no return path', on_kvm, kvm_arrives, 1, 2, '--no-return-path'),
    *[(f'kvm guest with {tracker}', on_kvm, kvm_tracker_is_the_one_asked_for, tracker)
      for tracker in ('dirty-log', 'dirty-ring')],
    ('busy kvm guest is slowed down until it fits', on_kvm,
     busy_guest_is_slowed_down_until_it_fits, 'kvm'),
    ('flipped byte is noticed: kvm', on_kvm, flipped_byte_is_noticed, 'none', '--guest', 'kvm'),
    ('inspect gets the same RAM: kvm', on_kvm, inspect_gets_the_same_ram, 'zlib', 2, '--guest',
     'kvm'),
    ('kvm is the default where it works', kvm_is_the_default_where_it_works),
    ('bandwidth is limited', bandwidth_is_limited),
    ('zeros cost nothing', no_downtime_allowed_takes_quiet_guest),
    ('seeds make the guest', seeds_make_the_guest),
    ('table shows the figures', table_shows_the_figures),
    ('json on standard output is all of it', json_on_standard_output_is_all_of_it),
    ('verbose says what happens', verbose_says_what_happens),
    *[(f'flipped byte is noticed: {method}', flipped_byte_is_noticed, method)
      for method in METHODS],
    ('flipped byte ends the row', flipped_byte_ends_the_row),
    *[(f'inspect gets the same RAM: {method} by {channels} channels',
       inspect_gets_the_same_ram, method, channels)
      for method, channels in zip(METHODS, (1, 4, 16, 8, 2, 8))],
    ('inspect gets the same RAM: over unix', lambda: inspect_gets_the_same_ram(
        'zlib', 2, transport='unix')),
    *[(f'inspect gets the same RAM: {dialect}', inspect_gets_the_same_ram, 'zstd', 2,
       '--dialect', dialect) for dialect in ('qemu-7.2', 'qemu-8.1', 'qemu-9.0')],
    ('machine none has no devices', machine_none_has_no_devices),
    ('report for people', report_for_people),
]

if command.LONG:
    CASES += [
        *[(f'4 GiB by {channels} channels', arrives, 'unix', channels, '4096M')
          for channels in CHANNELS],
        *[(f'{memory} of a kvm guest of {vcpus} vCPUs by {channels} channels', on_kvm,
           lambda vcpus=vcpus, channels=channels, memory=memory: kvm_arrives(
               vcpus, channels, memory=memory))
          for memory in ('256M', '1024M', '4096M') for vcpus in (1, 2) for channels in CHANNELS],
        ('every dialect every way', every_dialect_every_way),
    ]

if __name__ == '__main__':
    check.run(CASES)
