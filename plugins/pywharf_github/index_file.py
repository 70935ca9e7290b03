"""Writing the remote index file: the checkpoint of one commit, put on the branch by compare-and-swap."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from dulwich.pack import UnpackedObject

from pywharf.backend.interface import Cursor
from pywharf.errors import BackendUnavailable, WharfError
from pywharf_github import checkpoint, tree
from pywharf_github.commits import COMMITTER
from pywharf_github.committer import Committer
from pywharf_github.draft import Draft
from pywharf_github.feed import Feed, Key
from pywharf_github.mirror import Mirror
from pywharf_github.pack_objects import blob_from_file, blob_id
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import ObjectsMissing, TooMuchSent

DAY = 86400  # seconds
LONGEST_LINE = 256 * 1024  # bytes; a document has 32 KiB, and each of its characters may be escaped


class IndexFile:
    """The index file of one branch, written with one token."""

    def __init__(self, filename: str, remote: GitRemote, mirror: Mirror, feed: Feed, committer: Committer) -> None:
        self._filename = filename
        self._path = (filename.encode(),)
        self._remote = remote
        self._mirror = mirror
        self._feed = feed
        self._committer = committer

    def write(self, at: Cursor, folder: Path, *, anew: bool = False) -> None:
        """Write it as of the cursor, where there is none that stands for the same or for what came later. folder: for a while, for a copy.

        anew: also where there is one, which turned out damaged.
        Raises PushRefused, AccessDenied, BackendUnavailable.
        """
        commit = at.encode("utf-8", "replace")
        if not self._mirror.holds(commit):
            return  # of a branch that is empty, or of another one
        root = self._mirror.root(commit)
        packages = tree.find_folder(self._mirror.items, root, (tree.PACKAGES,))
        if packages is None:
            return
        head = checkpoint.Head(at, packages.decode(), self._feed.standing(root).serial)
        _clear(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix="index-") as place:
            path = Path(place) / "content"
            written: list[tuple[bytes, int]] = []

            def make(tip: bytes) -> tuple[Draft, Callable[[], Sequence[UnpackedObject]]] | None:
                if not self._mirror.descends(tip, commit) or (not anew and self._is_covered(head, tip)):
                    return None
                if not written:
                    written.append(self._write_to(path, head, root))
                blob, size = written[0]
                draft = Draft(self._mirror, self._feed, tip, COMMITTER)
                draft.replace_file(self._path, blob, f"Update {self._filename}")
                return draft, lambda: [blob_from_file(path, blob, size, level=6)]

            self._committer.commit_file(make)

    def examine(self, tip: bytes, folder: Path) -> str:
        """What is wrong with the index file at `tip`; "" where there is none, or nothing. One that is old is not wrong.

        Each of its lines has to be the sidecar that the tree it stands for has. Raises BackendUnavailable.
        """
        index = tree.find_file(self._mirror.items, self._mirror.root(tip), self._path)
        if index is None:
            return ""
        with tempfile.TemporaryFile(dir=folder) as file:
            try:
                self._remote.fetch_blob_to(index, file.write, max_bytes=checkpoint.MOST_BYTES)
            except TooMuchSent:
                return "it is larger than an index file can be"
            except ObjectsMissing as error:
                raise BackendUnavailable("its branch was replaced while it was being read", retry_after=1) from error
            file.seek(0)
            head = checkpoint.read_head(file.readline(1024))
            if head is None:
                return "its first line cannot be read"
            packages = head.packages.encode("utf-8", "replace")
            if not self._mirror.has_tree(packages):
                return ""  # so old that the tree it stands for is no longer at hand
            file.seek(0)
            return self._compare(file, dict(self._feed.wanted_below(packages)))

    @staticmethod
    def _compare(file: BinaryIO, wanted: dict[Key, bytes]) -> str:
        known, differing = len(wanted), 0
        for key, _, blob in checkpoint.read(file):
            differing += wanted.pop(key, None) != blob
        if not differing and (not wanted or file.tell() > checkpoint.MOST_BYTES - LONGEST_LINE):
            return ""
        return f"of {known} records {len(wanted)} are missing and {differing} differ from those on the branch, or were never there"

    def _write_to(self, path: Path, head: checkpoint.Head, root: bytes) -> tuple[bytes, int]:
        with open(path, "wb") as file:
            sidecars = self._feed.raw_sidecars(sorted(self._feed.wanted(root)))
            checkpoint.write(file, head, ((key, raw) for key, raw in sidecars if raw is not None))
        return blob_id(path)

    def _is_covered(self, head: checkpoint.Head, tip: bytes) -> bool:
        """Whether the index file at `tip` stands for the same, or for what came later on this branch."""
        index = tree.find_file(self._mirror.items, self._mirror.root(tip), self._path)
        there = checkpoint.read_head(self._first_line(index)) if index else None
        if there is None:
            return False
        return there.packages == head.packages or head.serial < there.serial <= self._feed.standing(self._mirror.root(tip)).serial

    def _first_line(self, blob: bytes) -> bytes:
        received = bytearray()

        def write(piece: bytes) -> None:
            received.extend(piece)
            if b"\n" in received:
                raise _Enough

        with contextlib.suppress(_Enough, ObjectsMissing, TooMuchSent):
            self._remote.fetch_blob_to(blob, write, max_bytes=checkpoint.MOST_BYTES)
        return bytes(received).partition(b"\n")[0]


class _Enough(WharfError):
    """Ends a transfer of which the rest is not needed."""


def _clear(folder: Path) -> None:
    """Remove what a crash left of a copy."""
    for leftover in folder.glob("index-*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > DAY:
                shutil.rmtree(leftover, ignore_errors=True)
