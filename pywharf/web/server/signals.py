"""The signals that a process acts upon, as bytes on a socket; and what makes a server stop."""

from __future__ import annotations

import enum
import os
import selectors
import signal
import socket
from contextlib import suppress
from typing import Any, TypeVar

STOP = (signal.SIGTERM, signal.SIGINT)
REPLACE = b"r"  # what a supervising process says to a worker that another one stands in for

Self = TypeVar("Self", bound="Signals")


class Signals:
    """Signals, from when they are taken until they are given back.

    Each arrives as a byte on a socket. A Python handler alone would not do: it runs when the main thread next runs Python,
    and a signal that comes just before that thread goes to sleep would stay unnoticed until the next one.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._before: dict[int, Any] = {}

    def __enter__(self: Self) -> Self:
        self._before = {number: signal.signal(number, _noticed) for number in self._numbers}
        self._descriptor = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()
        signal.set_wakeup_fd(self._descriptor)
        self.close()

    def fileno(self) -> int:
        """What can be waited for."""
        return self._woken.fileno()

    def arrived(self) -> bytes:
        """The numbers of the signals that came since the last call, each as a byte."""
        with suppress(BlockingIOError):
            return self._woken.recv(4096)
        return b""

    def give_back(self) -> None:
        """From now on the signals do what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def close(self) -> None:
        """Let go of the sockets alone: a process that was forked from the one that takes the signals has no use for them."""
        self._wake.close()
        self._woken.close()


class Terminal:
    """The terminal that this process was started at, if any. Made before SIGHUP is taken.

    SIGHUP says that the terminal is gone, to whoever has one, unless they were started to outlive it (nohup); to all others that they
    should read their configuration again.
    """

    def __init__(self) -> None:
        self._was_there = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def is_gone(self) -> bool:
        return self._was_there and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class Told(enum.Enum):
    """What ends a server's wait."""

    STOP = "it was told to stop"
    REPLACED = "another process stands in for it"
    ORPHANED = "the supervising process is gone"
    ENDED = "the server ended by itself"


class StopSignals(Signals):
    """What makes a server stop: a signal, its supervising process, or its own end.

    supervisor: a worker's channel to the process that started it. A worker leaves SIGINT to that one, since a terminal sends it to
    both; and no second signal hurries it: whoever signals the whole group means one stop, and the supervising process has SIGKILL.
    """

    def __init__(self, supervisor: socket.socket | None = None) -> None:
        super().__init__(*(STOP if supervisor is None else (signal.SIGTERM,)))
        self._supervisor = supervisor
        self.name = ""  # of the signal that came
        self._selector = selectors.DefaultSelector()  # made now: later, a flood of connections may have left no descriptor
        self._selector.register(self, selectors.EVENT_READ)
        if supervisor is not None:
            self._selector.register(supervisor, selectors.EVENT_READ)

    def wait(self) -> Told:
        """Wait for the first of them."""
        while True:
            if told := self._told({key.fileobj for key, _ in self._selector.select()}):
                return told

    def _told(self, ready: set[Any]) -> Told | None:
        if self in ready:
            for number in self.arrived():
                if not number:
                    return Told.ENDED
                if number in self._numbers:  # another one, which has a handler, comes by the same way
                    self.name = signal.Signals(number).name
                    return Told.STOP
        if self._supervisor is not None and self._supervisor in ready:
            try:
                word = self._supervisor.recv(1)
            except OSError:
                word = b""
            return Told.REPLACED if word == REPLACE else Told.ORPHANED
        return None

    def server_ended(self) -> None:
        """Wake who waits. For any thread."""
        with suppress(OSError):  # nobody waits any more
            self._wake.send(b"\0")

    def close(self) -> None:
        self._selector.close()
        super().close()

    def give_back(self) -> None:
        """From now on a signal does what it did before: where this is the process that people signal, the second one does not wait."""
        if self._supervisor is None:
            super().give_back()


def _noticed(number: int, frame: object) -> None:
    """The byte is what counts; this keeps the signal from doing what it otherwise does."""
