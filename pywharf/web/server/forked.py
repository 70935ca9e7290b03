"""Processes forked off the supervising one: how they begin, what the two tell each other, how they end.

A channel leads from each to its parent. The child says one line of JSON on it, once: that it is ready, with whatever the parent needs to
know, or why it failed. The parent may say `signals.REPLACE`. The channel's end tells the child that the parent is gone.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from pywharf.errors import WharfError
from pywharf.logs import printable, redact
from pywharf.web.server.signals import REPLACE

TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)  # signals that the parent has handlers for
_MOST_TOLD = 1024 * 1024  # bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parent:
    """What a child has of its parent. seat: what `workers.Attendance` gave it."""

    channel: socket.socket
    seat: Any = None

    def ready(self, **told: Any) -> None:
        """Say that the work has begun. Raises OSError where nobody listens any more."""
        self._say({"ready": told})

    def failed(self, reason: str) -> None:
        """Say why it cannot be done, in one sentence; secrets are taken out here, where they are known."""
        with suppress(OSError):
            self._say({"failed": printable(redact(reason))})

    def _say(self, line: Mapping[str, object]) -> None:
        self.channel.sendall(json.dumps(line).encode("ascii") + b"\n")


@dataclass(eq=False)
class Child:
    """What a parent has of a child. kill_at: monotonic, when its patience ends. seat: as `Parent` has it."""

    pid: int
    channel: socket.socket
    began: float  # monotonic
    name: str = "a worker"
    seat: Any = None
    kill_at: float = math.inf
    told: Mapping[str, Any] | None = None  # None until it is ready
    failure: str = ""
    _heard: bytes = b""

    def hear(self) -> bool:
        """Take in what it said. True where it has just become ready."""
        before = self.told
        try:
            while len(self._heard) < _MOST_TOLD and (piece := self.channel.recv(65536)):
                self._heard += piece
        except OSError:  # no more for now, or for ever
            pass
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            said = json.loads(line)
            self.told = said.get("ready", self.told)
            self.failure = said.get("failed", self.failure)
        return before is None and self.told is not None

    def replace(self) -> None:
        """Tell it that another one stands in for it."""
        with suppress(OSError):  # it has ended
            self.channel.send(REPLACE)

    def signal(self, number: signal.Signals) -> None:
        """Only for one that was not waited for: until then its number is nobody else's."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def fork(work: Callable[[Parent], None], let_go: Callable[[], None], began: float, name: str = "a worker", seat: Any = None) -> Child:
    """Do `work` in a child of this process, which has one thread. let_go: closes in the child what is the parent's alone.

    The child ignores SIGINT and SIGHUP, which a terminal sends to all, and ends by SIGTERM until `work` handles it; with 1 where it
    failed. Raises OSError where the system allows no further process.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()  # or the child would write it once more
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)  # one that came to the child would be told to the parent
    try:
        pid = os.fork()
        if not pid:
            ours.close()
            _live(work, Parent(theirs, seat), let_go, before)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Child(pid, ours, began, name, seat)


def _live(work: Callable[[Parent], None], parent: Parent, let_go: Callable[[], None], mask: Iterable[int]) -> NoReturn:
    """The whole life of a child, which never returns into what its parent was doing."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in TAKEN:
            signal.signal(number, signal.SIG_IGN if number in (signal.SIGINT, signal.SIGHUP) else signal.SIG_DFL)
        let_go()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            work(parent)
            code = 0
        except (WharfError, OSError) as error:
            log.debug("failed", exc_info=True)
            parent.failed(_sentence(error))
    finally:
        kind, error_, trace = sys.exc_info()
        if kind is not None and error_ is not None:
            sys.excepthook(kind, error_, trace)
        logging.shutdown()  # what is gathered of the log is written
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
