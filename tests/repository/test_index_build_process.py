"""The process that builds: what it makes is what would have been made here, and nothing is left where it cannot go on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.repository import index_build_process, index_spool
from pywharf.repository.index_build_process import Orders, build
from pywharf.repository.index_builds import IndexBuilds
from pywharf.repository.index_spool import IndexSpool
from pywharf.repository.names_seen import NamesSeen

from .making import local_index

MODULE = index_build_process.__name__

entries_of_any_kind = st.lists(
    st.builds(
        Entry,
        st.sampled_from(["demo", "acme", "a", "0-0", "other-1"]),
        st.sampled_from(["", "k", "k2", "x\\'\"{}", "~"]),
        st.integers(0, 2**63 - 1),
        st.none() | st.binary(max_size=50) | st.sampled_from([b'{"kind":"file"}', b' {"kind": "file"}', b'{"kind":"deleted"}']),
    ),
    max_size=40,
)


def contents(file: Path) -> dict[str, object]:
    """All of an index but where its revisions begin."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        found: dict[str, object] = {
            table: db.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
            for table, columns, order in (
                ("entries", "*", "project, key"),
                ("projects", "project, serial, files", "project"),
                ("names", "*", "project"),
                ("state", "cursor, serial, names_taken", "one"),
                ("sqlite_master", "type, name, sql", "name"),
            )
        }
        revisions = db.execute("SELECT revision FROM projects UNION SELECT revision FROM state UNION SELECT list_revision FROM state")
        assert len(revisions.fetchall()) == 1
        found["version"] = db.execute("PRAGMA user_version").fetchall()
        return found


def orders(spool: IndexSpool, cursor: str = '"here"') -> Orders:
    return Orders(io.BytesIO(b"".join(b"%d\n" % size for size in spool.sizes) + cursor.encode() + b"\n"))


def built(folder: Path, entries: Iterable[Entry]) -> Path:
    """What it makes of entries, in this very process."""
    file = IndexBuilds(folder / "local.sqlite").make()
    with IndexSpool(folder, "local") as spool:
        spool.fill(iter(list(entries)))
        spool.write_piece()
        build(file, NamesSeen(folder / "names" / "local"), spool.descriptor, orders(spool), lambda: None)
    return file


@settings(max_examples=12, deadline=None)
@given(entries_of_any_kind, st.sampled_from([0, 60, 1 << 20]))
def test_it_makes_what_is_made_here(entries: list[Entry], in_memory: int) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_spool, "IN_MEMORY", in_memory)
        folder = Path(place)
        NamesSeen(folder / "names" / "local").add(["seen", "demo", "acme", "a", "0-0", "other-1"])
        index = local_index(folder)
        index.create()
        assert index.apply(None, Changes(True, iter(entries), Cursor("here")))
        index.close()

        assert contents(built(folder, entries)) == contents(folder / "local.sqlite")


def start(*words: str, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", MODULE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )


def test_it_ends_and_leaves_nothing_when_nobody_tells_it_any_more(tmp_path: Path) -> None:
    file = IndexBuilds(tmp_path / "local.sqlite").make()
    process = start(str(file), str(tmp_path / "names"), "0")
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.read(1) == b"."
    assert file.stat().st_size > 0

    process.stdin.close()

    assert process.stdout.read() == b""
    assert process.wait(30) == 1
    assert os.listdir(tmp_path) == []


def test_a_file_that_was_swept_away_before_it_began_is_not_made_again_for_others_to_read(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as spool, pytest.raises(sqlite3.OperationalError, match="unable to open"):
        build(tmp_path / "swept.sqlite", NamesSeen(tmp_path / "names"), spool.fileno(), Orders(io.BytesIO(b'"here"\n')), lambda: None)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("order", [b"100\n", b"nonsense\n"])
def test_what_it_cannot_do_is_its_last_word_and_leaves_nothing(tmp_path: Path, order: bytes) -> None:
    file = IndexBuilds(tmp_path / "local.sqlite").make()
    with tempfile.TemporaryFile() as spool:
        process = start(str(file), str(tmp_path / "names"), str(spool.fileno()), pass_fds=(spool.fileno(),))
        said, _ = process.communicate(order, 30)

    assert b"Error" in said.splitlines()[-1]
    assert os.listdir(tmp_path) == []


def test_it_takes_next_to_nothing_with_it() -> None:
    """Its start is waited for, and what it does needs none of this."""
    heavy = ("pydantic", "bottle", "cheroot", "dulwich", "multipart", "toml", "pywharf.config", "pywharf.web", "pywharf.backend.settings")
    code = f"import sys, json, {MODULE}; print(json.dumps([name for name in {heavy!r} if name in sys.modules]))"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert json.loads(ran.stdout) == []
