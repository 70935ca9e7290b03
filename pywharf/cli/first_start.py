"""The first start on an empty ROOT: a generated repository, and the lines that tell how to use it.

The backend is the first installed one that offers a configuration of its own accord, those of pywharf's distribution
before others. Its secrets are shown once, on the terminal of the start that serves it first, and never logged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pywharf import stored_config
from pywharf.backend.discovery import installed_plugins
from pywharf.backend.interface import Access, BackendPlugin
from pywharf.config import RepositorySettings, secret_texts
from pywharf.config_text import TomlValue, toml_table
from pywharf.errors import PluginUnusable
from pywharf.files import locked, write_whole
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig

if TYPE_CHECKING:
    from pydantic import BaseModel

REPOSITORY = "local"
OUR_DISTRIBUTION = "pywharf"

_NOT_SHOWN, _SHOWN = b"secrets not shown yet\n", b"secrets shown\n"
_COMMENT = "# Made by pywharf when it was first started. To serve something else: pywharf server ROOT --config PATH\n"


@dataclass(frozen=True)
class FirstSecrets:
    """What a person needs to use the generated repository."""

    read: str
    write: str


def generate(layout: Layout) -> None:
    """Configure a ROOT that has no configuration; one that has keeps it. Raises PluginUnusable where no backend can do it."""
    with locked(layout.keys / ".first_start.lock"):
        if stored_config.read(layout) is not None:
            return
        plugin, (config, secret) = _choose()
        config_text = _COMMENT + toml_table(REPOSITORY, as_table(plugin.type, config))
        secret_text = _COMMENT + toml_table(REPOSITORY, as_table(plugin.type, secret)) if secret is not None else ""
        # The marker first: a death in between leaves an empty ROOT, and the next start is the first one again.
        write_whole(layout.unclaimed, _NOT_SHOWN)
        stored_config.replace(layout, StoredConfig(config_text, secret_text))


def secrets_to_show(layout: Layout) -> bool:
    """Whether the generated repository was never served yet, so that nobody has seen its secrets."""
    try:
        return layout.unclaimed.read_bytes() == _NOT_SHOWN
    except OSError:
        return False


def mark_shown(layout: Layout) -> None:
    """Remember that the secrets were shown. Never makes the marker anew: somebody may just have claimed the server."""
    try:
        descriptor = os.open(layout.unclaimed, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(descriptor, "wb") as file:
        file.write(_SHOWN)


def first_secrets(settings: RepositorySettings, workdir: Path) -> FirstSecrets:
    """The secrets of a generated repository, told apart by what its backend says each may do.

    Raises PluginUnusable where none of them can read or none can write.
    """
    by_access: dict[Access, str] = {}
    for text in [*secret_texts(settings.config), *(secret_texts(settings.admin_secret) if settings.admin_secret else ())]:
        secret = settings.plugin.secret_model.model_validate({"type": settings.plugin.type, "raw": text})
        backend = settings.plugin.open(settings.config, secret, workdir)
        try:
            by_access.setdefault(backend.access(), text)
        finally:
            backend.close()
    write = by_access.get(Access.WRITE, "")
    read = by_access.get(Access.READ, write)
    if not write:
        raise PluginUnusable(settings.plugin.type, "its first configuration has no secret that may write")
    return FirstSecrets(read, write)


def as_table(type_: str, model: BaseModel) -> dict[str, TomlValue]:
    """A configuration or secret as the table that gives it, secrets in clear text: for a 0600 file only."""
    table = {key: _as_toml(getattr(model, key)) for key in type(model).model_fields if key in model.model_fields_set}
    return {**table, "type": type_} if "type" in table else {"type": type_, **table}


def _choose() -> tuple[BackendPlugin, tuple[Any, Any]]:
    for plugin in sorted_plugins():
        first = plugin.first_config()
        if first is not None:
            return plugin, first
    raise PluginUnusable("", "none of the installed backends can start without a configuration: give one with --config")


def sorted_plugins() -> Iterator[BackendPlugin]:
    """The usable plugins, pywharf's own before those of others."""
    for installed in sorted(installed_plugins(), key=lambda one: (one.distribution != OUR_DISTRIBUTION, one.type)):
        if installed.plugin is not None:
            yield installed.plugin


def _as_toml(value: Any) -> TomlValue:
    from pydantic import BaseModel, SecretStr

    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        fields = {key: _as_toml(getattr(value, key)) for key in type(value).model_fields if key in value.model_fields_set}
        return fields["raw"] if set(fields) == {"raw"} else fields
    if isinstance(value, Mapping):
        return {str(key): _as_toml(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_toml(one) for one in value]
    if isinstance(value, (bool, int, float)):
        return value
    return str(value)
