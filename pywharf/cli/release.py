"""`pywharf yank`, `unyank`, `delete` and `status`: the commands' words, and what they print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from pywharf.cli.managed import Where, managed, somebody_is_there, where_options
from pywharf.cli.positional import Positional, positionals

if TYPE_CHECKING:
    from pywharf.model.names import ProjectName
    from pywharf.model.record import ProjectStatus

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_FOR_EVER = "Their names stay taken for ever, also for the same bytes: publish another version."


def _complete_status(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from pywharf.model.record import STATUS_MARKERS

    return [CompletionItem(marker) for marker in STATUS_MARKERS if marker.startswith(incomplete)]


_NAME = Positional("name", "The repository's name; the same as the argument.")
_PROJECT = Positional("project", "The project, in any spelling; the same as the argument.")
_VERSION = Positional("version", "The release, in any spelling; the same as the argument.", needed=False)
_STATUS = Positional("status", "The project's new status; the same as the argument.", _complete_status, needed=False)


def _about_files(function: Decorated) -> Decorated:
    """The words of a command that changes files."""
    command: Any = where_options(function)
    command = click.option("--reason", metavar="TEXT", default="", help="Why: one line of at most 500 characters.")(command)
    one_file = "This file alone, named as it was uploaded. VERSION may be left out then."
    command = click.option("--file", "filename", metavar="FILENAME", help=one_file)(command)
    return positionals(_NAME, _PROJECT, _VERSION)(command)  # type: ignore[no-any-return]


@click.command(short_help="Let installers pass over a release, or a file of it.")
@_about_files
def yank(name: str, project: str, filename: str | None, reason: str, where: Where, version: str | None = None) -> None:
    """Yank a release, or a file of it: installers pass over it, unless they are asked for exactly this version.

    They show the reason then. What is yanked for another reason already gets this one.
    """
    _change("yank", "yanked", _Wanted.of(name, project, version, filename, reason), where)


@click.command(short_help="Take a yank back.")
@_about_files
def unyank(name: str, project: str, filename: str | None, reason: str, where: Where, version: str | None = None) -> None:
    """Take back that a release, or a file of it, was yanked. The reason is for the audit and the storage's history."""
    _change("unyank", "unyanked", _Wanted.of(name, project, version, filename, reason), where)


@click.command(short_help="Remove a release, or a file of it, for good.")
@_about_files
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal to ask on.")
def delete(name: str, project: str, filename: str | None, reason: str, where: Where, yes: bool, version: str | None = None) -> None:
    """Remove a release, or a file of it, for good. The files' names stay taken for ever, also for the same bytes.

    To keep it for those who pin it, yank it instead.
    """
    wanted = _Wanted.of(name, project, version, filename, reason)
    if not yes:
        _ask(wanted, where)
    if _change("delete", "deleted", wanted, where):
        click.echo(_FOR_EVER)


@click.command(short_help="Show or set a project's status: active, archived, ...")
@positionals(_NAME, _PROJECT, _STATUS)
@click.option("--reason", metavar="TEXT", help="Why: one line of at most 500 characters. Without it the project has none.")
@where_options
def status(name: str, project: str, reason: str | None, where: Where, status: str | None = None) -> None:
    """Show a project's status, or set it where STATUS is given: active, deprecated, archived or quarantined.

    Clients may warn of a deprecated project and show the reason. An archived one takes no uploads. A quarantined one takes none, and
    none of its files is listed or served.
    """
    from pywharf.model.names import normalize_project

    normalised = normalize_project(project)
    if status is None:
        if reason is not None:
            raise click.UsageError("--reason is for a new STATUS, which is missing")
        with managed(where, name) as there:
            _tell(_said(normalised, there.status(normalised)))
        return
    _check_reason(reason or "")
    with managed(where, name) as there:
        done = there.set_status(normalised, status, reason or "")
    _tell(f"{_said(normalised, done.status)} ({f'it was {done.before.status}' if done.changed else 'it was so already'})")


# --- inside ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """What the command line says of files, looked through."""

    name: str  # of the repository
    project: ProjectName
    version: str | None
    filename: str | None  # either this or version
    reason: str

    @classmethod
    def of(cls, name: str, project: str, version: str | None, filename: str | None, reason: str) -> _Wanted:
        """Raises InvalidName, ChangeRejected, click.UsageError, so that nobody is asked about what cannot be."""
        from pywharf.model.names import normalize_project, parse_filename, repository_name
        from pywharf.repository.release_changes import target_of

        if version is None and filename is None:
            raise click.UsageError("VERSION is missing, or --file FILENAME")
        normalised = normalize_project(project)
        for one in ((version, None), (None, filename)):
            if one != (None, None):
                target_of(normalised, *one)
        if version is not None and filename is not None:
            from packaging.utils import canonicalize_version

            if parse_filename(filename).release != canonicalize_version(version):
                raise click.UsageError(f"{filename} is no file of release {version}")
            version = None
        _check_reason(reason)
        return cls(repository_name(name), normalised, version, filename, reason)

    def __str__(self) -> str:
        return f"{self.filename or f'every file of release {self.version}'} of project {self.project} in repository {self.name}"


def _check_reason(reason: str) -> None:
    from pywharf.errors import ChangeRejected
    from pywharf.model.reasons import fault_of_reason

    if fault := fault_of_reason(reason.strip(" ")):
        raise ChangeRejected("reason", fault)


def _ask(wanted: _Wanted, where: Where) -> None:
    """Let somebody think twice. Raises click.ClickException where the answer is no, click.Abort where there is none."""
    if not somebody_is_there():
        raise click.UsageError("there is no terminal to ask on whether to delete for good: give --yes")
    _tell(f"This removes {wanted}, at {where.url or where.root}, for good. {_FOR_EVER}", err=True)
    if not click.confirm("Delete?", err=True):
        raise click.ClickException("nothing was deleted")


def _change(what: str, done: str, wanted: _Wanted, where: Where) -> bool:
    """Do it, and say what came of it. Returns whether anything is other than before."""
    with managed(where, wanted.name) as there:
        outcome = there.change(what, wanted.project, wanted.version, wanted.filename, wanted.reason)
    for kind, names in ((done, outcome.changed), ("already", outcome.unchanged)):
        for name in names:
            _tell(f"{kind:<8} {name}")
    _tell(f"{done}: {len(outcome.changed)}, already so: {len(outcome.unchanged)}")
    return bool(outcome.changed)


def _said(project: ProjectName, status: ProjectStatus) -> str:
    return f"{project} is {status.status}{': ' if status.reason else ''}{status.reason}"


def _tell(line: str, *, err: bool = False) -> None:
    """One line, with nothing in it that plays tricks on a terminal, nor a secret that a server sent back."""
    from pywharf.logs import printable, redact

    click.echo(printable(redact(line)), err=err)
