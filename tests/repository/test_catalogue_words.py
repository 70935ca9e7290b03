"""Search where this Python's SQLite was built without FTS5: words are found as before, and nothing else is missing."""

from __future__ import annotations

import contextlib
import functools
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pywharf.errors import IndexNotReady
from pywharf.model.catalogue import Totals
from pywharf.repository import catalogue_words
from pywharf.repository.catalogue import Catalogue
from pywharf.repository.catalogue_words import NO_FULL_TEXT
from pywharf.repository.local_index import LocalIndex

from .making import record, wheel
from .test_catalogue import found, opened, put


class WithoutFullText(sqlite3.Connection):
    """As an SQLite that was built without it."""

    def execute(self, statement: str, *more: Any) -> sqlite3.Cursor:
        if "fts5" in statement or " MATCH " in statement:
            raise sqlite3.OperationalError("no such module: fts5")
        return super().execute(statement, *more)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_words, "_told", set())
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=WithoutFullText))


@pytest.fixture
def shelf(tmp_path: Path, index: LocalIndex, without: None) -> Iterator[Catalogue]:
    put(
        index,
        record(wheel("acme-http-client"), summary="Talks to Größe services", keywords="rest,json", import_names=("acme.http", "wirehead")),
        record(wheel("acme-core"), summary="What the clients share; 100 % http"),
        record(wheel("zebra"), summary="An animal", keywords="acme"),
    )
    with contextlib.closing(opened(tmp_path, index)) as catalogue:
        yield catalogue


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["acme-core", "acme-http-client", "zebra"]),
        ("http", ["acme-http-client", "acme-core"]),  # the name goes before the summary
        ("HTTP client", ["acme-http-client", "acme-core"]),
        ("acme-core", ["acme-core"]),
        ("acme_http.client", ["acme-http-client", "acme-core"]),
        ("acmehttp", ["acme-http-client"]),
        ("wireh", ["acme-http-client"]),
        ("GRÖSSE", []),
        ("große", ["acme-http-client"]),
        ("gro\u0308ß", ["acme-http-client"]),
        ("json", ["acme-http-client"]),
        ("son", []),  # the end of a word is none
        ("zeb animal", ["zebra"]),
        ("animal http", []),
        ("acme", ["acme-core", "acme-http-client", "zebra"]),
        ("100 %", ["acme-core"]),
        ("%", []),
        ("_", []),
        ("acme OR zebra", []),
    ],
)
def test_words_are_found_as_with_it(shelf: Catalogue, words: str, expected: list[str]) -> None:
    assert found(shelf, words) == expected


def test_what_is_found_comes_in_parts_and_all_else_is_there(shelf: Catalogue) -> None:
    assert [shelf.search("acme", limit=1, offset=offset).projects[0].project for offset in range(3)] == [
        "acme-core",
        "acme-http-client",
        "zebra",
    ]
    assert shelf.search("acme", limit=1).total == 3
    assert shelf.totals() == Totals(3, 3, 3, 3 * len(b"content"))
    assert len(shelf.latest(10)) == 3


def test_what_changes_is_found_by_its_new_words_alone(shelf: Catalogue, index: LocalIndex) -> None:
    put(index, record(wheel("zebra", "2.0"), summary="A vehicle"))

    assert found(shelf, "vehicle") == ["zebra"]
    assert found(shelf, "animal") == []


def test_it_is_logged_once_however_often_catalogues_are_opened(
    tmp_path: Path, index: LocalIndex, without: None, caplog: pytest.LogCaptureFixture
) -> None:
    put(index, record(wheel("demo")))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with contextlib.closing(opened(tmp_path, index)) as catalogue:
                assert found(catalogue, "demo") == ["demo"]

    assert [one.getMessage() for one in caplog.records] == [NO_FULL_TEXT]


def test_a_catalogue_of_the_other_kind_is_made_anew(tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    put(index, record(wheel("demo"), summary="Größe"))
    connects = [sqlite3.connect, functools.partial(sqlite3.connect, factory=WithoutFullText), sqlite3.connect]
    for connect in connects:
        monkeypatch.setattr(sqlite3, "connect", connect)
        with contextlib.closing(opened(tmp_path, index)) as catalogue:
            with contextlib.suppress(IndexNotReady):
                catalogue.totals()
            assert found(catalogue, "große") == ["demo"]
