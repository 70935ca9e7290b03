"""Where the commands change releases: through a running server, or directly on a ROOT. The options that say so, and what they open."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

if TYPE_CHECKING:
    from pywharf.model.names import ProjectName
    from pywharf.model.record import ProjectStatus
    from pywharf.repository.release_changes import Changed, StatusChanged
    from pywharf.repository.repository import Repository

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Managed(Protocol):
    """A repository, as the commands change it. Every method raises WharfError."""

    def change(self, what: str, project: ProjectName, version: str | None, filename: str | None, reason: str) -> Changed:
        """what: "yank", "unyank" or "delete". Exactly one of version and filename."""

    def set_status(self, project: ProjectName, status: str, reason: str) -> StatusChanged: ...

    def status(self, project: ProjectName) -> ProjectStatus: ...


@dataclass(frozen=True)
class Where:
    """What the command line says of it."""

    url: str | None
    root: str | None
    secret: str | None
    secret_env: str | None  # a variable's name
    ca_file: str | None
    debug: bool

    def check(self) -> None:
        """Raises click.UsageError where it says too little or too much, before anybody is asked anything."""
        if (self.url is None) == (self.root is None):
            raise click.UsageError("give either --url URL of a running server, or --root ROOT")
        if self.secret is not None and self.secret_env is not None:
            raise click.UsageError("--secret and --secret_env are two ways to say one thing: give one of them")
        if self.root is not None and self.secret is not None:
            raise click.UsageError("--secret is for --url; with --root give --secret_env VARIABLE, or nothing for the server's own right")
        if self.root is not None and self.ca_file is not None:
            raise click.UsageError("--ca_file is for --url")
        if self.url is not None and self.secret is None and self.secret_env is None and not somebody_is_there():
            raise click.UsageError("--url needs a secret of the repository: give --secret_env VARIABLE")


_OPTIONS = (
    click.option("--url", metavar="URL", help="The address of a running server, e.g. https://packages.example/."),
    click.option(
        "--root",
        type=click.Path(exists=True, file_okay=False),
        help="The ROOT of a server, in place of --url: done there directly, with the server's own right. It may be running.",
    ),
    click.option(
        "--secret",
        metavar="SECRET",
        help="The secret to show to the server. Everybody on this machine sees it in `ps`: better --secret_env, or "
        "PYWHARF_COMMAND_SECRET in the environment. On a terminal it is asked for where none is given.",
    ),
    click.option("--secret_env", metavar="VARIABLE", help="The environment variable that holds the secret, for --url or --root."),
    click.option(
        "--ca_file",
        type=click.Path(exists=True, dir_okay=False),
        help="A PEM file with the certificate authorities to trust, in place of the system's.",
    ),
    click.option("--debug", is_flag=True, help="Log more. Secrets stay out of the log all the same."),
)


def where_options(function: Decorated) -> Decorated:
    """Give a command these options. The decorated function gets `where`, a checked Where."""

    @functools.wraps(function)
    def called(
        url: str | None, root: str | None, secret: str | None, secret_env: str | None, ca_file: str | None, debug: bool, **given: Any
    ) -> Any:
        where = Where(url, root, secret, secret_env, ca_file, debug)
        where.check()
        return function(where=where, **given)

    command: Any = called
    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[no-any-return]


def somebody_is_there() -> bool:
    """Whether there is a terminal to ask on. A stream that was closed is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


@contextlib.contextmanager
def managed(where: Where, name: str) -> Iterator[Managed]:
    """The repository `name` there, for the length of the `with`. Raises WharfError, click.UsageError."""
    from pywharf import logs
    from pywharf.model.names import repository_name

    name = repository_name(name)
    secret = _secret(where, name)
    if where.url is not None:
        from pywharf.cli.manage_client import ManageClient

        logs.set_up(None, where.debug, stderr_level=logging.ERROR)
        yield ManageClient(where.url, name, secret or "", ca_file=where.ca_file or "")
        return
    from pywharf.cli.opened_root import configured_root, opened, settings_with_secret

    layout = configured_root(Path(where.root or ""))
    logs.set_up(layout.log, where.debug, stderr_level=logging.ERROR)
    with opened(layout, settings_with_secret(layout, name, where.secret_env)) as repository:
        if secret is not None:
            repository.check_admin_access()  # with a wrong secret, that is what there is to be told
        repository.sync()
        yield _OnRoot(repository, secret)


class _OnRoot:
    """A repository opened here. secret: with whose right it is changed; None is the server's own."""

    def __init__(self, repository: Repository, secret: str | None) -> None:
        self._repository = repository
        self._secret = secret

    def change(self, what: str, project: ProjectName, version: str | None, filename: str | None, reason: str) -> Changed:
        releases = self._repository.releases
        action = {"yank": releases.yank, "unyank": releases.unyank, "delete": releases.delete}[what]
        return action(self._secret, project, version=version, filename=filename, reason=reason)

    def set_status(self, project: ProjectName, status: str, reason: str) -> StatusChanged:
        return self._repository.releases.set_status(self._secret, project, status, reason)

    def status(self, project: ProjectName) -> ProjectStatus:
        from pywharf.errors import ReleaseMissing

        found = self._repository.project_status(project)
        if found is None:
            raise ReleaseMissing(f"There is no project {project} in repository {self._repository.name}")
        return found


def _secret(where: Where, name: str) -> str | None:
    """The secret that was given, or that somebody types now; None with --root alone. Kept out of every log and message from here on."""
    from pywharf.logs import remember_secret

    secret, source = where.secret, "--secret"
    if where.secret_env is not None:
        secret, source = os.environ.get(where.secret_env, ""), f"the environment variable {where.secret_env} (--secret_env)"
    elif secret is None and where.url is not None:
        secret, source = click.prompt(f"Secret of repository {name}", hide_input=True, err=True), "what was typed"
    if secret is None:
        return None
    if not secret:
        raise click.UsageError(f"{source} is not set, or empty")
    if not _is_text(secret):
        raise click.UsageError(f"{source} is not UTF-8")
    remember_secret(secret)
    return secret


def _is_text(secret: str) -> bool:
    try:
        secret.encode()
    except UnicodeEncodeError:
        return False
    return True
