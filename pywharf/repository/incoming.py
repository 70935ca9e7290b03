"""Uploads in progress: where their bytes go before anything is decided about them.

One folder per process, with a lock that the kernel frees when the process dies. Folders without a holder are swept when a server
starts, and when a process receives its first file: what a crash leaves behind stays no longer than that.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pywharf.api.file_digests import SHA256, new_digest
from pywharf.backend.interface import FileRef, StagedFile
from pywharf.errors import BackendUnavailable
from pywharf.files import make_folder, open_lock, try_lock
from pywharf.repository.digesting import Digesting

LOCK = "lock"
YOUNG = 60.0  # seconds
AHEAD = 32 * 1024 * 1024  # bytes after which the disk is set to work while more comes, so that little is left to wait for at the end
_OURS = re.compile(r"\.?[0-9]+-[0-9a-f]{8}")  # the folder of a process, hidden while it is made

log = logging.getLogger(__name__)


class IncomingFile:
    """One body being received, or written by us as a side file. Removed at the end, whatever happened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digests = Digesting((SHA256,))
        self._lasting = False
        self._disk: ThreadPoolExecutor | None = None
        self._fsync: Future[None] | None = None  # the last that was begun, of the first so many bytes:
        self._given_to_disk = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)

    def expect(self, algorithms: Collection[str]) -> None:
        """Which digests will be asked for, where that is known before the first byte; without a word it is sha256 alone."""
        if not self.size:
            self._digests = Digesting({SHA256, *algorithms})

    def write(self, data: bytes, /) -> None:
        """Append; raises BackendUnavailable where the storage has no room or is failing."""
        try:
            at = 0
            view = memoryview(data)
            while at < len(view):
                at += self._file.write(view[at:]) or 0
        except OSError as error:
            raise BackendUnavailable(f"the upload cannot be written ({error.strerror})", retry_after=30) from error
        self._digests.update(data)
        self.size += len(data)
        if self.size - self._given_to_disk >= AHEAD:
            self._set_disk_to_work()

    def digest(self, algorithm: str) -> str:
        """Lower-case hex, of what was written. One that was not expected takes reading all of it again. Raises BackendUnavailable."""
        if self._digests.takes(algorithm):
            return self._digests.hexdigest(algorithm)
        digest = new_digest(algorithm)
        try:
            with self.path.open("rb", buffering=0) as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        except OSError as error:
            raise BackendUnavailable(f"the upload cannot be read ({error.strerror})", retry_after=30) from error
        return digest.hexdigest()

    def finish(self) -> None:
        """Make the bytes survive power loss. A failed fsync is never tried again: the upload is refused."""
        if self._lasting:
            return
        try:
            if self._file.closed:
                raise OSError(errno.EIO, os.strerror(errno.EIO))  # it failed before; a second try would seem to succeed
            with self._file:
                if self._fsync is not None:
                    self._fsync.result()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise BackendUnavailable(f"the upload cannot be made to last ({error.strerror})", retry_after=30) from error
        self._lasting = True

    def staged(self, project: str, name: str) -> StagedFile:
        """The finished body under the name it is to have."""
        self.finish()
        return StagedFile(FileRef(project, name, self.digest(SHA256), self.size), self.path)

    def _set_disk_to_work(self) -> None:
        """Begin to make last what is here, unless the disk is still busy with what was here before. What goes wrong is told by `finish`."""
        if self._fsync is not None and not self._fsync.done():
            return
        if self._fsync is None or self._fsync.exception() is None:
            self._disk = self._disk or ThreadPoolExecutor(1, thread_name_prefix="fsync")
            with contextlib.suppress(RuntimeError):  # no thread to be had: then all of it is waited for at the end
                self._fsync = self._disk.submit(os.fsync, self._file.fileno())
        self._given_to_disk = self.size

    def discard(self) -> None:
        self._digests.close()
        if self._disk is not None:
            self._disk.shutdown()  # before the descriptor is another file's
        with contextlib.suppress(OSError):
            self._file.close()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:  # what became of the upload stands; the rest goes at the next start
            log.warning("an upload's bytes cannot be removed: reason=%s", error.strerror)


class Incoming:
    """One process's place for uploads in progress under one folder, which processes share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._mine: Path | None = None
        self._owner = 0
        self._descriptor = -1

    @contextlib.contextmanager
    def receive(self) -> Iterator[IncomingFile]:
        """A new empty file, gone at the end. Raises BackendUnavailable."""
        try:
            file = IncomingFile(self._own() / secrets.token_hex(16))
        except OSError as error:
            raise BackendUnavailable(f"no upload can be received ({error.strerror})", retry_after=30) from error
        try:
            yield file
        finally:
            file.discard()

    def sweep(self) -> int:
        """Remove what processes that are gone left behind; returns how many folders that was."""
        make_folder(self._folder)
        swept = 0
        for folder in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if folder == self._mine or not _OURS.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
                    continue
                if folder.name.startswith(".") and time.time() - folder.stat().st_mtime < YOUNG:
                    continue
                descriptor = open_lock(folder / LOCK)
                try:
                    if try_lock(descriptor):
                        shutil.rmtree(folder)
                        swept += 1
                finally:
                    os.close(descriptor)
        if swept:
            log.info("unfinished uploads swept: folders=%d", swept)
        return swept

    def close(self) -> None:
        """Give up this process's folder."""
        with self._guard:
            if self._mine is not None and self._owner == os.getpid():
                shutil.rmtree(self._mine, ignore_errors=True)
            self._let_go()

    def _own(self) -> Path:
        with self._guard:
            if self._mine is None or self._owner != os.getpid() or _is_gone(self._mine):  # also after fork, or swept by hand
                self._let_go()
                # Locked under a hidden name first, which sweep() leaves alone while it is young, then shown.
                make_folder(self._folder)
                name = f"{os.getpid()}-{secrets.token_hex(4)}"
                hidden, mine = self._folder / f".{name}", self._folder / name
                hidden.mkdir(mode=0o700)
                self._descriptor = open_lock(hidden / LOCK)
                try_lock(self._descriptor)
                os.rename(hidden, mine)
                self._mine, self._owner = mine, os.getpid()
                with contextlib.suppress(OSError):
                    self.sweep()
            return self._mine

    def _let_go(self) -> None:
        """Close the lock: of a folder that is gone, or that is the parent's, who goes on holding it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._mine, self._descriptor = None, -1


def _is_gone(folder: Path) -> bool:
    """Raises OSError where that cannot be said: then its lock is held on, since it may be there, with uploads in it."""
    try:
        return not stat.S_ISDIR(os.stat(folder).st_mode)
    except FileNotFoundError:
        return True
