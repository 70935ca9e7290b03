"""Sidecars and the serial file: what pywharf writes beside the bodies, as bytes and back.

A sidecar's first line is a JSON object: the serial of the document, the bodies that were committed with it, and a checksum over all
of it and over whose it is. The document follows, byte for byte.

The checksum tells what somebody changed by hand (edited, copied to another name, made from nothing). Such a sidecar has, for every
server that reads this tree, the greatest serial of the tree + 1; the next commit of any server writes it anew with that serial. So
what a serial is follows from the tree alone, and two servers never differ, whenever and from wherever they start to read.

`.pywharf/serial` holds the greatest serial, and the id of the tree `packages` it was written with: where that is another now, somebody
changed something by hand, and only then the rest has to be looked through.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pywharf.errors import BackendUnavailable

FORMAT = 1
LONGEST_DOCUMENT = 32 * 1024  # bytes
MOST = 2**53  # no serial is greater: other programs read them as JSON numbers

_CHECK = b',"check":'  # what stands before the checksum, the last thing in the first line

_decode_json = json.JSONDecoder().decode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Body:
    """A body that was committed with a document. Trees tell neither its sha256 nor its size."""

    blob: str  # its id in git, 40 hex digits
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class Sidecar:
    """A document with what the backend keeps beside it."""

    serial: int
    document: bytes
    files: Mapping[str, Body] = field(default_factory=dict)  # by name

    def encode(self, project: str, key: str) -> bytes:
        files = {name: [body.blob, body.sha256, body.size] for name, body in sorted(self.files.items())}
        said = json.dumps({"serial": self.serial, "files": files}, separators=(",", ":")).encode().removesuffix(b"}")
        return said + _CHECK + _checksum(project, key, said, self.document) + b"\n" + self.document


def decode(project: str, key: str, raw: bytes | None) -> tuple[Sidecar, bool]:
    """The sidecar as it stands, and whether pywharf wrote it so. None: it was too large to be read.

    One that cannot be read has an empty document, which is no record of anything: the name is taken, and nothing is offered.
    """
    if raw is None:
        return Sidecar(0, b""), False
    line, _, document = raw.partition(b"\n")
    said, _, check = line.rpartition(_CHECK)
    try:
        head = _decode_json(line.decode())
        files = {name: Body(str(blob), str(sha256), int(size)) for name, (blob, sha256, size) in head.get("files", {}).items()}
        sidecar = Sidecar(int(head["serial"]), document, files)
        if check == _checksum(project, key, said, document):
            return sidecar, True
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        sidecar = Sidecar(0, raw)  # somebody wrote a document where a sidecar belongs
    try:
        sidecar.document.decode()
        readable = len(sidecar.document) <= LONGEST_DOCUMENT
    except UnicodeDecodeError:
        readable = False
    if not readable:
        log.warning("a document that cannot be read was put there by hand: project=%s key=%s", project, key)
    return replace(sidecar, document=sidecar.document if readable else b""), False


def _checksum(project: str, key: str, said: bytes, document: bytes) -> bytes:
    """As the first line ends: over the bytes before it, so that nothing has to be written anew to be checked."""
    digest = hashlib.blake2b(b"%s\0%s\0%s\n%s" % (project.encode(), key.encode(), said, document), digest_size=16)
    return b'"%s"}' % digest.hexdigest().encode()


@dataclass(frozen=True)
class SerialFile:
    """`.pywharf/serial`."""

    serial: int  # the greatest given on this branch
    packages: str  # id of the tree `packages` it was written with; "" where there was none

    def encode(self) -> bytes:
        return json.dumps({"format": FORMAT, "serial": self.serial, "packages": self.packages}).encode() + b"\n"

    @classmethod
    def decode(cls, raw: bytes | None) -> SerialFile | None:
        """None where it is not there or cannot be read: then the sidecars tell. Raises BackendUnavailable for another format."""
        try:
            said = json.loads(raw or b"")
            format_ = said["format"]
            found = cls(int(said["serial"]), str(said["packages"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not 0 <= found.serial <= MOST:
            return None
        if format_ != FORMAT:
            raise BackendUnavailable(f"its branch was written by another version of pywharf (format {format_}, this one knows {FORMAT})")
        return found
