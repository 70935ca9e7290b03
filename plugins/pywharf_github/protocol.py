"""One branch of a git repository on a host, spoken to over smart HTTP with one token: what the rest of the plugin sees of git's wire.

    remote = GitRemote(config, token)
    tip = remote.tip()
    remote.fetch_mirror(mirror, tip, have=None)
    remote.push(expected=tip, new=commit.id, objects=[...])

Shared between threads; each operation has a client of its own, and all of a configuration share one pool of connections.
Everything raises, besides what its docstring says: AccessDenied (401, 403, 404: which of them is told to nobody) and
BackendUnavailable (429, 408, 5xx, network, time-out, an answer that is not git's), with the host's `Retry-After`. No message, repr
or log line holds the token.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence

from dulwich.pack import UnpackedObject
from dulwich.repo import BaseRepo

from pywharf.backend.interface import Access
from pywharf.errors import AccessDenied
from pywharf_github.blobs import BlobReader
from pywharf_github.config import GitHubConfig
from pywharf_github.mirror_pack import receive_into
from pywharf_github.packets import NO_GIT, Packets
from pywharf_github.receive_pack import SERVICE as WRITING
from pywharf_github.receive_pack import ReceivePack
from pywharf_github.refusals import HostUnavailable
from pywharf_github.transport import Host, Transport
from pywharf_github.upload_pack import MAX_REFS, V2, UploadPack
from pywharf_github.upload_pack import SERVICE as READING

SMALL_BLOB = 64 * 1024  # bytes; more than any document


class GitRemote:
    """The repository that a configuration names, as the holder of `token` sees it. None: without any (public repositories)."""

    def __init__(self, config: GitHubConfig, token: str | None) -> None:
        self._config = config
        self._transport = Transport(config, token, _host(config.remote_url, os.getpid()))
        self._upload_pack = UploadPack(self._transport)
        self._receive_pack = ReceivePack(self._transport)

    def __repr__(self) -> str:
        return f"GitRemote({self._config.remote_url!r}, {self._config.branch!r})"

    def access(self) -> Access:
        """What the token may do, asked from git itself: one request for a writer, two for others, and nothing is written.

        A right to push says nothing about the rules of a branch: those show at the push. Never raises AccessDenied.
        Raises BackendUnavailable where it cannot be known: never a guess.
        """
        if self._opens(WRITING, ""):
            return Access.WRITE
        return Access.READ if self._opens(READING, V2) else Access.NONE

    def tip(self) -> bytes | None:
        """The commit the branch is at, 40 hex digits; None: there is no such branch (an empty repository has none). One request."""
        return self._upload_pack.refs(self._config.ref).get(self._config.ref)

    def refs(self, prefix: bytes) -> dict[bytes, bytes]:
        """Every ref whose name begins with `prefix`, e.g. b"refs/pywharf/": name to 40 hex digits."""
        return self._upload_pack.refs(prefix)

    def fetch_mirror(self, repo: BaseRepo, want: bytes, *, have: bytes | None = None) -> None:
        """Bring the commit `want` and all its trees into the mirror, without bodies of files.

        have: a commit the mirror has with all its trees (its tip). None: only `want` comes, without its past (depth 1, the repository
        becomes shallow). Else every commit in between comes too; where the host does not know `have` (its past was replaced), all of
        the past comes. Moves no ref of the mirror. One writer at a time on a mirror. One request.
        Raises ObjectsMissing (`want` is gone), TooMuchSent (a host without partial clone that holds too much).
        """
        receive_into(repo, self._upload_pack, want, have)

    def fetch_blobs(self, shas: Iterable[bytes], sink: Callable[[bytes, bytes | None], object], *, max_bytes: int = SMALL_BLOB) -> None:
        """Hand every blob asked for to `sink(sha, content)`, in any order, each once; content None: it is larger than `max_bytes`.

        For many small ones: they come hundreds to a request, and that many are held in memory. shas: 40 hex digits each.
        Raises ObjectsMissing if the host lacks any of them (some may have been handed over by then).
        """
        BlobReader(self._upload_pack).many(shas, sink, max_bytes=max_bytes)

    def fetch_blob_to(self, sha: bytes, write: Callable[[bytes], object], *, size: int | None = None, max_bytes: int | None = None) -> int:
        """Stream one blob into `write`, 64 KiB or so at a time, never held whole. Returns its size in bytes.

        size: what it must be, where known. max_bytes: what it may be; None: the configuration's max_file_bytes. The content is
        verified against `sha` at the end: what was written is worth nothing until this has returned.
        Raises ObjectsMissing, TooMuchSent (before the first byte, where the size is wrong).
        """
        limit = self._config.max_file_bytes if max_bytes is None else max_bytes
        return BlobReader(self._upload_pack).one(sha, write, size=size, max_bytes=limit)

    def push(self, expected: bytes | None, new: bytes, objects: Sequence[UnpackedObject], *, delete: Sequence[bytes] = ()) -> None:
        """Move the branch from the commit `expected` (None: it does not exist yet) to the commit `new`. All or nothing.

        objects: what the host lacks, from `pack_objects`; used up by one call, for those that come from a file. delete: full names of
        refs that go away in the same step (those that are gone already are no error). Nothing but a few refs is sent where the branch
        has moved already. Raises PushMoved, PushRefused, PushUnanswered (look at the ref), AccessDenied("write").
        A BackendUnavailable that is no PushUnanswered: nothing has happened.
        """
        self._receive_pack.push(self._config.ref, expected, new, objects, delete=delete)

    def push_ref(self, ref: bytes, new: bytes, objects: Sequence[UnpackedObject]) -> None:
        """Make the ref `ref` (a full name, e.g. b"refs/pywharf/staging/..."), pointing to the object `new`, which may be a blob.

        Raises as push() does; PushMoved where the ref exists.
        """
        self._receive_pack.push(ref, None, new, objects)

    def delete_refs(self, refs: Sequence[bytes]) -> None:
        """Remove refs, those that still exist. Raises as push() does."""
        self._receive_pack.push(None, None, b"", (), delete=refs)

    def _opens(self, service: str, protocol: str) -> bool:
        """Whether the host lets the token use a service."""
        try:
            with self._transport.get(service, limit=MAX_REFS, protocol=protocol) as answer:
                packets = Packets(answer, self._transport.clean)
                if packets.line() not in (b"# service=" + service.encode("ascii"), b"version 2"):
                    raise HostUnavailable(NO_GIT)
        except AccessDenied:
            return False
        return True


@functools.lru_cache(maxsize=64)
def _host(url: str, process: int) -> Host:
    return Host(url)
