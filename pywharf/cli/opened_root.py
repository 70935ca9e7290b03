"""The repositories of a server's ROOT, opened for one command beside the server, which may be running."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pywharf import stored_config
from pywharf.config import Reading, RepositorySettings, ServerSettings, Table, parse, repository_settings, repository_tables
from pywharf.errors import ConfigInvalid
from pywharf.layout import Layout
from pywharf.model.names import repository_name
from pywharf.repository.repository import Repository

COMMAND_LINE = "command line"


def configured_root(root: Path) -> Layout:
    """ROOT, which has a configuration. Raises ConfigInvalid, LayoutUnusable."""
    layout = Layout(root)
    if stored_config.read(layout) is None:
        raise ConfigInvalid(str(root), "there is no configuration in this folder: is it the ROOT of a server?")
    layout.prepare()
    return layout


def settings_of(layout: Layout, names: Collection[str]) -> list[RepositorySettings]:
    """The repositories of these names as the server is configured; all of them where no name is given. Raises ConfigInvalid, InvalidName."""
    stored = stored_config.read(layout)
    assert stored is not None  # noqa: S101 - looked at before; for the type checker
    if not names:
        configured = parse(
            stored.config, stored.admin_secret, config_source=str(layout.config), admin_secret_source=str(layout.admin_secret)
        )
        return list(configured.values())
    return [_one(layout, stored, repository_name(name), None) for name in dict.fromkeys(names)]


def settings_with_secret(layout: Layout, name: str, secret_variable: str | None) -> RepositorySettings:
    """One repository; opened with the secret in this environment variable instead of the server's own, where one is given."""
    stored = stored_config.read(layout)
    assert stored is not None  # noqa: S101 - looked at before; for the type checker
    return _one(layout, stored, repository_name(name), secret_variable)


@contextlib.contextmanager
def opened(layout: Layout, settings: RepositorySettings) -> Iterator[Repository]:
    """The repository, for the length of the `with`."""
    with contextlib.closing(Repository(settings, layout, ServerSettings())) as repository:
        yield repository


def _one(layout: Layout, stored: stored_config.StoredConfig, name: str, secret_variable: str | None) -> RepositorySettings:
    """As the server would read it, though without the other repositories, whose secrets need not be at hand."""
    reading = Reading(str(layout.config), os.environ)
    tables = repository_tables(stored.config, reading)
    if name not in tables:
        raise ConfigInvalid(reading.source, f"has no such repository; it has {', '.join(sorted(tables))}", table=name)
    secret_reading = Reading(str(layout.admin_secret), os.environ)
    secret: Mapping[str, object] | None = repository_tables(stored.admin_secret, secret_reading).get(name)
    if secret_variable is not None:
        secret, secret_reading = _table(tables[name], secret_variable), Reading(COMMAND_LINE, os.environ)
    return repository_settings(name, tables[name], secret, config_reading=reading, secret_reading=secret_reading)


def _table(table: Table, secret_variable: str) -> Table:
    return {"type": table.get("type"), "env": secret_variable}
