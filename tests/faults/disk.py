"""A disk that fails, or dies with the process, at one call of our choice: stands between the code and every call that changes a file.

What SQLite does itself is not among them: its files are derived, and its own crashes are tested by its authors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

CHANGING = (
    "chmod",
    "fchmod",
    "fsync",
    "ftruncate",
    "link",
    "mkdir",
    "open",
    "pwrite",
    "rename",
    "rmdir",
    "symlink",
    "unlink",
    "utime",
    "write",
)


class Killed(BaseException):
    """The process is dead: nothing it does after this reaches the disk."""


class Disk:
    """Counts the calls; one of them is disturbed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.count = 0
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nothing here loses what the system has taken

    @contextmanager
    def failing(self, at: int, how: str) -> Iterator[None]:
        """At the call of this number: "kill" before it, "tear" (count writes only; half of it, then dead), or fail with that errno."""
        self.count = 0
        with self._monkeypatch.context() as patch:
            for name in CHANGING:
                patch.setattr(os, name, self._between(name, getattr(os, name), at, how))
            yield

    def _between(self, name: str, call: Callable[..., object], at: int, how: str) -> Callable[..., object]:
        def between(*arguments: object, **options: object) -> object:
            if name == "open" and not (isinstance(arguments[1], int) and arguments[1] & os.O_CREAT):
                return call(*arguments, **options)
            self.count += how != "tear" or name == "write" or self.count >= at
            if how in ("kill", "tear"):
                if self.count == at and how == "tear" and isinstance(arguments[1], memoryview):
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                if self.count >= at:
                    raise Killed
            elif self.count == at:
                raise OSError(int(how), os.strerror(int(how)), "/a/path")
            return call(*arguments, **options)

        return between
