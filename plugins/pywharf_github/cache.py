"""Bodies on this machine's disk: fetched once, verified, kept while there is room.

    files/<aa>/<key>    a body, complete and verified; its mtime is when it was last asked for
    files/partial/      what is being fetched, with locks that the kernel frees

The key is the body's sha256, or its id in git where nobody knows that. All threads and processes of a ROOT share the cache. A
body lies under its key only after its last byte was verified and fsynced. Those longest unused go first; a reader keeps what it
has open. Since the cache makes room at any moment, also of all it has where the disk is full, no other program is told where a body lies
(`FileBody.path`): it would find nothing, and a client be told that there is no such file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pywharf.backend.interface import FileBody, StagedFile
from pywharf.errors import BackendUnavailable
from pywharf.files import PRIVATE_FILE, locked, make_folder

Fetch: TypeAlias = Callable[[Callable[[bytes], object]], object]  # hands a body to its argument, piece by piece

LOCKS = 256  # bodies that share a lock wait for each other: seldom, and no harm
PATIENCE = 900.0  # seconds that a reader waits for another one's fetch of a large body
ROOM = 8  # a sweep makes room for an eighth of the whole
SHARERS = 4  # processes that may fill what is free before each looks again

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC

log = logging.getLogger(__name__)


class FileCache:
    """The bodies under one server's place for a repository. Shared between threads."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._partial = folder / "partial"
        self._max = max_bytes
        self._guard = threading.Lock()
        self._cleared = False
        self._free = -1  # bytes this process may add before it looks again how much there is

    def open(self, key: str, size: int | None) -> FileBody | None:
        """A body that is here; None where it is not. size: what it must be, where known."""
        path = self._place(key)
        try:
            file = open(os.open(path, _OPEN), "rb")  # noqa: SIM115 - whoever asked closes it
        except FileNotFoundError:
            return None
        found = os.fstat(file.fileno()).st_size
        if size is not None and found != size:
            file.close()
            path.unlink(missing_ok=True)
            log.error("a cached file had another size than its body and was removed: key=%s", key)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return FileBody(file, found)

    def fetch(self, key: str, size: int | None, sha256: str, fetch: Fetch) -> FileBody:
        """The body, fetched where it is not here; one that has no room here is open and on no list, and gone when it is closed.

        sha256: what it has to be; "" where its id in git says enough. Raises BackendUnavailable for a body that is another one.
        """
        make_folder(self._partial)
        if not self._cleared:
            self._cleared = True
            self._clear_leftovers()
        try:
            with locked(self._partial / _lock(key), timeout=PATIENCE):
                body = self.open(key, size)
                if body is None:
                    try:
                        body = self._fetch(key, size, sha256, fetch)
                    except OSError as error:
                        if error.errno not in _FULL or not self._give_way(size or 0):
                            raise
                        body = self._fetch(key, size, sha256, fetch)
                return body
        except TimeoutError as error:
            raise BackendUnavailable("another reader is still fetching this file", retry_after=30) from error

    def adopt(self, staged: StagedFile) -> None:
        """Keep a body that this server has just stored: it will be asked for. A help, so that no trouble with it is told."""
        if staged.ref.size <= self._max:
            path = self._place(staged.ref.sha256)
            with contextlib.suppress(OSError):
                make_folder(path.parent)
                make_folder(self._partial)  # where the sweep has its lock
                os.link(staged.path, path)
                self._make_room(staged.ref.size)

    def drop(self, key: str) -> bool:
        """Remove a body that is here; whoever has it open keeps it. Whether there was one."""
        try:
            self._place(key).unlink()
        except FileNotFoundError:
            return False
        return True

    # --- inside -----------------------------------------------------------------------------------------------------

    def _clear_leftovers(self) -> None:
        """Remove what a crash left half-fetched."""
        for leftover in _files(self._partial):
            if leftover.name.endswith(".part"):
                with contextlib.suppress(OSError), contextlib.ExitStack() as held:
                    held.enter_context(locked(self._partial / leftover.name.partition(".")[0], timeout=0))
                    os.unlink(leftover)

    def _fetch(self, key: str, size: int | None, sha256: str, fetch: Fetch) -> FileBody:
        partial = self._partial / f"{_lock(key)}.{secrets.token_hex(8)}.part"
        file = open(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE), "w+b")  # noqa: SIM115
        try:
            written = _write(file, fetch, sha256)
            if size is not None and written != size:
                raise BackendUnavailable(_ANOTHER)
            if written <= self._max:
                path = self._place(key)
                make_folder(path.parent)
                os.rename(partial, path)
                self._make_room(written)
            else:
                os.unlink(partial)
            file.seek(0)
        except BaseException:
            partial.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # what is buffered finds no room either
                file.close()
            raise
        return FileBody(file, written)

    def _make_room(self, added: int) -> None:
        with self._guard:
            self._free -= added
            if self._free >= 0:
                return
            with contextlib.suppress(TimeoutError), locked(self._partial / "lock-sweep", timeout=10):
                self._free = self._sweep() // SHARERS

    def _sweep(self) -> int:
        """Remove what was longest unused, so that there is room again. Returns how much."""
        bodies = sorted(self._bodies())
        total = sum(size for _, size, _ in bodies)
        if total > self._max - self._max // ROOM // 2:
            for _, size, path in bodies:
                if total <= self._max - self._max // ROOM:
                    break
                path.unlink(missing_ok=True)
                total -= size
        return max(0, self._max - total)

    def _give_way(self, wanted: int) -> bool:
        """Remove bodies of so many bytes, those longest unused: the disk has less room than the cache may take. False where none is here."""
        freed = 0
        for _, size, path in sorted(self._bodies()):
            path.unlink(missing_ok=True)
            freed += size
            if freed >= wanted:
                break
        if freed:
            log.warning(
                "the disk is full, %d bytes of cached files were removed; set cache_max_bytes to less than there is room for", freed
            )
        return freed > 0

    def _bodies(self) -> Iterator[tuple[float, int, Path]]:
        for folder in _files(self._folder):
            if len(folder.name) == 2:
                for body in _files(folder):
                    with contextlib.suppress(FileNotFoundError):
                        found = body.stat()
                        yield found.st_mtime, found.st_size, body

    def _place(self, key: str) -> Path:
        return self._folder / key[:2] / key


_FULL = (errno.ENOSPC, errno.EDQUOT)
_ANOTHER = "what the git host sent is not the file that was stored: it has another size or sha256"


def _lock(key: str) -> str:
    return f"lock-{zlib.crc32(key.encode()) % LOCKS:02x}"


def _write(file: BinaryIO, fetch: Fetch, sha256: str) -> int:
    digest = hashlib.sha256()

    def write(piece: bytes) -> None:
        file.write(piece)
        digest.update(piece)

    fetch(write)
    file.flush()
    if sha256 and digest.hexdigest() != sha256:
        raise BackendUnavailable(_ANOTHER)
    os.fsync(file.fileno())
    return file.tell()


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
