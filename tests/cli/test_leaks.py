#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_leaks.py - a hundred migrations that fail and a hundred that do not leave nothing behind.

No process, no socket, no directory; with a sanitizer build no memory: it would say so.
"""
import concurrent.futures
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import command  # noqa: E402
from command import (CANCELLED, DONE, FAILED, Running, check, closed_port,  # noqa: E402
                     meeting_places, nothing_new_stays, run)

COUNT = 100
# Whose processes are plain ones.
TINY = ['--guest', 'process', '--memory', '8M', '--fill', 'zeros:80,random:20', '--dirty-rate',
        '256K']
SLOW = [*TINY, '--max-bandwidth', '64K']

# One more than there are CPUs to wait for: most of their time they sleep.
AT_ONCE = 4


def own_processes():
    """Who runs the command under test."""
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.readlink(f'/proc/{pid}/exe') == os.path.realpath(command.GODWIT):
                found.add(int(pid))
        except OSError:
            pass  # gone, or a kernel thread
    return found


def sockets():
    with open('/proc/net/unix', encoding='utf-8', errors='replace') as file:
        return {line.split()[-1] for line in file if '/godwit-demo-' in line}


def many(function, count=COUNT):
    """Runs it often, and compares what there is before and after."""
    before = meeting_places(), own_processes(), sockets()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(function, number) for number in range(count)]:
            done.result()
    nothing_new_stays(before[0])
    check.wait_until(lambda: not own_processes() - before[1], command.PATIENCE,
                     'end of all processes')
    check.wait_until(lambda: not sockets() - before[2], command.PATIENCE, 'end of all sockets')


def good(number):
    """Sixteen guests, one after the other."""
    channels = ('1', '2', '4', '8')[number % 4]
    methods = ','.join((['none', 'zlib', 'zstd'] * 6)[:16])
    ended = run('demo', *TINY, '--methods', methods, '--channels', channels).expect(DONE)
    check.equal(ended.err, '', f'standard error of {ended}')
    check.equal(ended.out.count(' yes\n'), 16, 'guests that arrived')


def refused(_):
    run('demo', *TINY, '--to', closed_port()).expect(FAILED).sentence()


def turned_down(_):
    """By a destination that has read everything."""
    run('demo', *TINY, '--machine', 'none', '--methods', 'zstd').expect(FAILED).sentence()


def interrupted(_):
    with Running('demo', *SLOW, '--methods', 'zlib', '--verbose') as demo:
        demo.wait_to_say('source: active')
        demo.process.send_signal(signal.SIGINT)
        ended = demo.end().expect(CANCELLED)
    check.true('ERROR: ' not in ended.err, f'{ended}')


def bereft(_):
    """Of its destination, which had no chance to clear up."""
    with Running('demo', *SLOW, '--methods', 'none', '--verbose') as demo:
        _, destination = demo.children()
        demo.wait_to_say('source: active')
        os.kill(destination, signal.SIGKILL)
        ended = demo.end().expect(FAILED)
    check.true('ERROR: ' not in ended.err, f'{ended}')


def failing(number):
    (refused, turned_down, interrupted, bereft)[number % 4](number)


CASES = [
    ('a hundred good ones leave nothing', many, good, (COUNT + 15) // 16),
    ('a hundred failing ones leave nothing', many, failing),
]

if __name__ == '__main__':
    check.run(CASES)
