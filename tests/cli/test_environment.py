"""Environment mode: PYWHARF_COMMAND and its flags make a command line, and no secret shows in `ps`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from cli.running import Run

from pywharf.cli.environment import arguments
from pywharf.cli.main import cli


def test_the_command_and_its_flags_come_from_variables() -> None:
    assert arguments(
        cli,
        {"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_ROOT": "/srv", "PYWHARF_COMMAND_PORT": "1", "PYWHARF_COMMAND_EXTRA_INDEX_URL": ""},
    ) == ["server", "--root=/srv", "--port=1", "--extra_index_url="]


def test_nothing_is_made_of_nothing() -> None:
    assert arguments(cli, {"PYWHARF_INITIALIZE_TOKEN": "x"}) == []


@pytest.mark.parametrize("value", ["1", "true", "YES", "On"])
def test_a_switch_is_on(value: str) -> None:
    assert arguments(cli, {"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_DEBUG": value}) == ["server", "--debug"]


@pytest.mark.parametrize("value", ["0", "false", "NO", "off", ""])
def test_a_switch_is_off(value: str) -> None:
    assert arguments(cli, {"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_DEBUG": value}) == ["server"]


def test_a_switch_with_two_names_is_switched_either_way(shelf: Path) -> None:
    def spelled(flag: str, value: str) -> list[str]:
        return arguments(cli, {"PYWHARF_COMMAND": "shelf.dust-off", f"PYWHARF_COMMAND_{flag}": value})[1:]

    assert spelled("DRY_RUN", "1") == ["--dry_run"]
    assert spelled("DRY_RUN", "0") == ["--wet_run"]
    assert spelled("WET_RUN", "1") == ["--wet_run"]
    assert spelled("WET_RUN", "0") == ["--dry_run"]


def test_an_option_of_cheroot_is_taken_as_it_is_on_the_command_line() -> None:
    assert arguments(cli, {"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_NUMTHREADS": "3"}) == ["server", "--numthreads=3"]


def test_options_of_the_type_that_is_named_are_known_and_lists_are_split(shelf: Path) -> None:
    assert arguments(
        cli,
        {
            "PYWHARF_COMMAND": "update-index",
            "PYWHARF_COMMAND_TYPE": "shelf",
            "PYWHARF_COMMAND_LABELS": "a  b",
            "PYWHARF_COMMAND_VARNISHED": "off",
        },
    ) == ["update-index", "--type=shelf", "--labels=a", "--labels=b", "--no_varnished"]


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"PYWHARF_COMMAND": "serve"}, "PYWHARF_COMMAND: there is no such command; there are server, update_index, "),
        ({"PYWHARF_COMMAND_ROOT": "hunter2"}, "PYWHARF_COMMAND_ROOT is set, but PYWHARF_COMMAND, which names the command, is not"),
        (
            {"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_ADMIN_SECRETS": "hunter2"},
            "PYWHARF_COMMAND_ADMIN_SECRETS: the command has no flag --admin_secrets; did you mean PYWHARF_COMMAND_ADMIN_SECRET",
        ),
        ({"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_XYZZY": "hunter2"}, "PYWHARF_COMMAND_XYZZY: the command has no flag --xyzzy"),
        ({"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_HELP": "1"}, "PYWHARF_COMMAND_HELP: the command has no flag --help"),
        ({"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_DEBUG": "hunter2"}, "PYWHARF_COMMAND_DEBUG: has to be one of 1, true, yes, on"),
        ({"PYWHARF_COMMAND": "update_index", "PYWHARF_COMMAND_OWNER": "hunter2"}, "PYWHARF_COMMAND_OWNER: the command has no flag"),
    ],
)
def test_what_is_wrong_is_told_by_its_variable_and_never_by_its_value(environ: dict[str, str], told: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        arguments(cli, environ)

    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_mistake_in_the_environment_ends_like_one_on_the_command_line(run: Run) -> None:
    result = run(env={"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_PROT": "1"})

    assert result.exit_code == 2
    assert result.stderr.startswith("pywharf: error: PYWHARF_COMMAND_PROT: the command has no flag --prot; did you mean ")
    assert "PYWHARF_COMMAND_PORT" in result.stderr


def test_a_plugins_command_runs_from_the_environment(run: Run, shelf: Path) -> None:
    result = run(env={"PYWHARF_COMMAND": "shelf.dust_off", "PYWHARF_COMMAND_FEATHER_SIZE": "4", "PYWHARF_COMMAND_DRY_RUN": "true"})

    assert (result.exit_code, result.stdout) == (0, "dusted with 4, dry=True\n")


def test_arguments_on_the_command_line_leave_the_environment_aside(run: Run) -> None:
    result = run("--version", env={"PYWHARF_COMMAND": "server", "PYWHARF_COMMAND_PROT": "1"})

    assert result.exit_code == 0
