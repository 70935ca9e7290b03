"""A git host for a whole test module, and what tests of the wire push to it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dulwich.objects import Blob, Commit, ShaFile, Tree
from pywharf_github.config import GitHubConfig
from pywharf_github.pack_objects import from_object
from pywharf_github.protocol import GitRemote

from pywharf.backend.interface import Access
from pywharf.testing.git_server import GitServer

_numbers = itertools.count()


@dataclass(frozen=True)
class Made:
    """A commit that nobody has yet."""

    id: bytes
    objects: list[ShaFile]

    @property
    def packed(self) -> list[Any]:
        return [from_object(one) for one in self.objects]

    def blob(self, content: bytes) -> bytes:
        return next(bytes(one.id) for one in self.objects if isinstance(one, Blob) and one.as_raw_string() == content)


def make_commit(files: Mapping[str, bytes], parent: bytes | None = None) -> Made:
    """A commit of these files alone, at the top of the tree."""
    tree, commit = Tree(), Commit()
    blobs = [Blob.from_string(content) for content in files.values()]
    for name, blob in zip(files, blobs, strict=True):
        tree.add(name.encode(), 0o100644, blob.id)
    commit.tree = tree.id
    commit.author = commit.committer = b"A <a@example.com>"
    commit.author_time = commit.commit_time = 1_700_000_000 + next(_numbers)
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = b"Made"
    commit.parents = [parent] if parent else []  # type: ignore[list-item]
    return Made(bytes(commit.id), [*blobs, tree, commit])


def random_bytes(size: int) -> bytes:
    return os.urandom(size)


@dataclass(frozen=True)
class Place:
    """A repository of its own on the shared host."""

    server: GitServer
    repository: str

    def token(self, access: Access = Access.WRITE, token: str = "") -> str:
        return self.server.grant(self.repository, access, token=token)

    def remote(self, token: str | None = None, **settings: Any) -> GitRemote:
        owner, repo = self.repository.split("/")
        table = {"owner": owner, "repo": repo, "git_url": self.server.url_template, "timeout": 10.0, **settings}
        return GitRemote(GitHubConfig.model_validate(table), self.token() if token is None else token or None)

    def git(self, *words: str) -> str:
        return self.server.git(self.repository, *words)

    def commit(self, files: Mapping[str, bytes] | None = None) -> bytes:
        return self.server.commit(self.repository, files).encode()


@pytest.fixture(scope="module")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    with GitServer(Path(tmp_path_factory.mktemp("git host"))) as server:
        yield server


@pytest.fixture
def place(shared_host: GitServer) -> Iterator[Place]:
    repository = f"acme/wheels-{next(_numbers)}"
    shared_host.create(repository)
    shared_host.without_right(404)
    shared_host.forget_requests()
    yield Place(shared_host, repository)
    shared_host.mend()
