"""What the server is told: its own settings, and `config.toml` with `admin_secret.toml` as one set of repositories.

Everything that can be wrong in them is told as ConfigInvalid, which names the source, the table and the key, and never a
value: it may be a secret. pydantic does the checking, and its own words about values are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pywharf.backend.discovery import find_plugin
from pywharf.backend.interface import BackendPlugin
from pywharf.config_text import read_tables
from pywharf.errors import ConfigInvalid, InvalidName, PluginUnusable
from pywharf.logs import remember_secret
from pywharf.model.names import repository_name

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from pywharf.backend.settings import BackendConfig, BackendSecret

Table = Mapping[str, Any]  # one table of a TOML text


@dataclass(frozen=True)
class ServerSettings:
    """What `pywharf server` is told by its flags; the same for all repositories."""

    auth_read_expires: float = 3600  # seconds a successful read check is remembered
    auth_write_expires: float = 300  # seconds a successful write check is remembered
    extra_index_url: str = "https://pypi.org/simple/"  # where projects unknown here are redirected; "" turns it off
    redirect_max_staleness: float = 600  # seconds; an older local index redirects nobody
    trusted_proxies: str = ""  # of whom forwarded headers are believed; see web/forwarding.py
    sendfile: str = ""  # how these proxies are told to send a file themselves; see web/sendfile.py; "" where they are not
    public_url: str = ""  # where clients reach the server, https; "" where nobody said: then pages link to no provenance


@dataclass(frozen=True)
class RepositorySettings:
    """One repository as it is configured."""

    name: str  # lower case
    plugin: BackendPlugin
    config: BackendConfig
    admin_secret: BackendSecret | None


@dataclass(frozen=True)
class Reading:
    """How a text is read: what it is called in messages, and what it may refer to."""

    source: str  # as a person knows it: a file's path as given, or "config", "admin_secret"
    environ: Mapping[str, str] | None = None  # what `env = "VARIABLE"` is looked up in; None: no variable may be named
    allow_paths: bool = True  # whether fields typed `Path` may be set


def parse(
    config_text: str,
    admin_secret_text: str,
    *,
    config_source: str = "config",
    admin_secret_source: str = "admin_secret",  # noqa: S107 - what it is called, not a secret
    environ: Mapping[str, str] | None = os.environ,
    allow_paths: bool = True,
) -> dict[str, RepositorySettings]:
    """The repositories that a configuration and its admin secrets describe, by lower-case name, in the order written.

    environ: where `env = "VARIABLE"` is looked up; None refuses it. allow_paths: False refuses fields typed `Path`. Both
    are for text that came over the network. Secrets met on the way are kept out of the log from then on.
    Raises ConfigInvalid.
    """
    config_reading = Reading(config_source, environ, allow_paths)
    secret_reading = Reading(admin_secret_source, environ)
    tables = repository_tables(config_text, config_reading)
    secrets = repository_tables(admin_secret_text, secret_reading)
    if not tables:
        raise ConfigInvalid(config_source, 'names no repository: write a table for each, e.g. [local] with type = "..."')
    for name in secrets:
        if name not in tables:
            raise ConfigInvalid(admin_secret_source, f"there is no such repository in {config_source}", table=name)
    return {
        name: repository_settings(name, table, secrets.get(name), config_reading=config_reading, secret_reading=secret_reading)
        for name, table in tables.items()
    }


def repository_tables(text: str, reading: Reading) -> dict[str, Table]:
    """The tables of a text by the lower-case name of their repository. Raises ConfigInvalid."""
    tables: dict[str, Table] = {}
    for written, table in read_tables(text, reading.source).items():
        try:
            name = repository_name(written)
        except InvalidName as error:
            raise ConfigInvalid(reading.source, error.reason, table=written[:100]) from error
        if name in tables:
            raise ConfigInvalid(
                reading.source, "is there twice: upper and lower case make no difference in a repository's name", table=name
            )
        tables[name] = table
    return tables


def repository_settings(
    name: str,
    table: Table,
    secret_table: Table | None,
    *,
    config_reading: Reading,
    secret_reading: Reading,
) -> RepositorySettings:
    """Check one repository's table, and that of its admin secret. name: as repository_tables() gives it. Raises ConfigInvalid."""
    type_ = _type_of(name, table, config_reading)
    try:
        plugin = find_plugin(type_)
    except PluginUnusable as error:
        raise ConfigInvalid(config_reading.source, f"{type_!r}: {error.reason}", table=name, key="type") from error
    if not config_reading.allow_paths:
        _refuse_paths(name, table, plugin.config_model, config_reading)
    config = _checked(plugin.config_model, name, table, config_reading)
    _refuse_without_library(name, config, config_reading)
    admin_secret = None
    if secret_table is not None:
        if _type_of(name, secret_table, secret_reading) != type_:
            raise ConfigInvalid(
                secret_reading.source, f"differs from the type in {config_reading.source}, {type_!r}", table=name, key="type"
            )
        admin_secret = _checked(plugin.secret_model, name, secret_table, secret_reading)
    elif plugin.needs_admin_secret:
        raise ConfigInvalid(
            secret_reading.source,
            f"a repository of type {type_!r} needs an admin secret: add this table with type and raw or env",
            table=name,
        )
    for text in (*secret_texts(config), *(secret_texts(admin_secret) if admin_secret else ())):
        remember_secret(text)
    return RepositorySettings(name, plugin, config, admin_secret)


def secret_texts(value: object) -> Iterator[str]:
    """Every secret's text in a checked configuration or secret, however deep."""
    from pydantic import BaseModel, SecretStr

    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from secret_texts(getattr(value, field))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from secret_texts(one)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from secret_texts(one)


def mentions(annotation: Any, wanted: type) -> bool:
    """Whether a field's annotation holds `wanted`, in a union, a container or a model within."""
    from pydantic import BaseModel

    if isinstance(annotation, type):
        if issubclass(annotation, wanted):
            return True
        if issubclass(annotation, BaseModel):
            return any(mentions(field.annotation, wanted) for field in annotation.model_fields.values())
    return any(mentions(part, wanted) for part in get_args(annotation))


def _type_of(name: str, table: Table, reading: Reading) -> str:
    type_ = table.get("type")
    if isinstance(type_, str) and type_:
        return type_
    if type_ is None and any(isinstance(value, dict) and "type" in value for value in table.values()):
        raise ConfigInvalid(reading.source, f'has no type; a repository\'s name with a dot stands in quotes, e.g. ["{name}.x"]', table=name)
    reason = 'is missing: it says which backend this is, e.g. type = "..."' if type_ is None else "has to be a text"
    raise ConfigInvalid(reading.source, reason, table=name, key="type")


def _refuse_paths(name: str, table: Table, model: type[BaseModel], reading: Reading, within: str = "") -> None:
    from pydantic import BaseModel

    for key, field in model.model_fields.items():
        if key not in table or not mentions(field.annotation, Path):
            continue
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(table[key], Mapping):
            _refuse_paths(name, table[key], inner, reading, f"{within}{key}.")
        else:
            raise ConfigInvalid(
                reading.source,
                "may not name a path of the server in text sent over the network: set it with --config, where the server is started",
                table=name,
                key=f"{within}{key}",
            )


def _refuse_without_library(name: str, config: BackendConfig, reading: Reading) -> None:
    """Signatures are verified by a library that comes with an extra: told before anything starts, and not at the first upload."""
    if config.attestations.trusted_publishers and find_spec("pypi_attestations") is None:
        raise ConfigInvalid(
            reading.source,
            "signatures are verified by a library that is not installed here: install it with `pip install 'pywharf[attestations]'`",
            table=name,
            key="attestations.trusted_publishers",
        )


def _checked(model: type[BaseModel], name: str, table: Table, reading: Reading) -> Any:
    from pydantic import ValidationError

    problem = None
    try:
        return model.model_validate(dict(table), context={"environ": reading.environ})
    except ValidationError as error:
        problem = _told(error, model, name, table, reading)
    # Raised out here: an error's context goes into tracebacks, and pydantic's shows the values.
    raise problem


def _told(error: ValidationError, model: type[BaseModel], name: str, table: Table, reading: Reading) -> ConfigInvalid:
    """The first thing that is wrong, as a person wrote it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    key = _place(table, first["loc"])
    known = _keys_beside(model, first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        near = get_close_matches(str(first["loc"][-1]), known, n=1)
        reason = "is not a key that this type knows: " + (f"did you mean {near[0]}?" if near else "remove it, or look for a misspelling")
    elif first["type"] == "model_type" and key in model.model_fields:
        reason = f"has to be a table: [{name}.{key}]"
    elif first["type"] in ("tuple_type", "list_type", "set_type", "frozen_set_type"):
        reason = 'has to be a list, also where it holds one item: ["..."]'
    elif first["type"] == "missing":
        key, reason = f"{key}.{first['loc'][-1]}".lstrip("."), "is missing"
    return ConfigInvalid(reading.source, reason[:1].lower() + reason[1:], table=name, key=key)


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where the last part of a location stands; none within a value that is no table of its own."""
    from pydantic import BaseModel

    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)


def _place(table: Table, location: tuple[int | str, ...]) -> str:
    """Where in the table: "read_secret[0].raw". pydantic mixes the names of its own validators in; those are left out."""
    place, at = "", table
    for part in location:
        if isinstance(at, Mapping) and part in at:
            at = at[str(part)]
            place += f".{part}" if place else str(part)
        elif isinstance(at, list) and isinstance(part, int) and part < len(at):
            at = at[part]
            place += f"[{part}]"
    return place
