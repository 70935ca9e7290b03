"""The command group `pywharf`: its commands, those that plugins add, and what becomes of errors.

Commands are imported when they run. `--help` and `--version` import nothing heavy, and that has a test: no pydantic, no
server, no git.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from pywharf import __version__
from pywharf.backend.discovery import installed_plugins
from pywharf.cli import environment
from pywharf.errors import PluginUnusable, WharfError

NAME = "pywharf"
FAILED, MISUSED, INTERRUPTED = 1, 2, 130

_EPILOG = """\b
Flags may be spelled with hyphens too: --auth-read-expires.
Without any argument the environment is read: PYWHARF_COMMAND names the
command, PYWHARF_COMMAND_<FLAG> gives its flags, e.g. PYWHARF_COMMAND_ROOT.

\b
Exit codes: 0 done; 1 it failed, stderr says why in one line;
2 the command line is wrong; 130 interrupted (Ctrl-C). A server that is told
to stop (SIGTERM, Ctrl-C) stops in order and ends with 0.
"""


@dataclass(frozen=True)
class CommandEntry:
    """A command that is not imported yet."""

    target: str  # "package.module:attribute"
    summary: str  # one line


COMMANDS = {
    "server": CommandEntry("pywharf.cli.server:server", "Serve the repositories configured in ROOT."),
    "update_index": CommandEntry("pywharf.cli.update_index:update_index", "Take up files put into a repository by hand."),
    "import": CommandEntry("pywharf.cli.import_:import_", "Take over the files of a folder or another index."),
    "verify": CommandEntry("pywharf.cli.verify:verify", "Compare what is stored with what is known of it."),
    "check": CommandEntry("pywharf.cli.check:check", "Say whether files would be taken as uploads."),
    "yank": CommandEntry("pywharf.cli.release:yank", "Let installers pass over a release, or a file of it."),
    "unyank": CommandEntry("pywharf.cli.release:unyank", "Take a yank back."),
    "delete": CommandEntry("pywharf.cli.release:delete", "Remove a release, or a file of it, for good."),
    "status": CommandEntry("pywharf.cli.release:status", "Show or set a project's status: active, archived, ..."),
    "backends": CommandEntry("pywharf.cli.backends:backends", "List the installed backends."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary, imports one when it runs, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_all_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # Ours first: they have to work whatever plugins are there.
        wanted = spell(cmd_name)
        for name, entry in (COMMANDS if wanted in COMMANDS else _all_commands()).items():
            if spell(name) == wanted:
                return _imported(name, entry)
        _refuse_command_of_broken_plugin(wanted)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in _all_commands().items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name, help=entry.summary) for name, entry in _all_commands().items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> None:
        super().invoke(ctx)  # what a command returns says nothing about the exit code

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(given, NAME, complete_var, standalone_mode=False, **extra)
        if sys.platform == "win32":
            # Not by _say: what it imports needs POSIX already.
            click.echo(f"{NAME}: error: this runs on Linux, macOS and other POSIX systems; on Windows use WSL or a container", err=True)
            sys.exit(FAILED)
        sys.exit(self._run(given, complete_var, extra))

    def _run(self, given: list[str], complete_var: str | None, extra: dict[str, Any]) -> int:
        """Run one command line. Returns the exit code."""
        try:
            if not given and f"_{NAME.upper()}_COMPLETE" not in os.environ:
                given = environment.arguments(self, os.environ)
                if not given:
                    click.echo(self.get_help(click.Context(self, info_name=NAME, **self.context_settings)), err=True)
                    return MISUSED
            code = super().main(given, NAME, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            return _tell(error.format_message() + where, error.exit_code)
        except click.ClickException as error:
            return _tell(error.format_message(), error.exit_code)
        except click.Abort:
            return INTERRUPTED
        except WharfError as error:
            logging.getLogger(__name__).debug("command failed", exc_info=True)
            return _tell(str(error), FAILED)
        except OSError as error:
            logging.getLogger(__name__).debug("command failed", exc_info=True)
            return _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)
        return code if isinstance(code, int) else 0


def spell(word: str) -> str:
    """Flags and commands as this project spells them: "auth-read-expires" is "auth_read_expires"."""
    return word.replace("-", "_")


@click.group(
    name=NAME,
    cls=LazyGroup,
    context_settings={"token_normalize_func": spell, "help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
def cli() -> None:
    """A private PyPI server whose packages live in storage that your team already trusts."""


def main() -> None:
    """The console script."""
    # Until a command sets the log up, what libraries have to say stays out of the terminal.
    logging.getLogger(NAME).addHandler(logging.NullHandler())
    cli.main()


def _all_commands() -> dict[str, CommandEntry]:
    """Our commands, then those of plugins by name. A plugin that is broken is told of on stderr, and stops nobody."""
    commands = dict(COMMANDS)
    for installed in installed_plugins():
        if installed.plugin is None:
            _say("warning", str(PluginUnusable(installed.type, installed.problem)))
            continue
        for command in installed.plugin.commands:
            commands.setdefault(f"{installed.type}.{command.name}", CommandEntry(command.target, command.summary))
    return commands


def _refuse_command_of_broken_plugin(wanted: str) -> None:
    for installed in installed_plugins():
        if installed.plugin is None and wanted.startswith(spell(installed.type) + "."):
            raise PluginUnusable(installed.type, installed.problem)


def _imported(name: str, entry: CommandEntry) -> click.Command:
    module, _, attribute = entry.target.partition(":")
    try:
        command = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginUnusable(name.partition(".")[0], f"its command {name} cannot be imported: {error}") from error
    if not isinstance(command, click.Command):
        raise PluginUnusable(name.partition(".")[0], f"its command {name} ({entry.target}) is not a click command")
    return command


def _tell(message: str, code: int) -> int:
    _say("error", message)
    return code


def _say(kind: str, message: str) -> None:
    """One line on stderr, with nothing in it that plays tricks on a terminal."""
    from pywharf.logs import printable, redact

    click.echo(f"{NAME}: {kind}: {printable(redact(message))}", err=True)
