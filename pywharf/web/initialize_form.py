"""What was sent to `/initialize/`: the text of a configuration and of its admin secrets, as `curl -d` or `curl -F` send them.

Pure. `curl -d "config=${CONFIG}&admin_secret=${ADMIN_SECRET}"` sends TOML as it is, without encoding, and TOML may well hold
"&", "=", "+" and "%". So such a body is cut at its two names only, and a value that could not have been encoded is taken
as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]  # one module, no py.typed

from pywharf.web.errors import RequestInvalid

FIELDS = ("config", "admin_secret")
MAX_PARTS = 16
_SPECIMEN = re.compile(r"[\n\r \"'\[]")  # what percent-encoding would have encoded, and what no TOML is without


@dataclass(frozen=True)
class InitializeForm:
    """The two texts. admin_secret is "" where it was not sent: not every backend needs one."""

    config: str
    admin_secret: str = field(repr=False)


def parse_initialize_form(content_type: str, body: bytes) -> InitializeForm:
    """Take the form apart. body: all of it, as long as it was announced. Raises RequestInvalid."""
    kind, options = parse_options_header(content_type)
    is_multipart = kind == "multipart/form-data"
    fields = _multipart(body, options.get("boundary", "")) if is_multipart else _urlencoded(_text(body, "the body"))
    if not fields.get("config", "").strip():
        raise RequestInvalid("config: it is missing; send the form fields config and admin_secret")
    return InitializeForm(fields["config"], fields.get("admin_secret", ""))


def _urlencoded(text: str) -> dict[str, str]:
    if text.startswith("config="):
        config, _, admin_secret = text[len("config=") :].rpartition("&admin_secret=")
        if "&admin_secret=" not in text:
            config, admin_secret = admin_secret, ""
        return {"config": _value(config), "admin_secret": _value(admin_secret)}
    if _SPECIMEN.search(text):
        raise RequestInvalid("The form does not begin with config=; send config first and admin_secret behind it")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=MAX_PARTS)
    except ValueError as error:
        raise RequestInvalid("The body is no form; send the form fields config and admin_secret") from error
    return _once(pairs)


def _value(text: str) -> str:
    if _SPECIMEN.search(text):
        return text
    try:
        return unquote_plus(text.rstrip("&"), errors="strict")  # curl --data-urlencode leaves a "&" where the next field is empty
    except UnicodeDecodeError as error:
        raise RequestInvalid("The form is not UTF-8") from error


def _multipart(body: bytes, boundary: str) -> dict[str, str]:
    parts: list[tuple[str, bytearray]] = []
    try:
        with PushMultipartParser(boundary, content_length=len(body), max_segment_count=MAX_PARTS, strict=True) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    parts.append((event.name, bytearray()))
                elif event:
                    parts[-1][1].extend(event)
    except (MultipartError, UnicodeError) as error:
        raise RequestInvalid("The body is not well-formed multipart/form-data") from error
    return _once([(name, _text(bytes(raw), name)) for name, raw in parts])


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    for name, _ in pairs:
        if name not in FIELDS:
            raise RequestInvalid("The form has other fields than config and admin_secret")
    if len(pairs) != len({name for name, _ in pairs}):
        raise RequestInvalid("The form has the same field twice")
    return dict(pairs)


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestInvalid(f"{what} is not UTF-8") from error
