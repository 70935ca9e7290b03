"""The group: what it lists and how quickly, how words may be spelled, and what becomes of errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from cli.running import Run, environment, process

from pywharf import __version__
from pywharf.cli import main as main_module
from pywharf.cli.main import COMMANDS, cli, main
from pywharf.errors import LayoutUnusable

HEAVY = ("pydantic", "bottle", "cheroot", "toml", "dulwich", "multipart", "sqlite3")


# --- help and version ------------------------------------------------------------------------------------------------


def test_help_lists_every_command_those_of_plugins_too_with_their_line(run: Run, shelf: Path) -> None:
    result = run("--help")

    assert result.exit_code == 0
    assert result.stderr == ""
    listed = {
        line.split()[0]: line for line in result.stdout.partition("Commands:")[2].splitlines() if line.startswith("  ") and line.strip()
    }
    for name, entry in COMMANDS.items():
        assert entry.summary in listed[name]
    assert "Dust the shelf off." in listed["shelf.dust-off"]


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str, shelf: Path) -> None:
    told = process("-X", "importtime", "-m", "pywharf", flag, site=shelf)

    assert told.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines() if line.startswith("import time:")}
    assert "pywharf.cli.main" in imported
    assert [module for module in sorted(imported) if module.split(".")[0] in HEAVY] == []


def test_completion_of_commands_imports_no_command(shelf: Path) -> None:
    told = process(
        "-X", "importtime", "-m", "pywharf", site=shelf, _PYWHARF_COMPLETE="bash_complete", COMP_WORDS="pywharf she", COMP_CWORD="1"
    )

    assert "plain,shelf.dust-off" in told.stdout
    assert "shelf_commands" not in told.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_completion_script(shell: str) -> None:
    assert "_PYWHARF_COMPLETE" in process("-m", "pywharf", _PYWHARF_COMPLETE=f"{shell}_source").stdout


def test_options_are_completed(run: Run) -> None:
    told = process("-m", "pywharf", _PYWHARF_COMPLETE="bash_complete", COMP_WORDS="pywharf server --auth_", COMP_CWORD="2")

    assert told.stdout.split() == ["plain,--auth_read_expires", "plain,--auth_write_expires"]


def test_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").stdout == f"pywharf {__version__}\n"


def test_the_summary_in_the_list_is_the_first_line_of_the_commands_own_help(run: Run) -> None:
    for name, entry in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.get_short_help_str(200) == entry.summary


@pytest.mark.parametrize("command", [*COMMANDS, "shelf.dust-off"])
def test_every_command_and_every_option_has_help(run: Run, shelf: Path, command: str) -> None:
    result = run(command, "--help")

    assert result.exit_code == 0
    assert f"Usage: pywharf {command}" in result.stdout
    if command in COMMANDS:
        found = cli.get_command(click.Context(cli), command)
        assert found is not None
        assert [parameter.name for parameter in found.params if isinstance(parameter, click.Option) and not parameter.help] == []


def test_exit_codes_are_in_the_help(run: Run) -> None:
    told = run("--help").stdout

    for code in ("0 done", "1 it failed", "2 the command line is wrong", "130 interrupted"):
        assert code in told


def test_without_anything_the_help_is_shown_and_nothing_pretended(run: Run) -> None:
    result = run()

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Commands:" in result.stderr


# --- plugins ---------------------------------------------------------------------------------------------------------


def test_a_plugins_command_runs_under_the_name_of_its_type_in_both_spellings(run: Run, shelf: Path) -> None:
    for name in ("shelf.dust-off", "shelf.dust_off"):
        result = run(name, "--feather-size", "3")
        assert (result.exit_code, result.stdout) == (0, "dusted with 3, dry=False\n")


def test_a_broken_plugin_is_told_in_one_line_and_stops_nobody(run: Run, broken: Path, shelf: Path) -> None:
    result = run("--help")

    assert result.exit_code == 0
    assert "shelf.dust-off" in result.stdout
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(
        "pywharf: warning: backend type 'broken': the plugin of pywharf-broken cannot be loaded: RuntimeError: two"
    )


def test_the_console_script_tells_of_a_broken_plugin_once(broken: Path) -> None:
    told = process("-m", "pywharf", "--help", site=broken)

    assert told.returncode == 0
    assert told.stderr.count("two") == 1
    assert told.stderr.count("\n") == 1


def test_our_own_commands_do_not_look_at_plugins(run: Run, broken: Path) -> None:
    assert run("server", "--help").stderr == ""


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("broken.anything", "pywharf: error: backend type 'broken': the plugin of pywharf-broken cannot be loaded"),
        ("shelf.gone", "pywharf: error: backend type 'shelf': its command shelf.gone cannot be imported: No module named 'no_such_module'"),
        ("shelf.odd", "pywharf: error: backend type 'shelf': its command shelf.odd (shelf_commands:number) is not a click command"),
    ],
)
def test_a_command_that_cannot_be_had_is_told_in_one_line(run: Run, broken: Path, shelf: Path, command: str, told: str) -> None:
    result = run(command)

    assert result.exit_code == 1
    assert told in result.stderr.splitlines()[-1]


def test_an_unknown_command_is_a_mistake_on_the_command_line(run: Run) -> None:
    result = run("serve")

    assert result.exit_code == 2
    assert result.stderr.startswith("pywharf: error: No such command 'serve'.")
    assert result.stderr.count("\n") == 1


# --- errors ----------------------------------------------------------------------------------------------------------


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def fail() -> None:
        """Fail."""
        raise error

    monkeypatch.setattr(main_module, "_imported", lambda name, entry: fail)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (LayoutUnusable("/srv/x: is full\x1b[2J\nof things"), 1, "pywharf: error: /srv/x: is full\\x1b[2J\\nof things\n"),
        (LayoutUnusable("http://local:hunter2@host is away"), 1, "pywharf: error: http://***@host is away\n"),
        (OSError(98, "Address already in use"), 1, "pywharf: error: [Errno 98] Address already in use\n"),
        (PermissionError(13, "Permission denied", "/srv/x"), 1, "pywharf: error: /srv/x: Permission denied\n"),
        (click.UsageError("no"), 2, "pywharf: error: no (see pywharf server --help)\n"),
        (click.ClickException("no"), 1, "pywharf: error: no\n"),
        (click.Abort(), 130, ""),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    raising(monkeypatch, error)

    result = run("server")

    assert (result.exit_code, result.stderr, result.stdout) == (code, told, "")


def test_a_bug_is_no_told_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError("a bug"))

    with pytest.raises(ZeroDivisionError):
        run("server")


def test_a_reader_that_goes_away_is_no_error() -> None:
    told = subprocess.run(
        f"{sys.executable} -m pywharf --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )

    assert told.stdout.startswith("Usage:")
    assert "Traceback" not in told.stderr


def test_windows_is_told_at_once(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    result = run("--version")

    assert result.exit_code == 1
    assert "WSL" in result.stderr


def test_the_console_script_and_the_module_are_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "--version"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 0
    assert capsys.readouterr().out == process("-m", "pywharf", "--version").stdout
