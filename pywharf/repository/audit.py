"""Who changed what: one line of JSON for each change of state, in ROOT/audit.

Appended by every process under a lock, and fsynced before the change is acknowledged. The file is the operator's: pywharf never
reads it, never shortens it and never removes it. It may be renamed at any time, and the next line begins a new one.

A change and its line are in two places, so one of them comes first. Before the change it is made sure that a line can be written,
else nothing is changed (AuditUnavailable). A line that cannot be written all the same is owed: the caller is told (NotRecorded), the log
has the line, and no further change is made before it is written. A process that is killed between the two leaves a change without a line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pywharf.errors import AuditUnavailable, NotRecorded
from pywharf.files import PRIVATE_FILE, fsync_folder, make_folder
from pywharf.logs import printable
from pywharf.model.record import now, time_text

SPARE = 64 * 1024  # bytes that have to be free on the disk before a change is begun
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_as_json = json.JSONEncoder(separators=(",", ":")).encode

Result = Literal["done", "unknown"]  # unknown: the storage's answer was lost, the change may have been made

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Requester:
    """Who asked for a change."""

    address: str = ""  # network address of the connection; "" where it came over no network
    key_id: str = ""  # what the secret is known by, as `keys.key_id` makes it; "" is the server's own right
    label: str = ""  # what the configuration calls the secret, or how else they came

    def with_secret(self, key_id: str, label: str) -> Requester:
        return replace(self, key_id=key_id, label=label or self.label)


ON_THIS_MACHINE = Requester()  # somebody at the command line, with the server's own right


@dataclass(frozen=True)
class Event:
    """One change of state."""

    what: str  # "upload", "adopt", "import", "restore", "attest", "yank", "unyank", "delete", "status", "initialize"
    repository: str = ""
    project: str = ""  # normalised
    version: str = ""
    files: tuple[tuple[str, str], ...] = ()  # name and sha256 of each distribution file that changed
    status: str = ""  # of a project (PEP 792), where that changed
    reason: str = ""
    repositories: tuple[str, ...] = ()  # that an initialisation configured

    def line(self, requester: Requester, result: Result) -> bytes:
        """One line of JSON, in ASCII, with its end."""
        said: dict[str, object] = {"time": time_text(now()), "what": self.what, "result": result}
        for key in ("repository", "project", "version", "status", "reason"):
            if getattr(self, key):
                said[key] = getattr(self, key)
        if self.files:
            said["files"] = [{"filename": filename, "sha256": sha256} for filename, sha256 in self.files]
        if self.repositories:
            said["repositories"] = self.repositories
        said.update(key_id=requester.key_id, label=requester.label, address=requester.address)
        return _as_json(said).encode("ascii") + b"\n"


class Audit:
    """One file of lines. Shared between threads, and by processes."""

    def __init__(self, path: Path, subject: str) -> None:
        """subject: whose changes they are, as messages say it, e.g. "repository local". Nothing is opened yet."""
        self._path = path
        self._subject = subject
        self._guard = threading.Lock()
        self._owed: deque[bytes] = deque()
        self._syncing = threading.Lock()
        self._written = self._lasting = (0, 0, 0)  # device, inode, and where the last line of this process ends; of it that fsynced

    def check(self) -> None:
        """Call it before a change is made. Raises AuditUnavailable where its line could not be written, or another one is owed."""
        try:
            with self._guard:
                while self._owed:
                    not_lasting = self._append(self._owed[0])
                    self._owed.popleft()
                    if not_lasting is not None:
                        raise not_lasting
            with self._opened() as (file, _):
                _refuse_full_disk(file)
        except OSError as error:
            log.error("no change is made, since the audit cannot be written: %s reason=%s", self._subject, _reason(error))
            raise AuditUnavailable(self._subject, _reason(error)) from error

    def record(self, event: Event, requester: Requester, result: Result = "done") -> None:
        """Write the line of a change that was made. When it returns, the line survives power loss. Raises NotRecorded."""
        line = event.line(requester, result)
        try:
            trouble = self._append(line)
        except OSError as error:
            trouble = error
            with self._guard:
                self._owed.append(line)
        if trouble is not None:
            log.error("change not in the audit: %s reason=%s line=%s", self._subject, _reason(trouble), printable(line.decode().rstrip()))
            raise NotRecorded(self._subject, _reason(trouble)) from trouble

    # --- inside -----------------------------------------------------------------------------------------------------

    def _append(self, line: bytes) -> OSError | None:
        """Write a line: None where it lasts, else why nobody can promise that. Raises OSError where nothing of it was written."""
        while True:
            with self._opened() as (file, here):
                fcntl.flock(file, fcntl.LOCK_EX)
                if not self._is_named(here):
                    continue  # somebody renamed it while this thread waited
                end = _write(file, line)
                if self._lasting[:2] == here and self._lasting[2] > end - len(line):
                    self._lasting = (0, 0, 0)  # it was emptied, or is a new file that was given the inode of the one that is gone
                self._written = (*here, end)
                fcntl.flock(file, fcntl.LOCK_UN)  # others may write while this one waits for the disk
                try:
                    self._make_last(file, here, end)
                except OSError as error:
                    return error
                return None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Its descriptor, and which file that is: device and inode."""
        try:
            file = os.open(self._path, _OPEN, PRIVATE_FILE)
        except FileNotFoundError:
            make_folder(self._path.parent)
            file = os.open(self._path, _OPEN, PRIVATE_FILE)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "there is something else under its name")
            yield file, (found.st_dev, found.st_ino)
        finally:
            os.close(file)

    def _is_named(self, here: tuple[int, int]) -> bool:
        try:
            found = os.lstat(self._path)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == here

    def _make_last(self, file: int, here: tuple[int, int], end: int) -> None:
        """One fsync for all who wrote before it began."""
        with self._syncing:
            if self._lasting[:2] == here and self._lasting[2] >= end:
                return
            written = self._written
            is_new = self._lasting[:2] != here
            os.fsync(file)
            if is_new:
                fsync_folder(self._path.parent)  # its name is perhaps as new
            self._lasting = written if written[:2] == here else (*here, end)


def _write(file: int, line: bytes) -> int:
    """Append a line, under the lock; returns where it ends. Whatever goes wrong, nothing of it stays."""
    size = os.fstat(file).st_size
    if not size:
        os.fchmod(file, PRIVATE_FILE)  # whatever the umask
    elif os.pread(file, 1, size - 1) != b"\n":
        line = b"\n" + line  # a crash tore the last one
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise
    return size + len(line)


def _refuse_full_disk(file: int) -> None:
    disk = os.fstatvfs(file)
    if disk.f_blocks and disk.f_bavail * disk.f_frsize < SPARE:  # some file systems do not count
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
