"""A row says again what was written into it, or that it is damaged; never something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.backend.interface import Entry
from pywharf.model.record import to_json
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.index_rows import COLUMNS, PLACES, is_live, to_entry, to_row

from .making import entry, record, tombstone, wheel

entries = st.builds(Entry, st.text(), st.text(), st.integers(0, 2**63 - 1), st.none() | st.binary())


@given(entries)
def test_a_row_gives_its_entry_back(one: Entry) -> None:
    assert to_entry(to_row(one)) == one
    assert len(to_row(one)) == len(COLUMNS.split(",")) == len(PLACES.split(","))


@given(entries, entries, st.integers(0, 5))
def test_a_row_of_which_something_became_something_else_is_damage(one: Entry, other: Entry, at: int) -> None:
    row, mixed = to_row(one), list(to_row(one))
    mixed[at] = to_row(other)[at]
    if mixed == list(row):
        return

    with pytest.raises(IndexDamaged):
        to_entry(mixed)


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("odd", [None, 7, "7", b"7", 7.5])
def test_a_value_of_another_kind_is_damage_and_no_other_error(at: int, odd: object) -> None:
    row: list[object] = list(to_row(entry(wheel("demo"))))
    row[at] = odd

    with pytest.raises(IndexDamaged):
        to_entry(row)


@pytest.mark.parametrize(
    ("document", "live"),
    [
        (to_json(record(wheel("demo"))), True),
        (to_json(record(wheel("demo"), summary='"kind":"deleted"', keywords="kind")), True),
        (to_json(record(wheel("demo"), unknown={"later": {"kind": "deleted"}})), True),
        (b' { "kind" : "file" } ', True),
        (to_json(tombstone(wheel("demo"))), False),
        (b'{"kind":"deleted","later":{"kind":"file"}}', False),
        (b'{"kind":"status","status":"active"}', False),
        (None, False),
        (b"", False),
        (b"[]", False),
        (b'"file"', False),
        (b"\xff\xfe", False),
        (b"[" * 100_000, False),
        (b'{"kind":' + b"[" * 100_000, False),
    ],
)
def test_a_file_counts_by_its_kind(document: bytes | None, live: bool) -> None:
    assert is_live(Entry("demo", "k", 1, document)) is live


def test_the_projects_own_document_is_no_file() -> None:
    assert not is_live(Entry("demo", "", 1, to_json(record(wheel("demo")))))
