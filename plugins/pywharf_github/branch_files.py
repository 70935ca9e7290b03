"""The few small files that a new repository begins with: what of them is on a branch already, and what is missing put there in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dulwich.objects import Blob

from pywharf_github import tree
from pywharf_github.commits import make_commit
from pywharf_github.mirror import Mirror
from pywharf_github.pack_objects import from_object
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import PushUnanswered


@dataclass(frozen=True)
class BranchFiles:
    """A branch as it was found."""

    tip: bytes | None  # None: there is no such branch
    trees: Mapping[bytes, tree.Items]  # all of its folders, by id
    root: bytes | None
    blobs: Mapping[str, bytes]  # the ids of its files, by path

    def lacks(self, files: Mapping[str, bytes]) -> list[str]:
        """The paths of those files that are not there, or are others."""
        return sorted(path for path, content in files.items() if self.blobs.get(path) != blob_id(content))


NO_BRANCH = BranchFiles(None, {}, None, {})


def look(remote: GitRemote) -> BranchFiles:
    """What is on the branch. Raises AccessDenied, BackendUnavailable (also where the host sends more than a beginning can be)."""
    tip = remote.tip()
    if tip is None:
        return NO_BRANCH
    with tempfile.TemporaryDirectory(prefix="pywharf-") as folder:
        mirror = Mirror(Path(folder))
        try:
            mirror.follow(remote, tip)
            trees: dict[bytes, tree.Items] = {}

            def read(sha: bytes) -> tree.Items:
                return trees.setdefault(sha, mirror.items(sha))

            root = mirror.root(tip)
            files = {b"/".join(path).decode("utf-8", "replace"): blob for path, _, blob in tree.changed_files(read, None, root) if blob}
            return BranchFiles(tip, trees, root, files)
        finally:
            mirror.close()


def add(remote: GitRemote, found: BranchFiles, files: Mapping[str, bytes], message: str, author: str) -> None:
    """Put files on the branch, in one commit upon what was found there; what else is there stays.

    author: "Name <address>", of both kinds. Raises PushMoved, PushRefused, AccessDenied, BackendUnavailable.
    """
    blobs = {path: Blob.from_string(content) for path, content in files.items()}
    edits: dict[tree.Path, tree.Item | None] = {
        tuple(path.encode().split(b"/")): (tree.FILE_MODE, bytes(blob.id)) for path, blob in blobs.items()
    }
    root, folders = tree.edited(found.trees.__getitem__, found.root, edits)
    if root is None:
        raise ValueError("a commit needs a file")
    commit = make_commit(root, found.tip, message, author=author, committer=author)
    new = bytes(commit.id)
    try:
        remote.push(found.tip, new, [from_object(one) for one in (commit, *folders, *blobs.values())])
    except PushUnanswered:
        if remote.tip() != new:
            raise


def blob_id(content: bytes) -> bytes:
    """The name git has for a file of this content, 40 hex digits."""
    return bytes(Blob.from_string(content).id)
