"""Changes to a repository: decided on the local index, committed by compare-and-swap, decided again when that moved.

The rules live here, once, for all backends: whose name it is, what a tombstone means, which status takes uploads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pywharf.backend.interface import Backend, Change, StagedFile
from pywharf.errors import BackendUnavailable, FileConflict, IndexBehind, IndexNotReady, Moved, ProjectClosed, TooBusy, UploadRejected
from pywharf.model.names import DistributionName
from pywharf.model.record import DistributionRecord, DocumentInvalid, Tombstone, to_json
from pywharf.repository.local_index import LocalIndex, Picture

ATTEMPTS = 20  # of one change against others on the same key

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Uploaded:
    """What came of an upload."""

    record: DistributionRecord  # as the index has it
    created: bool  # False: the same bytes were here already


class Changes:
    """What may be done to one repository."""

    def __init__(self, repository: str, index: LocalIndex, sync: Callable[[], None]) -> None:
        """sync: bring the index in step, returning once a sync that began after the call is complete."""
        self._repository = repository
        self._index = index
        self._sync = sync

    def publish(
        self, writer: Backend, name: DistributionName, record: DistributionRecord, files: Sequence[StagedFile], *, verb: str = "Publish"
    ) -> Uploaded:
        """Add one distribution file with its side files.

        When it returns, the file is in the next page of every process on this ROOT. The same bytes again change nothing.
        Raises UploadRejected (too much to remember), FileConflict, ProjectClosed, TooBusy, IndexBehind (stored, not yet
        listed), and what the backend raises (AccessDenied, BackendUnavailable).
        """
        message = f"{verb} {record.name} {record.version}: {record.filename}"
        try:
            document = to_json(record)
        except DocumentInvalid as error:
            raise UploadRejected("content", f"its core metadata is too much for the index: {error}") from error
        change = Change(name.project, {name.key: document}, files, message=message)
        for _ in range(ATTEMPTS):
            picture = self._index.picture(name.project, name.key)
            there = _already_there(picture, name, record)
            if there is not None:
                return Uploaded(there, created=False)
            try:
                writer.commit(change, picture.cursor)
            except Moved:
                self._sync()
                continue
            try:
                self._sync()
            except (BackendUnavailable, IndexNotReady) as error:
                raise IndexBehind(self._repository, error.reason) from error
            return Uploaded(record, created=True)
        raise TooBusy(name.project)


def _already_there(picture: Picture, name: DistributionName, record: DistributionRecord) -> DistributionRecord | None:
    """The record of the same bytes, or None where the name is free. Raises FileConflict, ProjectClosed."""
    if not picture.status.takes_uploads:
        raise ProjectClosed(name.project, picture.status.status)
    if not picture.taken:
        return None
    found = picture.document
    if isinstance(found, DistributionRecord):
        if found.sha256 == record.sha256 and found.filename == record.filename:
            return found
        if found.sha256 == record.sha256:
            raise FileConflict(record.filename, f"the same content is here as {found.filename}; a file has one spelling")
        if found.filename != record.filename and found.kind == "sdist":
            raise FileConflict(record.filename, f"release {found.version} has its source distribution, {found.filename}; a release has one")
        if found.filename != record.filename:
            raise FileConflict(record.filename, f"it is here as {found.filename}, with other content")
        raise FileConflict(record.filename, "with other content; give a changed file another version or build number")
    if isinstance(found, Tombstone):
        raise FileConflict(record.filename, "it was deleted, and the name of a deleted file stays taken")
    raise FileConflict(record.filename, "it was here before, and its name stays taken although it can no longer be read")
