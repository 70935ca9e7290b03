"""pywharf servers as real processes, all of one repository on a real git host; and what their clients see."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from plugins.github.hosted import Hosted

from pywharf.backend.interface import Access
from pywharf.testing.distributions import Distribution
from pywharf.testing.git_server import GitServer
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

NAME = "wheels"
JSON = "application/vnd.pypi.simple.v1+json"
LINEAR = """#!/bin/sh
while read -r old new ref; do
    case $ref in refs/heads/main) ;; *) continue ;; esac
    case $old in *[!0]*) git merge-base --is-ancestor "$old" "$new" || { echo "$old $new" >> "$GIT_DIR/forced"; exit 1; } ;; esac
done
"""


@dataclass(frozen=True)
class Answer:
    """What a client was told."""

    status: int
    body: bytes
    retry_after: int | None = None  # seconds

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Client:
    """One client of one server, with one secret; its connection is kept, or not."""

    def __init__(self, url: str, secret: str, *, keep: bool = True, repository: str = NAME) -> None:
        self.url, self._keep = url, keep
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self._authorization = basic_auth(repository, secret)

    def upload(self, distribution: Distribution) -> Answer:
        """Raises OSError, http.client.HTTPException where no answer comes."""
        body, content_type = upload_form(distribution)
        return self._ask("POST", "/simple/", body, {"Content-Type": content_type})

    def get(self, path: str) -> Answer:
        return self._ask("GET", f"/simple/{path}", None, {"Accept": JSON})

    def files(self) -> dict[str, str]:
        """sha256 by name of every file that is listed."""
        listed = json.loads(expect(200, self.get("")).body)["projects"]
        pages = [json.loads(expect(200, self.get(f"{project['name']}/")).body) for project in listed]
        return {file["filename"]: file["hashes"]["sha256"] for page in pages for file in page["files"]}

    def check_file(self, distribution: Distribution) -> None:
        """What is served under the file's name is the file, and beside it its core metadata."""
        project = distribution.filename.split("-")[0]
        assert expect(200, self.get(f"{project}/{distribution.filename}")).body == distribution.data
        assert expect(200, self.get(f"{project}/{distribution.filename}.metadata")).body == distribution.metadata

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            self._connection.request(method, path, body, {"Authorization": self._authorization, **headers})
            answer = self._connection.getresponse()
            waits = answer.getheader("Retry-After")
            told = Answer(answer.status, answer.read(), int(waits) if waits else None)
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if not self._keep:
            self._connection.close()
        return told


def expect(status: int, answer: Answer) -> Answer:
    assert answer.status == status, (answer.status, answer.text)
    return answer


@dataclass
class Served:
    """A repository on the host, and servers that serve it."""

    host: GitServer
    folder: Path
    settings: dict[str, object] = field(default_factory=dict)  # of the repository's table, for every server

    def __post_init__(self) -> None:
        self.hosted = Hosted(self.host, f"acme/{NAME}-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}")
        self.hosted.git("config", "core.logAllRefUpdates", "always")
        self.hosted.git("config", "receive.denyNonFastForwards", "true")
        self.host.hook(self.hosted.repository, "pre-receive", LINEAR)
        self.writer, self.reader = self.hosted.tokens[Access.WRITE], self.hosted.tokens[Access.READ]

    def server(self, root: str = "root", *, options: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> LiveServer:
        """A server with its ROOT in that folder. Its own secret is a token that may read, and no more."""
        config, admin_secret = self._written("config.toml", self.config()), self._written("admin_secret.toml", self.admin_secret())
        given = ["--config", str(config), "--admin_secret", str(admin_secret), *options]
        return LiveServer(self.folder / root, options=given, environ=environ)

    def config(self) -> str:
        """Syncs happen when they are asked for: requests to the host can be counted."""
        owner, repo = self.hosted.repository.split("/")
        table = {
            "type": "github", "owner": owner, "repo": repo, "git_url": self.host.url_template,
            "min_push_interval": 0.0, "timeout": 20.0, "sync_index_interval": 3600.0, **self.settings,
        }  # fmt: skip
        return f"[{NAME}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())

    def admin_secret(self) -> str:
        return f'[{NAME}]\ntype = "github"\nraw = "{self.reader}"\n'

    def grant_writers(self, number: int) -> list[str]:
        return [self.host.grant(self.hosted.repository, Access.WRITE) for _ in range(number)]

    def client(self, server: LiveServer, secret: str = "", *, keep: bool = True) -> Client:
        return Client(server.url, secret or self.writer, keep=keep)

    # --- the host's side --------------------------------------------------------------------------------------------

    def check_history(self) -> list[str]:
        """Every commit has one parent, no object is broken, the branch was only ever moved forward, and nobody tried anything else.

        Returns the subjects, the oldest first.
        """
        self.hosted.check()
        assert not (self.hosted.path / "forced").exists(), "a push was forced"
        commits = [line.split() for line in self.hosted.git("rev-list", "--parents", "--reverse", "main").splitlines()]
        assert [parents for _, *parents in commits] == [[], *([commit] for commit, *_ in commits[:-1])], "the history is not one line"
        moves = [line.split()[:2] for line in (self.hosted.path / "logs/refs/heads/main").read_text().splitlines()]
        assert [old for old, _ in moves[1:]] == [new for _, new in moves[:-1]], "the branch jumped"
        order = [[commit for commit, *_ in commits].index(new) for _, new in moves]
        assert order == sorted(set(order)), "the branch was set back"
        assert moves[-1][1] == self.hosted.tip()
        return self.hosted.subjects()

    def moves(self) -> int:
        """How often the branch was moved."""
        return len((self.hosted.path / "logs/refs/heads/main").read_text().splitlines())

    def files(self) -> dict[str, str]:
        """sha256 by name of every distribution file in the branch's tree, read by git."""
        listed = [line.split("\t") for line in self.hosted.git("ls-tree", "-r", "-z", "main").split("\0")[:-1]]
        blobs = {Path(path).name: about.split()[2] for about, path in listed if path.endswith((".whl", ".tar.gz"))}
        assert len(blobs) == sum(path.endswith((".whl", ".tar.gz")) for _, path in listed), "a file lies in two places"
        contents = self.contents(blobs.values())
        return {name: hashlib.sha256(content).hexdigest() for name, content in zip(blobs, contents, strict=True)}

    def names(self) -> set[str]:
        """Of every distribution file in the branch's tree."""
        return {Path(path).name for path in self.hosted.paths() if path.endswith((".whl", ".tar.gz"))}

    def contents(self, blobs: Iterable[str]) -> list[bytes]:
        """What git has under these names: an object's, or "main:" and a path."""
        asked = "".join(f"{blob}\n" for blob in blobs).encode()
        command = ["git", "--git-dir", str(self.hosted.path), "cat-file", "--batch"]
        answer = io.BytesIO(subprocess.run(command, input=asked, capture_output=True, check=True).stdout)
        found = []
        while head := answer.readline().split():
            assert head[1] == b"blob", head
            found.append(answer.read(int(head[2])))
            answer.read(1)
        return found

    def _written(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path


def eventually(look: Callable[[], object], *, within: float = 30.0) -> None:
    """Wait until `look()` is true."""
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def by_name(distributions: Iterable[Distribution]) -> dict[str, str]:
    return {one.filename: one.sha256 for one in distributions}
