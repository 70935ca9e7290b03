"""The bodies in a storage: where they lie, how they get there, what is found there.

`objects/` holds what commits placed, read-only, each under its sha256 and a digest of whose it is: two files never share
one, so that removing one cannot take away another that happens to have the same bytes (wheels of one release often
share their METADATA). `packages/<project>/` holds hard links to them for people, and what people copied there.

Nothing here knows of journals or secrets. OSError is for the caller to translate.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from time import time as now
from typing import BinaryIO

from pywharf.backend.interface import FileBody, FileRef, StagedFile
from pywharf.errors import BackendUnavailable, FileMissing, InvalidName
from pywharf.files import fsync_folder, make_folder

READ_ONLY = 0o444
DAY = 86400  # seconds: how long a body without a commit is left alone

_SHA256 = re.compile(r"[0-9a-f]{64}")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

log = logging.getLogger(__name__)


class Bodies:
    """The bodies under one storage's folder."""

    def __init__(self, storage: Path) -> None:
        self._objects = storage / "objects"
        self._packages = storage / "packages"
        self._lasting: set[tuple[str, int]] = set()  # folders of `objects/` whose names last, as this instance made sure: name and inode

    def prepare(self) -> None:
        make_folder(self._packages)
        make_folder(self._objects)

    def are_prepared(self) -> bool:
        return self._objects.is_dir()

    def check(self, file: FileRef) -> None:
        """Raises InvalidName for a reference that no checked name can have led to."""
        self._object(file)

    # --- in and out -------------------------------------------------------------------------------------------------

    def place(self, files: Iterable[StagedFile]) -> None:
        """Put bodies where open() finds them, to last; nobody knows of them before the commit. One that lies there damaged is replaced."""
        for folder in {self._place(staged) for staged in files}:  # when all are linked, so that a file system has one thing to write
            fsync_folder(folder)

    def _place(self, staged: StagedFile) -> Path:
        """Returns the folder that it is in, which has to be fsynced."""
        target = self._object(staged.ref)
        self._make_folder(folder := target.parent)
        try:
            os.link(staged.path, target)
        except FileExistsError:
            self._replace_damaged(staged, target)
        except OSError:  # another file system, or one without links
            _put(staged.path, target)
        os.chmod(target, READ_ONLY)  # of the staged name too, where both are one; and, for sweep(), a new time of change
        return folder

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of `objects/`, to last."""
        if not os.path.isdir(folder) or (folder.name, os.stat(folder).st_ino) not in self._lasting:
            make_folder(folder, lasting=False)
            there = () if self._lasting else _entries(self._objects)  # at first all of them, since one fsync does for all
            found = {(folder.name, os.stat(folder).st_ino), *((entry.name, entry.inode()) for entry in there)}
            fsync_folder(self._objects)  # another thread may have made that folder and not come to its own fsync
            self._lasting.update(found)

    def _replace_damaged(self, staged: StagedFile, target: Path) -> None:
        if os.path.samestat(os.stat(staged.path), os.lstat(target)) or _has_content(target, staged.ref):
            return
        log.warning("damaged body replaced by the right one: project=%s file=%s", staged.ref.project, staged.ref.name)
        shown = self._shown(staged.ref)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(shown), os.lstat(target)):
                os.unlink(shown)  # the same bytes by their name for people; show() links the right ones
        _put(staged.path, target)

    def holds(self, file: FileRef) -> bool:
        return self._object(file).exists()

    def open(self, file: FileRef) -> FileBody:
        """Raises FileMissing; BackendUnavailable where what lies there cannot be it."""
        try:
            path = self._locate(file)
            # With a size said, Python does not ask whether it is a terminal.
            body = open(os.open(path, _READ), "rb", io.DEFAULT_BUFFER_SIZE)  # noqa: SIM115 - whoever asked closes it
        except (FileNotFoundError, InvalidName) as error:
            raise FileMissing(file.name) from error
        found = os.fstat(body.fileno())
        if not stat.S_ISREG(found.st_mode) or (file.sha256 and found.st_size != file.size):
            body.close()
            raise BackendUnavailable(f"the stored file {file.name} is damaged: it has another size than it was stored with")
        return FileBody(body, found.st_size, path)

    def remove(self, file: FileRef) -> None:
        """Remove a body and what people see of it."""
        try:
            if self._is_same(self._shown(file), file):
                os.unlink(self._shown(file))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._object(file))

    # --- for people -------------------------------------------------------------------------------------------------

    def show(self, file: FileRef) -> None:
        """Link a body into its project's folder. Another file under that name is left there, and told in the log."""
        shown, body = self._shown(file), self._object(file)
        make_folder(shown.parent, lasting=False)  # as its links, which nobody needs
        with contextlib.suppress(OSError):  # there is something, or links cannot be had
            os.link(body, shown)
            return
        if os.path.lexists(shown):
            if os.path.samestat(os.lstat(shown), os.stat(body)):
                return
            if not self._is_same(shown, file):
                log.warning("another file lies under this name, left there: project=%s file=%s", file.project, file.name)
                return
        # Over a copy with the same bytes too, such as one that was adopted: one body on the disk is enough.
        _put(body, shown, beside=body)

    def examine_shown(self, file: FileRef) -> tuple[bool, bool]:
        """Whether people find the body by its name, and whether something else lies there."""
        shown = self._shown(file)
        if not os.path.lexists(shown):
            return False, False
        same = self._is_same(shown, file)
        return same, not same

    # --- walks ------------------------------------------------------------------------------------------------------

    def walk(self) -> Iterator[FileRef]:
        """Everything in `packages/`, then every body of `objects/` that has no name there."""
        bodies: dict[int, FileRef] = {}  # by inode
        for path, found in self._stored():
            bodies[found.st_ino] = FileRef("", "", path.name[:64], found.st_size)
        nameless = set(bodies)
        for entry, project in self._laid_out():
            found = entry.stat(follow_symlinks=False)
            body = bodies.get(found.st_ino)
            nameless.discard(found.st_ino)
            yield FileRef(project, entry.name, body.sha256 if body else "", found.st_size)
        for inode in nameless:
            yield bodies[inode]

    def old(self) -> Iterator[tuple[Path, str]]:
        """Bodies that have not been touched for a day, each with its sha256; "" for the rest of a copy that died."""
        for path, found in self._stored(unfinished=True):
            if now() - found.st_ctime > DAY:
                yield path, "" if path.name.startswith(".") else path.name[:64]

    def remove_if_old(self, path: Path) -> bool:
        """For a body of old(), with all commits held off: whether it was still old, and is gone now."""
        with contextlib.suppress(FileNotFoundError):
            if now() - os.stat(path).st_ctime > DAY:
                os.unlink(path)
                return True
        return False

    def _stored(self, *, unfinished: bool = False) -> Iterator[tuple[Path, os.stat_result]]:
        for folder in _entries(self._objects):
            if folder.is_dir(follow_symlinks=False):
                for entry in _entries(Path(folder.path)):
                    if unfinished or not entry.name.startswith("."):
                        with contextlib.suppress(FileNotFoundError):  # dropped meanwhile
                            yield Path(entry.path), entry.stat(follow_symlinks=False)

    def _laid_out(self) -> Iterator[tuple[os.DirEntry[str], str]]:
        """The files in `packages/`, each with the name of its folder; "" for those that lie beside the folders."""
        for entry in _entries(self._packages):
            if entry.is_dir(follow_symlinks=False):
                for file in _entries(Path(entry.path)):
                    if _is_shown(file):
                        yield file, entry.name
            elif _is_shown(entry):
                yield entry, ""

    # --- where ------------------------------------------------------------------------------------------------------

    def _object(self, file: FileRef) -> Path:
        """Where a commit places this body. Raises InvalidName."""
        return _place_of(self._objects, file)

    def _shown(self, file: FileRef) -> Path:
        folder = self._packages / _component(file.project) if file.project else self._packages
        return folder / _component(file.name)

    def _locate(self, file: FileRef) -> Path:
        """Where open() looks. Raises InvalidName, FileNotFoundError."""
        if not file.sha256:
            return self._shown(file)
        if file.name:
            return self._object(file)
        for entry in _entries(self._objects / file.sha256[:2]) if _SHA256.fullmatch(file.sha256) else ():
            if entry.name.startswith(file.sha256):
                return Path(entry.path)
        raise FileNotFoundError

    def _is_same(self, shown: Path, file: FileRef) -> bool:
        """Whether what lies in `packages/` is this body: a link to it, or a copy."""
        with contextlib.suppress(FileNotFoundError), open(os.open(shown, _READ), "rb") as copy:
            found = os.fstat(copy.fileno())
            if os.path.samestat(found, os.stat(self._object(file))):
                return True
            return found.st_size == file.size and _sha256_of(copy) == file.sha256
        return False


@lru_cache(maxsize=2048)  # many installers ask for the same files
def _place_of(objects: Path, file: FileRef) -> Path:
    if not _SHA256.fullmatch(file.sha256):
        raise InvalidName(file.sha256, "not a sha256")
    whose = hashlib.sha256(f"{_component(file.project)}/{_component(file.name)}".encode("utf-8", "surrogateescape")).hexdigest()
    return objects / file.sha256[:2] / f"{file.sha256}.{whose[:16]}"


def _component(name: str) -> str:
    """A name that is safe as one step of a path. pywharf has checked it before; a storage does not rely on that."""
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(name.encode("utf-8", "surrogateescape")) > 255:
        raise InvalidName(name, "not the name of a file in a storage")
    return name


def _is_shown(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return False
    if not entry.is_file(follow_symlinks=False):
        log.warning("neither a file nor a project's folder, left out: name=%s", entry.name)
        return False
    return True


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from entries


def _has_content(path: Path, file: FileRef) -> bool:
    with contextlib.suppress(FileNotFoundError), open(os.open(path, _READ), "rb") as body:
        return os.fstat(body.fileno()).st_size == file.size and _sha256_of(body) == file.sha256
    return False


def _sha256_of(body: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := body.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _put(source: Path, target: Path, *, beside: Path | None = None) -> None:
    """Put a link to `source`, or where that cannot be had a copy, in place of what `target` is. beside: where it is made."""
    temporary = _temporary((beside or target).parent)
    try:
        os.link(source, temporary)
    except OSError:  # another file system, or one without links
        _copy(source, temporary)
    os.rename(temporary, target)


def _temporary(folder: Path) -> Path:
    """A name for what is not finished; sweep() finds it where a crash leaves it."""
    return folder / f".{secrets.token_hex(8)}.tmp"


def _copy(source: Path, target: Path) -> None:
    """Copy, where a link cannot be had, to last. A target that cannot be finished is removed."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, READ_ONLY)
    try:
        with open(descriptor, "wb") as out, open(os.open(source, _READ), "rb") as body:
            shutil.copyfileobj(body, out, 1 << 20)
            os.fchmod(out.fileno(), READ_ONLY)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(target)
        raise
