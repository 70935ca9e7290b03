"""The git host for tests answers as real ones do, and goes wrong when told to: else tests against it would prove nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import urllib3

from pywharf.backend.interface import Access
from pywharf.testing.git_faults import Before, Damage, Drip, Hangup, LoseAnswer, Respond, Stall, Truncate
from pywharf.testing.git_server import GitServer, git_server

pytestmark = pytest.mark.any_python

__all__ = ["git_server"]

READ, WRITE = "git-upload-pack", "git-receive-pack"


def ask(
    server: GitServer, service: str, token: str | None = None, *, repository: str = "acme/wheels", **headers: str
) -> urllib3.BaseHTTPResponse:
    if token is not None:
        headers["authorization"] = urllib3.make_headers(basic_auth=f"anybody:{token}")["authorization"]
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        return pool.request("GET", f"{server.url(repository)}/info/refs?service={service}", headers=headers, redirect=False)


def statuses(server: GitServer, token: str | None = None, *, repository: str = "acme/wheels") -> tuple[int, int]:
    read, write = (ask(server, service, token, repository=repository).status for service in (READ, WRITE))
    return read, write


@pytest.fixture
def server(git_server: GitServer) -> GitServer:
    git_server.create("acme/wheels")
    return git_server


@pytest.fixture
def token(server: GitServer) -> str:
    return server.grant("acme/wheels", Access.WRITE)


def git(server: GitServer, folder: Path, token: str, *words: str) -> subprocess.CompletedProcess[str]:
    """git as people run it, with the token where people put it."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    identity = ("-c", "user.name=p", "-c", "user.email=p@example.com", "-c", "protocol.version=2")
    url = server.url("acme/wheels").replace("//", f"//x:{token}@")
    return subprocess.run(
        ["git", *identity, *(url if word == "URL" else word for word in words)], cwd=folder, env=environ, capture_output=True, text=True
    )


def test_who_may_what_is_told_by_the_status(server: GitServer, token: str) -> None:
    server.create("acme/open", public=True)
    reader, stranger, revoked = (server.grant("acme/wheels", access) for access in (Access.READ, Access.NONE, Access.WRITE))
    server.revoke(revoked)

    assert statuses(server) == (401, 401)
    assert statuses(server, "guess") == (401, 401)
    assert statuses(server, revoked) == (401, 401)
    assert statuses(server, reader) == (200, 403)
    assert statuses(server, token) == (200, 200)
    assert statuses(server, stranger) == (404, 404)
    assert statuses(server, token, repository="acme/missing") == (404, 404)
    assert statuses(server, repository="acme/missing") == (401, 401)
    assert statuses(server, repository="acme/open") == (200, 401)
    assert statuses(server, token, repository="acme/open") == (200, 403)
    assert statuses(server, "guess", repository="acme/open") == (401, 401)
    server.without_right(403)
    assert statuses(server, stranger) == (403, 403)


def test_a_token_counts_as_the_password_of_basic_only(server: GitServer, token: str) -> None:
    answer = ask(server, READ, Authorization=f"Bearer {token}")

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_git_itself_clones_and_pushes(server: GitServer, token: str, tmp_path: Path) -> None:
    assert git(server, tmp_path, token, "clone", "--quiet", "URL", "copy").returncode == 0
    (tmp_path / "copy" / "large").write_bytes(os.urandom(3_000_000))  # in chunks
    for words in (("add", "."), ("commit", "-qm", "one"), ("push", "--quiet", "origin", "HEAD:refs/heads/main")):
        done = git(server, tmp_path / "copy", token, *words)
        assert done.returncode == 0, done.stderr

    assert server.git("acme/wheels", "ls-tree", "--name-only", "main") == "large\n"
    assert server.git("acme/wheels", "fsck", "--strict") == ""
    pushed = [request for request in server.requests if (request.method, request.service) == ("POST", WRITE)]
    assert [(request.repository, request.status) for request in pushed] == [("acme/wheels", 200)] * len(pushed)
    assert max(request.received for request in pushed) > 3_000_000
    assert pushed[-1].user_agent.startswith("git/")


def test_somebody_else_commits(server: GitServer) -> None:
    first = server.commit("acme/wheels", {"a/b": b"1", "c": b"2"})
    second = server.commit("acme/wheels", {"c": b"3"}, message="Again")

    assert server.git("acme/wheels", "rev-list", "main").split() == [second, first]
    assert server.git("acme/wheels", "ls-tree", "-r", "--name-only", "main").split() == ["a/b", "c"]
    assert server.git("acme/wheels", "show", "main:c") == "3"


def test_a_push_with_a_large_file_is_refused_with_the_known_code(server: GitServer, token: str, tmp_path: Path) -> None:
    server.refuse_large_blobs("acme/wheels", 1000)
    git(server, tmp_path, token, "clone", "--quiet", "URL", "copy")
    copy = tmp_path / "copy"

    def push(size: int) -> subprocess.CompletedProcess[str]:
        (copy / "file").write_bytes(b"x" * size)
        git(server, copy, token, "add", ".")
        git(
            server,
            copy,
            token,
            "commit",
            "-qm",
            "one",
            "--amend" if (copy / ".git" / "refs" / "heads" / "main").exists() else "--allow-empty",
        )
        return git(server, copy, token, "push", "--quiet", "origin", "HEAD:refs/heads/main")

    refused = push(1001)
    assert refused.returncode != 0
    assert "GH001" in refused.stderr
    assert push(1000).returncode == 0


def test_partial_clone_and_protocol_2_can_be_turned_off(server: GitServer, token: str) -> None:
    version = {"Git-Protocol": "version=2"}
    assert b"filter" in ask(server, READ, token, **version).data
    server.allow_filter("acme/wheels", False)
    assert b"filter" not in ask(server, READ, token, **version).data
    assert b"version 2" in ask(server, READ, token, **version).data
    server.protocol_v2("acme/wheels", False)
    assert b"version 2" not in ask(server, READ, token, **version).data


@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {"Retry-After": "7"}), (403, {"Retry-After": "9"}), (408, {}), (500, {}), (503, {}), (301, {"Location": "/x"})],
)
def test_a_status_is_answered_as_often_as_wanted(server: GitServer, token: str, status: int, headers: dict[str, str]) -> None:
    server.fail(Respond(status, headers, "no"), service=READ, times=2)

    assert [ask(server, service, token).status for service in (WRITE, READ, READ, READ)] == [200, status, status, 200]
    server.fail(Respond(status, headers), times=None)
    answer = ask(server, WRITE, token)
    assert answer.status == status
    assert headers.items() <= dict(answer.headers).items()
    server.mend()
    assert ask(server, WRITE, token).status == 200


def test_a_login_page_has_status_200(server: GitServer, token: str) -> None:
    server.fail(Respond(200, {"Content-Type": "text/html"}, "<html>Log in"))

    answer = ask(server, READ, token)
    assert (answer.status, answer.headers["Content-Type"], answer.data) == (200, "text/html", b"<html>Log in")


def test_an_answer_is_cut_damaged_or_kept_back(server: GitServer, token: str) -> None:
    right = ask(server, READ, token).data

    server.fail(Truncate(10))
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask(server, READ, token)
    server.fail(Damage(5))
    damaged = ask(server, READ, token).data
    assert [at for at in range(len(right)) if damaged[at] != right[at]] == [5]
    server.fail(Drip(size=50, pause=0.001))
    assert ask(server, READ, token).data == right
    stall = Stall(10, seconds=0.3)
    server.fail(stall)
    began = time.monotonic()
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask(server, READ, token)
    assert time.monotonic() - began > 0.25


@pytest.mark.parametrize("fault", [Hangup(), LoseAnswer()])
def test_a_connection_ends_without_an_answer(server: GitServer, token: str, fault: Hangup | LoseAnswer) -> None:
    server.fail(fault)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask(server, READ, token)

    assert server.requests[-1].status == 0


def test_something_happens_just_before_a_request(server: GitServer, token: str) -> None:
    server.fail(Before(lambda: server.commit("acme/wheels")), service=WRITE)

    assert b"refs/heads/main" in ask(server, WRITE, token).data


def test_a_host_that_is_down_comes_back_on_the_same_port(server: GitServer, token: str) -> None:
    url = server.url_template
    server.stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(server, READ, token)
    server.start()

    assert server.url_template == url
    assert ask(server, READ, token).status == 200
    port = int(url.split(":")[2].split("/")[0])
    with socket.socket() as other, pytest.raises(OSError):
        other.connect(("127.0.0.2", port))
