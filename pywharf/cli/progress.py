"""How far long work is, on one line of stderr that is overwritten, and only where a person looks at a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

INTERVAL = 0.1  # seconds between two drawings: more would cost, and nobody reads faster


class Progress:
    """`with Progress("looking at files") as progress: progress.update(12)`. Draws nothing where stderr is no terminal."""

    def __init__(self, what: str, *, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._drawn_at = 0.0
        self._begun_at = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, for another one that is to stay; the next update draws it again."""
        if self._drawn_at:
            self._drawn_at = 0.0
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def update(self, done: int) -> None:
        """done: how many are finished so far. How many there are in all is not known to anybody who reads a storage."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < INTERVAL:
            return
        self._drawn_at = now
        rate = done / max(now - self._begun_at, 1e-3)
        self._stream.write(f"\r\x1b[K{self._what}: {done:,} ({rate:,.0f}/s)")
        self._stream.flush()
