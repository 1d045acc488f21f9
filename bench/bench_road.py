#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench_road - whole migrations of the process guest, contenders interleaved, medians.

  bench/bench_road.py [RUNS] [CONTENDER,...] [DEMO OPTION...]   GODWIT names the binary

A contender is METHOD[:LEVEL][/ACCELERATOR]; "busy" is a simulated device whose queue is always
full.  Populating the destination's memory counts, as it is part of the total time.
"""
import json
import os
import statistics
import subprocess
import sys

CONTENDERS = ['none', 'zlib', 'zstd', 'qpl', 'uadk', 'qatzip']
COLUMNS = [('total_ms', 'total ms'), ('downtime_ms', 'downtime ms'),
           ('throughput_mbps', 'Mbit/s'), ('pages_per_second', 'pages/s'),
           ('send_cpu_seconds', 'send CPU s'), ('recv_cpu_seconds', 'recv CPU s'),
           ('wire_bytes', 'wire bytes')]


def migrate(contender, options):
    method, _, accelerator = contender.partition('/')
    choice = ['--simulate', 'busy=100%'] if accelerator == 'busy' else [
        '--accelerator', accelerator or 'auto']
    done = subprocess.run([os.environ.get('GODWIT', 'build/godwit'), 'demo', '--methods', method,
                           '--json', '-', *choice, *options], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)[0]
    if not result['verified']:
        sys.exit(f'bench_road: {contender} did not verify')
    return result


def main():
    arguments = sys.argv[1:]
    runs = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 5
    contenders = CONTENDERS
    if arguments and not arguments[0].startswith('-'):
        contenders = arguments.pop(0).split(',')
    options = arguments or ['--memory', '1G', '--channels', '2', '--dirty-rate', '16M']
    results = {contender: [] for contender in contenders}
    for run in range(runs + 1):
        for contender in contenders:
            result = migrate(contender, options)
            if run > 0:  # the first of each warms up
                results[contender].append(result)
    print(f'godwit demo {" ".join(options)}: medians of {runs} runs, least and most below')
    print(f'{"":18}' + ''.join(f'{title:>14}' for _, title in COLUMNS))
    for contender in contenders:
        columns = [[result[key] for result in results[contender]] for key, _ in COLUMNS]
        for name, pick in ((contender, statistics.median), ('', min), ('', max)):
            print(f'{name:18}' + ''.join(f'{pick(column):14,.2f}' if pick(column) < 100
                                         else f'{pick(column):14,.0f}' for column in columns))


main()
