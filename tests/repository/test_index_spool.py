"""Entries wait on the disk for their transaction, and what is no entry waits nowhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pywharf.backend.interface import Entry
from pywharf.repository import index_spool
from pywharf.repository.index_rows import to_entry
from pywharf.repository.index_spool import IndexSpool

from .making import entry, wheel


def through(folder: Path, entries: list[Entry]) -> list[Entry]:
    with IndexSpool(folder, "local") as spool:
        spool.fill(iter(entries))
        assert spool.count + spool.left_out == len(entries)
        return [to_entry(row) for row in spool.rows()]


@pytest.mark.parametrize("in_memory", [0, 500, 1 << 20])
def test_entries_come_out_as_they_went_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(index_spool, "IN_MEMORY", in_memory)
    entries = [
        entry(wheel("demo"), 1),
        entry(wheel("demo"), 2, None),
        Entry("demo", "", 3, b""),
        Entry("demo", "x\\'\"{}", 2**63 - 1, b"\x00\xff\n\t no text at all \n"),
        *(entry(wheel("demo", f"1.{number}"), number) for number in range(20)),
    ]

    assert through(tmp_path, entries) == entries


def test_nothing_is_left_in_the_folder_and_no_descriptor_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_spool, "IN_MEMORY", 0)
    before = len(os.listdir("/proc/self/fd"))

    def dying() -> Iterator[Entry]:
        yield entry(wheel("demo"))
        raise KeyError("the storage's fault")

    with pytest.raises(KeyError), IndexSpool(tmp_path, "local") as spool:
        spool.fill(dying())

    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"project": ""},
        {"project": "Demo"},
        {"project": "demo_pkg"},
        {"project": "../../etc"},
        {"project": "demo\nacme"},
        {"project": "-demo"},
        {"project": "d\udc80mo"},
        {"project": "d" * 201},
        {"project": None},
        {"key": "demo\tx"},
        {"key": "d\udcffmo"},
        {"key": "k" * 500},
        {"key": 7},
        {"serial": 2**63},
        {"serial": -1},
        {"serial": "1"},
        {"document": "text"},
        {"document": 7},
    ],
    ids=str,
)
def test_what_no_project_of_ours_can_have_is_left_out_and_named(
    tmp_path: Path, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    good = entry(wheel("demo"))
    bad = Entry(**{"project": "demo", "key": "k", "serial": 1, "document": b"{}", **fields})

    with caplog.at_level(logging.WARNING):
        assert through(tmp_path, [bad, good, bad]) == [good]

    assert len(caplog.records) == 2
    assert all(len(line.getMessage()) < 400 for line in caplog.records)


def test_a_storage_full_of_nonsense_does_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert through(tmp_path, [Entry("No Project", "k", 1, b"{}")] * 1000) == []

    assert len(caplog.records) == index_spool.TOLD
