"""The life of releases after their upload, and the status of projects: what callers may ask for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from pywharf.backend.interface import Backend
from pywharf.errors import ChangeRejected, ReleaseMissing
from pywharf.model.names import PROJECT_KEY, ProjectName, normalize_project
from pywharf.model.reasons import fault_of_reason
from pywharf.model.record import STATUS_MARKERS, ProjectStatus
from pywharf.repository.audit import ON_THIS_MACHINE, Requester
from pywharf.repository.commits import Commits, Decision
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.pictures import ProjectPicture
from pywharf.repository.release_changes import (
    Changed,
    Delete,
    StatusChanged,
    Target,
    Unyank,
    Yank,
    decide_files,
    decide_status,
    target_of,
)

Writing = Callable[["str | None", Requester], AbstractContextManager[tuple[Backend, Requester]]]
Outcome = TypeVar("Outcome")


class Releases:
    """One repository's releases. Shared between threads.

    Every change takes the secret of who asks for it, with whose right it is made; None is the server's own right, for the command line.
    A project may be spelled in any way. version: in any spelling, for all files of a release in one commit; filename: as uploaded, for
    one file; exactly one of them. reason: one line, at most 500 characters.

    A change is decided on what was acknowledged anywhere before it, and when it returns, the next page of every process on this ROOT
    shows it. Asked for again, nothing changes.

    Each raises InvalidName, ChangeRejected (naming the argument at fault), ReleaseMissing, and what `Commits.carry_out` does:
    AccessDenied, TooBusy, AuditUnavailable, NotRecorded, IndexNotReady, IndexBehind, BackendUnavailable.
    """

    def __init__(self, repository: str, index: LocalIndex, commits: Commits, writing: Writing) -> None:
        """writing: what changes go through that are made with a secret, and who asked, as the audit tells it."""
        self._repository = repository
        self._index = index
        self._commits = commits
        self._writing = writing

    def yank(
        self,
        secret: str | None,
        project: str,
        *,
        version: str | None = None,
        filename: str | None = None,
        reason: str = "",
        requester: Requester = ON_THIS_MACHINE,
    ) -> Changed:
        """Let resolvers pass over it unless it is pinned (PEP 592). A file that is yanked for another reason gets this one."""
        return self._change(secret, project, version, filename, Yank(_checked(reason)), requester)

    def unyank(
        self,
        secret: str | None,
        project: str,
        *,
        version: str | None = None,
        filename: str | None = None,
        reason: str = "",
        requester: Requester = ON_THIS_MACHINE,
    ) -> Changed:
        """Take a yank back. reason: for the commit and the audit only."""
        return self._change(secret, project, version, filename, Unyank(_checked(reason)), requester)

    def delete(
        self,
        secret: str | None,
        project: str,
        *,
        version: str | None = None,
        filename: str | None = None,
        reason: str = "",
        requester: Requester = ON_THIS_MACHINE,
    ) -> Changed:
        """Remove files for good, with their core metadata and provenance. Their names stay taken, also for the same bytes."""
        return self._change(secret, project, version, filename, Delete(_checked(reason)), requester)

    def set_status(
        self, secret: str | None, project: str, status: str, reason: str = "", *, requester: Requester = ON_THIS_MACHINE
    ) -> StatusChanged:
        """Give a project a status (PEP 792): "active", "archived", "quarantined" or "deprecated"."""
        name = normalize_project(project)
        marker = next((known for known in STATUS_MARKERS if known == status), None)
        if marker is None:
            raise ChangeRejected("status", f"{status[:50]!r} is none of {', '.join(STATUS_MARKERS)}")
        wanted = ProjectStatus(marker, _checked(reason))
        return self._carry_out(secret, name, requester, lambda picture: decide_status(self._repository, name, picture, wanted))

    def status(self, project: ProjectName) -> ProjectStatus | None:
        """A project's status; None where no such project is in the local index."""
        if self._index.project_revision(project) is None:
            return None
        return self._index.picture(project, PROJECT_KEY).status

    # --- inside -----------------------------------------------------------------------------------------------------

    def _change(
        self,
        secret: str | None,
        project: str,
        version: str | None,
        filename: str | None,
        action: Yank | Unyank | Delete,
        requester: Requester,
    ) -> Changed:
        name = normalize_project(project)
        target: Target = target_of(name, version, filename)
        return self._carry_out(secret, name, requester, lambda picture: decide_files(self._repository, name, picture, target, action))

    def _carry_out(
        self, secret: str | None, project: ProjectName, requester: Requester, decide: Callable[[ProjectPicture], Decision[Outcome]]
    ) -> Outcome:
        def look() -> Decision[Outcome]:
            picture = self._index.project_picture(project)
            if picture is None:
                raise ReleaseMissing(f"There is no project {project} in repository {self._repository}")
            return decide(picture)

        with self._writing(secret, requester) as (writer, known):
            return self._commits.carry_out(project, writer, known, look, afresh=True)


def _checked(reason: str) -> str:
    reason = reason.strip(" ")
    if fault := fault_of_reason(reason):
        raise ChangeRejected("reason", fault)
    return reason
