"""`pywharf import`: its words, what it prints, its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import Run

from pywharf import stored_config
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_sdist, make_wheel

WHEEL, SDIST, OTHER = make_wheel("demo", "1.0"), make_sdist("demo", "1.0"), make_wheel("other", "1.0")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    config = '[Local]\ntype = "file_system"\nread_secret = "read-it"\nwrite_secret = "write-it"\n[other]\ntype = "file_system"\nread_secret = {env = "ELSEWHERE"}\n'
    stored_config.replace(layout, StoredConfig(config, ""))
    layout.unclaimed.touch()
    return layout.root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for made in (WHEEL, SDIST, OTHER):
        (folder / made.filename).write_bytes(made.data)
    return folder


def test_a_folder_is_imported_and_told_of(run: Run, root: Path, folder: Path) -> None:
    result = run("import", folder, "local", "--root", root)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"imported {WHEEL.filename}",
        f"imported {SDIST.filename}",
        f"imported {OTHER.filename}",
        "imported: 3, already there: 0, refused: 0, failed: 0",
    ]
    assert not Layout(root).unclaimed.exists(), "a repository with files is somebody's"
    assert (
        run("import", "--source", folder, "--name", "local", "--root", root).stdout
        == "imported: 0, already there: 3, refused: 0, failed: 0\n"
    )


def test_a_dry_run_stores_nothing(run: Run, root: Path, folder: Path) -> None:
    result = run("import", folder, "local", "--root", root, "--dry_run")

    assert result.stdout.splitlines()[-1] == "would be imported: 3, already there: 0, refused: 0, failed: 0"
    assert Layout(root).unclaimed.exists()
    assert run("verify", root, "local").stdout.startswith("local: 0 files")


def test_what_is_refused_is_told_with_the_reason_and_in_the_exit_code(run: Run, root: Path, folder: Path) -> None:
    (folder / "bad-1.0-py3-none-any.whl").write_bytes(b"no archive")

    result = run("import", folder, "local", "--root", root)

    assert result.exit_code == 1
    assert "refused  bad-1.0-py3-none-any.whl: content: " in result.stdout
    assert result.stdout.splitlines()[-1] == "imported: 3, already there: 0, refused: 1, failed: 0"


def test_patterns_choose_projects(run: Run, root: Path, folder: Path) -> None:
    assert run("import", folder, "local", "--root", root, "--project", "Oth*", "--project", "absent").stdout.startswith(
        f"imported {OTHER.filename}\nimported: 1,"
    )


@pytest.mark.parametrize(("secret", "code", "told"), [("write-it", 0, ""), ("read-it", 1, "does not allow to write"), ("", 1, "SECRET")])
def test_the_secret_to_store_with_can_be_given(run: Run, root: Path, folder: Path, secret: str, code: int, told: str) -> None:
    result = run("import", folder, "local", "--root", root, "--secret_env", "SECRET", env={"SECRET": secret})

    assert result.exit_code == code
    assert told in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("{folder}",), 2, "NAME is missing"),
        (("{folder}/gone", "local"), 2, "there is no folder"),
        (("{folder}", "none"), 1, "has no such repository"),
        (("{folder}", "local", "--source_user", "jane"), 2, "SOURCE is a folder"),
        (("{folder}", "local", "--jobs", "99"), 2, "--jobs"),
        (("{folder}", "local", "--project", "a b"), 1, "a pattern has"),
        (("https://index.example/simple/", "local", "--source_secret_env", "UNSET"), 2, "UNSET (--source_secret_env) is not set"),
        (("https://user:hunter22@index.example/simple/", "local"), 1, "has credentials in it"),
        (("ftp://index.example/simple/", "local"), 1, "is no http or https URL"),
        (
            ("http://127.0.0.1:9/simple/", "local", "--project", "x"),
            1,
            "refused  project x: http://127.0.0.1:9/simple/x/: cannot be reached",
        ),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    run: Run, root: Path, folder: Path, words: tuple[str, ...], code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pywharf.repository.source_client.LONGEST_WAIT", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = run("import", *(word.format(folder=folder) for word in words), "--root", root)

    assert result.exit_code == code
    assert told in result.stdout + result.stderr
    assert "hunter22" not in result.stdout + result.stderr
