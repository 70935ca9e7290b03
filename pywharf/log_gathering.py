"""Lines of the access log gathered for a moment, so that a busy server does not write each of them by itself.

Only these: they are many, and of each other event somebody may want to know at once. Such an event is written at once, behind the lines that
came before it. A process that is killed loses what it gathered last, `MOMENT` seconds of it at most.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Protocol

from pywharf.nap import Nap

GATHERED = "pywharf.access"  # the logger
MOMENT = 0.1  # seconds
MOST = 2000  # lines; beyond, whoever brings the next one writes them
# Lines that the thread makes in a row; behind them Python's lock is free for a moment, for which requests would wait otherwise.
PORTION = 25
BREATH = 0.0001  # seconds


class Sink(Protocol):
    """Where lines go."""

    level: int

    def write(self, lines: Sequence[str]) -> None:
        """Write the lines, each with its line feed. Raises nothing."""

    def close(self) -> None: ...


class Gathering(logging.Handler):
    """Writes every record to all sinks: at once, or, of the access log, soon. Its thread lives where there is something to gather."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        super().__init__(min(sink.level for sink in sinks))
        self._sinks = sinks
        self._gathered: collections.deque[logging.LogRecord] = collections.deque()
        self._writing = threading.RLock()  # again by the same thread, where making a line tells of something itself
        self._nap = Nap()
        self._thread: threading.Thread | None = None
        self._closed = False
        _all.add(self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the handler's own lock: a request does not wait for it while others' lines are written, nor can two threads that take it
        and `_writing` in different order wait for each other.
        """
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == GATHERED and record.levelno == logging.INFO and len(self._gathered) < MOST and self._is_attended():
            self._gathered.append(record)
            self._nap.wake()
            return
        with self._writing:
            self._write_gathered()
            self._write([record])

    def flush(self) -> None:
        """Write what is gathered."""
        with self._writing:
            self._write_gathered()

    def close(self) -> None:
        self._closed = True
        self._nap.wake()
        self.flush()
        for sink in self._sinks:
            sink.close()
        super().close()

    def forked(self) -> None:
        """In a child: what is gathered is the parent's to write, and its thread is not here."""
        self._gathered.clear()
        self._writing = threading.RLock()
        self._nap = Nap()
        self._thread = None

    def _write_gathered(self, *, at_rest: bool = False) -> None:
        records = []
        with contextlib.suppress(IndexError):  # where something that is told meanwhile, by this very thread, has written them
            for _ in range(len(self._gathered)):
                records.append(self._gathered.popleft())
        if records:
            self._write(records, at_rest=at_rest)

    def _write(self, records: Sequence[logging.LogRecord], *, at_rest: bool = False) -> None:
        """With `_writing` held. at_rest: nobody waits for it."""
        for sink in self._sinks:
            lines = []
            for record in records:
                if record.levelno >= sink.level:
                    lines.append(self._line(record))
                    if at_rest and len(lines) % PORTION == 0:
                        time.sleep(BREATH)
            if lines:
                sink.write(lines)

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + "\n"
        except Exception as error:  # it is told without its facts, which may be secret; those it came with are not lost
            return f"{record.levelname} {record.name}: this event could not be written down: {type(error).__name__}\n"

    # --- the thread -------------------------------------------------------------------------------------------------

    def _is_attended(self) -> bool:
        if self._thread is None and not self._closed:
            with self._writing:
                return self._thread is not None or self._attend()
        return not self._closed

    def _attend(self) -> bool:
        thread = threading.Thread(target=self._work, args=(self._nap,), name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads, or the interpreter ends
            return False
        self._thread = thread
        return True

    def _work(self, nap: Nap) -> None:
        while not self._closed:
            if not self._gathered:
                nap.until_woken(lambda: not self._gathered and not self._closed)
            time.sleep(MOMENT)
            with contextlib.suppress(Exception), self._writing:  # such as MemoryError: this goes on, or nobody would write what comes next
                self._write_gathered(at_rest=True)


_all: weakref.WeakSet[Gathering] = weakref.WeakSet()


def _forked() -> None:
    for one in list(_all):
        one.forked()


os.register_at_fork(after_in_child=_forked)
