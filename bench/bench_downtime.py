#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench_downtime - how long a guest stands still, and where that time goes; medians.

  bench/bench_downtime.py [RUNS [DEMO OPTION...]]    5 runs; GODWIT: build/godwit

An idle guest, and one that writes 200 MiB/s over 64 MiB against downtime-limit 50, 100 and 300 ms,
of each kind that works here.  The split is the source's: stop the vCPUs, last harvest of dirty
pages, last pages, device state, closing bytes to the destination's answer; "resume" without the
checksum that the demo takes while nothing runs.  "felt" is the guest's own longest silence.
"""
import json
import os
import statistics
import subprocess
import sys

GODWIT = os.environ.get('GODWIT', 'build/godwit')
SPLIT = ('stop', 'last_sync', 'last_pages', 'state', 'resume')
BUSY = ['--dirty-rate', '200M', '--working-set', '64M']
LINES = [('idle', ['--dirty-rate', '0'])] + [
    (f'busy, limit {limit} ms', [*BUSY, '--downtime-limit', str(limit)]) for limit in (50, 100, 300)]


def migrate(options):
    done = subprocess.run([GODWIT, 'demo', '--methods', 'none', '--json', '-', *options],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    result = json.loads(done.stdout)[0]
    if not result['verified']:
        sys.exit('bench_downtime: a guest did not verify')
    return result


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    given = sys.argv[2:] or ['--memory', '1G']
    kinds = ['process'] + (['kvm'] if os.access('/dev/kvm', os.W_OK) else [])
    print(f'godwit demo {" ".join(given)} --methods none: medians of {runs} runs, in ms')
    print(f'{"guest":9}{"":20}{"downtime":>10}{"least":>8}{"most":>8}'
          + ''.join(f'{name:>11}' for name in SPLIT) + f'{"rounds":>8}')
    for name, options in LINES:
        for kind in kinds:
            results = [migrate([*given, '--guest', kind, *options]) for _ in range(runs)]
            downtimes = [result['downtime_ms'] for result in results]
            split = [statistics.median(result['downtime_split'][f'{part}_ms']
                                       for result in results) for part in SPLIT]
            print(f'{kind:9}{name:20}{statistics.median(downtimes):10.2f}{min(downtimes):8.2f}'
                  f'{max(downtimes):8.2f}' + ''.join(f'{part:11.2f}' for part in split)
                  + f'{statistics.median(result["rounds"] for result in results):8.0f}',
                  flush=True)


main()
