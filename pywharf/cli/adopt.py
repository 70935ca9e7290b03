"""What `pywharf update_index` does: one repository opened for this run alone, compared with its storage, and told of."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pywharf import logs, stored_config
from pywharf.backend.discovery import find_plugin
from pywharf.backend.interface import Access, BackendPlugin
from pywharf.backend.settings import BackendConfig
from pywharf.cli.first_start import as_table
from pywharf.cli.progress import Progress
from pywharf.config import Reading, RepositorySettings, ServerSettings, Table, mentions, repository_settings, repository_tables
from pywharf.errors import ConfigInvalid
from pywharf.layout import Layout
from pywharf.logs import printable
from pywharf.model.names import repository_name
from pywharf.repository.adoption import Report, update_index
from pywharf.repository.repository import Repository

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Wanted:
    """What the command line says."""

    type: str
    name: str
    root: Path | None
    secret: str | None
    secret_env: str | None  # a variable's name
    config: Mapping[str, Any]  # fields of the backend's configuration


def adopt(wanted: Wanted, *, debug: bool) -> bool:
    """Compare, take up, and print what was found. Returns whether nothing was skipped or missing. Raises WharfError."""
    if wanted.secret:
        logs.remember_secret(wanted.secret)
    with ExitStack() as stack:
        layout = Layout(wanted.root) if wanted.root else Layout(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pywharf-"))))
        if wanted.root and stored_config.read(layout) is None:
            raise ConfigInvalid(str(wanted.root), "there is no configuration in this folder: is it the ROOT of a server?")
        layout.prepare()
        logs.set_up(layout.log if wanted.root else None, debug, stderr_level=logging.ERROR)
        settings = _settings_of_server(layout, wanted) if wanted.root else _settings_of_options(layout, wanted)
        repository = stack.enter_context(closing(Repository(settings, layout, ServerSettings())))
        repository.check_admin_access(Access.WRITE)
        progress = stack.enter_context(Progress(f"{settings.name}: files looked at"))
        report = update_index(repository, on_progress=progress.update)
        if wanted.root and report.adopted:
            layout.unclaimed.unlink(missing_ok=True)  # files are stored: being on the same machine no longer replaces this configuration
    _print(report)
    return not report.skipped and not report.missing


def _settings_of_server(layout: Layout, wanted: Wanted) -> RepositorySettings:
    """As the server is configured, but for what the command line says otherwise."""
    name = repository_name(wanted.name)
    stored = stored_config.read(layout)
    assert stored is not None  # noqa: S101 - looked at before; for the type checker
    environ = os.environ
    reading = Reading(str(layout.config), environ)
    tables = repository_tables(stored.config, reading)
    if name not in tables:
        raise ConfigInvalid(reading.source, f"has no such repository; it has {', '.join(sorted(tables))}", table=name)
    if tables[name].get("type") != wanted.type:
        raise ConfigInvalid(reading.source, f"is not {wanted.type!r}", table=name, key="type")
    secret_reading = Reading(str(layout.admin_secret), environ)
    secret = _secret_table(wanted)
    if secret is None:
        secret = repository_tables(stored.admin_secret, secret_reading).get(name)
    else:
        secret_reading = Reading(COMMAND_LINE, environ)
    return _checked(name, {**tables[name], **wanted.config}, secret, wanted, reading, secret_reading)


def _settings_of_options(layout: Layout, wanted: Wanted) -> RepositorySettings:
    """As the command line alone says."""
    name = repository_name(wanted.name)
    plugin = find_plugin(wanted.type)
    # Nobody is served here, so whom the repository opens for makes no difference: what the plugin would generate will do.
    first = plugin.first_config()
    base: Table = as_table(plugin.type, first[0]) if first else {"type": plugin.type}
    secret = _secret_table(wanted)
    if plugin.needs_admin_secret and secret is None:
        raise click.UsageError("the storage needs a secret: give --secret_env VARIABLE, or --root ROOT of a server that has it")
    if not plugin.needs_admin_secret and secret is not None:
        raise click.UsageError("a secret needs --root ROOT here: only the configuration of a server says what it may do")
    reading = Reading(COMMAND_LINE, os.environ)
    settings = _checked(name, {**base, **wanted.config}, secret, wanted, reading, reading)
    _refuse_storage_in_temporary_place(settings, layout, plugin)
    _refuse_missing_paths(settings, wanted)
    return settings


def _secret_table(wanted: Wanted) -> Table | None:
    if wanted.secret is not None:
        return {"type": wanted.type, "raw": wanted.secret}
    if wanted.secret_env is not None:
        return {"type": wanted.type, "env": wanted.secret_env}
    return None


def _checked(
    name: str, table: Table, secret: Table | None, wanted: Wanted, config_reading: Reading, secret_reading: Reading
) -> RepositorySettings:
    try:
        return repository_settings(name, table, secret, config_reading=config_reading, secret_reading=secret_reading)
    except ConfigInvalid as error:
        key = error.key.partition("[")[0].partition(".")[0]
        if key in wanted.config or (error.source == COMMAND_LINE and key):
            raise ConfigInvalid(COMMAND_LINE, error.reason, key=f"--{key}") from error
        raise


def _refuse_storage_in_temporary_place(settings: RepositorySettings, layout: Layout, plugin: BackendPlugin) -> None:
    """A storage in the server's own place is not where this run looks: it would find an empty one and report it as in order."""
    staging = plugin.staging(settings.config, layout.workdir(settings.name))
    if staging is None or not staging.is_relative_to(layout.root):
        return
    fields = {key: field for key, field in plugin.config_model.model_fields.items() if key not in BackendConfig.model_fields}
    paths = [f"--{key} PATH" for key, field in fields.items() if mentions(field.annotation, Path)]
    raise click.UsageError(f"where is the storage? Give {' or '.join([*paths, '--root ROOT'])}")


def _refuse_missing_paths(settings: RepositorySettings, wanted: Wanted) -> None:
    """A misspelled path would otherwise be an empty storage, and reported as in order."""
    for key in wanted.config:
        path = getattr(settings.config, key, None)
        if isinstance(path, Path) and not path.exists():
            raise ConfigInvalid(COMMAND_LINE, "there is no such file or folder", key=f"--{key}")


def _print(report: Report) -> None:
    for kind, line in _lines(report):
        click.echo(f"{kind:<8} {printable(line)}")
    click.echo(
        f"known before: {report.known}, adopted: {len(report.adopted)}, skipped: {len(report.skipped)}, "
        f"missing: {len(report.missing)}, leftovers removed: {report.swept}"
    )


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    for filename in report.adopted:
        yield "adopted", filename
    for filename, reason in report.skipped:
        yield "skipped", f"{filename}: {reason}"
    for filename in report.missing:
        yield "missing", f"{filename}: the index knows it, and the storage does not hold it"
