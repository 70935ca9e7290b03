"""The signals that stop the server."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from typing import Any


class StopSignals:
    """The signals that stop the server, from when they are taken until they are given back.

    Each arrives as a byte on a socket. A Python handler alone would not do: it runs when the main thread next runs Python,
    and a signal that comes just before that thread goes to sleep would stay unnoticed until the next one.
    """

    def __init__(self) -> None:
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, _noticed) for number in (signal.SIGTERM, signal.SIGINT)}
        self._descriptor = signal.set_wakeup_fd(self._wake.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()
        signal.set_wakeup_fd(self._descriptor)
        self._wake.close()
        self._woken.close()

    def wait(self) -> int:
        """The number of the signal that came first; 0 where the server ended before."""
        return self._woken.recv(1)[0]

    def server_ended(self) -> None:
        """Wake who waits. For any thread."""
        with suppress(OSError):  # nobody waits any more
            self._wake.send(b"\0")

    def give_back(self) -> None:
        """From now on the signals do what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _noticed(number: int, frame: object) -> None:
    """The byte is what counts; this keeps the signal from doing what it otherwise does."""
