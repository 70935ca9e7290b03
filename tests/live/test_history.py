"""Sixteen clients, and processes that die all the time: no answer contradicts another one.

A short run with a fixed seed with the other `live` tests; a thousand kills with `tox -e slow -- tests/live/test_history.py`. The same on a
command line, with any seed: `python -m tests.history --help`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from history.run import Outcome, Plan, run


def played(plan: Plan, folder: Path, capsys: pytest.CaptureFixture[str]) -> Outcome:
    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return run(plan, folder / "history", tell=tell)


@pytest.mark.live
def test_no_answer_contradicts_another_while_processes_are_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = played(Plan(seed=6, seconds=10, kills_every=1.5, slack=6), tmp_path, capsys)

    assert outcome.violations == []
    assert outcome.kills
    assert outcome.acknowledged > 20
    assert outcome.done["page ok"]
    assert outcome.done["download ok"]


@pytest.mark.slow
def test_of_a_thousand_kills_none_loses_an_acknowledged_upload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = played(Plan(seed=20261122, kills=1000, kills_every=2, pause=0.5), tmp_path, capsys)

    assert outcome.violations == []
    assert outcome.kills == 1000
