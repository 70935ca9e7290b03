"""Options of a command made from a backend's configuration model: one for each field that a word can hold.

Fields that hold secrets have none: a command line is no place for a secret, and they come from the configuration.
"""

from __future__ import annotations

import types
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

from pywharf.config import mentions

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

PARAMETER = "config_"  # begins the name of a parameter made here
_WORDS: dict[Any, click.ParamType[Any]] = {
    str: click.STRING,
    int: click.INT,
    float: click.FLOAT,
    bool: click.BOOL,
    Path: click.Path(resolve_path=True),
}


def config_options(model: type[BaseModel], taken: Collection[str]) -> list[click.Option]:
    """An option for every field but `type`, those whose name is `taken` by the command, and those that a word cannot hold."""
    made = (_option(name, field) for name, field in model.model_fields.items() if name != "type" and name not in taken)
    return [option for option in made if option is not None]


def config_values(parameters: dict[str, Any]) -> dict[str, Any]:
    """What was given of them, by the field's name. pydantic checks it as it checks a TOML value."""
    given = {name.removeprefix(PARAMETER): value for name, value in parameters.items() if name.startswith(PARAMETER)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value not in (None, ())}


def _option(name: str, field: FieldInfo) -> click.Option | None:
    from pydantic import SecretStr

    if mentions(field.annotation, SecretStr):
        return None
    word, several = _word_type(field.annotation)
    if word is None:
        return None
    spelling = f"--{name}/--no_{name}" if word is click.BOOL and not several else f"--{name}"
    return click.Option(
        [spelling, PARAMETER + name],
        type=None if word is click.BOOL and not several else word,
        multiple=several,
        default=None,
        help=_help(field, several),
    )


def _word_type(annotation: Any) -> tuple[click.ParamType[Any] | None, bool]:
    """The click type for an annotation, and whether there may be several; (None, ...) where no word can hold it."""
    origin, parts = get_origin(annotation), [part for part in get_args(annotation) if part not in (type(None), Ellipsis)]
    if origin in (Union, types.UnionType) and len(parts) == 1:
        return _word_type(parts[0])
    if origin is Literal and all(isinstance(part, str) for part in parts):
        return click.STRING, False
    if origin in (tuple, list, set, frozenset) and len(parts) == 1:
        word, several = _word_type(parts[0])
        return (None if several else word), True
    return _WORDS.get(annotation), False


def _help(field: FieldInfo, several: bool) -> str:
    default = field.get_default(call_default_factory=False)
    told = [field.description or ""]
    if several:
        told.append("May be given several times.")
    if field.is_required():
        told.append("[required, here or in the configuration]")
    elif default not in (None, (), [], "") and field.default_factory is None:
        told.append(f"[default: {default}]")
    return " ".join(part for part in told if part)
