"""The mirror: the branch's commits and trees in ROOT, without bodies, so that a tree is compared without asking the host.

    mirror.git   a bare repository: a shallow pack from the first fetch, loose objects since
    mirror.tip   the newest commit known to be here with all its trees; while it is there, a branch that is gone is an error

All threads and processes of a ROOT share it. Objects never change and are read without a lock; one writer at a time holds
`mirror.lock`. A commit is written after its trees, so that one that is here is here whole. Everything is derived from the host:
what is damaged is thrown away and fetched again.

A fetched pack is taken apart into loose objects, and what this server commits is put here in the same way: packs would cost two
descriptors each, and dulwich's `add_objects` a look through all that is here. When much has gathered, and nobody needs older
trees, the mirror is fetched anew as one pack.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from dulwich.objects import Blob, Commit, ShaFile, Tree

from pywharf.errors import BackendUnavailable
from pywharf.files import locked, write_whole
from pywharf_github import tree
from pywharf_github.object_folder import Damaged, ObjectFolder
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import ObjectsMissing

PATIENCE = 120.0  # seconds that a fetch waits for another process's
TREES = 2048  # kept parsed in memory
LOOK_AGAIN = 500  # objects written between two looks at how many there are

EMPTIED = (
    "all packages were removed from its branch: restore them from the branch's history (git revert), or see that it is the right branch"
)

_ID = re.compile(rb"[0-9a-f]{40}")

log = logging.getLogger(__name__)


class Mirror:
    """The mirror in one folder, which is made by the caller. Shared between threads."""

    def __init__(self, folder: Path) -> None:
        self._objects = ObjectFolder(folder / "mirror.git")
        self._tip = folder / "mirror.tip"
        self._lock = folder / "mirror.lock"
        self._guard = threading.Lock()  # around the trees in memory
        self._trees: OrderedDict[bytes, tree.Items] = OrderedDict()
        self._looked = -LOOK_AGAIN  # how many objects were written when it was last looked how many there are

    # --- reading ----------------------------------------------------------------------------------------------------

    def tip(self) -> bytes | None:
        """The newest commit known, by any process; None where nothing was ever seen on the branch."""
        try:
            return self._tip.read_bytes().strip()
        except FileNotFoundError:
            return None

    def holds(self, commit: bytes) -> bool:
        return self._raw(commit, Commit.type_num) is not None

    def root(self, commit: bytes) -> bytes:
        """The tree of a commit that is here."""
        raw = self._raw(commit, Commit.type_num)
        if raw is None:
            raise self._missing(commit)
        return bytes(_commit(raw).tree)

    def items(self, sha: bytes) -> tree.Items:
        """What lies in a tree of a commit that is here."""
        with self._guard:
            found = self._trees.get(sha)
            if found is not None:
                self._trees.move_to_end(sha)
                return found
        raw = self._raw(sha, Tree.type_num)
        if raw is None:
            raise self._missing(sha)
        found = tree.items(raw)
        with self._guard:
            self._trees[sha] = found
            if len(self._trees) > TREES:
                self._trees.popitem(last=False)
        return found

    def has_tree(self, sha: bytes) -> bool:
        return self._raw(sha, Tree.type_num) is not None

    def blob(self, sha: bytes) -> bytes | None:
        """A small file of a commit that this server made, or looked at before; None where it has to be fetched."""
        return self._raw(sha, Blob.type_num)

    def descends(self, commit: bytes, ancestor: bytes) -> bool:
        """Whether `commit` is `ancestor` or comes after it, as far back as the mirror reaches."""
        seen, waiting = {commit}, [commit]
        for one in waiting:
            if one == ancestor:
                return True
            raw = self._raw(one, Commit.type_num)
            if raw is not None:
                parents = [bytes(parent) for parent in _commit(raw).parents]
                waiting += [parent for parent in parents if parent not in seen]
                seen.update(parents)
        return False

    # --- writing ----------------------------------------------------------------------------------------------------

    def follow(self, remote: GitRemote, tip: bytes) -> None:
        """Have the commit `tip`, which the branch is at, here with all its trees. Raises AccessDenied, BackendUnavailable."""
        if self.tip() == tip and self.holds(tip):
            return
        with self._writing():
            known = self.tip()
            before = known if known is not None and self.holds(known) else None
            if not self.holds(tip):
                self._fetch(remote, tip, before)
            if before is not None and self._packages(before) and not self._packages(tip):
                raise BackendUnavailable(EMPTIED)
            self._note(before, tip)

    def take(self, expected: bytes | None, new: bytes, objects: Iterable[ShaFile]) -> None:
        """Put here what this server has just pushed upon `expected`: commits after their trees."""
        with contextlib.suppress(OSError, BackendUnavailable), self._writing():  # a help: the next look at the branch would fetch it
            known = self.tip()
            if expected is None or self.holds(expected):
                with self._objects.writing():
                    for obj in objects:
                        self._objects.put(obj)
                if known == expected:
                    self._note(expected, new)

    def keep(self, blob: Blob) -> None:
        """Put a small file here that will be asked for again."""
        with contextlib.suppress(OSError, BackendUnavailable), self._writing(), self._objects.writing():
            self._objects.put(blob)

    def is_overgrown(self) -> bool:
        """Whether so much has gathered that it should be fetched anew. Costs nothing where little was written since the last look."""
        if self._objects.written - self._looked < LOOK_AGAIN:
            return False
        self._looked = self._objects.written
        return self._objects.is_overgrown()

    def renew(self, remote: GitRemote, tip: bytes) -> None:
        """Fetch all of it anew as it is at `tip`. Older trees are no longer here then: cursors before `tip` begin anew."""
        with self._writing(), self._objects.replacing() as repo:
            remote.fetch_mirror(repo, tip)
        log.info("mirror fetched anew: commit=%s", tip.decode())

    def close(self) -> None:
        self._objects.close()
        with self._guard:
            self._trees.clear()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _fetch(self, remote: GitRemote, tip: bytes, have: bytes | None) -> None:
        with self._objects.writing() as repo:
            store = repo.object_store
            before = {pack.name() for pack in store.packs}
            try:
                remote.fetch_mirror(repo, tip, have=have)
            except ObjectsMissing as error:
                raise BackendUnavailable("its branch was replaced while it was being read", retry_after=1) from error
            for pack in store.packs:
                if have is not None and pack.name() not in before:
                    self._objects.take_apart(store, pack)

    def _packages(self, commit: bytes) -> bytes | None:
        return tree.find_folder(self.items, self.root(commit), (tree.PACKAGES,))

    def _note(self, before: bytes | None, tip: bytes) -> None:
        if before is not None and before != tip:
            if self.descends(before, tip):
                log.info("the branch was set back to an older commit: from=%s to=%s", before.decode(), tip.decode())
            elif not self.descends(tip, before):
                log.info("the history of the branch was replaced: from=%s to=%s", before.decode(), tip.decode())
        if self.tip() != tip:
            write_whole(self._tip, tip + b"\n")

    def _raw(self, sha: bytes, type_num: int) -> bytes | None:
        if not _ID.fullmatch(sha):
            return None
        try:
            return self._objects.raw(sha, type_num)
        except Damaged as error:
            raise self._thrown_away(str(error)) from error

    def _missing(self, sha: bytes) -> BackendUnavailable:
        """Whoever reads an older state is told to come again where the mirror was fetched anew meanwhile; else it is damaged."""
        tip = self.tip()
        raw = self._raw(tip, Commit.type_num) if tip is not None else None
        waiting = [bytes(_commit(raw).tree) if raw is not None else sha]
        seen = set(waiting)
        for one in waiting:
            found = self._raw(one, Tree.type_num)
            if found is None:
                return self._thrown_away(f"{one.decode()} is missing")
            below = {item for mode, item in tree.items(found).values() if mode == tree.FOLDER_MODE} - seen
            waiting += below
            seen |= below
        return BackendUnavailable("an older state of its branch is no longer at hand", retry_after=1)

    def _thrown_away(self, what: str) -> BackendUnavailable:
        log.error("mirror damaged, fetching it again: %s", what)
        if not self._objects.is_replaced():
            self._objects.throw_away()
        self.close()
        return BackendUnavailable("its local mirror was damaged and is fetched again", retry_after=1)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with locked(self._lock, timeout=PATIENCE):
                yield
        except TimeoutError as error:
            raise BackendUnavailable("another process is still fetching its history", retry_after=10) from error


def _commit(raw: bytes) -> Commit:
    return cast("Commit", ShaFile.from_raw_string(Commit.type_num, raw))
