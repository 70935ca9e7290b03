"""Bodies of files out of a git host: one large one streamed, or many small ones at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from dulwich.errors import ApplyDeltaError
from dulwich.pack import apply_delta

from pywharf_github.pack_reader import BLOB, REF_DELTA, Packed, PackReader, delta_result_size
from pywharf_github.refusals import HostUnavailable, TooMuchSent
from pywharf_github.upload_pack import UploadPack, Wanted

TOGETHER = 4000  # blobs asked for in one request
MOST_TOGETHER = 32 * 1024**2  # bytes of blobs held in memory, of one request
SLACK = 1024**2  # bytes around what a pack holds: headers, packets, progress; and deflate can make a byte in a thousand more


class BlobReader:
    """Blobs by their names, 40 hex digits each. Every one is verified against its name."""

    def __init__(self, upload_pack: UploadPack) -> None:
        self._upload_pack = upload_pack

    def one(self, sha: bytes, write: Callable[[bytes], object], *, size: int | None, max_bytes: int) -> int:
        """Stream one blob; see GitRemote.fetch_blob_to."""
        most = max_bytes if size is None else min(size, max_bytes)
        with self._upload_pack.fetch(Wanted([sha]), limit=_with_slack(most)) as pack:
            reader = PackReader(pack.chunks)
            if reader.count != 1:
                raise HostUnavailable(f"the git host sent {reader.count} objects instead of one file")
            found = b""
            length = 0
            for packed in reader:
                if packed.type != BLOB:
                    raise HostUnavailable("the git host sent something else than the content of a file")
                if packed.size > most:
                    raise TooMuchSent(f"the git host's file has {packed.size} bytes, and {most} are right")
                if size is not None and packed.size != size:
                    raise HostUnavailable(f"the git host's file has {packed.size} bytes, and {size} are right")
                length = packed.size
                found = _handed_over(packed, write)
        if found != sha:
            raise HostUnavailable("the git host sent another file than the one asked for")
        return length

    def many(self, shas: Iterable[bytes], sink: Callable[[bytes, bytes | None], object], *, max_bytes: int) -> None:
        """Hand small blobs over, many to a request; see GitRemote.fetch_blobs."""
        left = iter(shas)
        while batch := list(dict.fromkeys(islice(left, TOGETHER))):
            for sha, content in self._batch(batch, max_bytes):
                sink(sha, content)

    def _batch(self, shas: Sequence[bytes], max_bytes: int) -> Iterator[tuple[bytes, bytes | None]]:
        try:
            found = self._received(shas, max_bytes)
        except TooMuchSent:
            # One of them is far too large, or they are together: by halves.
            if len(shas) == 1:
                yield shas[0], None
                return
            middle = len(shas) // 2
            yield from self._batch(shas[:middle], max_bytes)
            yield from self._batch(shas[middle:], max_bytes)
            return
        for sha in shas:
            yield sha, found[sha] if sha in found else self._alone(sha, max_bytes)

    def _received(self, shas: Sequence[bytes], max_bytes: int) -> dict[bytes, bytes | None]:
        """What one request brought; a delta whose base is not there or too large is left out."""
        found: dict[bytes, bytes | None] = {}
        deltas: list[tuple[bytes, bytes]] = []
        most = min(len(shas) * max_bytes, MOST_TOGETHER)
        held = 0
        with self._upload_pack.fetch(Wanted(shas), limit=_with_slack(most)) as pack:
            for packed in PackReader(pack.chunks):
                if packed.size > max_bytes:
                    if packed.type == BLOB:
                        found[_handed_over(packed, lambda piece: None)] = None
                    continue
                held += packed.size
                if held > most:
                    raise TooMuchSent("the files are too large together")
                if packed.type == BLOB:
                    content = b"".join(packed.pieces)
                    found[_name(content)] = content
                elif packed.type == REF_DELTA:
                    deltas.append((packed.base.hex().encode("ascii"), b"".join(packed.pieces)))
        while deltas:  # a base may be a delta itself, and come later
            waiting = []
            for base, delta in deltas:
                if base not in found:
                    waiting.append((base, delta))
                elif (made := _applied(found[base], delta, max_bytes)) is not None:
                    held += len(made)
                    if held > most:
                        raise TooMuchSent("the files are too large together")
                    found[_name(made)] = made
            if len(waiting) == len(deltas):
                break
            deltas = waiting
        return found

    def _alone(self, sha: bytes, max_bytes: int) -> bytes | None:
        content = bytearray()
        try:
            self.one(sha, content.extend, size=None, max_bytes=max_bytes)
        except TooMuchSent:
            return None
        return bytes(content)


def _with_slack(size: int) -> int:
    return size + size // 100 + SLACK


def _handed_over(packed: Packed, write: Callable[[bytes], object]) -> bytes:
    """Pass a blob's content on, and name it."""
    digest = hashlib.sha1(b"blob %d\0" % packed.size, usedforsecurity=False)
    for piece in packed.pieces:
        digest.update(piece)
        write(piece)
    return digest.hexdigest().encode("ascii")


def _name(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest().encode("ascii")


def _applied(base: bytes | None, delta: bytes, max_bytes: int) -> bytes | None:
    if base is None or delta_result_size(delta) > max_bytes:
        return None
    try:
        return b"".join(apply_delta(base, delta))
    except (ApplyDeltaError, AssertionError, ValueError, IndexError) as error:
        raise HostUnavailable("the git host sent a damaged pack") from error
