"""The log as the branch tells it: what changed between two commits, as entries; and what the greatest serial is.

Sidecars are compared by their ids in the two trees, so the cost is that of the change. Nothing is believed but the tree: the
checkpoint is a bundle of sidecars, of which each is taken only where its id is the one in the tree.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dulwich.objects import Blob

from pywharf.backend.interface import Entry
from pywharf.errors import BackendUnavailable
from pywharf_github import checkpoint, tree
from pywharf_github.mirror import Mirror
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import ObjectsMissing, TooMuchSent
from pywharf_github.sidecar import SerialFile, Sidecar, decode

BATCH = 4000  # sidecars asked for at once
FEW = 64  # sidecars that are worth a look into the mirror, where this server's own are

Key: TypeAlias = tuple[str, str]  # project and key
Wanted: TypeAlias = tuple[Key, bytes]  # and the id of its sidecar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A sidecar of a tree."""

    key: Key
    sidecar: Sidecar
    genuine: bool  # whether pywharf wrote it so


@dataclass(frozen=True)
class Standing:
    """What a commit must know of the commit it is built on."""

    serial: int  # the greatest given
    strays: tuple[Found, ...]  # sidecars changed by hand: their serial is the greatest + 1, for everybody


class Feed:
    """Reads a branch's trees and sidecars, with one token."""

    def __init__(self, mirror: Mirror, remote: GitRemote, index_filename: str) -> None:
        self._mirror = mirror
        self._remote = remote
        self._index_path = (index_filename.encode(),)
        self._guard = threading.Lock()
        self._standing: tuple[bytes, Standing] | None = None  # the newest one asked for, with its root

    def entries(self, old: bytes | None, new: bytes, workdir: Path) -> Iterator[Entry]:
        """What changed from the root tree `old` (None: from nothing) to `new`. Raises BackendUnavailable."""
        read = self._mirror.items
        packages = [tree.find_folder(read, root, (tree.PACKAGES,)) if root else None for root in (old, new)]
        after: list[int] = []  # the serial of what was changed by hand, once it is needed

        def by_hand() -> int:
            if not after:
                after.append(self.standing(new).serial + 1)
            return after[0]

        removed: list[Key] = []

        def present() -> Iterator[Wanted]:
            for key, _, now in self._changed(packages[0], packages[1]):
                if now is None:
                    removed.append(key)
                else:
                    yield key, now

        for found in self._all(new, present(), workdir) if old is None else self.sidecars(present()):
            yield Entry(*found.key, found.sidecar.serial if found.genuine else by_hand(), found.sidecar.document)
        for key in removed:
            yield Entry(*key, by_hand(), None)

    def standing(self, root: bytes) -> Standing:
        """The greatest serial of a root tree, and what was changed by hand in it. Looks at `.pywharf/serial` alone where nothing was."""
        with self._guard:
            if self._standing is not None and self._standing[0] == root:
                return self._standing[1]
        read = self._mirror.items
        packages = tree.find_folder(read, root, (tree.PACKAGES,))
        blob = tree.find_file(read, root, tree.SERIAL_PATH)
        serial_file = SerialFile.decode(self.small_file(blob)) if blob else None
        if serial_file is not None and serial_file.packages == (packages or b"").decode():
            standing = Standing(serial_file.serial, ())
        else:
            written = serial_file.packages.encode() if serial_file else b""
            base = written if self._mirror.has_tree(written) else None
            found = list(self.sidecars((key, now) for key, _, now in self._changed(base, packages) if now))
            serials = [one.sidecar.serial for one in found if one.genuine]
            standing = Standing(
                max([serial_file.serial if serial_file else 0, *serials]),
                tuple(sorted((one for one in found if not one.genuine), key=lambda one: one.key)),
            )
        with self._guard:
            self._standing = (root, standing)
        return standing

    def wanted(self, root: bytes) -> Iterator[Wanted]:
        """Every sidecar of a root tree, by its id."""
        return self.wanted_below(tree.find_folder(self._mirror.items, root, (tree.PACKAGES,)))

    def wanted_below(self, packages: bytes | None) -> Iterator[Wanted]:
        """The same of a tree `packages`."""
        return ((key, now) for key, _, now in self._changed(None, packages) if now)

    def sidecars(self, wanted: Iterable[Wanted]) -> Iterator[Found]:
        """Read sidecars, in batches."""
        for key, raw in self.raw_sidecars(wanted):
            yield Found(key, *decode(*key, raw))

    def small_file(self, blob: bytes) -> bytes | None:
        """The content of a small file; None where it is too large to be one."""
        content = self._mirror.blob(blob)
        if content is None:
            fetched = self._fetch([blob])[blob]
            if fetched is not None:
                self._mirror.keep(Blob.from_string(fetched))
            return fetched
        return content

    def _changed(self, old: bytes | None, new: bytes | None) -> Iterator[tuple[Key, bytes | None, bytes | None]]:
        for path, was, now in tree.changed_files(self._mirror.items, old, new, (tree.PACKAGES,)):
            key = tree.sidecar_at(path)
            if key is None:
                continue
            if len(path) > tree.SHORTEST and new is not None:
                first = tree.sidecar_paths(*key)[0]
                if path != first and tree.find_file(self._mirror.items, new, first[1:]) is not None:
                    continue  # somebody's hand made two of one key: the first place counts
            yield key, was, now

    def _all(self, root: bytes, present: Iterator[Wanted], workdir: Path) -> Iterator[Found]:
        """Read sidecars from the index file where that has them as they are in the tree, and the others as usual."""
        index = tree.find_file(self._mirror.items, root, self._index_path)
        if index is None:
            yield from self.sidecars(present)
            return
        wanted = dict(present)
        if len(wanted) > BATCH:
            with tempfile.TemporaryFile(dir=workdir) as file:
                try:
                    self._remote.fetch_blob_to(index, file.write, max_bytes=checkpoint.MOST_BYTES)
                except (ObjectsMissing, TooMuchSent) as error:
                    log.warning("the index file is not used: reason=%s", error)
                    file.truncate(0)
                file.seek(0)
                for key, raw, blob in checkpoint.read(file):
                    if wanted.get(key) == blob:
                        del wanted[key]
                        yield Found(key, *decode(*key, raw))
        yield from self.sidecars(wanted.items())

    def raw_sidecars(self, wanted: Iterable[Wanted]) -> Iterator[tuple[Key, bytes | None]]:
        """The bytes of sidecars; None where one is too large to be one."""
        remaining = iter(wanted)
        first = True
        while batch := list(itertools.islice(remaining, BATCH)):
            here = {blob: raw for _, blob in batch if (raw := self._mirror.blob(blob)) is not None} if first and len(batch) <= FEW else {}
            first = False
            contents = {**here, **self._fetch([blob for _, blob in batch if blob not in here])}
            for key, blob in batch:
                yield key, contents[blob]

    def _fetch(self, blobs: Iterable[bytes]) -> dict[bytes, bytes | None]:
        contents: dict[bytes, bytes | None] = {}
        blobs = set(blobs)
        if blobs:
            try:
                self._remote.fetch_blobs(blobs, contents.__setitem__)
            except ObjectsMissing as error:
                raise BackendUnavailable("its branch was replaced while it was being read", retry_after=1) from error
        return contents
