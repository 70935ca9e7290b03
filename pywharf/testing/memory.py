"""A backend that keeps everything in memory: a fake for tests, and the smallest right backend to read before writing one.

Several `MemoryBackend`s on one `MemoryStorage` are what several servers on one storage are. Nothing outlives the process.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pywharf.backend.interface import Access, Backend, BackendPlugin, Change, Changes, Cursor, Entry, FileBody, FileRef
from pywharf.backend.settings import BackendConfig, BackendSecret
from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing, Moved

DAY = 86400  # seconds
REPLACED = "the log was replaced by another one"


@dataclass(frozen=True)
class Body:
    """What a commit placed."""

    data: bytes
    placed: float  # Unix time


@dataclass
class MemoryStorage:
    """What the backends share, with the switches that a test turns."""

    unavailable: bool = False  # True: nothing can be asked and nothing promised
    before_commit: Callable[[Change], None] = lambda change: None  # called at each commit; may raise, or commit something else
    now: Callable[[], float] = time.time  # Unix time
    log: list[list[Entry]] = field(default_factory=list)  # one list for each commit
    bodies: dict[FileRef, Body] = field(default_factory=dict)
    by_hand: dict[tuple[str, str], bytes] = field(default_factory=dict)  # put there by somebody: by project and name
    identity: str = field(default_factory=lambda: secrets.token_hex(8))  # begins every cursor, so that no other storage knows it
    lock: threading.RLock = field(default_factory=threading.RLock)

    def remove_by_hand(self, project: str, key: str) -> None:
        """Remove a document as somebody with access to the storage might, behind pywharf's back."""
        with self.lock:
            newest = [entry for commit in self.log for entry in commit if (entry.project, entry.key) == (project, key)][-1]
            self.log.append([Entry(project, key, newest.serial, None)])


class MemoryBackend(Backend):
    """A MemoryStorage, opened with a secret that carries `rights`."""

    def __init__(self, storage: MemoryStorage, rights: Access = Access.WRITE) -> None:
        self.storage = storage
        self.rights = rights

    def access(self) -> Access:
        with self._asking(Access.NONE):
            return self.rights

    def commit(self, change: Change, after: Cursor) -> None:
        with self._asking(Access.WRITE):
            self.storage.before_commit(change)
            placed = {staged.ref: Body(staged.path.read_bytes(), self.storage.now()) for staged in change.files}
            since = self._position(after)
            if since is None or any(self._disturbs(change, entry) for commit in self.storage.log[since:] for entry in commit):
                raise Moved(change.project)
            self.storage.bodies.update(placed)
            self._append(change)
            for file in change.drop:
                self.storage.bodies.pop(file, None)

    def read_changes(self, after: Cursor | None) -> Changes:
        with self._asking(Access.READ):
            since = None if after is None else self._position(after)
            entries = [entry for commit in self.storage.log[since or 0 :] for entry in commit]
            notice = REPLACED if since is None and after is not None else ""
            return Changes(since is None, iter(entries), self._cursor(), notice)

    def open_file(self, file: FileRef) -> FileBody:
        with self._asking(Access.READ):
            body = self.storage.bodies.get(file)
            data = body.data if body else None if file.sha256 else self.storage.by_hand.get((file.project, file.name))
            if data is None:
                raise FileMissing(file.name)
            return FileBody(io.BytesIO(data), len(data))

    def iter_files(self) -> Iterator[FileRef]:
        with self._asking(Access.READ):
            by_hand = [FileRef(project, name, "", len(data)) for (project, name), data in self.storage.by_hand.items()]
            return iter([*self.storage.bodies, *by_hand])

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        with self._asking(Access.WRITE):
            old = self.storage.now() - DAY
            gone = [file for file, body in self.storage.bodies.items() if body.placed < old and not is_known(file.sha256)]
            for file in gone:
                del self.storage.bodies[file]
            return len(gone)

    @contextlib.contextmanager
    def _asking(self, needed: Access) -> Iterator[None]:
        """Alone with the storage, if the secret carries the right and the storage can be asked."""
        with self.storage.lock:
            if self.storage.unavailable:
                raise BackendUnavailable("a test turned it off")
            if self.rights < needed:
                raise AccessDenied(needed.name.lower())
            yield

    def _cursor(self) -> Cursor:
        return Cursor(f"{self.storage.identity}:{len(self.storage.log)}")

    def _position(self, cursor: Cursor) -> int | None:
        """How many commits the cursor has seen; None where it is not in this storage's past."""
        identity, _, seen = cursor.partition(":")
        if identity != self.storage.identity or not seen.isdecimal() or int(seen) > len(self.storage.log):
            return None
        return int(seen)

    def _disturbs(self, change: Change, entry: Entry) -> bool:
        return change.disturbed_by(entry.project, entry.key)

    def _append(self, change: Change) -> None:
        serial = len(self.storage.log) + 1
        self.storage.log.append([Entry(change.project, key, serial, document) for key, document in change.documents.items()])


class MemoryConfig(BackendConfig):
    """A repository's table in the configuration."""

    type: Literal["memory"] = "memory"
    read_secret: str = "reader"  # noqa: S105 - of a repository that ends with its test
    write_secret: str = "writer"  # noqa: S105


class MemorySecret(BackendSecret):
    """What a caller shows."""

    type: Literal["memory"] = "memory"


class MemoryPlugin(BackendPlugin):
    """Repositories in memory; those that are opened with one workdir share a storage."""

    type = "memory"
    needs_admin_secret = False
    config_model = MemoryConfig
    secret_model = MemorySecret

    def __init__(self) -> None:
        self._storages: dict[Path, MemoryStorage] = {}

    def storage(self, workdir: Path) -> MemoryStorage:
        """The storage behind a repository, for a test to look into and to turn its switches."""
        return self._storages.setdefault(workdir, MemoryStorage())

    def open(self, config: MemoryConfig, secret: BackendSecret | None, workdir: Path) -> Backend:
        rights = {config.write_secret: Access.WRITE, config.read_secret: Access.READ}
        return MemoryBackend(self.storage(workdir), Access.WRITE if secret is None else rights.get(secret.reveal(), Access.NONE))
