"""Commits in the making: what changes do to a tree, upon one commit, as git objects. Nothing is sent or stored here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from dulwich.objects import Blob, ShaFile

from pywharf.backend.interface import Change
from pywharf.errors import InvalidName, Moved
from pywharf_github import tree
from pywharf_github.commits import make_commit
from pywharf_github.feed import Feed, Key
from pywharf_github.mirror import Mirror
from pywharf_github.sidecar import Body, SerialFile, Sidecar, decode

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Draft:
    """A chain of commits upon `parent` (None: upon nothing), one for each change."""

    def __init__(self, mirror: Mirror, feed: Feed, parent: bytes | None, author: str) -> None:
        self._mirror = mirror
        self._feed = feed
        self._author = author
        self._new: dict[bytes, ShaFile] = {}
        self._root = mirror.root(parent) if parent else None
        self._serial = 0
        self.tip = parent
        if self._root is not None:
            standing = feed.standing(self._root)
            self._serial = standing.serial
            if standing.strays:
                self._number({stray.key: stray.sidecar for stray in standing.strays})

    @property
    def objects(self) -> list[ShaFile]:
        """What is new, commits after their trees."""
        return list(self._new.values())

    def disturbed(self, change: Change, base: bytes | None) -> bool:
        """Whether a key that matters to the change is here another one than in the root tree `base` (None: nothing was there)."""
        return any(
            tree.find_sidecar(self._mirror.items, base, change.project, key)[1]
            != tree.find_sidecar(self._items, self._root, change.project, key)[1]
            for key in {"", *change.documents}
        )

    def add(self, change: Change, bodies: Mapping[str, Body]) -> None:
        """Commit a change. bodies: those that come with it, by name."""
        edits: dict[tree.Path, tree.Item | None] = {}
        for file in change.drop:
            for path in tree.body_paths(file.project, file.name):
                edits[path] = None
        for name, body in bodies.items():
            blob = body.blob.encode()
            by_hand = tree.body_paths(change.project, name)[-1]
            if self._root and tree.find_file(self._items, self._root, by_hand) == blob:
                edits[by_hand] = None  # a copy that was adopted
            edits[tree.place_body(self._items, self._root, change.project, name)] = (tree.FILE_MODE, blob)
        sidecars: dict[Key, Sidecar] = {}
        for position, (key, document) in enumerate(sorted(change.documents.items())):
            files = dict(self._files_of(change.project, key))
            files.update(bodies if not position else {})
            for file in change.drop:
                if file.project == change.project:
                    files.pop(file.name, None)
            sidecars[change.project, key] = Sidecar(self._serial + 1, document, files)
        self._commit(change.message or f"Change {change.project}", edits, sidecars)

    def replace_file(self, path: tree.Path, blob: bytes, message: str) -> None:
        """Commit one file beside the packages."""
        self._append(message, {path: (tree.FILE_MODE, blob)})

    # --- inside -----------------------------------------------------------------------------------------------------

    def _number(self, strays: Mapping[Key, Sidecar]) -> None:
        """Give the documents that were changed by hand the serial that every reader takes them to have."""
        serial = self._serial + 1
        message = f"Number {len(strays)} document{'s' * (len(strays) != 1)} changed by hand"
        self._commit(message, {}, {key: replace(sidecar, serial=serial) for key, sidecar in strays.items()})

    def _commit(self, message: str, edits: dict[tree.Path, tree.Item | None], sidecars: Mapping[Key, Sidecar]) -> None:
        self._serial += 1
        for (project, key), sidecar in sidecars.items():
            edits[tree.find_sidecar(self._items, self._root, project, key)[0]] = self._blob(sidecar.encode(project, key))
        before = tree.find_folder(self._items, self._root, (tree.PACKAGES,)) if self._root else None
        packages = self._edit(before, {path[1:]: item for path, item in edits.items()})  # all of it lies in there
        serial_file = SerialFile(self._serial, (packages or b"").decode())
        self._append(
            f"{_CONTROL.sub(' ', message)}\n\nSerial: {self._serial}",
            {(tree.PACKAGES,): (tree.FOLDER_MODE, packages) if packages else None, tree.SERIAL_PATH: self._blob(serial_file.encode())},
        )

    def _append(self, message: str, edits: Mapping[tree.Path, tree.Item | None]) -> None:
        root = self._edit(self._root, edits)
        assert root is not None  # noqa: S101 - for the type checker: every edit here puts a file
        commit = make_commit(root, self.tip, message, author=self._author)
        self._new[bytes(commit.id)] = commit
        self._root, self.tip = root, bytes(commit.id)

    def _edit(self, root: bytes | None, edits: Mapping[tree.Path, tree.Item | None]) -> bytes | None:
        edited, made = tree.edited(self._items, root, edits)
        self._new.update((bytes(one.id), one) for one in made)
        return edited

    def _blob(self, content: bytes) -> tree.Item:
        blob = Blob.from_string(content)
        self._new[bytes(blob.id)] = blob
        return tree.FILE_MODE, bytes(blob.id)

    def _items(self, sha: bytes) -> tree.Items:
        new = self._new.get(sha)
        return tree.items(new.as_raw_string()) if new is not None else self._mirror.items(sha)

    def _files_of(self, project: str, key: str) -> Mapping[str, Body]:
        """The bodies that were committed with the document that is there now."""
        _, blob = tree.find_sidecar(self._items, self._root, project, key)
        if blob is None:
            return {}
        new = self._new.get(blob)
        return decode(project, key, new.as_raw_string() if new is not None else self._feed.small_file(blob))[0].files


def base_of(mirror: Mirror, tip: bytes | None, after: str, empty: str) -> bytes | None:
    """The root tree that a change was decided upon; None: nothing was there. Raises Moved for a cursor that is not in the past of `tip`."""
    if after == empty:
        return None
    commit = after.encode("utf-8", "replace")
    if tip is None or not mirror.holds(commit) or not mirror.descends(tip, commit):
        raise Moved("the branch's past does not hold this cursor")
    return mirror.root(commit)


def check_names(change: Change) -> None:
    """Raises InvalidName for what no checked name can have led to."""
    for key in change.documents:
        tree.sidecar_paths(change.project, key)
    for file in (*(staged.ref for staged in change.files), *change.drop):
        if not file.project:
            raise InvalidName(file.name, "lies in no project")
        tree.body_paths(file.project, file.name)
