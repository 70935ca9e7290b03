"""Objects on their way into a pack: made so that a file is streamed from disk and never held in memory."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob, ShaFile
from dulwich.pack import UnpackedObject, pack_object_header

CHUNK = 256 * 1024  # bytes


def blob_id(path: Path) -> tuple[bytes, int]:
    """The name git has for a file's content (40 hex digits), and its size in bytes. Reads the file once."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest().encode("ascii"), size


def from_object(obj: ShaFile) -> UnpackedObject:
    """A commit, a tree or a small blob."""
    return UnpackedObject(obj.type_num, sha=obj.sha().digest(), decomp_chunks=obj.as_raw_chunks())


def blob_from_file(path: Path, sha: bytes, size: int, *, level: int = 0) -> UnpackedObject:
    """A blob whose content is read from `path` while it is sent. sha, size: of blob_id().

    level: of zlib; 0 stores, which costs a tenth of the time and no size for wheels, which are compressed already.
    Good for one push: make it anew for the next.
    """
    unpacked = UnpackedObject(Blob.type_num, sha=bytes.fromhex(sha.decode("ascii")), decomp_len=size)
    # dulwich sends these chunks as they are, one after the other, and asks for no list (tests/contract/test_dulwich.py).
    unpacked.comp_chunks = cast("Any", _compressed(path, size, level))
    return unpacked


def _compressed(path: Path, size: int, level: int) -> Iterator[bytes]:
    yield bytes(pack_object_header(Blob.type_num, None, size, DEFAULT_OBJECT_FORMAT))
    compress = zlib.compressobj(level)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            if compressed := compress.compress(chunk):
                yield compressed
    yield compress.flush()
