"""How a change gets into the storage: decided on the local index, committed by compare-and-swap, decided again when that moved.

What is decided is the business of `changes.py` and `release_changes.py`; here is what all changes have in common.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pywharf.backend.interface import Backend, Change, Cursor
from pywharf.errors import BackendUnavailable, IndexBehind, IndexNotReady, Moved, NotAsked, NotRecorded, TooBusy
from pywharf.repository.audit import Audit, Event, Requester

ATTEMPTS = 20  # of one change against others on the same key

Outcome = TypeVar("Outcome")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Commit:
    """A change, and what it was decided upon."""

    change: Change
    after: Cursor
    event: Event  # as the audit tells it


@dataclass(frozen=True)
class Decision(Generic[Outcome]):
    """What is to be done, and what the caller is told when it is done."""

    outcome: Outcome
    commit: Commit | None  # None: all is already as it was asked for


class Commits:
    """The way of one repository's changes. Shared between threads."""

    def __init__(self, repository: str, sync: Callable[[], None], audit: Audit) -> None:
        """sync: bring the index in step, returning once a sync that began after the call is complete."""
        self._repository = repository
        self._sync = sync
        self._audit = audit

    def carry_out(
        self, project: str, writer: Backend, requester: Requester, decide: Callable[[], Decision[Outcome]], *, afresh: bool = False
    ) -> Outcome:
        """Decide, commit, record and show a change. When it returns, every process on this ROOT shows it.

        decide: looks at the index; called again whenever that moved. afresh: bring the index in step before the first look, so that
        what was acknowledged anywhere before is seen. Raises what `decide` raises; TooBusy; AuditUnavailable (nothing is changed);
        NotRecorded (changed and shown); IndexBehind (changed, not yet shown); what the backend raises (AccessDenied, BackendUnavailable).
        """
        self._audit.check()
        if afresh:
            self._sync()
        for _ in range(ATTEMPTS):
            decision = decide()
            if decision.commit is None:
                return decision.outcome
            try:
                self._commit(writer, decision.commit, requester)
            except Moved:
                self._sync()
                continue
            self._show(decision.commit, requester)
            return decision.outcome
        raise TooBusy(project)

    def _commit(self, writer: Backend, commit: Commit, requester: Requester) -> None:
        try:
            writer.commit(commit.change, commit.after)
        except NotAsked:  # nothing happened, for sure
            raise
        except BackendUnavailable as unavailable:
            # Mostly nothing happened. Where the answer was lost, the same request again finds the work done, and then nobody would tell who did it.
            try:
                self._audit.record(commit.event, requester, "unknown")
            except NotRecorded:
                log.warning("a change whose end is not known is not in the audit either: repository=%s", self._repository)
            raise unavailable

    def _show(self, commit: Commit, requester: Requester) -> None:
        not_recorded = None
        try:
            self._audit.record(commit.event, requester)
        except NotRecorded as error:
            not_recorded = error
        try:
            self._sync()
        except (BackendUnavailable, IndexNotReady) as error:
            raise IndexBehind(self._repository, error.reason) from error
        if not_recorded is not None:
            raise not_recorded
