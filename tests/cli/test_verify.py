"""`pywharf verify`: its words, what it prints, its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.running import Run

from pywharf import stored_config
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.any_python

WHEEL = make_wheel("demo", "1.0")
CONFIG = '[one]\ntype = "file_system"\nwrite_secret = "write-it"\n[two]\ntype = "file_system"\nwrite_secret = "write-it"\n'


@pytest.fixture
def root(tmp_path: Path, run: Run) -> Path:
    """A ROOT with two repositories, the first of which holds a wheel."""
    layout = Layout(tmp_path / "root")
    layout.prepare()
    stored_config.replace(layout, StoredConfig(CONFIG, ""))
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / WHEEL.filename).write_bytes(WHEEL.data)
    assert run("import", folder, "one", "--root", layout.root).exit_code == 0
    return layout.root


def shown(root: Path) -> Path:
    return root / "cache" / "one" / "storage" / "packages" / "demo" / WHEEL.filename


def test_a_sound_root_is_told_as_that(run: Run, root: Path) -> None:
    result = run("verify", root)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"one: 1 file, {len(WHEEL.data) + len(WHEEL.metadata)} bytes looked at; no difference",
        "two: 0 files, 0 bytes looked at; no difference",
    ]


def test_each_difference_is_a_line_and_the_exit_code_says_that_there_is_one(run: Run, root: Path) -> None:
    shown(root).unlink()

    result = run("verify", root, "one")

    line, end = result.stdout.splitlines()
    assert (
        line
        == f"copy     one: packages/demo/{WHEEL.filename}: people do not find the file by its name; run this with --repair, which links it there"
    )
    assert end.endswith("; 1 difference, 0 mended")
    assert result.exit_code == 1
    assert run("verify", root, "two").exit_code == 0


def test_what_is_mended_is_told_and_leaves_nothing_to_do(run: Run, root: Path) -> None:
    shown(root).unlink()

    result = run("verify", "--root", root, "--repair", "one")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].endswith("; mended")
    assert run("verify", "--root", root, "--name", "one").exit_code == 0


def test_json_is_one_object_a_line(run: Run, root: Path) -> None:
    shown(root).unlink()

    finding, one, two = map(json.loads, run("verify", root, "--json").stdout.splitlines())

    assert (finding["repository"], finding["kind"], finding["mended"]) == ("one", "copy", False)
    assert (one["files"], one["found"], two["found"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "ROOT is missing"),
        (("{root}", "three"), 1, "has no such repository; it has one, two"),
        (("{root}/cache",), 1, "is it the ROOT of a server?"),
        (("{root}", "one", "--repare"), 2, "No such option"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(run: Run, root: Path, words: tuple[str, ...], code: int, told: str) -> None:
    result = run("verify", *(word.format(root=root) for word in words))

    assert result.exit_code == code
    assert told in result.stderr
