"""A pack of commits and trees on its way from a git host into a mirror."""

from __future__ import annotations

import contextlib
import zlib

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException, ObjectFormatException
from dulwich.pack import UnresolvedDeltas
from dulwich.repo import BaseRepo

from pywharf_github.pack_reader import Trailer
from pywharf_github.refusals import HostUnavailable, TooMuchSent
from pywharf_github.upload_pack import UploadPack, Wanted

MOST = 1024**3  # bytes of commits and trees
MOST_WITH_BODIES = 64 * 1024**2  # bytes, from a host that cannot leave the bodies out

# What dulwich raises for a pack whose checksum is right and whose content is not.
_DAMAGED = (
    ApplyDeltaError, ChecksumMismatch, FileFormatException, ObjectFormatException, UnresolvedDeltas,
    AssertionError, BufferError, EOFError, IndexError, KeyError, ValueError, zlib.error,
)  # fmt: skip


def receive_into(repo: BaseRepo, upload_pack: UploadPack, want: bytes, have: bytes | None) -> None:
    """See GitRemote.fetch_mirror."""
    if have == want:
        return
    filters = upload_pack.advertised().filters
    wanted = Wanted([want], have, sorted(repo.get_shallow()) if have else (), only_the_newest=have is None, without_blobs=True)
    try:
        with upload_pack.fetch(wanted, limit=MOST if filters else MOST_WITH_BODIES) as pack:
            if not pack.shallow <= ({want} if have is None else set()):
                raise HostUnavailable("the git host sent commits without their past that nobody asked for")
            file, commit, abort = repo.object_store.add_pack()
            try:
                trailer = Trailer()
                for chunk in pack.chunks:
                    trailer.add(chunk)
                    file.write(chunk)
                trailer.finish()  # before dulwich, which leaves a mapping behind where it stumbles
                commit()
            except BaseException:
                with contextlib.suppress(OSError, ValueError):
                    abort()  # of no use once commit() has moved the file
                raise
    except TooMuchSent as error:
        if filters:
            raise
        raise TooMuchSent(
            "the git host cannot leave out the files' contents (partial clone), and holds too much to fetch whole; "
            "on the host: git config uploadpack.allowFilter true, and protocol version 2"
        ) from error
    except _DAMAGED as error:
        raise HostUnavailable("the git host sent a damaged pack") from error
    if want not in repo.object_store:  # type: ignore[operator]
        raise HostUnavailable("the git host did not send the commit asked for")
    repo.update_shallow(pack.shallow, pack.unshallow)  # type: ignore[arg-type]
