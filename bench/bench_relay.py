#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench_relay - QEMU's own migrations beside `godwit send` and `recv`, on links of a known rate.

  bench/bench_relay.py [OPTION...]    as root; --help lists them; GODWIT: build/godwit

Source and destination live in network namespaces, with a token bucket at each end of the one link
between them; everything crosses it by TCP.  A contender is qemu:METHOD[:LEVEL] or
godwit:METHOD[:LEVEL].  They take turns, each time with the same guest, and medians are shown.

"total" and "downtime" are what the source QEMU says, "expected" the last downtime that it foresaw
(its limit, 300, where there was no second round); "blackout" is from its STOP to the destination's
RESUME, which only a guest that runs has.  CPU is without vCPUs; "qemu>" and ">qemu" are source and
destination.  Wire bytes are those of the source's interface, headers included; the ratio is that
of pages with contents to them.

Full was: the link, from 90 % of its rate on; the CPU, where 90 % of all cores were busy (nothing
else should run); a thread that had a core for 90 % of the time.
"""
import argparse
import contextlib
import glob
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

from cpu_meter import Meter, children_cpu
from shaped_link import Link
from waking_guest import waking

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../tests/interop'))

# pylint: disable=wrong-import-position
import check
import heartbeat
import peers
import ram
from qemu import PATIENCE, Qemu, q35

BASELINES = ['qemu:none', 'qemu:zlib', 'qemu:zstd']
CONTENDERS = BASELINES + [f'godwit:{method}'
                          for method in ('none', 'zlib', 'zstd', 'qpl', 'uadk', 'qatzip')]
POLL_S = 0.05
LONGEST_S = 1800
FULL = 0.9

# title, key, divisor, decimals
COLUMNS = [('total ms', 'total_ms', 1, 0), ('least', 'least_ms', 1, 0), ('most', 'most_ms', 1, 0),
           ('downtime', 'downtime_ms', 1, 0), ('expected', 'expected_downtime_ms', 1, 0),
           ('blackout', 'blackout_ms', 1, 0),
           ('qemu> s', 'send_qemu_cpu_s', 1, 2), ('send s', 'send_godwit_cpu_s', 1, 2),
           ('recv s', 'recv_godwit_cpu_s', 1, 2), ('>qemu s', 'recv_qemu_cpu_s', 1, 2),
           ('wire MiB', 'wire_bytes', 1 << 20, 1), ('ratio', 'ratio', 1, 2),
           ('link %', 'link', 0.01, 0), ('cores', 'cores', 1, 2),
           ('/none', 'qemu:none', 1, 2), ('/zlib', 'qemu:zlib', 1, 2), ('/zstd', 'qemu:zstd', 1, 2)]
CPU_COLUMNS = [(title, key) for title, key, *_ in COLUMNS if key.endswith('_cpu_s')]


# ---- who runs in the namespaces ----

class Side(Qemu):
    """A QEMU at one end of the link, with a socket for our command."""

    def __init__(self, link, side, version, directory, arguments):
        name = ('from', 'to')[side]
        self.socket = os.path.join(directory, f'{name}-command')
        super().__init__(version, directory, [
            *arguments, '-name', f'{name},debug-threads=on',
            '-qmp', f'unix:{self.socket},server=on,wait=off'], name)
        self._arguments = link.inside(side, self._arguments)

    def pid(self):
        return self._process.pid

    def running(self):
        return self.qmp.execute('query-status')['running']

    def told_ms(self, name):
        """When it last told that event."""
        time_of = [event['timestamp'] for event in self.qmp.events if event['event'] == name][-1]
        return time_of['seconds'] * 1e3 + time_of['microseconds'] / 1e3


class Command(peers.Godwit):
    """Ours, at one end of the link."""

    def __init__(self, link, side, directory, *arguments):
        super().__init__(directory, *arguments)
        self._arguments = link.inside(side, self._arguments)


# ---- the guest's memory ----

def real_bytes(path):
    """Of a file, or of the files of a tree."""
    names = sorted(glob.glob(f'{glob.escape(path)}/**', recursive=True)) \
        if os.path.isdir(path) else [path]
    for name in names:
        if os.path.isfile(name) and not os.path.islink(name):
            with open(name, 'rb') as file:
                while part := file.read(ram.MIB):
                    yield part


def fill(path, image, size):
    """With that image, as often as it takes; without one as the tests do."""
    if not image:
        ram.fill(path, size)
        return
    with open(path, 'wb') as file:
        while file.tell() < size:
            before = file.tell()
            for part in real_bytes(image):
                file.write(part[:size - file.tell()])
                if file.tell() == size:
                    return
            if file.tell() == before:
                sys.exit(f'bench_relay: {image} has no bytes to fill a guest with')


def verify(memory, running):
    """A guest that runs writes its first mebibyte; one page QEMU itself may write as it loads."""
    others = [offset for offset in ram.different_pages(*memory)
              if not running or offset >= ram.MIB]
    if len(others) > 1:
        sys.exit(f'bench_relay: {len(others)} pages differ, the first at {others[0]:#x}')


# ---- one migration ----

def follow(source, meter, others, running=lambda: True):
    """Until the source says that it is over; its last answer, and what was measured until then."""
    expected, deadline = None, time.monotonic() + LONGEST_S
    while running() and time.monotonic() < deadline:
        answer = source.migration()
        if answer.get('status') in ('completed', 'failed', 'cancelled'):
            break
        expected = answer.get('expected-downtime', expected)
        meter.look(others)
        time.sleep(POLL_S)
    return source.migration(), {'expected_downtime_ms': expected} | meter.shares()


def by_qemu(link, both, _directory, method, level, options, meter):
    parameters = {f'multifd_{method}_level': int(level)} if level else {}
    for side in both:
        side.set_up(options.channels, method, return_path=True, **parameters)
    uri = both[1].listen(f'tcp:{link.address(1)}:0')
    meter.begin()
    both[0].migrate(uri)
    return follow(both[0], meter, [])


def by_godwit(link, both, directory, method, level, options, meter):
    wishes = ['--channels', str(options.channels), '--method', method]
    wishes += ['--level', level] if level else []
    before = children_cpu()
    with Command(link, 1, directory, 'recv', '--qmp', both[1].socket, '--insecure',
                 '--listen', f'tcp:{link.address(1)}:0') as recv:
        uri = recv.listening_on()
        meter.begin()
        with Command(link, 0, directory, 'send', '--qmp', both[0].socket, '--to', uri,
                     *wishes) as send:
            answer, seen = follow(both[0], meter, [send.pid, recv.pid], send.runs)
            [seen['send']] = send.finish()
        sent = children_cpu()
        [seen['recv']] = recv.finish()
    return answer, seen | {'send_godwit_cpu_s': sent - before,
                           'recv_godwit_cpu_s': children_cpu() - sent}


def outcome(answer, both, running):
    if answer.get('status') != 'completed':
        sys.exit(f'bench_relay: the migration is {answer.get("status")}: '
                 f'{answer.get("error-desc", both[0].said())}')
    blackout = None
    if running:
        check.wait_until(both[1].running, PATIENCE, 'running guest')
        blackout = both[1].told_ms('RESUME') - both[0].told_ms('STOP')
    return {'total_ms': answer['total-time'], 'downtime_ms': answer['downtime'],
            'blackout_ms': blackout, 'guest_bytes': answer['ram']['normal-bytes']}


def full(result):
    found = ['link'] if result['rate'] and result['link'] >= FULL else []
    found += ['CPU'] if result['cores'] >= FULL * os.cpu_count() else []
    found += [f'thread {result["thread"]}'] if result['thread_use'] >= FULL else []
    return ', '.join(found) or '-'


def migrate_in(directory, link, memory, contender, options):
    """A guest with that memory, of the source and of the destination; what was seen."""
    program, method, *level = contender.split(':')
    running = options.guest == 'running'
    sides = []
    for number, path in enumerate(memory):
        arguments = q35(path, options.memory // ram.MIB, kvm=False, stopped=not running)
        if running:
            arguments += waking(os.path.join(directory, 'rom'))
        arguments += ['-incoming', 'defer'] if number == 1 else []
        sides.append(Side(link, number, options.qemu, directory, arguments))
    with sides[1], sides[0]:
        if running:
            heartbeat.ticks(memory[0])
        meter, before = Meter(sides), link.sent()
        answer, result = (by_qemu if program == 'qemu' else by_godwit)(
            link, sides, directory, method, ''.join(level), options, meter)
        result |= outcome(answer, sides, running) | {'wire_bytes': link.sent() - before}
        result['send_qemu_cpu_s'], result['recv_qemu_cpu_s'] = meter.seconds()
    verify(memory, running)
    return result


def migrate(link, home, contender, rate, options):
    with tempfile.TemporaryDirectory(dir=home) as directory:
        memory = [os.path.join(home, 'memory'), os.path.join(directory, 'memory')]
        result = migrate_in(directory, link, memory, contender, options)
    result |= {'contender': contender, 'rate': rate,
               'ratio': result['guest_bytes'] / result['wire_bytes'],
               'link': result['wire_bytes'] * 8e3 / result['total_ms'] / rate if rate else None}
    return result | {'full': full(result)}


# ---- what is shown ----

def median(results):
    """Of numbers; of names the most frequent one."""
    summary = {}
    for key in results[0]:
        values = [result[key] for result in results if result[key] is not None]
        if not values:
            summary[key] = None
        elif isinstance(values[0], str):
            summary[key] = statistics.mode(values)
        elif isinstance(values[0], (int, float)):
            summary[key] = statistics.median(values)
    totals = [result['total_ms'] for result in results]
    return summary | {'least_ms': min(totals), 'most_ms': max(totals), 'full': full(summary)}


def compare(summaries):
    """The total of each with those of QEMU alone."""
    totals = {summary['contender']: summary['total_ms'] for summary in summaries}
    for summary in summaries:
        summary |= {baseline: summary['total_ms'] / totals[baseline]
                    for baseline in BASELINES if baseline in totals}


def cell(value, divisor, decimals):
    return f'{"-" if value is None else f"{value / divisor:.{decimals}f}":>10}'


def show(rate, summaries):
    print(f'\n{f"{rate / 1e6:g} Mbit/s" if rate else "unshaped":16}'
          + ''.join(f'{title:>10}' for title, *_ in COLUMNS) + '  full')
    for summary in summaries:
        print(f'{summary["contender"]:16}'
              + ''.join(cell(summary.get(key), *how) for _, key, *how in COLUMNS)
              + f'  {summary["full"]}')


def show_cost(summaries):
    print(f'\n{"CPU s per GiB":16}' + ''.join(f'{title:>10}' for title, _ in CPU_COLUMNS))
    for summary in summaries:
        gib = summary['guest_bytes'] / (1 << 30)
        print(f'{summary["contender"]:16}'
              + ''.join(cell(summary.get(key), gib, 2) for _, key in CPU_COLUMNS))


# ---- the whole ----

def amount(of_kilo):
    def parse(text):
        scale = ' KMG'.find(text[-1:].upper())
        return float(text[:-1] if scale > 0 else text) * of_kilo ** max(scale, 0)
    return parse


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--rates', default='100M,1G,2.5G,0', help='bits a second; 0: unshaped')
    parser.add_argument('--contenders', default=','.join(CONTENDERS))
    parser.add_argument('--memory', type=amount(1024), default='256M')
    parser.add_argument('--image', help='file or tree with what is in the memory; repeated')
    parser.add_argument('--guest', choices=['paused', 'running'], default='paused',
                        help='one that runs writes 128 pages over and over, 800 a second')
    parser.add_argument('--channels', type=int, default=2)
    parser.add_argument('--qemu', choices=peers.VERSIONS, default=peers.VERSIONS[0])
    parser.add_argument('--json', help='file for all that was seen')
    options = parser.parse_args()
    options.memory = int(options.memory)
    options.rates = [amount(1000)(rate) for rate in options.rates.split(',')]
    options.contenders = options.contenders.split(',')
    for contender in options.contenders:
        if ':'.join(contender.split(':')[:2]) not in CONTENDERS:
            parser.error(f'{contender}: a contender is one of {" ".join(CONTENDERS)}')
    return options


def all_runs(link, home, rate, options):
    link.shape(rate)
    results = []
    for run in range(1, options.runs + 1):
        for contender in options.contenders:
            results.append(migrate(link, home, contender, rate, options))
            print(f'{rate / 1e6:g} Mbit/s, run {run}, {contender}: {results[-1]["total_ms"]} ms',
                  file=sys.stderr, flush=True)
    return results


def skip(why):
    print(f'SKIPPED bench_relay: {why}')
    sys.exit(77)


def main():
    options = parse_arguments()
    if os.geteuid() != 0:
        skip('network namespaces and traffic control need root')
    for program in ('ip', 'tc'):
        if not shutil.which(program):
            skip(f'there is no {program}; Debian has it in iproute2')
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    print(f'{options.guest} guest of {options.memory // ram.MIB} MiB, QEMU {options.qemu}, '
          f'{options.channels} channels, {os.cpu_count()} cores; medians of {options.runs} runs')
    everything = {'options': vars(options), 'cores': os.cpu_count(), 'results': [], 'medians': []}
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix='godwit-', dir='/dev/shm'))
        link = stack.enter_context(Link())
        fill(os.path.join(home, 'memory'), options.image, options.memory)
        migrate(link, home, options.contenders[0], 0, options)  # warms up
        for rate in options.rates:
            results = all_runs(link, home, rate, options)
            summaries = [median([result for result in results if result['contender'] == contender])
                         for contender in options.contenders]
            compare(summaries)
            show(rate, summaries)
            if not rate:
                show_cost(summaries)
            everything['results'] += results
            everything['medians'] += summaries
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(everything, file, indent=1)


try:
    main()
except check.Skip as reason:
    skip(reason)
