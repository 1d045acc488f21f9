#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench_road - whole migrations of the process guest, methods interleaved, medians.

  bench/bench_road.py [RUNS] [DEMO OPTION...]     GODWIT names the binary (build/godwit)

Populating the destination's memory counts, as it is part of the total time.
"""
import json
import os
import statistics
import subprocess
import sys

METHODS = ['none', 'zlib', 'zstd']
COLUMNS = [('total_ms', 'total ms'), ('downtime_ms', 'downtime ms'),
           ('throughput_mbps', 'Mbit/s'), ('pages_per_second', 'pages/s'),
           ('send_cpu_seconds', 'send CPU s'), ('recv_cpu_seconds', 'recv CPU s'),
           ('wire_bytes', 'wire bytes')]


def migrate(method, options):
    done = subprocess.run([os.environ.get('GODWIT', 'build/godwit'), 'demo', '--methods', method,
                           '--json', '-', *options], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)[0]
    if not result['verified']:
        sys.exit(f'bench_road: {method} did not verify')
    return result


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    options = sys.argv[2:] or ['--memory', '1G', '--channels', '2', '--dirty-rate', '16M']
    results = {method: [] for method in METHODS}
    for run in range(runs + 1):
        for method in METHODS:
            result = migrate(method, options)
            if run > 0:  # the first of each warms up
                results[method].append(result)
    print(f'godwit demo {" ".join(options)}: medians of {runs} runs, least and most below')
    print('method  ' + ''.join(f'{title:>14}' for _, title in COLUMNS))
    for method in METHODS:
        columns = [[result[key] for result in results[method]] for key, _ in COLUMNS]
        for name, pick in ((method, statistics.median), ('', min), ('', max)):
            print(f'{name:8}' + ''.join(f'{pick(column):14,.2f}' if pick(column) < 100
                                        else f'{pick(column):14,.0f}' for column in columns))


main()
