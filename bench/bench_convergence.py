#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench_convergence - guests that do and do not converge: what is said of them, and how soon.

  bench/bench_convergence.py [RUNS [SEED]]    20 runs, seed 1; GODWIT: build/godwit

Each run draws a link, a downtime limit and a process guest that writes: half of them 1.4 to 3 times
what the link takes, over a working set several times what fits the limit, half of them 0.1 to 0.7
times that, or all over a set that fits.  A guest of the first kind never fits; it has to be called
so.  Of the others that must not be said, and they have to arrive.  Then one of the first kind again
with auto-converge, which has to make it arrive.  The exit code is 1 when a verdict is wrong.
"""
import os
import random
import signal
import statistics
import subprocess
import sys
import time

GODWIT = os.environ.get('GODWIT', 'build/godwit')


def draw(chance):
    """(converges, arguments of godwit demo)"""
    link, limit_ms = chance.randint(20, 80), chance.choice((100, 200, 300, 500))
    fits = link * limit_ms / 1000
    kind = chance.random()
    if kind < 0.5:
        rate, converges = link * chance.uniform(1.4, 3), False
        working_set = max(fits * chance.uniform(4, 10), 16)
    elif kind < 0.75:
        rate, converges = link * chance.uniform(0.1, 0.7), True
        working_set = max(fits * chance.uniform(1, 10), 16)
    else:
        rate, converges = link * chance.uniform(1.4, 3), True
        working_set = max(fits * chance.uniform(0.3, 0.6), 1)
    return converges, ['--memory', '320M', '--methods', 'none', '--guest', 'process',
                       '--pattern', chance.choice(('sequential', 'random')),
                       '--max-bandwidth', f'{link}M', '--downtime-limit', str(limit_ms),
                       '--dirty-rate', f'{rate:.1f}M', '--working-set', f'{working_set:.1f}M',
                       '--seed', str(chance.randint(1, 1 << 30))]


def watch(arguments, until_said):
    """(seconds to "not converging" or None, exit code).  A guest that was called so is let go."""
    begun, said = time.monotonic(), None
    with subprocess.Popen([GODWIT, 'demo', *arguments], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if 'not converging' in line and said is None:
                said = time.monotonic() - begun
                if until_said:
                    process.send_signal(signal.SIGINT)
        return said, process.wait()


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    right, after = 0, []
    print('converges  said after  verdict  arguments')
    for _ in range(runs):
        converges, arguments = draw(chance)
        said, code = watch(arguments, not converges)
        fine = said is None and code == 0 if converges else said is not None
        right += fine
        if said is not None and not converges:
            after.append(said)
        print(f'{"yes" if converges else "no":9}  {f"{said:.1f} s" if said else "never":10}  '
              f'{"right" if fine else "WRONG":7}  {" ".join(arguments[6:])}', flush=True)
    print(f'right in {right} of {runs}', end='')
    if after:
        print(f'; said after {statistics.median(after):.1f} s (median), {max(after):.1f} s at most,'
              ' start of the guest included')
    said, code = watch(['--memory', '320M', '--methods', 'none', '--guest', 'process',
                        '--max-bandwidth', '40M', '--dirty-rate', '100M', '--working-set', '128M',
                        '--auto-converge'], False)
    print(f'with auto-converge: called so after {said:.1f} s, exit code {code}')
    return 0 if right >= runs * 0.95 and code == 0 else 1


sys.exit(main())
