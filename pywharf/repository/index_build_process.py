"""The process that builds a large index: `python -m pywharf.repository.index_build_process FILE NAMES SPOOL`, started by `index_building.py`.

FILE: an empty file to make the build in. NAMES: the file of the names ever seen. SPOOL: the descriptor of a spool that is still
being written. It is told one line of JSON for each piece that is in the spool by now, its size in bytes, and at the end one with the
cursor. It says "." now and then, and "built" at last.

Nobody else sees the file meanwhile, and it is of no use half made. So SQLite writes down nothing to take it back with; and
whatever goes wrong, also when nobody tells it anything any more, the file is removed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from pywharf.backend.interface import Cursor
from pywharf.repository.index_builds import remove
from pywharf.repository.index_file import fill
from pywharf.repository.index_rows import State
from pywharf.repository.index_spool import rows_of
from pywharf.repository.index_step import IndexStep
from pywharf.repository.names_seen import NamesSeen

BUILT = b"built\n"
CACHE = 16 * 1024  # KiB that SQLite may hold in memory; with more it is no faster


class Orders:
    """What it is told: the sizes of pieces, and at their end the cursor. Raises EOFError where nobody tells it any more."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self.cursor = Cursor("")

    def sizes(self) -> Iterator[int]:
        for line in self._lines:
            order: int | str = json.loads(line)
            if isinstance(order, str):
                self.cursor = Cursor(order)
                return
            yield order
        raise EOFError("whoever wanted the index is gone")


def build(file: Path, names: NamesSeen, spool: int, orders: Orders, alive: Callable[[], None]) -> None:
    """Make a whole index of an empty file, to last when this returns. alive: called now and then.

    Raises OSError, sqlite3.Error, EOFError, and what `alive` does; then the file is good for nothing.
    """
    address = f"{file.absolute().as_uri()}?mode=rw"  # a file that was swept away is not made anew, with whatever rights
    with contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None)) as db:
        for setting in ("journal_mode = MEMORY", "synchronous = OFF", f"cache_size = -{CACHE}", "threads = 1"):
            db.execute(f"PRAGMA {setting}").fetchall()
        fill(db, names.read())
        alive()
        db.execute("BEGIN")
        step = IndexStep(db, State.of(db).revision + 1, reset=True)
        for rows in rows_of(spool, orders.sizes()):
            step.put(rows)
            alive()
        step.finish(orders.cursor)
        alive()
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL").fetchall()
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main() -> None:
    file = Path(sys.argv[1])
    gc.disable()  # what is made here holds no circles
    try:
        build(file, NamesSeen(Path(sys.argv[2])), int(sys.argv[3]), Orders(sys.stdin.buffer), lambda: _say(b"."))
        _say(BUILT)
    except BaseException as error:
        remove(file)
        if isinstance(error, EOFError | BrokenPipeError):
            os._exit(1)  # there is nobody to tell
        raise


def _say(what: bytes) -> None:
    os.write(sys.stdout.fileno(), what)


if __name__ == "__main__":
    main()
