"""Environment mode: a command line given by variables, for containers.

PYWHARF_COMMAND names the command, PYWHARF_COMMAND_<FLAG> its flags in upper case. The words are handed to click inside the
process, so a secret given this way never shows in `ps`. click's own variable for shell completion is _PYWHARF_COMPLETE.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Protocol, runtime_checkable

import click

VARIABLE = "PYWHARF_COMMAND"
PREFIX = f"{VARIABLE}_"
TRUE = ("1", "true", "yes", "on")
FALSE = ("", "0", "false", "no", "off")


@runtime_checkable
class TypedCommand(Protocol):
    """A command whose options depend on what its arguments name."""

    def for_arguments(self, args: list[str]) -> click.Command:
        """The command with all options that these arguments allow."""


def arguments(group: click.Group, environ: Mapping[str, str]) -> list[str]:
    """The command line that the variables spell, or none where PYWHARF_COMMAND is not set.

    Raises click.UsageError naming the variable that is wrong, never its value.
    """
    name = environ.get(VARIABLE, "").strip()
    given = {variable[len(PREFIX) :].lower(): value for variable, value in environ.items() if variable.startswith(PREFIX)}
    if not name:
        if given:
            raise click.UsageError(f"{PREFIX}{min(given).upper()} is set, but {VARIABLE}, which names the command, is not")
        return []
    context = click.Context(group, info_name=group.name)
    command = group.get_command(context, name)
    if command is None:
        raise click.UsageError(f"{VARIABLE}: there is no such command; there are {', '.join(group.list_commands(context))}")
    if isinstance(command, TypedCommand):
        command = command.for_arguments([f"--{flag}={value}" for flag, value in given.items()])
    options = _options(command, context)
    words = [name]
    for flag, value in given.items():
        words += _words(flag, value, options)
    return words


def _options(command: click.Command, parent: click.Context) -> dict[str, click.Option]:
    """The command's options by the flag's name: "auth_read_expires", "no_dry_run"."""
    context = click.Context(command, parent=parent)
    return {
        spelling.lstrip("-").replace("-", "_"): parameter
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }


def _words(flag: str, value: str, options: Mapping[str, click.Option]) -> list[str]:
    variable = f"{PREFIX}{flag.upper()}"
    option = options.get(flag)
    if option is None or flag == "help":
        near = [f"{PREFIX}{one.upper()}" for one in get_close_matches(flag, options, n=3)]
        raise click.UsageError(f"{variable}: the command has no flag --{flag}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    if not option.is_flag:
        return [f"--{flag}={one}" for one in (value.split() if option.multiple else [value])]
    if value.strip().lower() in TRUE:
        return [f"--{flag}"]
    if value.strip().lower() in FALSE:
        return _opposite(flag, option)
    raise click.UsageError(f"{variable}: has to be one of {', '.join(TRUE)}, or one of {', '.join(FALSE[1:])}")


def _opposite(flag: str, option: click.Option) -> list[str]:
    """What switches a flag off: its twin, where there is one, else leaving it out."""
    on = [spelling.lstrip("-").replace("-", "_") for spelling in option.opts]
    twins = option.secondary_opts if flag in on else option.opts
    return [twins[0]] if twins and option.secondary_opts else []
