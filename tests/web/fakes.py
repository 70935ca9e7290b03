"""Stand-ins for what lies below the web layer: a wharf with repositories that do as they are told."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

from pywharf.api.file_digests import new_digest
from pywharf.api.upload import UploadForm
from pywharf.backend.interface import Access, FileBody, FileRef
from pywharf.backend.settings import BackendConfig
from pywharf.model.names import ProjectName, parse_filename
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import DistributionRecord, ProjectStatus, Sha256, SideFile
from pywharf.repository.audit import Requester
from pywharf.repository.changes import Uploaded
from pywharf.repository.health import Health
from pywharf.repository.notices import Notice
from pywharf.wharf import Wharf

READ, WRITE = "read-me", "write-me"


def file_record(filename: str, data: bytes, metadata: bytes | None = b"") -> DistributionRecord:
    name = parse_filename(filename)
    side = SideFile(f"{filename}.metadata", Sha256(hashlib.sha256(metadata).hexdigest()), len(metadata)) if metadata else None
    digest = Sha256(hashlib.sha256(data).hexdigest())
    uploaded = datetime(2026, 11, 21, 10, 11, 12, tzinfo=timezone.utc)
    return DistributionRecord(filename, name.kind, name.project, str(name.version), digest, len(data), uploaded, metadata=side)


class CountingBody(io.BytesIO):
    """A body that knows how much of it was read, and whether it was closed."""

    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.read_bytes += len(chunk)
        return chunk


@dataclass
class FakeIncoming:
    path: Path = Path("/nowhere")
    data: bytearray = field(default_factory=bytearray)

    def expect(self, algorithms: Collection[str]) -> None:
        assert not self.data

    def write(self, data: bytes) -> None:
        self.data += data

    def digest(self, algorithm: str) -> str:
        digest = new_digest(algorithm)
        digest.update(bytes(self.data))
        return digest.hexdigest()


class FakeRepository:
    """One repository in memory. What it is asked is counted; `trouble` is raised by whatever reads."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self.config = BackendConfig(type="fake", max_file_bytes=1000)
        self.secrets: dict[str, Access] = {READ: Access.READ, WRITE: Access.WRITE}
        self.known: dict[str, Access] = {}  # remembered
        self.asked: list[str] = []  # secrets that were not remembered
        self.trouble: Exception | None = None
        self.access_trouble: Exception | None = None
        self.revision = 7
        self.serial = 42
        self.contents: dict[str, dict[str, bytes]] = {}  # project -> file name -> bytes
        self.records: dict[str, dict[str, DistributionRecord]] = {}
        self.status: dict[str, ProjectStatus] = {}
        self.private: set[str] = set()
        self.opened: list[CountingBody] = []
        self.received: list[FakeIncoming] = []
        self.uploads: list[tuple[str, UploadForm, bytes]] = []
        self.upload_result: Exception | bool = True
        self.upload_warnings: tuple[str, ...] = ()
        self.synced: int | None = 1584379892
        self.is_ready = True
        self.problem = ""
        self.notices: tuple[Notice, ...] = ()
        self.renderings = 0

    def put(self, filename: str, data: bytes, metadata: bytes = b"") -> DistributionRecord:
        record = file_record(filename, data, metadata)
        project = parse_filename(filename).project
        self.records.setdefault(project, {})[filename] = record
        files = self.contents.setdefault(project, {})
        files[filename] = data
        if metadata:
            files[f"{filename}.metadata"] = metadata
        self.revision += 1
        return record

    # --- as Repository has it ---------------------------------------------------------------------------------------

    def remembered(self, secret: str, needs: Access = Access.READ) -> Access | None:
        return self.known.get(secret)

    def access(self, secret: str, needs: Access = Access.READ) -> Access:
        self.asked.append(secret)
        if self.access_trouble:
            raise self.access_trouble
        found = self.secrets.get(secret, Access.NONE)
        if found:
            self.known[secret] = found
        return found

    def project_revision(self, project: ProjectName) -> int | None:
        self._raise()
        return self.revision if project in self.records else None

    def project(self, project: ProjectName) -> ProjectDetail | None:
        self._raise()
        self.renderings += 1
        if project not in self.records:
            return None
        status = self.status.get(project, ProjectStatus())
        return ProjectDetail(project, tuple(self.records[project].values()), status, self.serial, self.revision)

    def projects_revision(self) -> int:
        self._raise()
        return self.revision

    def projects(self) -> ProjectList:
        self._raise()
        self.renderings += 1
        return ProjectList(tuple(ProjectName(name) for name in sorted(self.records)), self.serial, self.revision)

    def find_file(self, project: ProjectName, filename: str) -> FileRef | None:
        self._raise()
        data = self.contents.get(project, {}).get(filename)
        return None if data is None else FileRef(project, filename, hashlib.sha256(data).hexdigest(), len(data))

    def open_file(self, file: FileRef) -> FileBody:
        body = CountingBody(self.contents[file.project][file.name])
        self.opened.append(body)
        return FileBody(body, file.size)

    def may_leave(self, project: ProjectName) -> bool:
        return project not in self.private

    def index_mtime(self) -> int | None:
        return self.synced

    def health(self) -> Health:
        problem = self.problem or ("" if self.is_ready else "secret trouble in /srv/storage")
        return Health(self.is_ready, 1.04, problem, 1584379892.9 if problem else None, self.notices)

    @contextlib.contextmanager
    def receiving(self) -> Iterator[FakeIncoming]:
        self.received.append(FakeIncoming())
        yield self.received[-1]

    def upload(self, secret: str, form: UploadForm, incoming: FakeIncoming, *, requester: Requester) -> Uploaded:
        if isinstance(self.upload_result, Exception):
            raise self.upload_result
        self.uploads.append((secret, form, bytes(incoming.data)))
        return Uploaded(file_record(form.filename, bytes(incoming.data)), self.upload_result, self.upload_warnings)

    def _raise(self) -> None:
        if self.trouble:
            raise self.trouble


@dataclass
class FakeGeneration:
    number: int
    repositories: Mapping[str, FakeRepository]
    configuration: str = "as it is"

    def find(self, name: str) -> FakeRepository | None:
        return self.repositories.get(name.lower())


class FakeWharf:
    """A wharf; counts who holds it."""

    token = "initialise-me"

    def __init__(self, *repositories: FakeRepository) -> None:
        self.generation = FakeGeneration(1, {repository.name: repository for repository in repositories})
        self.holders = 0
        self.claims = 0
        self.unclaimed = True
        self.initialised: list[tuple[str, str]] = []
        self.refusal: Exception | None = None
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name)
        self.sessions_path = self.root / "sessions.sqlite"

    def close(self) -> None:
        self._folder.cleanup()

    @contextlib.contextmanager
    def hold(self) -> Iterator[FakeGeneration]:
        self.holders += 1
        try:
            yield self.generation
        finally:
            self.holders -= 1

    def claim(self) -> None:
        self.claims += 1
        self.unclaimed = False

    def check_initialize_token(self, token: str) -> bool:
        return token == self.token

    def initialize(self, config: str, admin_secret: str, *, requester: Requester) -> None:
        if self.refusal:
            raise self.refusal
        self.initialised.append((config, admin_secret))
        self.claim()

    @property
    def wharf(self) -> Wharf:
        """As the web layer takes it."""
        return cast(Wharf, self)
