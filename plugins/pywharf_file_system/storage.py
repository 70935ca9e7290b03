"""A repository's storage in a folder: the backend contract over bodies and a journal.

    journal.jsonl               the log, and the only commit point
    objects/aa/<sha256>.<...>   bodies, read-only
    packages/<project>/<name>   hard links to them, for people; and a place to copy files to, for `update_index`
    incoming/                   uploads in progress

Beside the folder, in the server's own place, `filled` remembers that there was something. No absolute path is kept
anywhere. This file checks rights, keeps the order of things, and turns the system's errors into BackendUnavailable.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, FileBody, FileRef, Flaw
from pywharf.backend.settings import BackendSecret
from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing, Moved
from pywharf.files import make_folder, write_whole
from pywharf_file_system.bodies import Bodies
from pywharf_file_system.config import FileSystemConfig
from pywharf_file_system.disk_trust import DiskTrust
from pywharf_file_system.journal import BEGINNING, JOURNAL_LOST, Journal, offset_of
from pywharf_file_system.journal_examination import examine_journal

BODIES_LOST = "the folder with its packages is gone, although the storage was filled: mount it, or restore it from a backup"
FILLED = b"This repository's storage was written to: while this file is here, a missing or empty storage is an error.\n"
SETTLED = 1.0  # seconds in which a commit makes its links, or a removal comes to its end

T = TypeVar("T")

REPLACED = "the journal was replaced by another one, or cut short: it does not go on from where this server had read it"

log = logging.getLogger(__name__)


class FileSystemBackend(Backend):
    """One repository in a folder, opened with one secret; None is the server itself. Holds nothing open."""

    def __init__(self, config: FileSystemConfig, secret: BackendSecret | None, storage: Path, workdir: Path) -> None:
        self._config = config
        self._secret = secret
        self._storage = storage
        self._journal = Journal(storage / "journal.jsonl")
        self._bodies = Bodies(storage)
        self._filled = workdir / "filled"
        self._disk = DiskTrust(storage, self._journal, workdir / "disk_failed")
        self._remembered = False

    def access(self) -> Access:
        access, labels = self._judgement
        if labels:
            log.info("secret recognised: label=%s", labels)
        return access

    def secret_label(self) -> str:
        return self._judgement[1]

    def commit(self, change: Change, after: Cursor) -> None:
        self._require(Access.WRITE)
        for file in (*(staged.ref for staged in change.files), *change.drop):
            self._bodies.check(file)
        self._disk.check()
        with _os_errors_translated(), self._disk.watching():
            if not self._bodies.are_prepared():
                self._begin(after)
            self._bodies.place(change.files)
            self._journal.append(change, after, lambda: self._place_again(change))
        # From here on the change is made, whatever becomes of the rest.
        self._remember()
        for staged in change.files:
            _attempt(self._bodies.show, staged.ref, "link for people not made")
        for file in change.drop:
            _attempt(self._bodies.remove, file, "body not removed")

    def read_changes(self, after: Cursor | None) -> Changes:
        self._require(Access.READ)
        with _os_errors_translated(), self._disk.watching():
            changes = self._read(after)
            if changes is None:
                return Changes(after != BEGINNING, iter(()), BEGINNING, doubt=self._disk.doubt)
            self._remember()
        notice = REPLACED if changes.reset and after is not None else ""
        return Changes(changes.reset, _translated(changes.entries), changes.cursor, notice, self._disk.doubt)

    def open_file(self, file: FileRef) -> FileBody:
        self._require(Access.READ)
        with _os_errors_translated():
            try:
                return self._bodies.open(file)
            except FileMissing:
                self._refuse_if_bodies_are_lost()
                raise

    def iter_files(self) -> Iterator[FileRef]:
        self._require(Access.READ)
        with _os_errors_translated():
            self._refuse_if_bodies_are_lost()
        return _translated(self._bodies.walk())

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        self._require(Access.WRITE)
        swept = 0
        with _os_errors_translated():
            for body, sha256 in self._bodies.old():
                if not is_known(sha256):
                    with self._journal.locked():
                        swept += self._bodies.remove_if_old(body)
        return swept

    def examine_log(self, *, repair: bool) -> Iterator[Flaw]:
        self._require(Access.WRITE if repair else Access.READ)
        return _translated(examine_journal(self._storage / "journal.jsonl", repair=repair))

    def examine_copies(self, files: Iterable[FileRef], *, repair: bool) -> Iterator[Flaw]:
        self._require(Access.WRITE if repair else Access.READ)
        return _translated(self._examine_copies(files, repair))

    def _examine_copies(self, files: Iterable[FileRef], repair: bool) -> Iterator[Flaw]:
        missing = [file for file in files if self._bodies.holds(file) and not self._bodies.examine_shown(file)[0]]
        if missing:
            time.sleep(SETTLED)  # of a commit or a removal that is going on: the link is made after the one, and goes before the other
        for file in missing:
            if self._bodies.holds(file):
                yield from self._examine_copy(file, repair)

    def _examine_copy(self, file: FileRef, repair: bool) -> Iterator[Flaw]:
        shown, other = self._bodies.examine_shown(file)
        if shown:
            return
        where = f"packages/{file.project}/{file.name}"
        if other:
            yield Flaw(where, "another file lies there, or a damaged copy", "move it away, and run this with --repair")
            return
        if repair:
            self._bodies.show(file)
        yield Flaw(where, "people do not find the file by its name", "run this with --repair, which links it there", mended=repair)

    # --- rights -----------------------------------------------------------------------------------------------------

    def _require(self, needed: Access) -> None:
        if self._judgement[0] < needed:
            raise AccessDenied(needed.name.lower())

    @cached_property
    def _judgement(self) -> tuple[Access, str]:
        """What the secret may do, and the labels it is configured with; neither changes. Every configured secret is compared, found or not."""
        if self._secret is None:
            return Access.WRITE, ""
        shown = self._secret.reveal()
        accepted = (self._config.write_secret, self._config.read_secret)
        writing, reading = ([secret for secret in some if secret.matches(shown)] for some in accepted)
        access = Access.WRITE if writing else Access.READ if reading else Access.NONE
        return access, ", ".join(sorted({secret.label for secret in (*writing, *reading)} - {""}))

    # --- begin and end ----------------------------------------------------------------------------------------------

    def _begin(self, after: Cursor) -> None:
        """Make the storage at its first commit. `objects/` is there only after the journal, and so proves that there was one."""
        if self._read(after) is None and after != BEGINNING:
            raise Moved("the storage's past does not hold this cursor")
        make_folder(self._storage)
        self._journal.begin(self._prepare)

    def _prepare(self, has_commits: bool) -> None:
        if has_commits and not self._bodies.are_prepared():  # else another process was faster
            raise BackendUnavailable(BODIES_LOST)
        self._bodies.prepare()

    def _read(self, after: Cursor | None) -> Changes | None:
        """None: nobody has written here yet. A storage that is gone must not look like that."""
        changes = self._journal.read(after)
        if changes is None and (self._bodies.are_prepared() or self._filled.exists() or offset_of(after)):
            changes = self._journal.read(after)  # it may have been begun just now, and then it is there before its signs
            if changes is None:
                raise BackendUnavailable(JOURNAL_LOST)
        return changes

    def _refuse_if_bodies_are_lost(self) -> None:
        if self._filled.exists() and not self._bodies.are_prepared():
            raise BackendUnavailable(BODIES_LOST)

    def _remember(self) -> None:
        if self._remembered:
            return
        with contextlib.suppress(OSError):  # a help, not a duty
            if self._bodies.are_prepared():
                self._remembered = True
                if not self._filled.exists():
                    write_whole(self._filled, FILLED)

    def _place_again(self, change: Change) -> None:
        """A body that an upload long ago left behind can be swept between its placing and now."""
        self._bodies.place([staged for staged in change.files if not self._bodies.holds(staged.ref)])


@contextlib.contextmanager
def _os_errors_translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendUnavailable(f"its folder cannot be used ({error.strerror or type(error).__name__})") from error


def _translated(items: Iterator[T]) -> Iterator[T]:
    with _os_errors_translated():
        yield from items


def _attempt(step: Callable[[FileRef], None], file: FileRef, trouble: str) -> None:
    """A step after the commit point: its failure is for the log, not for the uploader, whose file is safe."""
    try:
        step(file)
    except OSError as error:
        log.warning("%s: project=%s file=%s reason=%s", trouble, file.project, file.name, error.strerror)
