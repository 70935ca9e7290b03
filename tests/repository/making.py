"""What the tests of one repository make again and again."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pywharf.api.file_digests import FileDigests
from pywharf.api.upload import UploadForm
from pywharf.backend.interface import Backend, Change, Changes, Cursor, Entry
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.layout import Layout
from pywharf.model.names import ProjectName, parse_filename
from pywharf.model.record import DistributionRecord, Sha256, Tombstone, to_json
from pywharf.repository.changes import Uploaded
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import Distribution
from pywharf.testing.memory import MemoryConfig, MemoryPlugin, MemoryStorage

MOMENT = datetime(2026, 11, 21, 10, 11, 12, 131415, tzinfo=timezone.utc)
DEMO = ProjectName("demo")

_numbers = itertools.count(1)


def digest(content: bytes) -> Sha256:
    return Sha256(hashlib.sha256(content).hexdigest())


def record(filename: str, content: bytes = b"content", **more: Any) -> DistributionRecord:
    name = parse_filename(filename)
    return DistributionRecord(filename, name.kind, name.project, str(name.version), digest(content), len(content), MOMENT, **more)


def tombstone(filename: str) -> Tombstone:
    return Tombstone(filename, digest(b"gone"), MOMENT)


def entry(filename: str, serial: int = 1, document: bytes | str | None = "a record") -> Entry:
    """The entry of a distribution file; its record, unless a document is given."""
    name = parse_filename(filename)
    return Entry(name.project, name.key, serial, to_json(record(filename)) if isinstance(document, str) else document)


def wheel(project: str, version: str = "1.0") -> str:
    return f"{project.replace('-', '_')}-{version}-py3-none-any.whl"


def local_index(folder: Path, repository: str = "local") -> LocalIndex:
    """Another view of the index that lies in this folder, as another process has."""
    return LocalIndex(folder / f"{repository}.sqlite", repository, NamesSeen(folder / "names" / repository))


def cursor() -> Cursor:
    """A position that was never before."""
    return Cursor(f"c{next(_numbers)}")


def step(index: LocalIndex, entries: Iterable[Entry], *, reset: bool = False) -> bool:
    """Apply entries to what the index has."""
    before = index.cursor()
    return index.apply(before, Changes(reset or before is None, iter(list(entries)), cursor()))


def settle(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def put(backend: Backend, filename: str, document: bytes | None = None) -> None:
    """Commit one document, whatever was there before."""
    name = parse_filename(filename)
    changes = backend.read_changes(None)
    list(changes.entries)
    backend.commit(Change(name.project, {name.key: to_json(record(filename)) if document is None else document}), changes.cursor)


def form_of(distribution: Distribution) -> UploadForm:
    """The form of a client that says the least it must."""
    name = parse_filename(distribution.filename)
    digests = FileDigests()
    digests.update(distribution.data)
    fields = {
        ":action": "file_upload",
        "metadata_version": "2.1",
        "name": name.project,
        "version": str(name.version),
        "filetype": name.kind,
        "sha256_digest": digests.sha256,
    }
    values = {field: (value,) for field, value in fields.items()}
    return UploadForm(values, distribution.filename, digests.size, digests.sha256, digests.md5, digests.blake2b_256)


def upload(repository: Repository, distribution: Distribution, secret: str = "writer") -> Uploaded:
    """Upload as the web layer does."""
    with repository.receiving() as incoming:
        incoming.write(distribution.data)
        return repository.upload(secret, form_of(distribution), incoming)


def download(repository: Repository, filename: str) -> bytes | None:
    """The bytes that are served under a name; None where it is not found."""
    file = repository.find_file(parse_filename(filename.removesuffix(".metadata")).project, filename)
    if file is None:
        return None
    with repository.open_file(file) as body:
        return body.read()


class World:
    """A ROOT, a plugin in memory, and repositories opened on them as the processes of one server do."""

    def __init__(self, folder: Path) -> None:
        self.plugin = MemoryPlugin()
        self.layout = Layout(folder / "root")
        self.layout.prepare()
        self._opened: list[Repository] = []

    def open(
        self, name: str = "local", *, server: ServerSettings | None = None, start: bool = True, ready: bool = True, **config: Any
    ) -> Repository:
        settings = RepositorySettings(name, self.plugin, MemoryConfig(**config), None)
        repository = Repository(settings, self.layout, server or ServerSettings())
        self._opened.append(repository)
        if start:
            repository.start()
            assert repository.wait_until_ready(20) == ready
        return repository

    def storage(self, name: str = "local") -> MemoryStorage:
        return self.plugin.storage(self.layout.workdir(name))

    def close(self) -> None:
        for repository in self._opened:
            repository.close()


def open_descriptors(folder: Path) -> list[str]:
    """What this process has open below a folder."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{descriptor}")
            if target.startswith(str(folder)):
                found.append(target)
    return found
