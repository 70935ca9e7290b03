"""Large bodies go to the host ahead of their commit: a push that others overtake then costs nothing but a few trees.

Each lies in a commit of its own under a ref of its own, which the push of the real commit removes. What dies in between is swept
after a day. Hosts that take branches only are given branches.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from pathlib import Path

from dulwich.objects import ObjectID, Tree

from pywharf.errors import BackendUnavailable, WharfError
from pywharf_github import tree
from pywharf_github.commits import make_commit
from pywharf_github.pack_objects import blob_from_file, from_object
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import PushMoved, PushRefused

LARGE = 4 * 1024**2  # bytes
DAY = 86400  # seconds
PREFIXES = (b"refs/pywharf/staging/", b"refs/heads/pywharf-staging/")

_AGE = re.compile(rb".*/([0-9]{1,12})-[0-9a-f]{32}")

log = logging.getLogger(__name__)


class Staging:
    """The place ahead of commits on one host, with one token. Shared between threads."""

    def __init__(self, remote: GitRemote) -> None:
        self._remote = remote
        self._prefixes: tuple[bytes, ...] = PREFIXES

    def put(self, path: Path, blob: bytes, size: int) -> bytes:
        """Send a body; returns its ref. Raises PushRefused, AccessDenied, BackendUnavailable."""
        folder = Tree()
        folder.add(b"body", tree.FILE_MODE, ObjectID(blob))
        commit = make_commit(folder.id, None, "A file on its way to a commit")
        name = b"%d-%s" % (now(), uuid.uuid4().hex.encode())
        for prefix in self._prefixes:
            objects = [from_object(commit), from_object(folder), blob_from_file(path, blob, size)]
            try:
                self._remote.push_ref(prefix + name, bytes(commit.id), objects)
            except PushRefused as refused:
                if refused.too_large or prefix == self._prefixes[-1]:
                    raise
                log.info("the git host takes no %s, using a branch: reason=%s", prefix.decode(), refused.reason)
                self._prefixes = PREFIXES[1:]
            except PushMoved as error:  # a name that nobody else can have
                raise BackendUnavailable("the git host answers what cannot be so") from error
            else:
                return prefix + name
        raise AssertionError("the last prefix raises")

    def remove(self, refs: list[bytes]) -> None:
        """Take back what did not get its commit. What cannot be taken back now is swept later."""
        try:
            if refs:
                self._remote.delete_refs(refs)
        except WharfError as error:
            log.warning("a staged file stays until it is swept: reason=%s", error)

    def sweep(self) -> int:
        """Remove what has waited for more than a day; returns how many."""
        refs = [ref for prefix in PREFIXES for ref in self._remote.refs(prefix) if _is_old(ref)]
        if refs:
            self._remote.delete_refs(refs)
        return len(refs)


def now() -> float:
    return time.time()


def _is_old(ref: bytes) -> bool:
    found = _AGE.fullmatch(ref)
    return found is not None and now() - int(found[1]) > DAY
