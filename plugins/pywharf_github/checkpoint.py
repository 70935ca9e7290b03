"""The remote index file: every sidecar of one commit in a single file on the branch, so that a cold start is one request.

JSON lines. The first says what it stands for; each other one is [project, key, the sidecar's text], sorted. Nothing in it is
believed: a reader takes a line only where the sidecar in the tree has the very same id.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import BinaryIO

FORMAT = 1
MOST_BYTES = 90 * 1024**2  # git hosts take no file of 100 MiB; what has no room is read the long way

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head:
    """What a checkpoint stands for."""

    cursor: str
    packages: str  # id of the tree whose sidecars it holds
    serial: int  # the greatest serial there
    format: int = FORMAT


def write(file: BinaryIO, head: Head, sidecars: Iterable[tuple[tuple[str, str], bytes]]) -> None:
    """sidecars: by project and key, sorted."""
    size = file.write(json.dumps(asdict(head)).encode() + b"\n")
    for (project, key), raw in sidecars:
        try:
            line = json.dumps([project, key, raw.decode()], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        except UnicodeError:  # written by hand
            continue
        size += len(line)
        if size > MOST_BYTES:
            log.warning("the index file has no room for all sidecars: a cold start reads the others one by one")
            return
        file.write(line)


def read_head(line: bytes) -> Head | None:
    """None where it is no checkpoint that this version knows."""
    try:
        said = json.loads(line)
        head = Head(str(said["cursor"]), str(said["packages"]), int(said["serial"]), int(said["format"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return head if head.format == FORMAT else None


def read(file: BinaryIO) -> Iterator[tuple[tuple[str, str], bytes, bytes]]:
    """The project and key, the sidecar, and the id it would have in git, of each line that can be read."""
    if read_head(file.readline(1024)) is None:
        return
    for line in file:
        try:
            project, key, text = json.loads(line)
            raw = text.encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
        if isinstance(project, str) and isinstance(key, str):
            yield (project, key), raw, hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest().encode()
