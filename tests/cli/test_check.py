"""`pywharf check`: files are looked at as an upload would be, and nothing else happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import Run
from repository.corpus.wheels import TAKEN_UNDER_OTHER_RULES

from pywharf.testing.distributions import make_sdist, make_wheel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good files, one of them further down, and one that is no distribution."""
    (tmp_path / "below").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at", encoding="utf-8")
    for place, made in ((tmp_path, make_wheel("demo", "1.0")), (tmp_path / "below", make_sdist("other", "2.0"))):
        (place / made.filename).write_bytes(made.data)
    return tmp_path


def test_good_files_give_a_summary_and_exit_code_0(run: Run, folder: Path) -> None:
    done = run("check", str(folder))

    assert done.exit_code == 0
    assert done.stdout == "files: 2, projects: 2, refused: 0, taken with a warning: 0\n"


def test_a_refused_file_is_named_with_its_reason_and_its_check(run: Run, folder: Path) -> None:
    bad = folder / "bad-1.0-py3-none-any.whl"
    bad.write_bytes(make_wheel("bad", "1.0").data + b"\n")

    done = run("check", str(folder))

    assert done.exit_code == 1
    assert f"refused  {bad}: 1 bytes follow the end of the archive [zip_has_nothing_behind]\n" in done.stdout
    assert "files: 3, projects: 3, refused: 1, taken with a warning: 0" in done.stdout


def test_a_file_that_is_named_is_checked_whatever_it_is_called(run: Run, folder: Path) -> None:
    done = run("check", "--path", str(folder / "notes.txt"))

    assert done.exit_code == 1
    assert "only wheels (.whl) and source distributions" in done.stdout
    assert "[file name]" in done.stdout


def test_rules_of_a_repository_can_be_given(run: Run, folder: Path) -> None:
    incomplete = TAKEN_UNDER_OTHER_RULES[0]
    (folder / incomplete.filename).write_bytes(incomplete.make())

    warned = run("check", str(folder), "--record", "warn")

    assert run("check", str(folder)).exit_code == 1
    assert warned.exit_code == 0
    assert "warned " in warned.stdout
    assert "(record)" in warned.stdout
    assert "refused: 0, taken with a warning: 1" in warned.stdout
    assert "[zip_can_be_read]" in run("check", str(folder), "--max_members", "1").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "PATH is missing"),
        (["."], "there is no wheel and no source distribution"),
        (["--path", "absent"], "'absent' does not exist"),
        ([".", "--record", "maybe"], "--record: input should be 'refuse', 'warn' or 'allow'"),
        ([".", "--max_ratio", "1"], "--max_ratio: input should be greater than 1"),
    ],
)
def test_a_wrong_command_line_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str) -> None:
    monkeypatch.chdir(tmp_path)

    done = run("check", *words)

    assert done.exit_code == 2
    assert told in done.stderr
