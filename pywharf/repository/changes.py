"""Uploads: whose name it is, what a tombstone means, which status takes them. The rules live here, once, for all backends.

What happens to a release afterwards is in `release_changes.py`; how a change is committed, in `commits.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pywharf.backend.interface import Backend, Change, StagedFile
from pywharf.errors import FileConflict, ProjectClosed, UploadRejected
from pywharf.model.names import DistributionName
from pywharf.model.record import DistributionRecord, DocumentInvalid, Tombstone, to_json
from pywharf.repository.audit import ON_THIS_MACHINE, Event, Requester
from pywharf.repository.body_check import what_is_wrong
from pywharf.repository.commits import Commit, Commits, Decision
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.pictures import Picture


@dataclass(frozen=True)
class Uploaded:
    """What came of an upload."""

    record: DistributionRecord  # as the index has it
    created: bool  # False: the same bytes were here already
    warnings: tuple[str, ...] = ()  # what is wrong with it and was taken all the same, a clause each


class Changes:
    """What may be uploaded to one repository."""

    def __init__(self, repository: str, index: LocalIndex, commits: Commits) -> None:
        self._repository = repository
        self._index = index
        self._commits = commits

    def publish(
        self,
        writer: Backend,
        name: DistributionName,
        record: DistributionRecord,
        files: Sequence[StagedFile],
        *,
        verb: str = "Publish",
        requester: Requester = ON_THIS_MACHINE,
    ) -> Uploaded:
        """Add one distribution file with its side files.

        When it returns, the file is in the next page of every process on this ROOT. The same bytes again change nothing, but put back
        what the storage lost of them.
        verb: "Publish" an upload, "Adopt" what lay there, "Import" what lay elsewhere. Raises UploadRejected (too much to remember), FileConflict, ProjectClosed,
        and what `Commits.carry_out` does.
        """
        message = f"{verb} {record.name} {record.version}: {record.filename}"
        try:
            document = to_json(record)
        except DocumentInvalid as error:
            raise UploadRejected("content", f"its core metadata is too much for the index: {error}") from error
        change = Change(name.project, {name.key: document}, files, message=message)
        what = "upload" if verb == "Publish" else verb.lower()
        event = Event(what, self._repository, name.project, record.version, ((record.filename, record.sha256),))

        def decide() -> Decision[Uploaded]:
            picture = self._index.picture(name.project, name.key)
            there = _already_there(picture, name, record)
            if there is not None:
                return Decision(Uploaded(there, created=False), self._restoration(name, there, _lost(writer, there, files), picture))
            return Decision(Uploaded(record, created=True), Commit(change, picture.cursor, event))

        try:
            return self._commits.carry_out(name.project, writer, requester, decide)
        except ProjectClosed:  # unlike every other refusal this one may be over, and another server know it
            return self._commits.carry_out(name.project, writer, requester, decide, afresh=True)

    def restore(
        self,
        writer: Backend,
        name: DistributionName,
        record: DistributionRecord,
        files: Sequence[StagedFile],
        *,
        requester: Requester = ON_THIS_MACHINE,
    ) -> bool:
        """Put bodies of a record back that the storage lost or that are damaged there. False where the record is another one now.

        Raises what `Commits.carry_out` does.
        """

        def decide() -> Decision[bool]:
            picture = self._index.picture(name.project, name.key)
            if picture.document != record:
                return Decision(False, None)
            return Decision(True, self._restoration(name, record, files, picture))

        return self._commits.carry_out(name.project, writer, requester, decide)

    def _restoration(
        self, name: DistributionName, record: DistributionRecord, files: Sequence[StagedFile], picture: Picture
    ) -> Commit | None:
        """The commit of a record as it is, with those bodies of it again."""
        if not files:
            return None
        message = f"Restore {record.name} {record.version}: {', '.join(staged.ref.name for staged in files)}"
        event = Event("restore", self._repository, name.project, record.version, ((record.filename, record.sha256),))
        return Commit(Change(name.project, {name.key: to_json(record)}, files, message=message), picture.cursor, event)


def _lost(writer: Backend, record: DistributionRecord, files: Sequence[StagedFile]) -> list[StagedFile]:
    """Those of the files that the record speaks of, and that the storage does not hold as they were stored."""
    known = {record.sha256, record.metadata.sha256 if record.metadata else ""}
    ours = [staged for staged in files if staged.ref.sha256 in known]
    return [one for one in ours if what_is_wrong(writer, one.ref) and (not writer.drop_copy(one.ref) or what_is_wrong(writer, one.ref))]


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
