"""`pywharf backends` lists what is installed, and what cannot be used with the reason."""

from __future__ import annotations

from pathlib import Path

from cli.running import Run

from pywharf import __version__


def test_a_line_for_each_with_distribution_version_and_commands(run: Run, shelf: Path) -> None:
    result = run("backends")

    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert f"pywharf {__version__}" in lines["file_system"]
    assert "pywharf-shelf 1.2" in lines["shelf"]
    assert "shelf.dust-off, shelf.gone, shelf.odd" in lines["shelf"]


def test_a_broken_one_is_listed_with_its_problem_and_the_exit_code_stays_0(run: Run, broken: Path) -> None:
    result = run("backends")

    assert result.exit_code == 0
    assert (
        "broken       pywharf-broken 1.2  cannot be used: the plugin of pywharf-broken cannot be loaded: RuntimeError: two" in result.stdout
    )
    assert "file_system" in result.stdout


def test_the_exit_code_is_in_the_help(run: Run) -> None:
    assert "The exit code is 0" in " ".join(run("backends", "--help").stdout.split())
