# SPDX-License-Identifier: LGPL-2.1-or-later
"""shaped_link.py - two network namespaces, and between them a link of a known rate."""
import json
import os
import subprocess
import sys


def command(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f'shaped_link: {" ".join(words)}: {done.stderr.strip()}')
    return done.stdout


class Link:
    """Two network namespaces with a wire between them."""

    def __init__(self):
        self.spaces = [f'godwit-bench-{os.getpid()}-{name}' for name in ('from', 'to')]
        self._rate = 0

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        for space in self.spaces:
            command('ip', 'netns', 'add', space)
        command('ip', 'link', 'add', 'wire', 'netns', self.spaces[0], 'type', 'veth',
                'peer', 'name', 'wire', 'netns', self.spaces[1])
        for side, space in enumerate(self.spaces):
            command('ip', '-n', space, 'address', 'add', f'{self.address(side)}/30', 'dev', 'wire')
            for interface in ('lo', 'wire'):
                command('ip', '-n', space, 'link', 'set', interface, 'up')

    def __exit__(self, *_):
        for space in self.spaces:
            subprocess.run(['ip', 'netns', 'delete', space], stderr=subprocess.DEVNULL, check=False)

    @staticmethod
    def address(side):
        """0 is the source, 1 the destination."""
        return f'10.213.0.{side + 1}'

    def shape(self, rate):
        """Bits a second in each direction; 0: as fast as it goes.  The bucket holds the largest
        packet that a network card would cut for TCP, and at least a millisecond; what waits before
        it, ten: more than the round trip, and little enough to leave the downtime alone."""
        for space in self.spaces:
            if rate:
                burst = max(128 << 10, int(rate / 8 / 1000))
                command('tc', '-n', space, 'qdisc', 'replace', 'dev', 'wire', 'root', 'tbf',
                        'rate', f'{int(rate)}bit', 'burst', str(burst), 'latency', '10ms')
            elif self._rate:
                command('tc', '-n', space, 'qdisc', 'delete', 'dev', 'wire', 'root')
        self._rate = rate

    def inside(self, side, arguments):
        """How to start that there; it becomes that program."""
        return ['ip', 'netns', 'exec', self.spaces[side], *arguments]

    def sent(self):
        """Bytes so far, of the source."""
        shown = command('ip', '-n', self.spaces[0], '-s', '-j', 'link', 'show', 'wire')
        return json.loads(shown)[0]['stats64']['tx']['bytes']
