# SPDX-License-Identifier: LGPL-2.1-or-later
"""forwarder.py - a link between two programs on this host that does what it is told.

Connections to its address go on to another one, byte for byte, until it is cut (both ends are
reset, nobody connects any more), stalled (nothing moves, nobody learns why), told to do either when
certain bytes come, or to flip a bit.
"""
import contextlib
import select
import socket
import struct
import threading
import time

NAP_S = 0.02
CHUNK_BYTES = 65536


class Forwarder:
    """`with Forwarder(uri) as link: ... link.uri ... link.cut()`"""

    def __init__(self, uri):
        _, host, port = uri.split(':')
        self._to = (host, int(port))
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.uri = 'tcp:127.0.0.1:%u' % self._listener.getsockname()[1]
        self._threads, self._sockets = [], []
        self._is_cut, self._is_stalled = threading.Event(), threading.Event()
        self._flip_after = None
        self._word, self._on_word = None, None
        self.heard = threading.Event()

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self):
        self._is_cut.set()

    def stall(self):
        self._is_stalled.set()

    def flip(self, after_bytes):
        """One bit, in a chunk of that direction which begins there or later, once."""
        self._flip_after = after_bytes

    def at_word(self, word, action):
        """Before these bytes pass, in either direction: cut() or stall() of ours."""
        self._word, self._on_word = word, action

    def _start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with self._listener:
            while not self._is_cut.is_set():
                if not select.select([self._listener], [], [], NAP_S)[0]:
                    continue
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._to)
                except OSError:
                    self._reset(near)
                    continue
                for one in (near, far):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(self._carry, near, far)

    def _carry(self, near, far):
        """One connection, until both its ends or somebody else ends it."""
        back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
        back.start()
        self._pump(near, far)
        back.join()
        for one in (near, far):
            self._reset(one) if self._is_cut.is_set() else one.close()

    @staticmethod
    def _reset(one):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        one.close()

    def _may_go_on(self):
        while self._is_stalled.is_set() and not self._is_cut.is_set():
            time.sleep(NAP_S)
        return not self._is_cut.is_set()

    def _pump(self, one, other):
        passed = 0
        with contextlib.suppress(OSError):
            while self._may_go_on():
                if not select.select([one], [], [], NAP_S)[0]:
                    continue
                data = one.recv(CHUNK_BYTES)
                if not data:
                    break
                data = self._tampered(data, passed)
                if self._word and self._word in data:
                    self._word = None
                    self._on_word()
                    self.heard.set()
                self._push(other, data)
                passed += len(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def _push(self, other, data):
        rest = memoryview(data)
        while rest and self._may_go_on():
            if select.select([], [other], [], NAP_S)[1]:
                rest = rest[other.send(rest, socket.MSG_DONTWAIT):]

    def _tampered(self, data, passed):
        if self._flip_after is None or passed < self._flip_after:
            return data
        self._flip_after = None
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]
