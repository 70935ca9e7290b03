"""The backend instances that uploads go through: one per secret in use, shared by those who write with it.

Sharing is what lets a backend put uploads of one secret into one commit. The number is bounded; an instance is
closed when it was pushed out and its last user is done.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from pywharf.backend.interface import Backend
from pywharf.keys import fingerprint

MOST = 64  # instances kept open without a user


class _Writer:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.users = 0


class Writers:
    """One repository's writing instances."""

    def __init__(self, open_backend: Callable[[str], Backend], key: bytes) -> None:
        self._open = open_backend
        self._key = key
        self._guard = threading.Lock()
        self._writers: OrderedDict[bytes, _Writer] = OrderedDict()

    @contextlib.contextmanager
    def lease(self, secret: str) -> Iterator[Backend]:
        """The instance for this secret, kept open at least until the end of the `with`."""
        mark = fingerprint(self._key, secret)
        with self._guard:
            writer = self._writers.get(mark)
            if writer is None:
                writer = self._writers[mark] = _Writer(self._open(secret))
            self._writers.move_to_end(mark)
            writer.users += 1
        try:
            yield writer.backend
        finally:
            with self._guard:
                writer.users -= 1
                idle = self._take_idle()
            for one in idle:
                one.backend.close()

    def close(self) -> None:
        with self._guard:
            writers, self._writers = list(self._writers.values()), OrderedDict()
        for writer in writers:
            writer.backend.close()

    def _take_idle(self) -> list[_Writer]:
        """Those beyond the bound that nobody uses, longest unused first."""
        marks = [mark for mark, writer in self._writers.items() if not writer.users]
        return [self._writers.pop(mark) for mark in marks[: max(0, len(self._writers) - MOST)]]
