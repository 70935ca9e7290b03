"""Worker processes: what they are to do, how many there are, and how long to wait until one that died is started again."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pywharf.errors import WharfError
from pywharf.web.server.forked import Child, Parent

MOST_BY_DEFAULT = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds until a worker that died is started again; doubled each time
STEADY = 60.0  # seconds that a worker has to live for its death to be taken as the first one


class WorkerFailed(WharfError):
    """The server cannot start, or could not stop in order; the sentence is that of the worker."""


class Job(Protocol):
    """What is supervised."""

    def prepare(self, again: bool) -> None:
        """In a process of its own, before the first workers, and again before they are replaced. Where it raises, nothing has changed."""

    def open(self) -> None:
        """In the supervising process, once, before the first worker: make what workers inherit."""

    def work(self, parent: Parent) -> None:
        """In each worker, until it is told to stop. Says `parent.ready` once."""

    def serving(self, told: Mapping[str, Any]) -> None:
        """In the supervising process, once: the first worker is ready, and said this."""

    def close(self) -> None:
        """In the supervising process: let nobody new in."""


class Attendance:
    """In the supervising process: is told of every worker. This one does nothing about it."""

    def begins(self) -> Any:
        """A worker is about to be forked. Returns what it finds as `Parent.seat`."""

    def ended(self, seat: Any, code: int) -> None:
        """It is gone. code: what it ended with, or minus the signal."""


@dataclass(frozen=True)
class Beside:
    """A process beside the workers: begun when they serve, begun again where it dies, never replaced. name: in the log."""

    name: str
    work: Callable[[Parent], None]


def usual_number() -> int:
    """How many workers make use of this machine without asking too much of it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_BY_DEFAULT)


class BackOff:
    """How long to wait until a worker that died is started again."""

    def __init__(self) -> None:
        self._last = 0.0

    def pause(self, lived: float) -> float:
        """lived: seconds that it lived."""
        self._last = FIRST_PAUSE if lived >= STEADY or not self._last else min(LONGEST_PAUSE, 2 * self._last)
        return self._last


class Place:
    """One of the workers there are to be, or of the processes beside them."""

    def __init__(self, beside: Beside | None = None) -> None:
        self.beside = beside
        self.child: Child | None = None
        self.start_at = math.inf  # monotonic; while there is none
        self.back_off = BackOff()
