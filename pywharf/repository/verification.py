"""What `pywharf verify` does: everything that a repository stores compared with everything that is known of it.

In this order, since each step relies on the one before: the log itself and the checkpoint; the log read anew, from its begin; the
names ever seen; this server's local index; every body, to its last byte; what lies there that nobody knows of; further copies.

A server may run meanwhile: what changed while we looked is no difference. Without `repair` nothing is written but below a temporary
folder. With it, what is derived is made anew, and bodies are put back where their bytes can still be had. Nothing is ever removed
that is not derived.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pywharf.backend.interface import Access, Change, Cursor, Entry, FileRef
from pywharf.errors import BackendUnavailable, FileMissing, IndexNotReady, Moved
from pywharf.layout import Layout
from pywharf.model.record import DistributionRecord, DocumentInvalid, from_json
from pywharf.repository.bodies import bodies_of
from pywharf.repository.body_check import MISSING, what_is_wrong
from pywharf.repository.bounded_map import bounded_map
from pywharf.repository.findings import Finding
from pywharf.repository.index_comparison import REMEDY, IndexComparison, Where
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.index_rows import State
from pywharf.repository.known_bodies import KnownBodies
from pywharf.repository.names_check import compare_names
from pywharf.repository.names_seen import NamesSeen
from pywharf.repository.repository import Repository
from pywharf.repository.scratch import scratch_folder
from pywharf.repository.stored_files import StoredFiles
from pywharf.repository.told_log import ToldLog

WORKERS = 4  # files read at a time
MOST_HELD = 10_000  # findings and entries that are held back until more is known
SECOND_LOOK = 2.0  # seconds after which a body that nobody knows of is looked at again: an upload may be under way

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What one run looked at and found."""

    files: int  # distribution files with a record
    size: int  # bytes of all their bodies, which were read
    found: int
    mended: int

    @property
    def left(self) -> int:
        return self.found - self.mended


def verify(
    repository: Repository,
    layout: Layout,
    *,
    repair: bool = False,
    on_finding: Callable[[Finding], None],
    on_progress: Callable[[int], None] = lambda done: None,
) -> Summary:
    """Look at all of it.

    on_finding: called with each difference, once it is known whether it could be mended. on_progress: with the number of distribution
    files looked at so far. Raises AccessDenied, BackendUnavailable, IndexNotReady.
    """
    repository.check_admin_access(Access.WRITE if repair else Access.READ)
    with scratch_folder(layout.index, "verify-") as folder, contextlib.ExitStack() as stack:
        known = stack.enter_context(contextlib.closing(KnownBodies(folder / "bodies.sqlite")))
        run = _Run(repository, NamesSeen(layout.names / repository.name), known, folder, repair, on_finding, on_progress)
        run.go(stack)
    summary = Summary(run.files, run.size, run.found, run.mended)
    log.info("repository verified: repository=%s files=%d found=%d mended=%d", repository.name, run.files, run.found, run.mended)
    return summary


class _Run:
    def __init__(
        self,
        repository: Repository,
        names: NamesSeen,
        known: KnownBodies,
        folder: Path,
        repair: bool,
        on_finding: Callable[[Finding], None],
        on_progress: Callable[[int], None],
    ) -> None:
        self._repository = repository
        self._backend = repository.backend
        self._names = names
        self._known = known
        self._folder = folder
        self._repair = repair
        self._on_finding = on_finding
        self._on_progress = on_progress
        self.files = self.size = self.found = self.mended = 0

    def go(self, stack: contextlib.ExitStack) -> None:
        log_is_whole = True
        for flaw in self._backend.examine_log(repair=self._repair):
            log_is_whole = log_is_whole and flaw.mended
            self._tell(Finding("log", flaw.where, flaw.what, flaw.remedy, flaw.mended))
        told = stack.enter_context(ToldLog.read(self._backend, self._repository.name, self._folder / "log", self._tell_stray))
        if self._check_index(told, log_is_whole):
            told = stack.enter_context(ToldLog.read(self._backend, self._repository.name, self._folder / "again", lambda stray: None))
        self._check_bodies(told)
        self._look_for_leftovers(told.at)
        for flaw in self._backend.examine_copies(self._known.all(), repair=self._repair):
            self._tell(Finding("copy", flaw.where, flaw.what, flaw.remedy, flaw.mended))
        if self._repair:
            self._repository.sync()
            with self._repository.index.all_entries() as (cursor, entries):
                self._backend.write_checkpoint(entries, cursor)

    def _tell(self, finding: Finding) -> None:
        self.found += 1
        self.mended += finding.mended
        self._on_finding(finding)

    def _tell_stray(self, entry: Entry) -> None:
        where = f"{entry.project}/{entry.key}"[:200]
        self._tell(Finding("record", where, "it is none of pywharf's, and passed over", "remove it from the storage by hand"))

    def _changed_since(self, cursor: Cursor) -> dict[Where, Entry] | None:
        """The newest state of what the log tells after the cursor; None where that is not in the log's past."""
        changes = self._backend.read_changes(cursor)
        return None if changes.reset else {(entry.project, entry.key): entry for entry in changes.entries}

    # --- names and the local index ----------------------------------------------------------------------------------

    def _check_index(self, told: ToldLog, log_is_whole: bool) -> bool:
        """Compare names and rows; with repair, build the local index anew where it differs. Returns whether the log was added to."""
        findings: list[Finding] = []
        only_here: list[Entry] = []
        with told.index.examined() as log_db:
            try:
                with self._repository.index.examined() as ours:
                    findings += self._check_names(log_db, ours)
                    if State.of(ours).cursor is not None:  # else its first sync is to come
                        rows, only_here = self._compare_rows(ours, log_db, told.at)
                        findings += rows
            except (IndexNotReady, IndexDamaged) as error:
                if self._repository.index.build() is not None:
                    findings.append(Finding("index", "its file", f"it cannot be read ({error})", REMEDY))
                self._check_names(log_db, None)
        added = 0
        if findings and self._repair:
            added = 0 if log_is_whole else self._record_again(only_here, told.at)
            self._repository.mend()
        for finding in findings:
            self._tell(replace(finding, mended=True, remedy="nothing: the local index was built anew") if self._repair else finding)
        return added > 0

    def _check_names(self, log_db: sqlite3.Connection, ours: sqlite3.Connection | None) -> list[Finding]:
        """Tell what the file of names lacks; returns what the local index lacks of it."""
        compared = compare_names(self._names, log_db, ours, self._folder / f"names-{ours is None}.sqlite")
        if compared.missing and self._repair:
            self._names.add(compared.missing)
        for finding in compared.findings(mended=self._repair):
            self._tell(finding)
        return [
            Finding("index", f"name {name}", "it is among the names ever seen, and not here", REMEDY) for name in compared.missing_in_index
        ]

    def _compare_rows(self, ours: sqlite3.Connection, log_db: sqlite3.Connection, at: Cursor) -> tuple[list[Finding], list[Entry]]:
        """The differences, and the entries that only the local index has. at: where the log was when it was read."""
        cursor = State.of(ours).cursor
        changed = self._changed_since(cursor) if cursor is not None else None
        if changed is not None:  # either may be ahead of the other
            changed.update(self._changed_since(at) or {})
        findings: list[Finding] = []
        if changed is None:
            what = "the storage's log was never there: the index is another storage's, or the storage was set back"
            findings.append(Finding("index", "its position", what, REMEDY))
        comparison = IndexComparison(ours, log_db, (changed or {}).keys())
        try:
            for number, finding in enumerate(comparison.findings()):
                if number < MOST_HELD:
                    findings.append(finding)
        except sqlite3.Error as error:
            findings.append(Finding("index", "its file", f"it cannot be read on ({error})", REMEDY))
        return findings, comparison.entries_only_here(MOST_HELD) if changed is not None else []

    def _record_again(self, entries: list[Entry], at: Cursor) -> int:
        """Write into a damaged log what only the local index still knows: that is the last copy, and about to be built anew."""
        written = 0
        for entry in entries:
            if entry.document is not None:
                message = f"Record again {entry.key or entry.project}, which a damaged log lost"
                with contextlib.suppress(Moved):  # somebody changed it meanwhile, and so the log knows it
                    self._backend.commit(Change(entry.project, {entry.key: entry.document}, message=message), at)
                    written += 1
        if written:
            log.warning("records that only the local index had were written into the log again: count=%d", written)
        return written

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _check_bodies(self, told: ToldLog) -> None:
        stored = StoredFiles(self._repository, repair=self._repair)
        held: list[tuple[Where, Finding]] = []  # a file that is missing may have been deleted since the log was read
        with ThreadPoolExecutor(WORKERS) as pool:
            for checked in bounded_map(pool, lambda one: stored.check(*one), self._records(told), ahead=4 * WORKERS):
                self.files += 1
                self.size += checked.size
                self._on_progress(self.files)
                for finding in checked.findings:
                    if finding.what == MISSING and not finding.mended and len(held) < MOST_HELD:
                        held.append(((checked.entry.project, checked.entry.key), finding))
                    else:
                        self._tell(finding)
        changed = (self._changed_since(told.at) or {}) if held else {}
        for where, finding in held:
            if where not in changed:
                self._tell(finding)

    def _records(self, told: ToldLog) -> Iterator[tuple[Entry, DistributionRecord]]:
        for entry, document in told.index.documents():
            if isinstance(document, DistributionRecord):
                self._known.add(bodies_of(entry.project, document))
                yield entry, document
            elif document is None and entry.document is not None:
                where = entry.key or f"status of {entry.project}"
                self._tell(Finding("record", where, "it cannot be read, and is passed over", "restore the storage from a backup"))

    # --- what nobody knows of ---------------------------------------------------------------------------------------

    def _look_for_leftovers(self, at: Cursor) -> None:
        suspects = self._unknown(at, self._backend.iter_files())
        if suspects:
            time.sleep(SECOND_LOOK)
            suspects = [file for file in self._unknown(at, suspects) if self._is_there(file)]
        for file in suspects:
            where = f"{file.project}/{file.name}".strip("/") if file.name else f"a body with sha256 {file.sha256}"
            remedy = "`pywharf update_index` takes it up, or says why not; and removes after a day what an upload that died left behind"
            self._tell(Finding("leftover", where, "it lies in the storage, and no record speaks of it", remedy))
            # Its record may be what was lost, and where the storage knows what its bytes should be, that has to be told as well.
            if file.sha256 and (wrong := what_is_wrong(self._backend, file)):
                self._tell(Finding("file", file.name or where, wrong, "restore the storage from a backup"))

    def _unknown(self, at: Cursor, files: Iterable[FileRef]) -> list[FileRef]:
        unknown: list[FileRef] = []
        for file in files:
            if len(unknown) < MOST_HELD and not self._known.knows(file):
                unknown.append(file)
        for entry in (self._changed_since(at) or {}).values() if unknown else ():
            with contextlib.suppress(DocumentInvalid):
                document = from_json(entry.document or b"")
                if isinstance(document, DistributionRecord):
                    self._known.add(bodies_of(entry.project, document))
        return [file for file in unknown if not self._known.knows(file)]

    def _is_there(self, file: FileRef) -> bool:
        with contextlib.suppress(BackendUnavailable):
            try:
                self._backend.open_file(file).close()
            except FileMissing:
                return False
        return True
