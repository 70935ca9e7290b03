"""Commit objects: the one place that makes them, whatever they are for. Nothing is sent or stored here."""

from __future__ import annotations

import time

from dulwich.objects import Commit, ObjectID

COMMITTER = "pywharf <noreply@pywharf.invalid>"


def make_commit(root: bytes, parent: bytes | None, message: str, *, author: str = COMMITTER, committer: str = COMMITTER) -> Commit:
    """A commit of now, in UTC.

    root: the id of its tree. parent: None for the first. message: without its final line feed. author, committer: "Name <address>".
    """
    commit = Commit()
    commit.tree = ObjectID(root)
    commit.parents = [ObjectID(parent)] if parent else []
    commit.author, commit.committer = author.encode(), committer.encode()
    commit.author_time = commit.commit_time = int(time.time())
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = message.encode("utf-8", "replace") + b"\n"
    return commit
