"""What pywharf remembers: the documents that a backend keeps without understanding them.

Three kinds of document, told apart by their "kind": a distribution file's record, the tombstone of a deleted file
(both under the file's key), and a project's status (under the key ""). Each is one JSON object, at most
`MAX_DOCUMENT_BYTES` long. Fields this version does not know are kept when a document is written again, so that servers
of different versions can share a repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, NewType

from pywharf.errors import WharfError
from pywharf.model.names import Kind

Sha256 = NewType("Sha256", str)  # 64 lower-case hex digits

MAX_DOCUMENT_BYTES = 32 * 1024  # UTF-8

StatusMarker = Literal["active", "archived", "quarantined", "deprecated"]  # PEP 792
STATUS_MARKERS: tuple[StatusMarker, ...] = ("active", "archived", "quarantined", "deprecated")


class DocumentInvalid(WharfError):
    """A stored document is not one of pywharf's; it is logged by name and left out, the rest goes on."""


@dataclass(frozen=True)
class SideFile:
    """A further file kept beside a distribution file: its core metadata or its provenance."""

    name: str
    sha256: Sha256
    size: int  # bytes


@dataclass(frozen=True)
class DistributionRecord:
    """One distribution file as the index knows it. All of it comes from the file itself, never from the upload form."""

    filename: str  # as uploaded
    kind: Kind
    name: str  # the project's name as its core metadata spells it
    version: str  # as its core metadata spells it
    sha256: Sha256
    size: int  # bytes
    upload_time: datetime  # UTC, microseconds
    requires_python: str | None = None
    metadata: SideFile | None = None  # served as <filename>.metadata (PEP 658)
    provenance: SideFile | None = None  # PEP 740
    yanked: str | None = None  # None: not yanked; "" : yanked without a reason (PEP 592)
    summary: str = ""
    keywords: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)  # besides sha256: "md5", "blake2b_256", lower-case hex
    import_names: tuple[str, ...] = ()  # what it brings to import, for search; () in older records: not known
    requires: tuple[str, ...] = ()  # the projects that its Requires-Dist names, normalised; () in older records: not known
    unknown: Mapping[str, Any] = field(default_factory=dict)  # fields of a later version, kept as they are


@dataclass(frozen=True)
class Tombstone:
    """A deleted file. Its name stays taken for ever, also for the same bytes."""

    filename: str
    sha256: Sha256
    deleted_time: datetime  # UTC
    reason: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProjectStatus:
    """A project's status marker (PEP 792)."""

    status: StatusMarker = "active"
    reason: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def takes_uploads(self) -> bool:
        return self.status in ("active", "deprecated")

    @property
    def offers_files(self) -> bool:
        return self.status != "quarantined"


Document = DistributionRecord | Tombstone | ProjectStatus


def now() -> datetime:
    """The time of an upload as records keep it."""
    return datetime.now(timezone.utc)


def time_text(time: datetime) -> str:
    """PEP 700's form: "2026-11-21T10:11:12.123456Z"."""
    return time.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_json(document: Document) -> bytes:
    """Write a document; the same document gives the same bytes.

    Raises DocumentInvalid where it is over MAX_DOCUMENT_BYTES, or holds text that is not Unicode.
    """
    fields = _fields(document)
    raw = _utf8(json.dumps({**document.unknown, **fields}, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise DocumentInvalid(f"the document has {len(raw)} bytes; at most {MAX_DOCUMENT_BYTES} can be kept")
    return raw


def from_json(raw: bytes) -> Document:
    """Read a document back. Raises DocumentInvalid, naming what is wrong."""
    try:
        text = raw.decode()  # json.loads would take other encodings, and half a surrogate pair, from bytes
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentInvalid("not JSON in UTF-8") from error
    if "\\u" in text:  # the only way left for half a surrogate pair, which no page could be written with
        _utf8(json.dumps(data, ensure_ascii=False))
    if not isinstance(data, dict):
        raise DocumentInvalid("not a JSON object")
    kind = data.get("kind")
    try:
        if kind == "file":
            return _record(data)
        if kind == "deleted":
            return _tombstone(data)
        if kind == "status":
            return _status(data)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DocumentInvalid(f"{kind}: {type(error).__name__}: {str(error)[:200]}") from error
    raise DocumentInvalid(f"of unknown kind {kind[:40]!r}" if isinstance(kind, str) else "without a kind")


# --- JSON ---------------------------------------------------------------------------------------------------------

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}")
_FILE_FIELDS = frozenset(
    "kind filename type name version sha256 size upload_time requires_python metadata provenance yanked summary keywords digests import_names requires".split()
)
_DELETED_FIELDS = frozenset("kind filename sha256 deleted_time reason".split())
_STATUS_FIELDS = frozenset("kind status reason".split())


def _fields(document: Document) -> dict[str, Any]:
    if isinstance(document, DistributionRecord):
        return {
            "kind": "file",
            "filename": document.filename,
            "type": document.kind,
            "name": document.name,
            "version": document.version,
            "sha256": document.sha256,
            "size": document.size,
            "upload_time": time_text(document.upload_time),
            "requires_python": document.requires_python,
            "metadata": _side(document.metadata),
            "provenance": _side(document.provenance),
            "yanked": document.yanked,
            "summary": document.summary,
            "keywords": document.keywords,
            "digests": dict(document.digests),
            **({"import_names": list(document.import_names)} if document.import_names else {}),
            **({"requires": list(document.requires)} if document.requires else {}),
        }
    if isinstance(document, Tombstone):
        return {
            "kind": "deleted",
            "filename": document.filename,
            "sha256": document.sha256,
            "deleted_time": time_text(document.deleted_time),
            "reason": document.reason,
        }
    return {"kind": "status", "status": document.status, "reason": document.reason}


def _record(data: dict[str, Any]) -> DistributionRecord:
    kind = data["type"]
    if kind not in ("bdist_wheel", "sdist"):
        raise ValueError(f"type is {kind!r}")
    return DistributionRecord(
        filename=_filename(data, "filename"),
        kind=kind,
        name=_text(data, "name"),
        version=_text(data, "version"),
        sha256=_sha256(data["sha256"]),
        size=_size(data["size"]),
        upload_time=_time(data["upload_time"]),
        requires_python=_text_or_none(data, "requires_python"),
        metadata=_side_file(data.get("metadata")),
        provenance=_side_file(data.get("provenance")),
        yanked=_text_or_none(data, "yanked"),
        summary=_text(data, "summary", ""),
        keywords=_text(data, "keywords", ""),
        digests={str(algorithm): str(digest) for algorithm, digest in dict(data.get("digests") or {}).items()},
        import_names=_texts(data, "import_names"),
        requires=_texts(data, "requires"),
        unknown={key: value for key, value in data.items() if key not in _FILE_FIELDS},
    )


def _tombstone(data: dict[str, Any]) -> Tombstone:
    return Tombstone(
        filename=_filename(data, "filename"),
        sha256=_sha256(data["sha256"]),
        deleted_time=_time(data["deleted_time"]),
        reason=_text(data, "reason", ""),
        unknown={key: value for key, value in data.items() if key not in _DELETED_FIELDS},
    )


def _status(data: dict[str, Any]) -> ProjectStatus:
    status = data["status"]
    if status not in STATUS_MARKERS:
        raise ValueError(f"status is {status!r}")
    return ProjectStatus(
        status=status,
        reason=_text(data, "reason", ""),
        unknown={key: value for key, value in data.items() if key not in _STATUS_FIELDS},
    )


def _side(side: SideFile | None) -> dict[str, Any] | None:
    return None if side is None else {"name": side.name, "sha256": side.sha256, "size": side.size}


def _side_file(data: Any) -> SideFile | None:
    if data is None:
        return None
    return SideFile(_filename(data, "name"), _sha256(data["sha256"]), _size(data["size"]))


def _text(data: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = data[key] if default is None else data.get(key, default)
    if not isinstance(value, str):
        raise TypeError(f"{key} is not text")
    return value


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = data.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{key} is no list of texts")
    return tuple(values)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DocumentInvalid("holds text that is not Unicode") from error


def _filename(data: Mapping[str, Any], key: str) -> str:
    # Storage that somebody tampered with may not lead out of a folder; the whole check of a name is admission's.
    value = _text(data, key)
    if not _FILE_NAME.fullmatch(value):
        raise ValueError(f"{key} is not a file's name")
    return value


def _text_or_none(data: Mapping[str, Any], key: str) -> str | None:
    return None if data.get(key) is None else _text(data, key)


def _sha256(value: Any) -> Sha256:
    if not isinstance(value, str) or len(value) != 64 or value.strip("0123456789abcdef"):
        raise ValueError("sha256 is not 64 lower-case hex digits")
    return Sha256(value)


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("size is not a number of bytes")
    return value


def _time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise TypeError("a time is not text")
    time = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
    if time.tzinfo is None:
        raise ValueError(f"the time {value!r} does not say its zone")
    return time.astimezone(timezone.utc)
