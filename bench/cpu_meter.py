# SPDX-License-Identifier: LGPL-2.1-or-later
"""cpu_meter.py - CPU time of QEMUs without vCPUs, of the machine, of its busiest thread."""
import contextlib
import glob
import os
import resource
import time

TICK_S = 1 / os.sysconf('SC_CLK_TCK')


def ticks(path):
    """Name and CPU time of a process or thread."""
    with open(path, encoding='utf-8', errors='replace') as file:
        text = file.read()
    fields = text[text.rindex(')'):].split()
    return text[text.index('(') + 1:text.rindex(')')], int(fields[12]) + int(fields[13])


def machine_ticks():
    """Of all cores, whoever used them."""
    with open('/proc/stat', encoding='ascii') as file:
        user, nice, system, _idle, _iowait, *others = map(int, file.readline().split()[1:9])
    return user + nice + system + sum(others)


class Meter:
    """Of QEMUs without their vCPUs, of the machine, and of its busiest thread; from begin() on."""

    def __init__(self, qemus):
        self._qemus = qemus
        self._vcpus = {cpu['thread-id'] for qemu in qemus
                       for cpu in qemu.qmp.execute('query-cpus-fast')}
        self._names, self._first, self._last = {}, {}, {}
        self._machine = self._processes = self._begun = None

    def begin(self):
        self._first = self._threads([])
        self._processes = [self._process_ticks(qemu) for qemu in self._qemus]
        self._machine, self._begun = machine_ticks(), time.monotonic()

    def look(self, others):
        """At the threads, those of other processes too; each counts up to when it was last seen."""
        self._last |= self._threads(others)

    def shares(self):
        """Since begin(): how many cores were busy, and the busiest thread."""
        seconds = (time.monotonic() - self._begun) / TICK_S
        used = {thread: (last - self._first.get(thread, 0)) / seconds
                for thread, last in self._last.items()}
        busiest = max(used, key=used.get, default=None)
        return {'cores': (machine_ticks() - self._machine) / seconds,
                'thread': self._names.get(busiest, ''), 'thread_use': used.get(busiest, 0)}

    def seconds(self):
        """Since begin(), of each QEMU."""
        return [(self._process_ticks(qemu) - before) * TICK_S
                for qemu, before in zip(self._qemus, self._processes)]

    def _process_ticks(self, qemu):
        folder = f'/proc/{qemu.pid()}'
        threads = self._vcpus & set(map(int, os.listdir(f'{folder}/task')))
        return ticks(f'{folder}/stat')[1] - sum(ticks(f'{folder}/task/{thread}/stat')[1]
                                                for thread in threads)

    def _threads(self, others):
        seen = {}
        for pid in [*(qemu.pid() for qemu in self._qemus), *others]:
            for path in glob.glob(f'/proc/{pid}/task/*/stat'):
                thread = int(path.split('/')[-2])
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    name, used = ticks(path)
                    if thread not in self._vcpus:
                        self._names[thread], seen[thread] = name, used
        return seen


def children_cpu():
    """Of those that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
