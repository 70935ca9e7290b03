"""A folder that a static site is written into: each file whole or not at all, nothing written that is there already.

What is written here can be written again, and the next run compares contents and not dates: so no fsync. A power loss costs
that run a few files. Nothing is written or removed through a symbolic link.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pywharf.backend.interface import FileBody

PIECE = 1 << 18  # bytes read at a time
FOR_ALL_TO_READ, FOLDER_FOR_ALL = 0o644, 0o755  # the host that serves it is somebody else; the folder around it keeps others out


class SiteFolder:
    """One folder of a site, made where it is missing, and what was changed in it by this object."""

    def __init__(self, path: Path) -> None:
        """Raises OSError; what stands in the way of the folder, a symbolic link too, is removed."""
        self.path = path
        self.written = 0  # files
        self.removed = 0  # files
        self.size = 0  # bytes of the files that were kept or written
        if not path.is_dir() or path.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                self.removed += 1
            path.mkdir(FOLDER_FOR_ALL)
            path.chmod(FOLDER_FOR_ALL)

    def keep_page(self, name: str, content: bytes) -> None:
        """See to it that the file has this content."""
        self.size += len(content)
        path = self.path / name
        if _size(path) == len(content) and path.read_bytes() == content:
            return
        with self._replacing(path) as file:
            _write(file, content)
        self.written += 1

    def holds(self, name: str, sha256: str, size: int) -> bool:
        """Whether the file is there with this content."""
        path = self.path / name
        if _size(path) != size:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
        if digest.hexdigest() != sha256:
            return False
        self.size += size
        return True

    def copy(self, name: str, sha256: str, body: FileBody) -> bool:
        """Write a body under this name. False, and nothing is changed, where its content is not what was promised."""
        digest, size = hashlib.sha256(), 0
        with contextlib.suppress(_NotAsPromised), self._replacing(self.path / name) as file:
            while piece := body.read(PIECE):
                digest.update(piece)
                size += len(piece)
                _write(file, piece)
            if digest.hexdigest() != sha256:
                raise _NotAsPromised
            self.written += 1
            self.size += size
            return True
        return False

    def remove_but(self, names: Collection[str]) -> None:
        """Remove everything else in the folder, what a run that was ended left over included."""
        with os.scandir(self.path) as found:
            gone = [entry for entry in found if entry.name not in names]
        for entry in gone:
            if entry.is_dir(follow_symlinks=False):
                self.removed += sum(len(files) for _, _, files in os.walk(entry.path))
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
                self.removed += 1

    def count(self, others: Iterable[SiteFolder]) -> None:
        """Add what was done in other folders."""
        for other in others:
            self.written += other.written
            self.removed += other.removed
            self.size += other.size

    @contextlib.contextmanager
    def _replacing(self, path: Path) -> Iterator[int]:
        """A descriptor of a new file, which takes the name at the end; where the `with` fails, nothing has happened."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FOR_ALL_TO_READ)
        try:
            try:
                os.fchmod(descriptor, FOR_ALL_TO_READ)
                yield descriptor
            finally:
                os.close(descriptor)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


class _NotAsPromised(Exception):
    """A body has another sha256 than its record says. Never leaves this module."""


def _size(path: Path) -> int:
    """Of a regular file; -1 where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
