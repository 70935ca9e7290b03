"""How many threads may wait for a storage at once: a server has only so many, and a storage that hangs may not get them all."""

from __future__ import annotations

import contextlib
import threading
import time

from pywharf.errors import BackendUnavailable

STUCK = 2.0  # seconds in which nobody came through, while all places are taken: from then on nobody waits for one
LONGEST = 5.0  # seconds that anybody waits for a place


class Places:
    """A number of places at one repository's storage. Shared between threads.

    While the storage works, who finds all places taken waits a moment for one. While it hangs, only as many threads hang with it as there
    are places; everybody else is refused at once.
    """

    def __init__(self, most: int, reason: str) -> None:
        """reason: why somebody is refused, in one clause."""
        self._most = most
        self._reason = reason
        self._changed = threading.Condition()
        self._inside = 0
        self._moved = 0.0  # when somebody last came or went; monotonic

    def check(self) -> None:
        """Raises BackendUnavailable where a place is not to be had: for whoever has something long to do before it needs one."""
        with self._changed:
            if self._inside >= self._most and time.monotonic() >= self._moved + STUCK:
                raise self._refusal()

    def taken(self) -> contextlib.AbstractContextManager[object]:
        """A place until the end of the `with`. Raises BackendUnavailable where none is to be had."""
        return _Place(self)

    def take(self) -> None:
        """A place that is given back by `leave`. Raises BackendUnavailable where none is to be had."""
        end = time.monotonic() + LONGEST
        with self._changed:
            while self._inside >= self._most:
                left = min(end, self._moved + STUCK) - time.monotonic()
                if left <= 0:
                    raise self._refusal()
                self._changed.wait(left)
            self._inside += 1
            self._moved = time.monotonic()

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._moved = time.monotonic()
            self._changed.notify()

    def _refusal(self) -> BackendUnavailable:
        return BackendUnavailable(self._reason, retry_after=5)


class _Place:
    """One of them in a `with`: a class, since every file that is sent takes one."""

    __slots__ = ("_places",)

    def __init__(self, places: Places) -> None:
        self._places = places

    def __enter__(self) -> None:
        self._places.take()

    def __exit__(self, *_: object) -> None:
        self._places.leave()
