"""A repository on the real `git http-backend`, and backends opened on it as servers would."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywharf_github import plugin
from pywharf_github.storage import GitHubBackend

from pywharf.backend.interface import Access, Change, Cursor, FileRef, StagedFile
from pywharf.files import locked
from pywharf.testing.backend_suite import Reader, StorageUnderTest, commit, current
from pywharf.testing.git_server import GitServer

DOCUMENT = b'{"kind":"file"}'


@dataclass
class Hosted:
    """One repository on a host, with a token for each right."""

    server: GitServer
    repository: str = "acme/wheels"
    tokens: dict[Access, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = self.server.create(self.repository)
        self.tokens = {access: self.server.grant(self.repository, access) for access in Access}

    def config(self, **settings: Any) -> Any:
        owner, repo = self.repository.split("/")
        table = {"owner": owner, "repo": repo, "git_url": self.server.url_template, "min_push_interval": 0.0, "timeout": 20.0}
        return plugin.config_model.model_validate({**table, **settings})

    def open(self, workdir: Path, access: Access = Access.WRITE, *, token: str = "", **settings: Any) -> GitHubBackend:
        workdir.mkdir(parents=True, exist_ok=True)
        secret = plugin.secret_model.model_validate({"raw": token or self.tokens[access]})
        backend = plugin.open(self.config(**settings), secret, workdir)
        assert isinstance(backend, GitHubBackend)
        return backend

    def git(self, *words: str, given: bytes = b"") -> str:
        return self.server.git(self.repository, *words, given=given)

    def tip(self) -> str:
        return self.git("rev-parse", "main").strip()

    def subjects(self) -> list[str]:
        """The first line of each commit's message, the oldest first."""
        return self.git("log", "--reverse", "--format=%s", "main").splitlines()

    def check(self) -> None:
        """The repository is sound, and its history a single line."""
        assert "error" not in self.git("fsck", "--full", "--strict", "--no-dangling")
        assert not self.git("rev-list", "--merges", "main")

    # --- by hand ----------------------------------------------------------------------------------------------------

    def paths(self) -> list[str]:
        return self.git("ls-tree", "-r", "-z", "--name-only", "main").split("\0")[:-1]

    def path_of(self, project: str, key: str) -> str:
        """Where the sidecar of a key is."""
        (path,) = [path for path in self.paths() if f"/{project}/" in path and path.endswith(f"/{key or '.project'}.pywharf.jsonl")]
        return path

    def read(self, path: str) -> bytes:
        return self.git("cat-file", "blob", f"main:{path}").encode()

    def put(self, path: str, content: bytes) -> None:
        self.server.commit(self.repository, {path: content})

    def remove(self, *paths: str) -> None:
        self.rewrite(lambda path: path not in paths, parent=self.tip())

    def rewrite(self, keep: Callable[[str], bool], *, parent: str = "") -> None:
        """Put the branch at a commit with those files only, upon `parent`, or upon nothing: another history."""
        entries = [line.split("\t") for line in self.git("ls-tree", "-r", "-z", "main").split("\0")[:-1]]
        tree = self._tree([(path.split("/"), about) for about, path in entries if keep(path)])
        new = self.git("commit-tree", tree, *(("-p", parent) if parent else ()), "-m", "By hand").strip()
        self.git("update-ref", "refs/heads/main", new)

    def _tree(self, entries: list[tuple[list[str], str]]) -> str:
        folders: dict[str, list[tuple[list[str], str]]] = {}
        listing = ""
        for steps, about in entries:
            if len(steps) == 1:
                listing += f"{about}\t{steps[0]}\n"
            else:
                folders.setdefault(steps[0], []).append((steps[1:], about))
        for name, inner in folders.items():
            listing += f"040000 tree {self._tree(inner)}\t{name}\n"
        return self.git("mktree", given=listing.encode()).strip()


class GitHubUnderTest(StorageUnderTest):
    """What the suite asks of a storage, on a host."""

    def __init__(self, folder: Path, hosted: Hosted) -> None:
        super().__init__(folder)
        self.hosted = hosted

    def open(self, access: Access) -> GitHubBackend:
        return self.hosted.open(self.folder / "workdir", access)

    def put_by_hand(self, project: str, name: str, body: bytes) -> None:
        self.hosted.put(f"packages/{project}/{name}", body)

    def remove_by_hand(self, project: str, key: str) -> None:
        self.hosted.remove(self.hosted.path_of(project, key))

    def lose_body(self, file: FileRef) -> None:
        self.hosted.remove(*(path for path in self.hosted.paths() if path.endswith(f"/{file.name}")))

    def lose(self) -> None:
        self.hosted.git("update-ref", "-d", "refs/heads/main")


@dataclass
class Server:
    """A server's place, with a backend open in it and what it has read."""

    hosted: Hosted
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.backend = self.hosted.open(self.folder / "workdir", **self.settings)
        self.reader = Reader(self.backend)

    def sync(self) -> bool:
        """Read what is new; whether that began anew."""
        return self.reader.sync().reset

    def serials(self) -> dict[str, int]:
        """By key, after a sync."""
        self.sync()
        return {key: entry.serial for (_, key), entry in self.reader.newest.items()}

    def stage(self, name: str, body: bytes, project: str = "demo") -> StagedFile:
        folder = self.folder / "staging"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(name.encode() + body).hexdigest()[:24]}"
        path.write_bytes(body)
        return StagedFile(FileRef(project, name, hashlib.sha256(body).hexdigest(), len(body)), path)

    def change(self, name: str, body: bytes = b"body", project: str = "demo") -> Change:
        return Change(project, {name: DOCUMENT}, [self.stage(name, body, project)], message=f"Publish {name}")

    def publish(self, name: str, body: bytes = b"body", project: str = "demo") -> FileRef:
        change = self.change(name, body, project)
        commit(self.backend, change)
        return change.files[0].ref

    def cursor(self) -> Cursor:
        return current(self.backend)

    @contextlib.contextmanager
    def turn_held(self) -> Iterator[None]:
        """Nobody pushes, as while another process of the same ROOT does."""
        (lock,) = (self.folder / "workdir").glob("*/push.lock")
        with locked(lock):
            yield

    def waiting(self) -> int:
        """Changes that go into the next push."""
        return len(self.backend._committer._waiting)

    def is_led(self) -> bool:
        """Whether one of those who wait goes first."""
        return self.backend._committer._leading.locked()
