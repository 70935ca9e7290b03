"""Git objects in a folder that threads and processes share: read without a lock, written by one at a time, thrown away when damaged.

dulwich reads; loose objects are written here, since a lock file that a crash left would stop dulwich for ever.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from dulwich.errors import ChecksumMismatch, FileFormatException, NotGitRepository
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Commit, ObjectID, ShaFile
from dulwich.pack import Pack
from dulwich.repo import Repo

from pywharf.errors import WharfError
from pywharf.files import PRIVATE_FOLDER

MANY_LOOSE = 10_000  # objects
MANY_PACKS = 20
SMALL_PACK = 2000  # objects; a pack of at most so many is taken apart

_DAMAGE = (zlib.error, FileFormatException, ChecksumMismatch, NotGitRepository, AssertionError, ValueError, struct.error, EOFError)


class Damaged(WharfError):
    """What lies in the folder cannot be read."""


class ObjectFolder:
    """A bare repository at one path, made when it is first written to. Whoever writes holds a lock of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.RLock()  # dulwich's store is no friend of threads
        self._repo: Repo | None = None
        self._opened = (0, 0)  # device and inode of the folder that is open
        self.written = 0  # loose objects, by this process

    # --- reading ----------------------------------------------------------------------------------------------------

    def raw(self, sha: bytes, type_num: int) -> bytes | None:
        """The content of an object of this type; None where it is not here. Raises Damaged."""
        with self._guard:
            for reopened in (False, True):
                try:
                    found, raw = self._store(reopen=reopened).get_raw(ObjectID(sha))
                except KeyError:
                    if reopened or not self.is_replaced():
                        return None
                except _DAMAGE as error:
                    raise Damaged(f"{sha.decode()} cannot be read") from error
                else:
                    return raw if found == type_num else None
        return None

    def is_overgrown(self) -> bool:
        with self._guard, contextlib.suppress(KeyError, *_DAMAGE):
            store = self._store()
            return store.count_loose_objects() > MANY_LOOSE or len(store.packs) > MANY_PACKS
        return False

    def is_replaced(self) -> bool:
        """Whether another process has put another folder here since it was opened."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return self._opened != (found.st_dev, found.st_ino)

    def close(self) -> None:
        with self._guard:
            if self._repo is not None:
                self._repo.close()
            self._repo = None

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, obj: ShaFile) -> None:
        """Write a loose object, whole or not at all."""
        path = self._path / "objects" / obj.id[:2].decode() / obj.id[2:].decode()
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            temporary = self._path / "objects" / f"tmp_obj_{secrets.token_hex(8)}"
            temporary.write_bytes(obj.as_legacy_object(compression_level=1))
            os.rename(temporary, path)
            self.written += 1

    @contextlib.contextmanager
    def writing(self) -> Iterator[Repo]:
        """The repository, to write to. What a crash left half-written is removed first: it would be in the way of the same once more."""
        if not (self._path / "objects").is_dir():
            fresh = self._make()
            self.throw_away()
            os.rename(fresh, self._path)
        with contextlib.closing(Repo(str(self._path))) as repo:
            for pattern in ("*.lock", "objects/pack/*.lock", "objects/tmp_obj_*"):
                for leftover in self._path.glob(pattern):
                    leftover.unlink(missing_ok=True)
            repo.object_store.prune(grace_period=0)
            yield repo

    @contextlib.contextmanager
    def replacing(self) -> Iterator[Repo]:
        """An empty repository, to write to, that is here instead of what was when the `with` ends well."""
        fresh = self._make()
        with contextlib.closing(Repo(str(fresh))) as repo:
            yield repo
        self.throw_away()
        os.rename(fresh, self._path)
        self.close()

    def take_apart(self, store: DiskObjectStore, pack: Pack) -> None:
        """Turn a small pack into loose objects, commits after their trees; a large one stays."""
        if len(pack) > SMALL_PACK:
            return
        for obj in sorted(pack.iterobjects(), key=lambda obj: obj.type_num == Commit.type_num):
            self.put(obj)
        pack.close()
        for suffix in ("idx", "pack"):
            (Path(store.pack_dir) / f"pack-{pack.name().decode()}.{suffix}").unlink(missing_ok=True)

    def throw_away(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._path, self._beside("old", secrets.token_hex(4)))
        for leftover in self._path.parent.glob(f"{self._path.name}.old-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _store(self, *, reopen: bool = False) -> DiskObjectStore:
        if self._repo is None or reopen:
            self.close()
            if not self._path.is_dir():
                raise KeyError(self._path.name)
            found = self._path.stat()
            self._opened = (found.st_dev, found.st_ino)
            self._repo = Repo(str(self._path))
        return self._repo.object_store

    def _make(self) -> Path:
        fresh = self._beside("new", "")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=PRIVATE_FOLDER)
        Repo.init_bare(str(fresh)).close()
        return fresh

    def _beside(self, what: str, which: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{what}-{which}")
