"""No kind of request takes more than its budget: counted, not timed, so that a slow machine is no finding and a slower program is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from budget import comparing, counting, instructions, tracing

from pywharf.model.names import ProjectName
from pywharf.repository.local_index import LocalIndex

pytestmark = pytest.mark.any_python


def test_no_request_takes_more_of_the_application_than_its_budget() -> None:
    assert comparing.excesses(counting.measure_apart(), comparing.read()) == []


@pytest.mark.live
def test_no_request_takes_more_system_calls_than_its_budget(tmp_path: Path) -> None:
    try:
        measured = tracing.measure(tmp_path)
    except tracing.CannotTrace as reason:
        pytest.skip(str(reason))

    assert comparing.excesses(measured, comparing.read()) == []


@pytest.mark.live
def test_no_request_takes_more_instructions_than_its_budget() -> None:
    try:
        measured = instructions.measure()
    except instructions.CannotCount as reason:
        pytest.skip(str(reason))

    assert comparing.excesses(measured, comparing.read()) == []


def test_one_more_question_to_the_index_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = LocalIndex.project_revision

    def asks_twice(index: LocalIndex, project: ProjectName) -> int | None:
        ask(index, project)
        return ask(index, project)

    monkeypatch.setattr(LocalIndex, "project_revision", asks_twice)
    found = comparing.excesses(counting.measure(), comparing.read())

    assert any(line.startswith("page: 2 statements given to SQLite, and the budget is 1.") for line in found), found
    assert all(comparing.RENEW in line for line in found)


def test_statements_are_counted_whoever_hands_them_over() -> None:
    db = sqlite3.connect(":memory:")

    def ask() -> None:
        db.execute("CREATE TABLE one(x)")
        db.executemany("INSERT INTO one VALUES(?)", [(1,), (2,)])
        db.executescript("DELETE FROM one")

    found = counting.counted(ask)

    assert found["sql"] == 3
    db.close()


def test_what_is_within_its_room_is_no_finding_and_what_is_beyond_it_is() -> None:
    budget = {"page": {comparing.CALLS: 100.0, "sql": 1.0}}

    assert comparing.excesses({"page": {"calls": 103, "sql": 1}}, budget) == []
    assert comparing.excesses({"page": {"calls": 104, "sql": 1}}, budget)[0].startswith(
        "page: 104 calls of functions, and the budget is 100."
    )
    assert comparing.excesses({"other": {"sql": 1}}, budget)[0].startswith("other: there is no budget")
    assert comparing.excesses({"page": {"fsyncs": 1}}, budget)[0].startswith("page: there is no budget for calls of fsync")


def test_a_budget_that_is_renewed_keeps_what_was_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "budget.toml"

    path.write_text(
        comparing.renewed({"page": {"calls": 250, "syscalls": 9.25}}, {"page": {"calls_py27": 300, "sql": 1}, "304": {"sql": 1}})
    )

    assert comparing.read(path) == {"page": {"calls_py27": 300, "sql": 1, comparing.CALLS: 250, "syscalls": 9.2}, "304": {"sql": 1}}


def test_calls_that_only_wait_are_not_counted() -> None:
    table = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 95.57    2.033886         613      3316       653 futex
  1.40    0.002400           2       887        33 newfstatat
  0.10    0.000242           1       192           pread64
------ ----------- ----------- --------- --------- ----------------
100.00    2.128147         289      4395       686 total
"""
    assert tracing.total(table) == 887 + 192
