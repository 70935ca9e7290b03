"""A large index is built by a process of its own, while this one reads the storage: two processors work where one did.

The spool stays what counts. The process reads it as it grows; whatever becomes of that process, all entries are in the spool, and the
index can be filled from it here. So a process that cannot be started, dies or hangs costs time and nothing else.

Of several processes on one ROOT that would all build the same index, one does: who holds a lock that the kernel frees.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pywharf.backend.interface import Cursor
from pywharf.files import locked, open_lock, try_lock
from pywharf.own_process import environment
from pywharf.repository import index_build_process
from pywharf.repository.index_file import IndexFile, writing
from pywharf.repository.index_spool import IndexSpool

LARGE = 16 << 20  # bytes in the spool from which on a process is worth its start: some 25,000 files
TURN_PATIENCE = 60.0  # seconds that another process's build is waited for which makes no progress
PATIENCE = 120.0  # seconds without a sign of life
END_PATIENCE = 10.0  # seconds that a process which was killed has to be gone
LOOK = 0.1  # seconds between two looks whether there is still something to wait for

_FURTHER = ("TMPDIR", "SQLITE_TMPDIR")  # what SQLite may need of our environment

log = logging.getLogger(__name__)


class IndexBuilding:
    """One step's build. Does nothing while the spool is small; at the end of the `with` nothing is left but what was shown."""

    def __init__(self, file: IndexFile, names: Path, spool: IndexSpool, check: Callable[[], None]) -> None:
        """names: the file of the names ever seen. check: called now and then; raises where the step is not wanted any more."""
        self._file = file
        self._names = names
        self._spool = spool
        self._check = check
        self._told = 0  # pieces of the spool that the process knows of
        self._turn = -1  # descriptor of the lock
        self._build: Path | None = None  # not shown
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> IndexBuilding:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        if self._turn >= 0:
            os.close(self._turn)

    def go_on(self) -> None:
        """There is more in the spool. Raises what `check` does, and OSError."""
        if sum(self._spool.sizes) < LARGE:
            return
        if self._turn < 0:
            self._begin()
        self._check()
        self._tell_pieces()
        self._show_progress()

    def finish(self, cursor: Cursor) -> bool:
        """Whether it is built, now that the spool is complete. Raises what `check` does, and OSError."""
        if self._process is None:
            return False
        self._spool.write_piece()
        self._tell_pieces()
        self._tell(cursor)
        if not self._is_built():
            return False
        self._let_go()
        return True

    def show(self, complete: Callable[[sqlite3.Connection], None]) -> bool:
        """Put what was built in the place of what is there. With the sync lock held. complete: adds to it what it lacks.

        False where somebody swept it away. Raises OSError, sqlite3.Error.
        """
        if self._build is None or not self._build.exists():
            return False
        address = f"{self._build.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None)) as db, writing(db):
            complete(db)
        self._file.builds.show(self._build)
        self._build = None
        return True

    # --- the turn ---------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        is_alone = self._take_turn()
        try:
            with locked(sync_lock(self._file.path)):
                if is_alone:
                    self._file.builds.sweep()
                self._build = self._file.builds.make()
            self._process = self._start(self._build)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._give_up(str(error))

    def _take_turn(self) -> bool:
        """Wait for others who build it. False where they take too long: who hangs must not stop everybody."""
        self._turn = open_lock(build_lock(self._file.path))
        progress, end = 0, 0.0
        while not try_lock(self._turn):
            if progress != (progress := os.fstat(self._turn).st_mtime_ns):
                end = time.monotonic() + TURN_PATIENCE
            elif time.monotonic() >= end:
                log.warning("local index: another process builds it and does not come to an end: repository=%s", self._file.repository)
                return False
            time.sleep(LOOK)
            self._check()
        return True

    def _show_progress(self) -> None:
        """To who waits for the turn."""
        os.utime(self._turn)

    # --- the process ------------------------------------------------------------------------------------------------

    def _start(self, build: Path) -> subprocess.Popen[bytes]:
        spool = self._spool.descriptor
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, on a module of ours
            [sys.executable, "-m", index_build_process.__name__, build.absolute(), self._names.absolute(), str(spool)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # its last words, if it comes to that
            bufsize=0,
            env=environment(_FURTHER),
            cwd=build.parent,  # which Python looks for modules in, and holds none
            pass_fds=(spool,),
            start_new_session=True,  # Ctrl-C is for this process; that one ends when nobody tells it anything any more
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def _tell_pieces(self) -> None:
        for size in self._spool.sizes[self._told :]:
            self._tell(size)
            self._told += 1

    def _tell(self, order: int | str) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        line = json.dumps(order).encode() + b"\n"
        try:
            if self._process.stdin.write(line) != len(line):
                self._give_up("it does not listen")
        except BrokenPipeError:
            self._give_up(self._last_words())

    def _is_built(self) -> bool:
        """Wait until it says so, or ends, or gives no sign of life."""
        if self._process is None:
            return False
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        heard, end = b"", time.monotonic() + PATIENCE
        while not heard.endswith(index_build_process.BUILT):
            if poll.poll(LOOK * 1000):
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    self._give_up(_last_line(heard))
                    return False
                heard, end = (heard + piece)[-4096:], time.monotonic() + PATIENCE
                self._show_progress()
            elif time.monotonic() >= end:
                self._give_up("it gives no sign of life")
                return False
            else:
                self._check()
        return True

    def _last_words(self) -> str:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018 - for the type checker
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.wait(END_PATIENCE)
            return _last_line(os.read(self._process.stdout.fileno(), 65536))
        return ""

    def _give_up(self, reason: str) -> None:
        log.warning(
            "local index: the process that builds it failed, it is built here: repository=%s reason=%s", self._file.repository, reason
        )
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._let_go()
        if self._build is not None:
            with contextlib.suppress(OSError):
                self._file.builds.discard(self._build)  # it is shown where only the rest of `show` failed
            self._build = None

    def _let_go(self) -> None:
        process, self._process = self._process, None
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for the type checker
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_PATIENCE)


def sync_lock(path: Path) -> Path:
    """Held while the index at `path` is made, thrown away or replaced."""
    return path.with_suffix(".lock")


def build_lock(path: Path) -> Path:
    """Held by the process that builds a large index, also while it sweeps what others left behind."""
    return path.with_suffix(".building")


def sweep(file: IndexFile) -> None:
    """Remove builds that nobody is making any more: whoever did was killed. Waits for nobody. Raises OSError."""
    turn = open_lock(build_lock(file.path))
    try:
        if try_lock(turn):
            with locked(sync_lock(file.path), timeout=0):
                file.builds.sweep()
    finally:
        os.close(turn)


def _last_line(heard: bytes) -> str:
    lines = heard.decode("ascii", "replace").strip(". \n").splitlines()
    return lines[-1][:200] if lines else "it ended without a word"
