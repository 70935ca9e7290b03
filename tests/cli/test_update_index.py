"""`pywharf update_index`: its options, where it finds the repository, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.running import Run

from pywharf import stored_config
from pywharf.cli.progress import Progress
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_sdist, make_wheel

pytestmark = pytest.mark.any_python


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage into which somebody copied two good files and two bad ones."""
    folder = tmp_path / "storage"
    project = folder / "packages" / "demo"
    project.mkdir(parents=True)
    for made in (make_wheel("demo", "1.0"), make_sdist("demo", "1.0")):
        (project / made.filename).write_bytes(made.data)
    (project / "demo-2.0-py3-none-any.whl").write_bytes(b"no archive")
    (project / "read\x1b[2Jme.txt").write_bytes(b"hello")
    return folder


@pytest.fixture
def root(tmp_path: Path, storage: Path) -> Path:
    """The ROOT of a server with that storage, and another repository whose secret is not to be had here."""
    layout = Layout(tmp_path / "root")
    layout.prepare()
    config = f'[Local]\ntype = "file_system"\nwrite_secret = "write-it"\npath = "{storage}"\n[other]\ntype = "file_system"\nread_secret = {{env = "ELSEWHERE"}}\n'
    stored_config.replace(layout, StoredConfig(config, ""))
    return layout.root


# --- words -----------------------------------------------------------------------------------------------------------


def test_the_help_of_a_type_shows_the_options_of_its_configuration(run: Run, shelf: Path) -> None:
    shown = run("update_index", "shelf", "--help").stdout

    for option in ("--owner", "--wood", "--boards", "--varnished / --no_varnished", "--labels", "--place", "--secret_env", "--root"):
        assert option in shown
    assert "Who owns it." in shown
    assert "[default: oak]" in shown
    assert "--key" not in shown
    assert "--path" in run("update-index", "--type", "file_system", "--help").stdout
    assert "--path" not in run("update_index", "--help").stdout.partition("Options:")[2].partition("`pywharf")[0]


def test_the_type_is_found_behind_options_that_only_it_has(run: Run, shelf: Path, storage: Path) -> None:
    assert "--boards" in run("update_index", "--wood", "pine", "shelf", "--help").stdout


def test_the_help_of_every_secret_on_the_command_line_names_its_twin(run: Run) -> None:
    told = " ".join(run("update_index", "--help").stdout.split())

    assert "sees it in `ps`: better --secret_env" in told
    assert "PYWHARF_COMMAND_SECRET" in told


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "TYPE is missing"),
        (("file_system",), 2, "NAME is missing"),
        (("paper", "local"), 1, "backend type 'paper': no installed distribution offers it (installed: file_system"),
        (("--type", "paper", "local"), 1, "backend type 'paper'"),
        (("file_system", "local"), 2, "where is the storage? Give --path PATH or --root ROOT"),
        (("file_system", "local", "--pth", "/x"), 2, "No such option '--pth'"),
        (("file_system", "local", "--path", "/x", "--secret", "hunter22"), 2, "a secret needs --root ROOT"),
        (("file_system", "local", "--secret", "hunter22", "--secret_env", "X"), 2, "give one of them"),
        (("file_system", "../local", "--path", "/x"), 1, "a repository's name has"),
        (
            ("file_system", "local", "--path", "/x", "--max_file_bytes", "0"),
            1,
            "command line, --max_file_bytes: input should be greater than 0",
        ),
        (("file_system", "local", "--path", "/x", "--private_names", "a/b"), 1, "command line, --private_names: "),
        (("file_system", "local", "--path", "/nowhere"), 1, "command line, --path: there is no such file or folder"),
        (("file_system", "local", "--root", "/nowhere"), 2, "Directory '/nowhere' does not exist"),
        (("shelf", "x"), 2, "the storage needs a secret: give --secret_env VARIABLE, or --root ROOT"),
        (("shelf", "x", "--secret", "hunter22"), 1, "command line, --owner: is missing"),
        (
            ("shelf", "x", "--owner", "me", "--wood", "ash", "--secret", "hunter22"),
            1,
            "command line, --wood: input should be 'oak' or 'pine'",
        ),
        (("shelf", "x", "--owner", "me", "--secret_env", "NOWHERE"), 1, "command line, [x]: the environment variable 'NOWHERE' is not set"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(run: Run, shelf: Path, words: tuple[str, ...], code: int, told: str) -> None:
    result = run("update_index", *words)

    assert result.exit_code == code
    assert result.stderr.startswith("pywharf: error: ")
    assert told in result.stderr
    assert "hunter22" not in result.stderr
    assert result.stderr.count("\n") == 1


# --- the work --------------------------------------------------------------------------------------------------------


def test_files_put_there_by_hand_are_taken_up_and_others_named(run: Run, storage: Path) -> None:
    result = run("update_index", "file_system", "local", "--path", storage)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert {line for line in lines if line.startswith("adopted")} == {
        "adopted  demo-1.0-py3-none-any.whl",
        "adopted  demo-1.0.tar.gz",
    }
    assert any(line.startswith("skipped  demo-2.0-py3-none-any.whl: ") for line in lines)
    assert any(line.startswith(r"skipped  read\x1b[2Jme.txt: ") for line in lines)
    assert lines[-1] == "known before: 0, adopted: 2, skipped: 2, missing: 0, leftovers removed: 0"
    assert result.stderr == ""


def test_a_second_run_knows_what_the_first_took_up(run: Run, storage: Path) -> None:
    run("update_index", "file_system", "local", "--path", storage)

    assert "known before: 2, adopted: 0" in run("update_index", "file_system", "local", "--path", storage).stdout


def test_strict_fails_where_a_file_was_skipped_and_only_then(run: Run, storage: Path) -> None:
    assert run("update_index", "file_system", "local", "--path", storage, "--strict").exit_code == 1
    for path in (storage / "packages" / "demo").iterdir():
        if path.name.startswith(("demo-2", "read")):
            path.unlink()
    assert run("update_index", "file_system", "local", "--path", storage, "--strict").exit_code == 0


def test_strict_fails_where_a_known_file_is_gone(run: Run, storage: Path) -> None:
    run("update_index", "file_system", "local", "--path", storage)
    for path in [*storage.rglob("demo-1.0.tar.gz"), *storage.rglob("demo-2*"), *storage.rglob("read*")]:
        path.unlink()
    for path in (storage / "objects").rglob("*"):
        if path.is_file() and path.read_bytes() == make_sdist("demo", "1.0").data:
            path.unlink()

    result = run("update_index", "file_system", "local", "--path", storage, "--strict")

    assert result.exit_code == 1
    assert "missing  demo-1.0.tar.gz: the index knows it, and the storage does not hold it" in result.stdout


def test_with_root_the_servers_configuration_and_place_are_used(run: Run, root: Path, storage: Path) -> None:
    result = run("update_index", "--root", root, "file_system", "local")

    assert result.exit_code == 0
    assert "adopted: 2" in result.stdout
    assert (root / "index" / "local.sqlite").exists()
    assert "file adopted: repository=local" in (root / "log" / "pywharf.log").read_text()


def test_who_stores_files_claims_the_server(run: Run, root: Path, storage: Path) -> None:
    unclaimed = Layout(root).unclaimed
    unclaimed.write_bytes(b"secrets shown\n")

    run("update_index", "file_system", "local", "--root", str(root))
    assert not unclaimed.exists()

    unclaimed.write_bytes(b"secrets shown\n")
    run("update_index", "file_system", "local", "--root", str(root))
    assert unclaimed.exists(), "nothing new was stored"


def test_what_the_command_line_says_goes_before_the_configuration(run: Run, root: Path) -> None:
    result = run("update_index", "file_system", "LOCAL", "--root", root, "--max_file_bytes", "1")

    assert "adopted: 0, skipped: 4" in result.stdout
    assert "File too large" in result.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("file_system", "third"), "config.toml, [third]: has no such repository; it has local, other"),
        (("shelf", "local"), "config.toml, [local], type: is not 'shelf'"),
        (("file_system", "other"), "config.toml, [other], read_secret"),
        (("file_system", "local", "--secret", "hunter22"), "The secret does not allow to write: nothing opens with it there"),
        (("file_system", "local", "--max_file_bytes", "-1"), "command line, --max_file_bytes: "),
    ],
)
def test_what_does_not_fit_the_servers_configuration_is_told(run: Run, shelf: Path, root: Path, words: tuple[str, ...], told: str) -> None:
    result = run("update_index", *words, "--root", root)

    assert result.exit_code == 1
    assert told in result.stderr
    logged = "".join(path.read_text() for path in (root / "log").iterdir())
    assert "hunter22" not in result.stderr + logged


def test_the_secret_of_the_command_line_takes_the_place_of_the_servers(run: Run, root: Path) -> None:
    result = run("update_index", "file_system", "local", "--root", root, "--secret_env", "MY_SECRET", env={"MY_SECRET": "write-it"})

    assert (result.exit_code, result.stderr) == (0, "")
    assert "adopted: 2" in result.stdout


def test_a_folder_that_is_no_servers_root_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    result = run("update_index", "file_system", "local", "--root", tmp_path / "empty")

    assert result.exit_code == 1
    assert "is it the ROOT of a server?" in result.stderr


def test_nothing_stays_of_a_run_without_root(run: Run, storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    run("update_index", "file_system", "local", "--path", storage)

    assert list((tmp_path / "temporary").iterdir()) == []


def test_from_the_environment_it_is_the_same(run: Run, root: Path) -> None:
    result = run(
        env={
            "PYWHARF_COMMAND": "update_index",
            "PYWHARF_COMMAND_TYPE": "file_system",
            "PYWHARF_COMMAND_NAME": "local",
            "PYWHARF_COMMAND_ROOT": str(root),
            "PYWHARF_COMMAND_SECRET": "write-it",
            "PYWHARF_COMMAND_STRICT": "1",
        }
    )

    assert result.exit_code == 1
    assert "adopted: 2, skipped: 2" in result.stdout


def test_a_person_at_a_terminal_sees_how_far_it_is(run: Run, storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Told(Progress):
        def update(self, done: int) -> None:
            told.append(done)

    monkeypatch.setattr("pywharf.cli.adopt.Progress", Told)
    run("update_index", "file_system", "local", "--path", storage)

    assert told
    assert told == sorted(told)
