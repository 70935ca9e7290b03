"""The catalogue: what people search and browse, made from the local index and brought up behind it.

An upload never pays for it. It is brought up to date when somebody looks, as long as little has changed, and by a thread where there
is more to do; until that is done it shows what it has. It lies in a file of its own and can be thrown away at any time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path

from packaging.utils import canonicalize_name

from pywharf.errors import IndexNotReady
from pywharf.model.catalogue import Found, LatestRelease, ProjectSummary, Totals
from pywharf.model.names import ProjectName
from pywharf.model.record import STATUS_MARKERS, StatusMarker
from pywharf.repository.catalogue_rows import rows_of
from pywharf.repository.catalogue_tables import clear, prepare, put
from pywharf.repository.catalogue_words import Row, Words
from pywharf.repository.index_walk import changed_projects, oldest_revision, position
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.pictures import ProjectPicture

AT_ONCE = 50  # projects that a reader brings up to date before it is answered
STEP = 50  # projects that are written in one transaction, which readers wait for
BREATH = 0.005  # seconds between two of them, in which readers get their turn
CROWDED = 1.5  # times as long as its work a step may take; where it takes longer, somebody else has work to do
YIELD = 4.0  # times as long as such a step is the rest behind it: those others are answering requests
LONGEST_REST = 5.0  # seconds: it may have waited for another process, or for a disk, and readers wait for what is not written yet
MOST_RELEASES = 100_000  # that can be asked for by time

_LAST = "~"  # comes after every name of a project
_SHORT = "p.project, p.name, p.version, p.summary, p.updated, p.status"

log = logging.getLogger(__name__)


class Catalogue:
    """One repository's catalogue. Shared between threads; each process opens it for itself.

    Every question raises IndexNotReady while the local index cannot be read.
    """

    def __init__(self, path: Path, repository: str, index: LocalIndex, told: Callable[[], AbstractContextManager[None]]) -> None:
        """told: what everybody reads the index within: it turns what is wrong with the index into IndexNotReady."""
        self._path = path
        self._told = told
        self._repository = repository
        self._index = index
        self._guard = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._words = Words()
        self._owner = 0
        self._worker: threading.Thread | None = None
        self._closed = False

    # --- asked ------------------------------------------------------------------------------------------------------

    def search(self, words: str, *, limit: int, offset: int = 0) -> Found:
        """Projects by a word of their name, their summary, their keywords or what they bring to import; the last word may be begun only.

        words: as somebody typed them; without any, all projects by name. The project of just this name comes first, then the best
        matches; of very many, which no ranking tells apart, those that changed last.
        """
        with self._current() as db:
            if words.strip():
                total, rows = self._words.find(db, words, _SHORT, canonicalize_name(words.strip()), limit, offset)
            else:
                total = db.execute("SELECT count(*) FROM projects").fetchone()[0]
                rows = db.execute(f"SELECT {_SHORT} FROM projects p ORDER BY p.project LIMIT ? OFFSET ?", (limit, offset)).fetchall()  # noqa: S608
            return Found(total, tuple(_summary(row) for row in rows))

    def totals(self) -> Totals:
        with self._current() as db:
            row = db.execute("SELECT count(*), total(releases), total(files), total(bytes) FROM projects").fetchone()
        return Totals(*(int(value) for value in row))

    def latest(self, limit: int, project: ProjectName | None = None, *, offered: bool = False) -> tuple[LatestRelease, ...]:
        """The newest releases, of one project or of all, newest first. offered: without those of quarantined projects."""
        conditions = [*(["r.project = :project"] if project else []), *(["p.status != 'quarantined'"] if offered else [])]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        with self._current() as db:
            rows = db.execute(
                "SELECT r.project, p.name, r.version, p.summary, r.uploaded, r.yanked, p.status FROM releases r JOIN projects p USING(project) "  # noqa: S608
                f"{where} ORDER BY r.uploaded DESC, r.project, r.version LIMIT :limit",
                {"project": project, "limit": min(limit, MOST_RELEASES)},
            )
            return tuple(
                LatestRelease(ProjectName(row[0]), row[1], row[2], row[3], _time(row[4]), bool(row[5]), _status(row[6])) for row in rows
            )

    def required_by(self, project: ProjectName, limit: int) -> tuple[ProjectName, ...]:
        """Projects here whose newest release requires this one, by name."""
        with self._current() as db:
            rows = db.execute("SELECT project FROM requires WHERE required = ? ORDER BY project LIMIT ?", (project, limit))
            return tuple(ProjectName(row[0]) for row in rows)

    def known(self, projects: tuple[str, ...]) -> frozenset[str]:
        """Which of these have a page here."""
        with self._current() as db:
            marks = ", ".join("?" * len(projects))
            return frozenset(row[0] for row in db.execute(f"SELECT project FROM projects WHERE project IN ({marks})", projects))  # noqa: S608

    def picture(self, project: ProjectName) -> ProjectPicture | None:
        """All that is known of a project, deleted files included, as the local index has it; None where that knows no such project."""
        with self._told():
            return self._index.project_picture(project)

    def is_behind(self) -> bool:
        """Bring it up to date as far as that is quick. Whether there is more to do, so that what is asked now may not show all there is."""
        with self._current():
            return self._worker is not None

    # --- brought up to date -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of it."""
        with self._guard:
            self._closed = True
            self._let_go()

    @contextlib.contextmanager
    def _current(self) -> Iterator[sqlite3.Connection]:
        """The catalogue, up to date as far as that is quick."""
        with self._told(), self._guard:
            try:
                db = self._opened()
                if self._worker is None and not self._advance(db, AT_ONCE):
                    self._start_worker()
                yield db
            except sqlite3.OperationalError as error:
                raise IndexNotReady(self._repository, "its catalogue is busy, or its disk is full", retry_after=5) from error
            except sqlite3.Error as error:
                self._begin_anew(error)
                raise IndexNotReady(self._repository, "its catalogue was damaged and is being made anew") from error

    def _start_worker(self) -> None:
        if self._worker is None and not self._closed:
            worker = threading.Thread(target=self._work, name=f"catalogue {self._repository}", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread to be had: whoever looks next tries again
                worker.start()
                self._worker = worker

    def _work(self) -> None:
        done = False
        while not done:
            began, worked = time.monotonic(), time.thread_time()
            with self._guard:
                try:
                    with self._told():
                        done = self._closed or self._advance(self._opened(), STEP)
                except (IndexNotReady, sqlite3.OperationalError, OSError):
                    done = True  # whoever looks next begins again
                except sqlite3.Error as error:
                    self._begin_anew(error)
                if done:
                    self._worker = None
            if not done:
                time.sleep(rest_after(time.monotonic() - began, time.thread_time() - worked))

    def _advance(self, db: sqlite3.Connection, most: int) -> bool:
        """Write what changed in at most so many projects; False where there is more. Another process may do the same at once."""
        build, revision = position(self._index)
        everything = (revision, _LAST)
        if self._at(db) == (build, everything):
            return True
        db.execute("BEGIN IMMEDIATE")
        try:
            of, after = self._at(db)
            if of != build:
                clear(db, self._words)
                after = (-1, "")
            oldest = oldest_revision(self._index)
            if oldest is None or oldest > after[0]:  # all of it was read anew: what it no longer has is in no list of changes
                db.execute("UPDATE state SET swept = 0")
            changed = changed_projects(self._index, after, most + 1)
            for _, project in changed[:most]:
                put(db, self._words, project, rows_of(self._index.project(project)))
            complete = len(changed) <= most
            if complete:
                self._sweep(db)
            reached = max(everything, after) if complete else changed[most - 1]
            db.execute("UPDATE state SET build = ?, revision = ?, project = ?", (build, *reached))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        return complete

    def _sweep(self, db: sqlite3.Connection) -> None:
        """Forget projects that the index does not have any more, where there may be such."""
        if db.execute("SELECT swept FROM state").fetchone()[0]:
            return
        there = set(self._index.projects().names)
        for (project,) in db.execute("SELECT project FROM projects").fetchall():
            if project not in there:
                put(db, self._words, project, None)
        db.execute("UPDATE state SET swept = 1")

    def _at(self, db: sqlite3.Connection) -> tuple[str, tuple[int, str]]:
        """Which build of the index it was made from, and how far."""
        build, revision, project = db.execute("SELECT build, revision, project FROM state").fetchone()
        return build, (revision, project)

    # --- the file ---------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self._db is None or self._owner != os.getpid():  # never across fork()
            try:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            except OSError as error:
                raise IndexNotReady(self._repository, "its catalogue cannot be made on this disk", retry_after=30) from error
            db = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            try:
                self._words = prepare(db)
            except BaseException:
                db.close()
                raise
            self._db, self._owner = db, os.getpid()
        return self._db

    def _let_go(self) -> None:
        if self._db is not None and self._owner == os.getpid():
            self._db.close()
        self._db = None

    def _begin_anew(self, error: sqlite3.Error) -> None:
        log.warning("the catalogue is made anew: repository=%s reason=%s", self._repository, error)
        self._let_go()
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self._path}{suffix}")


def rest_after(took: float, worked: float) -> float:
    """How long to rest after a step, in seconds. took: on the clock; worked: of the processor.

    A large catalogue takes minutes of work, in a process that has Python's lock for one thread at a time.
    """
    return BREATH if took <= CROWDED * worked + BREATH else min(YIELD * took, LONGEST_REST)


def _summary(row: Row) -> ProjectSummary:
    return ProjectSummary(ProjectName(row[0]), row[1], row[2], row[3], _time(row[4]), _status(row[5]))


def _status(text: str) -> StatusMarker:
    return next((marker for marker in STATUS_MARKERS if marker == text), STATUS_MARKERS[0])


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, timezone.utc)
