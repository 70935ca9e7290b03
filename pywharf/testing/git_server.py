"""A git host for tests: the real `git http-backend`, with tokens, several repositories, and faults at the turn of a switch.

    with GitServer(folder) as server:
        server.create("acme/wheels")
        token = server.grant("acme/wheels", Access.WRITE)
        ... server.url("acme/wheels"), or server.url_template with {owner} and {repo} ...
        server.fail(Respond(503), times=1)
        print(server.requests)

It answers 401, 403 and 404 as the large hosts do: 401 without a known token, also for what does not exist; 404 (or 403, by
`without_right`) to a token that may not read; 403 to one that may not write. The token is the password of Basic, whatever the user.
Listens on 127.0.0.1 only. Needs `git`, and pytest for its fixture only: `from pywharf.testing.git_server import git_server`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import pytest
from cheroot.server import HTTPConnection
from cheroot.wsgi import Server as CherootServer

from pywharf.backend.interface import Access
from pywharf.testing.git_faults import Fault, Plan
from pywharf.testing.git_requests import Answering, Gateway, HostedRepository, HostState, Recorded
from pywharf.testing.ports import hold_free_port

# As the large hosts have it: partial clone, any object of the past by its name, and no broken objects.
_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[http]
\treceivepack = true
[uploadpack]
\tallowFilter = true
\tallowReachableSHA1InWant = true
[receive]
\tfsckObjects = true
\tautogc = false
[gc]
\tauto = 0
"""

_REFUSES_LARGE = """#!/bin/sh
while read -r old new ref; do
    case $new in *[!0]*) ;; *) continue ;; esac
    git rev-list --objects "$new" --not --all | cut -c1-40 | git cat-file --batch-check='%(objecttype) %(objectsize) %(objectname)'
done | {{
    while read -r type size name; do
        if [ "$type" = blob ] && [ "$size" -gt {limit} ]; then
            echo "error: GH001: Large files detected. You may want to try Git Large File Storage."
            echo "error: File $name is $size bytes; this exceeds the file size limit of {limit} bytes"
            exit 1
        fi
    done
}}
"""


class Cut(HTTPConnection):
    """A connection that may be cut in the middle of an answer, without a word on stderr when it is collected."""

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            self.wfile.close()


class GitServer:
    """A git host on a free port of this machine. Used in `with`, or by start() and stop()."""

    def __init__(self, folder: Path) -> None:
        """folder: made where it is missing; the bare repositories are in it."""
        self.folder = folder
        self._port, self._held = hold_free_port()
        self._server: CherootServer | None = None
        self._thread: threading.Thread | None = None
        environ = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "host"), ("EMAIL", "host@localhost"))
            },
        }
        self._state = HostState(folder, environ, without_right=404)

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, on the same port as before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        server = CherootServer(
            ("127.0.0.1", self._port), Answering(self._state), numthreads=16, timeout=60, shutdown_timeout=1, request_queue_size=128
        )
        server.gateway = Gateway
        server.ConnectionClass = Cut
        server.nodelay = True
        server.expiration_interval = 0.05  # seconds until stop() is noticed
        server.error_log = lambda *told, **more: None  # type: ignore[method-assign]  # cut connections are what this is for
        server.prepare()
        self._server = server
        self._thread = threading.Thread(target=server.serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more: clients are refused. start() brings it back."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> GitServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._held.close()

    # --- what is there ----------------------------------------------------------------------------------------------

    @property
    def url_template(self) -> str:
        """The address of a repository, with {owner} and {repo} to be filled in."""
        return f"http://127.0.0.1:{self._port}/{{owner}}/{{repo}}.git"

    def url(self, repository: str) -> str:
        return f"http://127.0.0.1:{self._port}/{repository}.git"

    def create(self, repository: str, *, branch: str = "main", public: bool = False) -> Path:
        """Make an empty bare repository, e.g. "acme/wheels". public: read without a token. Returns its folder."""
        path = self.folder / f"{repository}.git"
        # What `git init --bare` makes (gitrepository-layout(5)), by hand: hundreds of tests want one, and each run of git takes its time.
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "hooks"):
            (path / folder).mkdir(parents=True)
        (path / "config").write_text(_CONFIG, encoding="ascii")
        (path / "HEAD").write_text(f"ref: refs/heads/{branch}\n", encoding="ascii")
        self._state.repositories[repository] = HostedRepository(path, public)
        return path

    def grant(self, repository: str, access: Access, *, token: str = "") -> str:
        """Let a token do something in a repository; it is known to the host from then on. Without one a new one is made. Returns it."""
        token = token or f"token_{secrets.token_hex(16)}"
        self._state.tokens[token] = True
        self._state.repositories[repository].rights[token] = access
        return token

    def revoke(self, token: str) -> None:
        """Know a token no longer."""
        self._state.tokens[token] = False

    def git(self, repository: str, *words: str, given: bytes = b"") -> str:
        """Run git in a bare repository, and return what it prints. Raises CalledProcessError."""
        return self._git(self._state.repositories[repository].path, *words, given=given)

    def commit(self, repository: str, files: Mapping[str, bytes] | None = None, *, branch: str = "main", message: str = "By hand") -> str:
        """Add a commit to a branch as somebody else would: with these files too, by their paths. Returns its name."""
        found = self.git(repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").strip()
        lines = self.git(repository, "ls-tree", "-r", "-z", found) if found else ""
        for path, content in (files or {}).items():
            blob = self.git(repository, "hash-object", "-w", "--stdin", given=content).strip()
            lines += f"100644 blob {blob}\t{path}\0"
        index = self.folder / f".index-{secrets.token_hex(8)}"
        self._git(self._state.repositories[repository].path, "update-index", "-z", "--index-info", given=lines.encode(), index=index)
        tree = self._git(self._state.repositories[repository].path, "write-tree", index=index).strip()
        index.unlink(missing_ok=True)
        commit = self.git(repository, "commit-tree", tree, *(("-p", found) if found else ()), "-m", message).strip()
        self.git(repository, "update-ref", f"refs/heads/{branch}", commit)
        return commit

    # --- switches ---------------------------------------------------------------------------------------------------

    def fail(self, fault: Fault, *, service: str = "", method: str = "", times: int | None = 1, spared: int = 0) -> None:
        """Let requests of a service and method go wrong: so many, or all (None) until mend(). The first fault that fits is taken.

        spared: so many of them go well before.
        """
        with self._state.lock:
            self._state.plans.append(Plan(fault, service, method, times, spared))

    def mend(self) -> None:
        """Take all faults away."""
        with self._state.lock:
            self._state.plans.clear()

    def without_right(self, status: int) -> None:
        """What a known token that may not even read is answered: 404, or 403 as for a token with few rights."""
        self._state.without_right = status

    def allow_filter(self, repository: str, allowed: bool) -> None:
        """Whether clients may leave out the contents of files (partial clone)."""
        self.git(repository, "config", "uploadpack.allowFilter", str(allowed).lower())

    def protocol_v2(self, repository: str, spoken: bool) -> None:
        """Whether protocol version 2 is spoken to those who ask for it."""
        self._state.repositories[repository].protocol_v2 = spoken

    def refuse_large_blobs(self, repository: str, limit: int) -> None:
        """Refuse pushes with a file of more than `limit` bytes (GH001)."""
        self.hook(repository, "pre-receive", _REFUSES_LARGE.format(limit=limit))

    def hook(self, repository: str, name: str, script: str) -> None:
        """Install a hook; "" removes it."""
        path = self._state.repositories[repository].path / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if script:
            path.write_text(script, encoding="utf-8")
            path.chmod(0o755)

    @property
    def requests(self) -> list[Recorded]:
        """Every request so far, in the order they came."""
        with self._state.lock:
            return [request.recorded() for request in self._state.requests]

    def forget_requests(self) -> None:
        with self._state.lock:
            self._state.requests.clear()

    def _git(self, folder: Path, *words: str, given: bytes = b"", index: Path | None = None) -> str:
        environ = {**self._state.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
        done = subprocess.run(  # noqa: S603 - words of tests
            ["git", "-C", str(folder), *words],  # noqa: S607 - the git that is installed
            env=environ,
            input=given,
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode("utf-8", "replace")


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[GitServer]:
    """A git host of its own for one test. Skips it where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    with GitServer(tmp_path / "git host") as server:
        yield server
