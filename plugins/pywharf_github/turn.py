"""Who may push, and when: one at a time of all processes of a ROOT, not too often, and only so many may wait."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pywharf.errors import BackendUnavailable
from pywharf.files import locked

MOST_WAITING = 16  # commits that may wait in one process: half of the server's threads, so that pages go on


class PushTurn:
    """The turn of one repository. Shared between threads."""

    def __init__(self, lock: Path, interval: float) -> None:
        """lock: a file for it, in a folder that exists; its mtime is when somebody pushed last. interval: seconds between two pushes."""
        self._lock = lock
        self._interval = interval
        self._seats = threading.BoundedSemaphore(MOST_WAITING)

    @contextlib.contextmanager
    def seat(self) -> Iterator[None]:
        """A place among those who wait. Raises BackendUnavailable where all are taken."""
        if not self._seats.acquire(blocking=False):
            raise BackendUnavailable("too many uploads are waiting for the git host", retry_after=max(2, math.ceil(self._interval)))
        try:
            yield
        finally:
            self._seats.release()

    @contextlib.contextmanager
    def taken(self, deadline: float) -> Iterator[None]:
        """Hold the turn, once enough time has passed since the last push. deadline: monotonic; raises BackendUnavailable when it passes."""
        try:
            with locked(self._lock, timeout=max(0.0, deadline - time.monotonic())):
                pause = self._pause()
                if time.monotonic() + pause > deadline:
                    raise busy(pause)
                time.sleep(pause)
                yield
        except TimeoutError as error:
            raise busy(self._interval) from error

    def pushed(self) -> None:
        """To be said by whoever holds the turn, when the host has taken something."""
        os.utime(self._lock)

    def _pause(self) -> float:
        passed = time.time() - self._lock.stat().st_mtime
        # Made just now by the first who ever takes the turn, it looks like a push: one pause too many in a server's life.
        return self._interval - passed if 0 <= passed < self._interval else 0.0


def busy(pause: float) -> BackendUnavailable:
    return BackendUnavailable(
        "the git host takes no more uploads at this rate; sending it again is safe", retry_after=max(2, math.ceil(pause))
    )
