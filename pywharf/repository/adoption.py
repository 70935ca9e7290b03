"""What `pywharf update_index` does: compares what lies in the storage with what is known, and mends the difference.

Files that somebody put there by hand pass the same admission as an upload and become known; one that fails is named and
skipped. Nothing that is known is ever changed here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from pywharf.backend.interface import FileBody, FileRef
from pywharf.errors import (
    BackendUnavailable,
    FileConflict,
    FileMissing,
    FileTooLarge,
    IndexNotReady,
    InvalidName,
    ProjectClosed,
    UploadRejected,
)
from pywharf.model.names import DistributionName, parse_filename
from pywharf.model.record import DistributionRecord, Tombstone, now
from pywharf.repository.admission import admit_file
from pywharf.repository.bodies import bodies_of
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.repository import Repository

SIDE_SUFFIXES = (".metadata", ".provenance")
PIECE = 1 << 18  # bytes copied at a time

_PROVENANCE = re.compile(r"\.[0-9a-f]{16}\.provenance$")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What one run found and did."""

    known: int  # distribution files with a record, before the run
    adopted: tuple[str, ...]  # names of files that became known
    skipped: tuple[tuple[str, str], ...]  # names of files left alone, each with the reason
    missing: tuple[str, ...]  # names of known files, and of files beside them, whose body is not in the storage
    swept: int  # bodies removed that no record refers to


def update_index(repository: Repository, *, on_progress: Callable[[int], None] = lambda done: None) -> Report:
    """Compare, adopt, sweep, and write the checkpoint.

    on_progress: called with the number of files looked at so far. Raises AccessDenied where the secret may not write,
    IndexNotReady, BackendUnavailable.
    """
    try:
        return _compare(repository, on_progress)
    except IndexDamaged:
        repository.mend()
    try:
        return _compare(repository, on_progress)
    except IndexDamaged as error:
        raise IndexNotReady(repository.name, "it is damaged, and building it anew does not mend it") from error


def _compare(repository: Repository, on_progress: Callable[[int], None]) -> Report:
    repository.sync()
    run = _Run(repository)
    for done, file in enumerate(repository.backend.iter_files(), start=1):
        run.look_at(file)
        on_progress(done)
    missing = run.missing()
    repository.sync()
    bodies = run.known_bodies()
    swept = repository.backend.sweep(bodies.__contains__)
    with repository.index.all_entries() as (cursor, entries):
        repository.backend.write_checkpoint(entries, cursor)
    report = Report(run.known, tuple(run.adopted), tuple(run.skipped), missing, swept)
    log.info(
        "storage compared with the index: repository=%s known=%d adopted=%d skipped=%d missing=%d swept=%d",
        repository.name, report.known, len(report.adopted), len(report.skipped), len(report.missing), report.swept,
    )  # fmt: skip
    return report


class _Run:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._there: set[str] = set()  # sha256 of bodies, and "project/name" of files of unknown content, met in the storage
        self.known = sum(isinstance(document, DistributionRecord) for _, document in repository.index.documents())
        self.adopted: list[str] = []
        self.skipped: list[tuple[str, str]] = []

    def look_at(self, file: FileRef) -> None:
        self._there.add(file.sha256 or f"{file.project}/{file.name}")
        if not file.name:
            return
        if file.name.endswith(SIDE_SUFFIXES):
            self._look_beside(file)
            return
        try:
            name = parse_filename(file.name)
            if file.project not in ("", name.project):
                raise InvalidName(file.name, f"it belongs to project {name.project} but lies in the folder of {file.project}")
            if self._is_known(name, file):
                return
            self._adopt(name, file)
        except InvalidName as error:
            self._skip(file, error.reason)
        except UploadRejected as error:
            self._skip(file, str(error))
        except (FileConflict, FileTooLarge, FileMissing, ProjectClosed) as error:
            self._skip(file, str(error))
        except OSError as error:
            self._skip(file, f"it cannot be read ({error.strerror or type(error).__name__})")

    def _look_beside(self, file: FileRef) -> None:
        """Tell of what a deletion left that was cut short: nobody else would, and people delete what nobody may have."""
        about = _PROVENANCE.sub("", file.name).removesuffix(".metadata")
        with contextlib.suppress(InvalidName):
            name = parse_filename(about)
            if isinstance(self._repository.index.picture(name.project, name.key).document, Tombstone):
                self._skip(file, "the file that it is about was deleted: remove it from the storage by hand")

    def missing(self) -> tuple[str, ...]:
        """Names of the files that a record speaks of and that have no body."""
        return tuple(
            file.name
            for entry, record in self._repository.index.documents()
            if isinstance(record, DistributionRecord)
            for file in bodies_of(entry.project, record)
            if file.sha256 not in self._there and not self._opens(file)
        )

    def _opens(self, file: FileRef) -> bool:
        """Whether readers get the body of a file that was met under its name only: what lies there can be a copy made for people."""
        if f"{file.project}/{file.name}" not in self._there:
            return False
        try:
            self._repository.backend.open_file(file).close()
        except (FileMissing, BackendUnavailable):
            return False
        return True

    def known_bodies(self) -> set[str]:
        """sha256 of every body that a record refers to."""
        return {
            file.sha256
            for entry, document in self._repository.index.documents()
            if isinstance(document, DistributionRecord)
            for file in bodies_of(entry.project, document)
        }

    def _is_known(self, name: DistributionName, file: FileRef) -> bool:
        picture = self._repository.index.picture(name.project, name.key)
        found = picture.document
        if isinstance(found, DistributionRecord):
            if found.filename != file.name or found.size != file.size or file.sha256 not in ("", found.sha256):
                raise FileConflict(file.name, f"the index knows {found.filename} with other content")
            return True
        if isinstance(found, Tombstone):
            raise FileConflict(file.name, "it was deleted, and the name of a deleted file stays taken: remove it from the storage by hand")
        return False

    def _adopt(self, name: DistributionName, file: FileRef) -> None:
        limit = self._repository.config.max_file_bytes
        if file.size > limit:
            raise FileTooLarge(limit)
        try:
            opened = self._repository.backend.open_file(file)
        except BackendUnavailable as error:  # perhaps this file alone; where it is all of the storage, the end of the run tells
            self._skip(file, f"it cannot be read ({error.reason})")
            return
        with opened as body, self._repository.receiving() as incoming:
            while piece := body.read(PIECE):
                incoming.write(piece)
            incoming.finish()
            admitted = admit_file(incoming.path, name.filename, _modified(body), self._repository.config.admission)
            self._repository.adopt(admitted, incoming)
        log.info("file adopted: repository=%s file=%s", self._repository.name, file.name)
        self.adopted.append(file.name)
        self._there.update(stored.sha256 for stored in bodies_of(name.project, admitted.record))

    def _skip(self, file: FileRef, reason: str) -> None:
        log.warning("file left alone: repository=%s file=%s reason=%s", self._repository.name, file.name, reason)
        self.skipped.append((file.name, reason))


def _modified(body: FileBody) -> datetime:
    """When the body was last written, where it is a real file and that can be so; else now."""
    try:
        return min(now(), datetime.fromtimestamp(os.fstat(body.stream.fileno()).st_mtime, timezone.utc))
    except (OSError, OverflowError, ValueError):
        return now()
