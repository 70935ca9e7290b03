"""A repository's storage on a branch of a git repository: the backend contract over a remote, a mirror and a cache.

    read_changes   asks for the branch's tip, brings the mirror to it, compares two trees (feed.py)
    commit         a commit upon the tip, pushed by compare-and-swap (committer.py, draft.py)
    open_file      from the cache, or fetched into it (cache.py)

The tree is described in tree.py. This file keeps the order of things, proves rights, and turns the system's errors into
BackendUnavailable. Rights are the git host's to know: each operation asks it, but for files that are on this machine already,
where the last answer counts for a while, and for longer while the host is down.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, Entry, FileBody, FileRef, Flaw
from pywharf.backend.settings import BackendSecret
from pywharf.errors import AccessDenied, BackendUnavailable, ChangeRefused, FileMissing, InvalidName
from pywharf_github import tree
from pywharf_github.commits import COMMITTER
from pywharf_github.committer import EMPTY, Committer
from pywharf_github.config import GitHubConfig
from pywharf_github.feed import Feed
from pywharf_github.index_file import IndexFile
from pywharf_github.proof import Proof
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import ObjectsMissing, PushRefused
from pywharf_github.sidecar import Body, decode
from pywharf_github.workplace import Workplace

GONE = "its branch is gone, although it held packages: restore it, or see that owner, repo and branch in the configuration are right"
NO_BRANCH = "the git repository has no branch %s, so nothing is listed until an upload makes it; it has %s: is `branch` right?"
SECOND_LOOK = 0.3  # seconds until a host that answered with an older commit is asked again

T = TypeVar("T")

log = logging.getLogger(__name__)


class GitHubBackend(Backend):
    """One branch, opened with one token; None is anybody (a public repository). Opening connects to nothing."""

    def __init__(
        self, config: GitHubConfig, secret: BackendSecret | None, workdir: Path, *, author: Callable[[], str] = lambda: COMMITTER
    ) -> None:
        """author: who makes the commits, e.g. "Jane Doe <jane@example.org>"; asked for at each, so it has to remember and may not raise."""
        self._config = config
        self._remote = GitRemote(config, secret.reveal() if secret else None)
        self._place: Workplace | None = Workplace.take(workdir, config)
        self._mirror, self._files = self._place.mirror, self._place.files
        self._feed = Feed(self._mirror, self._remote, config.index_filename)
        self._committer = Committer(self._remote, self._mirror, self._feed, self._place.turn, self._look, author)
        self._index_file = IndexFile(config.index_filename, self._remote, self._mirror, self._feed, self._committer)
        self._folder = self._place.folder
        self._guard = threading.Lock()
        self._proof = Proof()
        self._doubt: str | None = None  # whether another branch may be meant; None: nobody has asked the host yet

    def access(self) -> Access:
        return self._remote.access()

    def commit(self, change: Change, after: Cursor) -> None:
        with _os_errors_translated(), _needing("write"):
            self._prepare()
            self._committer.commit(change, after)
        for staged in change.files:
            self._files.adopt(staged)

    def read_changes(self, after: Cursor | None) -> Changes:
        with _os_errors_translated():
            tip = self._look()
            if tip is None:
                if after not in (None, EMPTY):
                    raise BackendUnavailable(GONE)
                return Changes(after is None, iter(()), EMPTY, doubt=self._doubt or "")
            cursor, base = Cursor(tip.decode()), None
            if cursor == after:
                self._tidy(tip)
                return Changes(False, iter(()), cursor)
            known = (after or "").encode("utf-8", "replace")
            follows = self._mirror.holds(known) and self._mirror.descends(tip, known)
            if follows:
                base = self._mirror.root(known)
            notice = "" if follows else self._replaced(known, tip)
            entries = self._feed.entries(base, self._mirror.root(tip), self._folder)
        return Changes(not follows and after != EMPTY, _translated(entries), cursor, notice)

    def open_file(self, file: FileRef) -> FileBody:
        with _os_errors_translated():
            self._proof.need(self._look)
            try:
                found = self._find(file.project, file.name)
                if not found and self._look():
                    found = self._find(file.project, file.name)
            except InvalidName:
                found = []
            failure: BackendUnavailable | None = None
            for _, blob in found:
                try:
                    return self._open(file, blob)
                except BackendUnavailable as error:  # of several of this name, another one may be it
                    failure = error
            raise failure or FileMissing(file.name)

    def open_copy(self, file: FileRef) -> FileBody | None:
        with _os_errors_translated():
            try:
                shown = file.sha256 and self._proof.given and self._find(file.project, file.name)
            except InvalidName:
                return None
            return self._files.open(file.sha256, file.size) if shown else None

    def iter_files(self) -> Iterator[FileRef]:
        with _os_errors_translated():
            tip = self._look()
        return _translated(self._walk(self._mirror.root(tip))) if tip else iter(())

    def write_checkpoint(self, entries: Iterable[Entry], at: Cursor) -> None:
        """The sidecars are taken from the tree at `at`, of which `entries` are the documents."""
        with _os_errors_translated(), _needing("write"), _refusals_translated():
            self._require_write()
            self._look()
            self._index_file.write(at, self._folder)

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        """Bodies lie in commits only, with their documents; what can be left over is what was staged for a commit."""
        with _needing("write"), _refusals_translated():
            self._require_write()
            return self._committer.sweep()

    def examine_log(self, *, repair: bool) -> Iterator[Flaw]:
        """The branch is git's to check; what is looked at is the index file."""
        with _os_errors_translated(), _needing("write"), _refusals_translated():
            if repair:
                self._require_write()
            tip = self._look()
            wrong = self._index_file.examine(tip, self._folder) if tip else ""
            if tip and wrong:
                if repair:
                    self._index_file.write(Cursor(tip.decode()), self._folder, anew=True)
                remedy = "run this with --repair, which writes it anew; until then a new server starts more slowly"
                yield Flaw(self._config.index_filename, wrong, remedy, mended=repair)

    def drop_copy(self, file: FileRef) -> bool:
        with _os_errors_translated():
            return self._files.drop(file.sha256)

    def path_of(self, project: str, name: str) -> str:
        """Where on the branch a body lies, as of the newest commit known here. Raises FileMissing."""
        try:
            ((path, _), *_) = self._find(project, name)
        except (ValueError, InvalidName) as error:
            raise FileMissing(name) from error
        return b"/".join(path).decode()

    def close(self) -> None:
        with self._guard:
            place, self._place = self._place, None
        if place is not None:
            place.give_back()

    # --- the branch -------------------------------------------------------------------------------------------------

    def _prepare(self) -> Path:
        if self._place is not None:
            self._place.prepare()
        return self._folder

    def _look(self) -> bytes | None:
        """The branch's tip, in the mirror; None where nobody has committed to it. Raises AccessDenied, BackendUnavailable."""
        self._prepare()
        with self._proof.asked():
            tip = self._remote.tip()
            if tip is not None and self._is_behind(tip):
                time.sleep(SECOND_LOOK)  # it was set back, or we were sent to a copy that is late
                tip = self._remote.tip()
            if tip is None:
                if self._mirror.tip() is not None:
                    self._proof.withdraw()
                    raise BackendUnavailable(GONE)
                self._doubt_branch()
            else:
                self._mirror.follow(self._remote, tip)
        return tip

    def _doubt_branch(self) -> None:
        """Say that the branch does not exist where others do, to the log once: right before the first upload, or misspelled."""
        if self._doubt is None:
            others = sorted(ref.removeprefix(b"refs/heads/").decode("utf-8", "replace") for ref in self._remote.refs(b"refs/heads/"))
            self._doubt = NO_BRANCH % (self._config.branch, ", ".join(others[:5])) if others else ""
            if others:
                log.warning("%s", self._doubt)

    def _replaced(self, known: bytes, tip: bytes) -> str:
        """What became of the branch, which was at `known` and does not come after it; "" where that cannot be told."""
        if not self._mirror.holds(known):
            return ""  # the mirror was fetched anew since, or the cursor is another storage's
        now = f"{self._config.branch} was at commit {known[:12].decode()} and is at {tip[:12].decode()}"
        if self._mirror.descends(known, tip):
            return f"the branch was set back to an older commit: {now}; what was published in between is gone from it"
        return f"the history of the branch was replaced: {now}, which does not come after it"

    def _tidy(self, tip: bytes) -> None:
        """Fetch the mirror anew where it has grown: now nobody on this ROOT needs what came before `tip`."""
        try:
            if self._mirror.is_overgrown():
                self._mirror.renew(self._remote, tip)
        except BackendUnavailable as error:
            log.warning("the mirror cannot be fetched anew now: reason=%s", error.reason)

    def _is_behind(self, tip: bytes) -> bool:
        known = self._mirror.tip()
        return known is not None and known != tip and self._mirror.holds(tip) and self._mirror.descends(known, tip)

    def _require_write(self) -> None:
        if self._remote.access() < Access.WRITE:
            raise AccessDenied("write")

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _find(self, project: str, name: str) -> list[tuple[tree.Path, bytes]]:
        """The bodies of this name at the newest commit known here, and where they lie. Raises InvalidName."""
        tip = self._mirror.tip()
        if tip is None or not self._mirror.holds(tip):
            return []
        root = self._mirror.root(tip)
        found = ((path, tree.find_file(self._mirror.items, root, path)) for path in tree.body_paths(project, name))
        return [(path, blob) for path, blob in found if blob is not None]

    def _open(self, file: FileRef, blob: bytes) -> FileBody:
        key, size = (file.sha256, file.size) if file.sha256 else (blob.decode(), None)
        body = self._files.open(key, size)
        if body is not None:
            return body
        try:
            return self._files.fetch(
                key, size, file.sha256, lambda write: self._remote.fetch_blob_to(blob, write, size=size, max_bytes=size)
            )
        except ObjectsMissing as error:
            raise BackendUnavailable("its branch was replaced while the file was being read", retry_after=1) from error

    def _walk(self, root: bytes) -> Iterator[FileRef]:
        known: dict[tuple[str, str], Body] = {}
        for (project, key), raw in self._feed.raw_sidecars(self._feed.wanted(root)):
            files = decode(project, key, raw)[0].files
            known.update(((project, name), body) for name, body in files.items())
        packages = tree.find_folder(self._mirror.items, root, (tree.PACKAGES,))
        for path, _, blob in tree.changed_files(self._mirror.items, None, packages, (tree.PACKAGES,)):
            where = tree.body_at(path)
            if where is None or blob is None:
                if blob is not None and tree.sidecar_at(path) is None:
                    log.warning("a file lies where none belongs, left out: path=%s", b"/".join(path).decode("utf-8", "replace"))
                continue
            body = known.get(where)
            if body is not None and body.blob == blob.decode():
                yield FileRef(*where, body.sha256, body.size)
            else:  # put there by hand: only a look inside tells its size
                with self._open(FileRef(*where, "", 0), blob) as opened:
                    yield FileRef(*where, "", opened.size)


@contextlib.contextmanager
def _os_errors_translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendUnavailable(f"its local place cannot be used ({error.strerror or type(error).__name__})") from error


@contextlib.contextmanager
def _needing(right: str) -> Iterator[None]:
    try:
        yield
    except ChangeRefused:
        raise
    except AccessDenied as error:
        raise AccessDenied(right) from error


@contextlib.contextmanager
def _refusals_translated() -> Iterator[None]:
    try:
        yield
    except PushRefused as refused:
        raise refused.translated() from refused


def _translated(items: Iterator[T]) -> Iterator[T]:
    with _os_errors_translated():
        yield from items
