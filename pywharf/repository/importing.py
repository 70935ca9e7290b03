"""What `pywharf import` does: files of a folder or of another index, through admission, into a repository.

What is here already with the same bytes is passed over, so a run that was ended is gone on with by another one. Nothing that is here is
changed, but that a file which is yanked at the source is yanked here, and that a project gets the source's status once its files are
here. A file that is refused stops nobody.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from pywharf.api.simple_reading import OfferedFile
from pywharf.errors import (
    AccessDenied,
    AuditUnavailable,
    BackendUnavailable,
    FileConflict,
    FileTooLarge,
    IndexNotReady,
    InvalidName,
    NotRecorded,
    ProjectClosed,
    ReleaseMissing,
    SourceUnusable,
    TooBusy,
    UploadRejected,
    WharfError,
)
from pywharf.model.names import DistributionName, ProjectName, parse_filename
from pywharf.model.reasons import MAX_REASON
from pywharf.model.record import DistributionRecord, ProjectStatus, Tombstone, now
from pywharf.repository.admission import admit_file
from pywharf.repository.audit import ON_THIS_MACHINE
from pywharf.repository.bounded_map import bounded_map
from pywharf.repository.import_sources import ImportSource, Offered
from pywharf.repository.incoming import IncomingFile
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.repository import Repository
from pywharf.repository.source_client import LONGEST_WAIT, AccessRefused, NotThere, SourceBusy

STRONG = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s")  # digests that are believed
WEAK = ("md5", "sha1", "sha224", "sha3_224")  # looked at where there is nothing better, which has to be allowed
ATTEMPTS = 4  # of one file, while the source or the storage is in trouble
FIRST_PAUSE = 1.0  # seconds between the first two, twice as long between the next
MOST_FAILED = 20  # files in a row that could not be had or stored: then there is no use in going on

Kind = Literal["imported", "there", "refused", "failed", "yanked", "status"]

_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_PASSING = (SourceBusy, BackendUnavailable, IndexNotReady, TooBusy, AuditUnavailable, NotRecorded)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one file, or of a project's status."""

    kind: Kind
    name: str  # of the file; "project NAME"
    detail: str = ""  # the reason, or the status


class ImportStopped(WharfError):
    """Too many files in a row could not be had from the source, or not be stored."""


def import_files(
    repository: Repository,
    source: ImportSource,
    *,
    jobs: int = 4,
    dry_run: bool = False,
    on_outcome: Callable[[Outcome], None],
) -> None:
    """Take over everything that the source has and that is not here.

    jobs: files at a time. dry_run: change nothing; say what would be done, as far as names and digests tell. on_outcome: called, in this
    thread, with what became of each file. Raises AccessDenied, SourceUnusable, ImportStopped, BackendUnavailable, IndexNotReady.
    """
    repository.sync()
    run = _Run(repository, source, dry_run)
    with ThreadPoolExecutor(jobs) as pages, ThreadPoolExecutor(jobs) as files:
        try:
            offered = bounded_map(pages, source.read, source.names(), ahead=2 * jobs)
            _tell(bounded_map(files, run.take, run.files(offered), ahead=4 * jobs), on_outcome)
        except BaseException:
            run.stop.set()
            raise
    for name, reason in source.strays():
        on_outcome(Outcome("refused", name, reason))
    for outcome in run.take_statuses():
        on_outcome(outcome)


def _tell(taken: Iterator[list[Outcome]], on_outcome: Callable[[Outcome], None]) -> None:
    failed = 0  # in a row
    for outcomes in taken:
        for outcome in outcomes:
            on_outcome(outcome)
            failed = failed + 1 if outcome.kind == "failed" else 0
            if failed >= MOST_FAILED:
                raise ImportStopped(f"{failed} files in a row could not be imported, the last one because: {outcome.detail}")


@dataclass(frozen=True)
class _Wanted:
    """One file to be taken over, or why a project's page is none."""

    project: ProjectName
    file: OfferedFile | None
    problem: str = ""


class _Run:
    def __init__(self, repository: Repository, source: ImportSource, dry_run: bool) -> None:
        self._repository = repository
        self._source = source
        self._dry_run = dry_run
        self._statuses: dict[ProjectName, ProjectStatus] = {}  # other than active
        self.stop = threading.Event()

    def files(self, offered: Iterator[Offered]) -> Iterator[_Wanted]:
        for project in offered:
            if project.problem:
                yield _Wanted(project.project, None, project.problem)
            if project.page.status.status != "active":
                self._statuses[project.project] = project.page.status
            for file in project.page.files:
                yield _Wanted(project.project, file)

    def take(self, wanted: _Wanted) -> list[Outcome]:
        """Take one file over. Raises what stops the run."""
        if wanted.file is None:
            return [Outcome("refused", f"project {wanted.project}", wanted.problem)]
        name = wanted.file.filename[:255]
        for attempt in range(ATTEMPTS):
            try:
                return list(self._take(wanted.project, wanted.file))
            except AccessDenied:
                raise
            except AccessRefused as error:
                return [Outcome("failed", name, str(error))]
            except _PASSING as error:
                pause = max(FIRST_PAUSE * 2.0**attempt, min(LONGEST_WAIT, error.retry_after))
                if attempt == ATTEMPTS - 1 or self.stop.wait(pause):
                    return [Outcome("failed", name, str(error))]
            except IndexDamaged:
                self._repository.mend()
            except NotThere:
                return [Outcome("refused", name, "the source lists it, and does not have it")]
            except InvalidName as error:
                return [Outcome("refused", name, error.reason)]
            except SourceUnusable as error:
                return [Outcome("refused", name, error.reason if error.source == wanted.file.filename else str(error))]
            except (UploadRejected, FileConflict, FileTooLarge, ProjectClosed) as error:
                return [Outcome("refused", name, str(error))]
            except OSError as error:
                return [Outcome("refused", name, f"it cannot be read ({error.strerror or type(error).__name__})")]
        return [Outcome("failed", name, "the local index is damaged, and building it anew does not mend it")]

    def take_statuses(self) -> Iterator[Outcome]:
        """Give projects the source's status: after their files, which an archived project would not take."""
        for project, status in sorted(self._statuses.items()):
            try:
                here = self._repository.releases.status(project)
                reason = _reason(status.reason)
                if here is not None and (here.status, here.reason) == (status.status, reason):
                    continue
                if here is None and not self._dry_run:
                    raise ReleaseMissing(f"it is {status.status} at the source, and none of its files is here")
                if not self._dry_run:
                    self._repository.releases.set_status(None, project, status.status, reason)
                yield Outcome("status", f"project {project}", status.status)
            except WharfError as error:
                yield Outcome("refused", f"project {project}", str(error))

    # --- one file ---------------------------------------------------------------------------------------------------

    def _take(self, project: ProjectName, file: OfferedFile) -> Iterator[Outcome]:
        name = parse_filename(file.filename)
        if name.project != project:
            raise InvalidName(file.filename, f"it belongs to project {name.project}, and the source has it under {project}")
        if self._source.needs_hashes and not set(STRONG) & file.hashes.keys():
            raise InvalidName(file.filename, "the source gives no sha256 for it; --allow_unhashed takes it all the same")
        limit = self._repository.config.max_file_bytes
        if file.size is not None and file.size > limit:
            raise FileTooLarge(limit)
        found = self._here(name, file)
        if found is None and not file.hashes and file.size is not None and self._is_taken(name):
            found = self._here(name, replace(file, hashes={"sha256": self._digest(file, limit)}))
        if found is not None:
            yield from self._already_there(found, file)
        elif self._dry_run:
            yield Outcome("imported", name.filename)
        else:
            yield self._import(name, file, limit)

    def _here(self, name: DistributionName, file: OfferedFile) -> DistributionRecord | None:
        """The record of the same bytes; None where it is not here, or cannot be compared. Raises FileConflict."""
        found = self._repository.index.picture(name.project, name.key).document
        if isinstance(found, Tombstone):
            raise FileConflict(name.filename, "it was deleted here, and the name of a deleted file stays taken")
        if not isinstance(found, DistributionRecord):
            return None
        known = {**found.digests, "sha256": found.sha256}
        for algorithm in ("sha256", "md5"):
            if algorithm in file.hashes and algorithm in known:
                if file.hashes[algorithm] != known[algorithm]:
                    raise FileConflict(name.filename, f"it is here as {found.filename} with other content")
                return found if found.filename == name.filename else None
        return None

    def _is_taken(self, name: DistributionName) -> bool:
        return self._repository.index.picture(name.project, name.key).taken

    def _digest(self, file: OfferedFile, limit: int) -> str:
        digest = hashlib.sha256()
        self._source.receive(file, digest.update, limit)
        return digest.hexdigest()

    def _already_there(self, found: DistributionRecord, file: OfferedFile) -> Iterator[Outcome]:
        yield Outcome("there", found.filename)
        if file.yanked is not None and found.yanked is None:
            if not self._dry_run:
                project = parse_filename(found.filename).project
                self._repository.releases.yank(None, project, filename=found.filename, reason=_reason(file.yanked))
            yield Outcome("yanked", found.filename)

    def _import(self, name: DistributionName, file: OfferedFile, limit: int) -> Outcome:
        with self._repository.receiving() as incoming:
            written = self._receive(file, incoming, limit)
            incoming.finish()
            admitted = admit_file(
                incoming.path, name.filename, min(now(), file.upload_time or written or now()), self._repository.config.admission
            )
            if file.yanked is not None:
                admitted = replace(admitted, record=replace(admitted.record, yanked=_reason(file.yanked)))
            uploaded = self._repository.uploads.adopt(admitted, incoming, ON_THIS_MACHINE, verb="Import")
        log.info("file imported: repository=%s file=%s", self._repository.name, name.filename)
        return Outcome("imported" if uploaded.created else "there", name.filename)

    def _receive(self, file: OfferedFile, incoming: IncomingFile, limit: int) -> datetime | None:
        """Have the file's bytes, which agree with every digest that the source gives. Returns when the source last wrote it."""
        digests = {algorithm: hashlib.new(algorithm) for algorithm in (*STRONG, *WEAK) if algorithm in file.hashes}

        def write(piece: bytes) -> None:
            if self.stop.is_set():
                raise SourceUnusable(file.filename, "was not fetched to its end: the run was stopped")
            for digest in digests.values():
                digest.update(piece)
            incoming.write(piece)

        written = self._source.receive(file, write, limit)
        for algorithm, digest in digests.items():
            if digest.hexdigest() != file.hashes[algorithm]:
                raise SourceUnusable(file.filename, f"has another {algorithm} than the source says: it was changed on its way, or there")
        if file.size is not None and incoming.size != file.size:
            raise SourceUnusable(file.filename, f"has {incoming.size} bytes, and the source says {file.size}")
        return written


def _reason(text: str) -> str:
    """A reason of the source as one line that can be kept here."""
    return _SPACE.sub(" ", text.encode("utf-8", "replace").decode()).strip()[:MAX_REASON]
