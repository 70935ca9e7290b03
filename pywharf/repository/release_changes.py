"""What is done to files that are here: yanked, unyanked, deleted. Decided on one picture of their project, for all of them in one commit.

A yanked file stays and is not chosen unless it is pinned (PEP 592). A deleted one leaves a tombstone, so that its name is taken for
ever; its bodies go once the commit is made. Asked for what is so already, nothing happens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_version
from packaging.version import Version

from pywharf.backend.interface import Change
from pywharf.errors import ChangeRejected, InvalidName, ReleaseMissing
from pywharf.model.names import DistributionName, Key, ProjectName, parse_filename
from pywharf.model.record import DistributionRecord, Document, DocumentInvalid, ProjectStatus, Tombstone, now, to_json
from pywharf.repository.audit import Event
from pywharf.repository.bodies import bodies_of
from pywharf.repository.commits import Commit, Decision
from pywharf.repository.pictures import ProjectPicture


@dataclass(frozen=True)
class Changed:
    """What came of a change of files."""

    project: ProjectName
    changed: tuple[str, ...]  # names of the files that are other than before, sorted
    unchanged: tuple[str, ...]  # names of those that were so already


@dataclass(frozen=True)
class StatusChanged:
    """What came of a change of a project's status."""

    project: ProjectName
    before: ProjectStatus
    status: ProjectStatus
    changed: bool


# --- what it is done to --------------------------------------------------------------------------------------------


class Target(ABC):
    """Some of a project's files."""

    @abstractmethod
    def find(self, project: ProjectName, picture: ProjectPicture) -> dict[Key, tuple[DistributionName, Document | None]]:
        """Those that are here or were. Raises ReleaseMissing where there are none."""

    @abstractmethod
    def deleted(self, project: ProjectName) -> ReleaseMissing:
        """The error that all of it was deleted."""


@dataclass(frozen=True)
class ReleaseTarget(Target):
    """A release with all its files."""

    version: str  # as it was asked for

    def find(self, project: ProjectName, picture: ProjectPicture) -> dict[Key, tuple[DistributionName, Document | None]]:
        wanted = canonicalize_version(Version(self.version))
        found: dict[Key, tuple[DistributionName, Document | None]] = {}
        for key, document in picture.documents.items():
            if isinstance(document, DistributionRecord | Tombstone):
                name = _name_of(document)
                if name is not None and name.release == wanted:
                    found[key] = (name, document)
        if not found:
            raise ReleaseMissing(f"Project {project} has no release {self.version}")
        return found

    def deleted(self, project: ProjectName) -> ReleaseMissing:
        return ReleaseMissing(f"Release {self.version} of project {project} was deleted")


@dataclass(frozen=True)
class FileTarget(Target):
    """One distribution file."""

    name: DistributionName

    def find(self, project: ProjectName, picture: ProjectPicture) -> dict[Key, tuple[DistributionName, Document | None]]:
        if self.name.key not in picture.documents:
            raise ReleaseMissing(f"Project {project} has no file {self.name.filename}")
        document = picture.documents[self.name.key]
        if not isinstance(document, DistributionRecord | Tombstone):
            raise ReleaseMissing(f"What is known of {self.name.filename} can no longer be read")
        if document.filename != self.name.filename:
            raise ReleaseMissing(f"Project {project} has no file {self.name.filename}; it has {document.filename}")
        return {self.name.key: (self.name, document)}

    def deleted(self, project: ProjectName) -> ReleaseMissing:
        return ReleaseMissing(f"File {self.name.filename} was deleted")


def target_of(project: ProjectName, version: str | None, filename: str | None) -> Target:
    """Exactly one of version and filename. Raises ChangeRejected."""
    if (version is None) == (filename is None):
        raise ChangeRejected("version", "give either version, for all files of a release, or filename, for one file")
    if filename is not None:
        try:
            name = parse_filename(filename)
        except InvalidName as error:
            raise ChangeRejected("filename", str(error)) from error
        if name.project != project:
            raise ChangeRejected("filename", f"{filename} is a file of project {name.project}, not of {project}")
        return FileTarget(name)
    try:
        return ReleaseTarget(str(Version(version or "")))
    except ValueError as error:  # InvalidVersion, or more digits than Python makes a number of
        raise ChangeRejected("version", f"{(version or '')[:200]!r} is no version as PEP 440 has them") from error


# --- what is done to it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Yank:
    what = "yank"
    reason: str

    def of(self, record: DistributionRecord) -> Document:
        return replace(record, yanked=self.reason)


@dataclass(frozen=True)
class Unyank:
    what = "unyank"
    reason: str

    def of(self, record: DistributionRecord) -> Document:
        return replace(record, yanked=None)


@dataclass(frozen=True)
class Delete:
    what = "delete"
    reason: str

    def of(self, record: DistributionRecord) -> Document:
        return Tombstone(record.filename, record.sha256, now(), self.reason, record.unknown)


def decide_files(
    repository: str, project: ProjectName, picture: ProjectPicture, target: Target, action: Yank | Unyank | Delete
) -> Decision[Changed]:
    """What has to be committed so that the target is as the action wants it. Raises ReleaseMissing, ChangeRejected."""
    found = target.find(project, picture)
    documents: dict[Key, Document] = {}
    records: list[DistributionRecord] = []
    unchanged: list[str] = []
    for key, (name, document) in sorted(found.items()):
        if isinstance(document, DistributionRecord):
            wanted = action.of(document)
            if wanted != document:
                documents[key] = wanted
                records.append(document)
            else:
                unchanged.append(name.filename)
        elif isinstance(action, Delete):
            unchanged.append(name.filename)
    if not documents and not unchanged:
        raise target.deleted(project)
    changed = Changed(project, tuple(sorted(record.filename for record in records)), tuple(sorted(unchanged)))
    if not documents:
        return Decision(changed, None)
    drop = [body for record in records for body in bodies_of(project, record)] if isinstance(action, Delete) else []
    version = records[0].version
    subject = f"{project} {version}" if isinstance(target, ReleaseTarget) else f"{project} {version} ({records[0].filename})"
    change = Change(project, _to_json(documents), drop=drop, message=_message(f"{action.what.capitalize()} {subject}", action.reason))
    files = tuple((record.filename, str(record.sha256)) for record in records)
    event = Event(action.what, repository, project, version, files, reason=action.reason)
    return Decision(changed, Commit(change, picture.cursor, event))


def decide_status(repository: str, project: ProjectName, picture: ProjectPicture, wanted: ProjectStatus) -> Decision[StatusChanged]:
    """What has to be committed so that the project has this status (PEP 792). What is not known of the one it has is kept."""
    before = picture.status
    status = replace(before, status=wanted.status, reason=wanted.reason)
    changed = StatusChanged(project, before, status, changed=status != before)
    if not changed.changed:
        return Decision(changed, None)
    change = Change(project, _to_json({Key(""): status}), message=_message(f"Mark {project} as {status.status}", status.reason))
    event = Event("status", repository, project, status=status.status, reason=status.reason)
    return Decision(changed, Commit(change, picture.cursor, event))


def _name_of(document: DistributionRecord | Tombstone) -> DistributionName | None:
    try:
        return parse_filename(document.filename)
    except InvalidName:  # put there by hand
        return None


def _message(subject: str, reason: str) -> str:
    return f"{subject}: {reason}" if reason else subject


def _to_json(documents: Mapping[Key, Document]) -> dict[str, bytes]:
    try:
        return {key: to_json(document) for key, document in documents.items()}
    except DocumentInvalid as error:
        raise ChangeRejected("reason", f"with it a record is too long to be kept ({error}): give a shorter one") from error
