"""Core metadata (METADATA of a wheel, PKG-INFO of an sdist) as data.

Lenient where an index has no stake: unknown fields, classifiers and minor versions are kept and cause no error. Strict
where the index relies on it: UTF-8, one Name, one Version, a Metadata-Version this format can have.

The header block is read by the standard library's email parser, as installers do, but the description is cut off before:
a METADATA file may carry MIME headers, and the whole-message parsers (`packaging.metadata.parse_email` among them) would then take
the description apart, nested to any depth.

Source: "Core metadata specifications" on packaging.python.org (PEP 241, 314, 345, 566, 643, 685, 639, 794, 808).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

from packaging.version import InvalidVersion

from pywharf.errors import InvalidName, WharfError
from pywharf.model.names import normalize_project, parse_version

MAX_HEADER_LINES = 100_000  # the largest real METADATA files have a few thousand
MAX_VERSION_LENGTH = 200  # as long as a file's name may be

_BLANK_LINE = re.compile(r"(?:\r\n|\n|\r(?!\n)){2}")
# The look behind keeps a long run of spaces from being searched again from each of them.
_FOLD = re.compile(r"(?<![ \t])[ \t]*(?:\r\n|\n|\r)[ \t]*")
# Headers of one line each, as nearly all are written; read at once, to what the email parser makes of them.
_PLAIN_HEAD = re.compile(r"(?:[!-9;-~]+:[^\r\n]*\n)*[!-9;-~]+:[^\r\n]*\n?")
_METADATA_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


class CoreMetadataInvalid(WharfError):
    """The metadata in a distribution file cannot be relied on."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field  # the header at fault, as the specification spells it ("Requires-Python"), or "" for the whole text
        self.reason = reason  # one clause, no final stop
        super().__init__(f"{field}: {reason}" if field else reason)


@dataclass(frozen=True)
class CoreMetadata:
    """What a distribution file says about itself. Text that is absent, empty or "UNKNOWN" (as old setuptools wrote) is ""."""

    metadata_version: str
    name: str  # as written; a valid project name
    version: str  # as written; a valid version
    fields: Mapping[str, tuple[str, ...]]  # every header by its name in lower case ("requires-dist"), values in order
    summary: str = ""
    description: str = ""
    description_content_type: str = ""
    keywords: str = ""
    author: str = ""
    author_email: str = ""
    maintainer: str = ""
    maintainer_email: str = ""
    home_page: str = ""
    download_url: str = ""
    license: str = ""
    license_expression: str = ""
    license_files: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    project_urls: tuple[tuple[str, str], ...] = ()  # (label, URL)
    requires_python: str | None = None  # as written, not checked to be a specifier
    requires_dist: tuple[str, ...] = ()  # as written, not checked to be requirements
    requires_external: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()  # lower case
    import_names: tuple[str, ...] = ()
    import_namespaces: tuple[str, ...] = ()


def parse_core_metadata(raw: bytes) -> CoreMetadata:
    """Read core metadata.

    raw: the bytes of METADATA or PKG-INFO.
    Raises CoreMetadataInvalid: not UTF-8; Metadata-Version, Name or Version missing, given twice with different values or invalid;
    a major version of the format other than 1 and 2.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CoreMetadataInvalid("", f"the core metadata is not UTF-8 (byte {error.start})") from error
    fields, body = _split(text)
    return CoreMetadata(
        metadata_version=_metadata_version(fields),
        name=_name(fields),
        version=_version(fields),
        fields=fields,
        summary=_text(fields, "summary"),
        description=body or _description_header(fields),
        description_content_type=_text(fields, "description-content-type"),
        keywords=_text(fields, "keywords"),
        author=_text(fields, "author"),
        author_email=_text(fields, "author-email"),
        maintainer=_text(fields, "maintainer"),
        maintainer_email=_text(fields, "maintainer-email"),
        home_page=_text(fields, "home-page"),
        download_url=_text(fields, "download-url"),
        license=_text(fields, "license"),
        license_expression=_text(fields, "license-expression"),
        license_files=_all(fields, "license-file"),
        classifiers=_all(fields, "classifier"),
        platforms=_all(fields, "platform"),
        project_urls=tuple(_label_and_url(value) for value in _all(fields, "project-url")),
        requires_python=_single(fields, "Requires-Python") or None,
        requires_dist=_all(fields, "requires-dist"),
        requires_external=_all(fields, "requires-external"),
        provides_extra=_all(fields, "provides-extra"),
        dynamic=tuple(value.lower() for value in _all(fields, "dynamic")),
        import_names=_all(fields, "import-name"),
        import_namespaces=_all(fields, "import-namespace"),
    )


def reliable_for_sdist(metadata: CoreMetadata) -> bool:
    """Whether an sdist's PKG-INFO says what its wheels will say about dependencies, so that it may be served (PEP 643, PEP 658)."""
    major, minor = metadata.metadata_version.split(".")
    return (int(major), int(minor)) >= (2, 2) and not {"requires-dist", "requires-python", "provides-extra"} & set(metadata.dynamic)


def _split(text: str) -> tuple[Mapping[str, tuple[str, ...]], str]:
    """The headers by lower-case name, and the body."""
    end = _BLANK_LINE.search(text)
    head, body = (text[: end.start()], text[end.end() :]) if end else (text, "")
    if head.count("\n") + head.count("\r") > MAX_HEADER_LINES:
        raise CoreMetadataInvalid("", f"the core metadata has more than {MAX_HEADER_LINES} header lines")
    headers: Iterable[tuple[str, str]]
    if _PLAIN_HEAD.fullmatch(head):
        headers = ((name, value) for name, _, value in (line.partition(":") for line in head.removesuffix("\n").split("\n")))
    else:
        message = HeaderParser().parsestr(head)  # its policy is compat32; to import that by name costs every start some ms
        headers = message.items()
        stray = message.get_payload()  # from the first line on that is no header: for the email parser the body begins there
        if isinstance(stray, str) and stray:
            body = f"{stray}\n\n{body}"
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(str(value).strip(" \t\r\n"))
    return {name: tuple(values) for name, values in fields.items()}, body


def _text(fields: Mapping[str, tuple[str, ...]], name: str) -> str:
    value = fields.get(name, ("",))[0]
    return "" if value == "UNKNOWN" else value


def _all(fields: Mapping[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    return tuple(_on_one_line(value) for value in fields.get(name, ()) if value not in ("", "UNKNOWN"))


def _on_one_line(value: str) -> str:
    return _FOLD.sub(" ", value) if "\n" in value or "\r" in value else value


def _single(fields: Mapping[str, tuple[str, ...]], name: str) -> str:
    """The value of a header on which readers must agree: two different ones would be read differently."""
    values = set(_all(fields, name.lower()))
    if len(values) > 1:
        raise CoreMetadataInvalid(name, "it is given more than once, with different values")
    return values.pop() if values else ""


def _required(fields: Mapping[str, tuple[str, ...]], name: str) -> str:
    value = _single(fields, name)
    if not value:
        raise CoreMetadataInvalid(name, "it is missing from the file's core metadata")
    return value


def _metadata_version(fields: Mapping[str, tuple[str, ...]]) -> str:
    value = _required(fields, "Metadata-Version")
    match = _METADATA_VERSION.fullmatch(value)
    if not match or match[1] not in ("1", "2"):
        raise CoreMetadataInvalid("Metadata-Version", f"{value[:40]!r} is not a version of the format that this server knows (1.x and 2.x)")
    return value


def _name(fields: Mapping[str, tuple[str, ...]]) -> str:
    value = _required(fields, "Name")
    try:
        normalize_project(value)
    except InvalidName as error:
        raise CoreMetadataInvalid("Name", f"{value[:100]!r} cannot be one: {error.reason}") from error
    return value


def _version(fields: Mapping[str, tuple[str, ...]]) -> str:
    value = _required(fields, "Version")
    if len(value) > MAX_VERSION_LENGTH:
        raise CoreMetadataInvalid("Version", f"it has more than {MAX_VERSION_LENGTH} characters")
    try:
        parse_version(value)
    except InvalidVersion as error:
        raise CoreMetadataInvalid("Version", f"{value!r} is not a version as in PEP 440") from error
    if not value.isascii():  # the pattern of PEP 440 ignores case, and so takes a few letters that only look like ASCII
        raise CoreMetadataInvalid("Version", f"{value!r} is not ASCII")
    return value


def _label_and_url(value: str) -> tuple[str, str]:
    label, comma, url = value.partition(",")
    return (label.strip(), url.strip()) if comma else ("", label.strip())


def _description_header(fields: Mapping[str, tuple[str, ...]]) -> str:
    """The Description header of older formats: each further line is indented, by eight spaces or by seven and a bar."""
    lines = _text(fields, "description").splitlines()
    return "\n".join(re.sub(r"^(?: {7}\|| {8}|[ \t]+)", "", line) for line in lines)
