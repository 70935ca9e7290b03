"""TOML text: read with `toml`, whose surprises stop here, and written by our own few lines.

`toml.dumps` writes what `toml.loads` cannot read back, so what pywharf generates is written here: every text as a quoted
string with everything unusual escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pywharf.errors import ConfigInvalid

TomlValue: TypeAlias = "str | bool | int | float | Sequence[TomlValue] | Mapping[str, TomlValue]"

MAX_TEXT_BYTES = 256 * 1024  # a thousand repositories; `toml` takes quadratic time over escapes

# Everything `toml` 0.10.2 has been seen to raise on text that is no TOML; fuzzed in tests/test_config_text.py.
_RAISED_BY_TOML = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NameError, RecursionError)

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r"[ -&(-~]*")  # what may stand in single quotes: printable ASCII but the quote itself
_AS_IT_IS = re.compile(r"[A-Za-z0-9 _.:/+*@-]")  # in double quotes; quotes, brackets, "#" and "=" confuse the reader in places
_BRACES = "{}"  # confuse it in lists and tables only, and people read them in addresses
_HEADER = re.compile(r"\s*\[\s*['\"]?([A-Za-z0-9._-]{1,64})['\"]?\s*\]\s*(?:#.*)?")


def read_tables(text: str, source: str) -> dict[str, dict[str, Any]]:
    """The tables of a TOML text by their name as written; nothing else may stand at its top.

    source: what was read, for the message. Raises ConfigInvalid, which quotes nothing of a value: it may be a secret.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise ConfigInvalid(source, f"is larger than {MAX_TEXT_BYTES // 1024} KiB")
    document, problem = _load(text.removeprefix("\ufeff"), source)
    if problem is not None:
        raise problem
    for key, value in document.items():
        if not isinstance(value, dict):
            raise ConfigInvalid(source, "stands outside of a table: begin with the name of a repository in brackets, e.g. [local]", key=key)
    return document


def toml_table(name: str, values: Mapping[str, TomlValue]) -> str:
    """One table as TOML text that ends with a line feed and that `read_tables` reads back as `{name: values}`.

    Raises ValueError for the little that TOML or its reader cannot hold, e.g. a lone surrogate, or NaN.
    """
    lines = [
        f"[{_key(name)}]",
        *(f"{_key(key)} = {_string(value, _BRACES) if isinstance(value, str) else _value(value)}" for key, value in values.items()),
    ]
    text = "\n".join(lines) + "\n"
    document, problem = _load(text, "")
    if problem is not None or document != {name: _as_read(values)}:
        raise ValueError(f"the table {name!r} has a value that TOML's reader does not read back as it was")
    return text


def _load(text: str, source: str) -> tuple[dict[str, Any], ConfigInvalid | None]:
    # The error is returned and not raised: its context would carry the whole text, secrets included, into tracebacks.
    import toml

    try:
        return toml.loads(text), None
    except _RAISED_BY_TOML as error:
        line = getattr(error, "lineno", None)
        said = str(getattr(error, "msg", ""))
        advice = next((ours for theirs, ours in _ADVICE.items() if said.startswith(theirs)), _GENERAL_ADVICE)
        where = f"line {line} is not valid TOML" if line else "is not valid TOML"
        return {}, ConfigInvalid(source, f"{where}: {advice}", table=_table_at(text, line) if line else "")


# What `toml` says begins so; in words that help. Its own words are not shown: some repeat a piece of the text.
_GENERAL_ADVICE = "every text value stands in double quotes, every table name in brackets"
_ADVICE = {
    "Not a homogeneous array": 'all items of a list have one form: write ["a", "b"] or [{raw = "a"}, {env = "B"}], not both in one list',
    "Duplicate keys!": "this key is there twice",
    "Unbalanced quotes": "a quote is missing",
    "Unterminated string found": "a quote is missing",
    "Reserved escape sequence used": "a backslash in double quotes begins an escape: write \\\\, or the text in single quotes",
    "Key name found without value": "a key needs a value: key = value",
    "What? ": "this table is there twice",
    "Empty value is invalid": "a key needs a value: key = value",
}


def _table_at(text: str, line: int) -> str:
    """The name of the table that a line belongs to, as far as it can be told."""
    for earlier in reversed(text.split("\n")[:line]):
        header = _HEADER.fullmatch(earlier)
        if header:
            return header.group(1)
    return ""


def _key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return key
    if not re.fullmatch(r"[A-Za-z0-9._-]+", key):  # no generated name needs more, and `toml` does not unescape keys with a dot
        raise ValueError(f"{key!r} cannot be written as a key")
    return f'"{key}"'


def _value(value: TomlValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(_value(one) for one in value) + "]"


def _string(text: str, also: str = "") -> str:
    """also: further characters that may stand as they are."""
    if ('"' in text or "\\" in text) and _LITERAL.fullmatch(text):
        return f"'{text}'"
    return '"' + "".join(character if character in also else _escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if _AS_IT_IS.fullmatch(character):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_read(value: TomlValue) -> TomlValue:
    """The value with lists for tuples, as the reader gives it."""
    if isinstance(value, Mapping):
        return {key: _as_read(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_read(one) for one in value]
    return value
