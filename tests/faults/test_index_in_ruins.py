"""A local index that is damaged in any way: 503 until it is built anew, which it is by itself; never 404, never another index, and no other repository feels it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import KNOWN, Place
from repository.making import settle

pytestmark = pytest.mark.any_python

PAGE = 4096  # bytes of a page of SQLite's


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Place(tmp_path_factory.mktemp("place") / "root") as place:
        place.fill()
        yield place


def damages(size: int) -> dict[str, tuple[int, int]]:
    """Where it ends, and which byte is turned over (-1: none)."""
    cuts = sorted({0, 1, 15, 16, 99, 100, PAGE - 1, PAGE, PAGE + 1, size // 2, size - PAGE, size - 1})
    flips = [page * PAGE + at for page in range(size // PAGE) for at in ((18, 28, 44, 60) if not page else (0, 3, 5))]
    return {f"cut at {at}": (at, -1) for at in cuts} | {f"flip at {at}": (size, at) for at in flips}


def index_of(place: Place) -> Path:
    return (place.layout.index / "local.sqlite").resolve()


def overwrite(place: Place, content: bytes) -> None:
    """As a disk does it: the same file, with other bytes in it; what SQLite had besides is gone."""
    path = index_of(place)
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def is_served_or_503(place: Place) -> bool:
    """Whether it is served again; in the meantime nothing is said to be unknown."""
    answers = [place.get("/simple/known/"), place.download(KNOWN), place.get("/simple/")]
    assert {answer.status for answer in answers} <= {200, 503}, [(answer.status, answer.text[:200]) for answer in answers]
    assert answers[1].status == 503 or answers[1].body == KNOWN.data
    return all(answer.status == 200 for answer in answers) and b'"known"' in answers[2].body


@pytest.mark.live
def test_whatever_happens_to_the_file_it_is_503_and_then_served_again(place: Place) -> None:
    with contextlib.closing(sqlite3.connect(index_of(place))) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    good = index_of(place).read_bytes()
    kinds = damages(len(good))
    assert len(kinds) > 20
    for name, (end, flip) in kinds.items():
        content = bytearray(good[:end])
        if flip >= 0:
            content[flip] ^= 0xFF
        overwrite(place, bytes(content))
        # A restart is what meets it for sure: a server that runs may have all of it in memory.
        with Place(place.layout.root) as fresh:
            settle(lambda fresh=fresh: is_served_or_503(fresh), 30)  # type: ignore[misc]
            assert fresh.get("/simple/others/", "other").status == 200, name
    settle(lambda: is_served_or_503(place), 30)
    place.check_other()


@pytest.mark.parametrize(
    "sql", ["PRAGMA user_version = 0", "PRAGMA user_version = 2147483647", "DROP TABLE entries", "ALTER TABLE entries RENAME TO x"]
)
def test_a_schema_of_another_time_is_replaced(place: Place, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(index_of(place), timeout=30)) as db:
        db.execute(sql)
        db.commit()

    with Place(place.layout.root) as fresh:
        settle(lambda: is_served_or_503(fresh), 30)
    settle(lambda: is_served_or_503(place), 30)
