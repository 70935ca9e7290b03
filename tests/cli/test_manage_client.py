"""Requests to a server's /manage/: who gets the secret, and what becomes of a server that is not what it should be."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cli.answering_host import Answer, Host, answer, problem
from cli.running import Run

from pywharf.cli import manage_client
from pywharf.cli.manage_client import ManageClient
from pywharf.errors import ServerUnusable
from pywharf.model.names import ProjectName

pytestmark = pytest.mark.any_python

DEMO, SECRET = ProjectName("demo"), "s3cret-näedle"
BASIC = "Basic " + base64.b64encode(f"local:{SECRET}".encode()).decode()
CHANGED = {"project": "demo", "changed": ["demo-1.0.tar.gz"], "unchanged": []}
ACTIVE = {"project": "demo", "status": "active", "reason": ""}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def host() -> Iterator[Host]:
    with contextlib.closing(Host()) as host:
        host.answer = answer(200, ACTIVE)
        yield host


def client(url: str, **settings: str) -> ManageClient:
    return ManageClient(url, "local", SECRET, **settings)


def refusal(client: ManageClient, *, of_a_change: bool = False) -> str:
    def ask() -> object:
        return client.change("yank", DEMO, "1.0", None, "") if of_a_change else client.status(DEMO)

    with pytest.raises(ServerUnusable) as refused:
        ask()
    assert SECRET not in str(refused.value)
    return refused.value.reason


def test_what_is_asked_is_what_the_reference_says(host: Host) -> None:
    host.answer = answer(200, CHANGED)
    changed = client(f"{host.url}/under/a/prefix/").change("yank", DEMO, "1.0", None, "broken, größer")
    host.answer = answer(200, {**ACTIVE, "was": {"status": "archived", "reason": "old"}, "changed": True})
    status = client(host.url).set_status(DEMO, "active", "")

    assert changed.changed == ("demo-1.0.tar.gz",)
    assert (status.before.reason, status.status.status, status.changed) == ("old", "active", True)
    assert host.asked == [
        ("POST /under/a/prefix/manage/demo/yank", BASIC, {"version": "1.0", "reason": "broken, größer"}),
        ("POST /manage/demo/status", BASIC, {"status": "active", "reason": ""}),
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_the_new_address_is_told(host: Host, status: int) -> None:
    with contextlib.closing(Host()) as other:
        host.answer = answer(status, Location=f"{other.url}/new/manage/demo/status?token=t0ken")

        told = refusal(client(host.url))

        assert f"redirects to {other.url}/new, which is not followed" in told
        assert other.asked == []
    host.answer = answer(status, Location="http://[")
    assert "redirects to " in refusal(client(host.url))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (problem(404, "Project demo has no release 1.0"), "Project demo has no release 1.0"),
        (problem(503, "The storage is unavailable", Retry_After="7"), "The storage is unavailable; try again in 7 s"),
        (problem(503, "The storage is unavailable", Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), "The storage is unavailable"),
        (problem(503, "The storage is unavailable", Retry_After="9" * 5000), "The storage is unavailable"),
        (problem(400, "x" * 5000), "x" * manage_client.MAX_SENTENCE),
        (problem(401, "Unauthorized"), "there is no repository local, or the secret is not one of its secrets"),
        (problem(500, ["no", "text"]), "answers with status 500; is it a pywharf server, its address without /simple/?"),
        (answer(404, body=b"<html>", content_type="text/html"), "answers with status 404; is it a pywharf server, its address without /simple/?"),
        (answer(502, body=b"[" * 100_000, content_type="application/problem+json"), "answers with status 502; is it a pywharf server, its address without /simple/?"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence(host: Host, given: Answer, told: str) -> None:
    host.answer = given

    assert refusal(client(host.url), of_a_change=True) == told


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "demo",
        {},
        {**ACTIVE, "status": "closed"},
        {**ACTIVE, "reason": 3},
        {"project": "demo", "status": ["active"], "reason": ""},
    ],
)
def test_a_status_that_is_none_is_not_believed(host: Host, said: object) -> None:
    host.answer = answer(200, said)

    assert "answers what cannot be understood" in refusal(client(host.url))


@pytest.mark.parametrize(
    "said",
    [None, {}, {**CHANGED, "changed": "demo"}, {**CHANGED, "unchanged": [1]}, {**CHANGED, "project": "a b"}, {**CHANGED, "project": 1}],
)
def test_a_change_that_is_none_is_not_believed(host: Host, said: object) -> None:
    host.answer = answer(200, said)

    assert "answers what cannot be understood" in refusal(client(host.url), of_a_change=True)


@pytest.mark.parametrize("said", [ACTIVE, {**ACTIVE, "changed": True}, {**ACTIVE, "changed": 1, "was": {"status": "active", "reason": ""}}])
def test_a_change_of_status_that_is_none_is_not_believed(host: Host, said: object) -> None:
    host.answer = answer(200, said)

    with pytest.raises(ServerUnusable, match="cannot be understood"):
        client(host.url).set_status(DEMO, "active", "")


@pytest.mark.parametrize("body", [b"no JSON", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_not_understood(host: Host, body: bytes) -> None:
    host.answer = answer(200, body=body)

    assert "answers what cannot be understood" in refusal(client(host.url))


def test_an_answer_without_an_end_is_not_read_to_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage_client, "MAX_ANSWER", 100_000)
    host.answer = answer(200, body=b" " * 10_000_000)

    assert "more than the 100000 bytes" in refusal(client(host.url))


def test_a_server_that_never_comes_to_the_point_is_given_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage_client, "LONGEST", 1.0)
    enough = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not enough.wait(0.1):
            handler.wfile.write(b"x")

    host.answer = drip

    assert "does not answer (no whole answer within 1 s)" in refusal(client(host.url))
    told = refusal(client(host.url), of_a_change=True)
    enough.set()
    assert "the change may be made; the same command again is safe" in told


def test_a_change_whose_answer_got_lost_may_be_made(host: Host) -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    host.answer = hang_up

    assert "so the change may be made; the same command again is safe" in refusal(client(host.url), of_a_change=True)
    assert "does not answer" in refusal(client(host.url))


def test_a_server_that_is_not_there_was_told_nothing() -> None:
    assert refusal(client("http://127.0.0.1:1"), of_a_change=True) == "cannot be reached (Connection refused)"


def test_the_address_for_uploads_is_told_from_that_of_the_server(host: Host) -> None:
    host.answer = problem(404, "Not found: There is no such page")

    assert refusal(client(f"{host.url}/simple/")) == "Not found: There is no such page; --url is the server's address without /simple/"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://jane:hunter22@packages.example/", "has credentials in it"),
        ("packages.example", "is not the address of a server"),
        ("ftp://packages.example/", "is not the address of a server"),
        ("http:///manage", "is not the address of a server"),
        ("https://packages.example/?token=hunter22", "is not the address of a server"),
        ("https://packages.example:hunter22/", "is no URL"),
        ("https://[packages.example/", "is no URL"),
    ],
)
def test_an_address_that_is_none_is_told_without_what_may_be_a_secret(url: str, told: str) -> None:
    with pytest.raises(ServerUnusable, match=told) as refused:
        client(url)

    assert "jane" not in str(refused.value)
    assert "=hunter22" not in str(refused.value)


def test_the_environments_proxy_is_used(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", host.url)

    assert client("http://packages.example/").status(DEMO).status == "active"
    assert host.asked[0][0] == "GET http://packages.example/manage/demo/status"

    monkeypatch.setenv("http_proxy", "socks5://needle@127.0.0.1:1080")
    assert "needle" not in refusal(client("http://packages.example/"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For 127.0.0.1, by nobody but itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    words = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *words, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_name("certificate.pem.crt").read_text())
    return path


def test_a_certificate_is_checked_before_anything_is_sent(certificate: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    with contextlib.closing(Host(certificate)) as host:
        host.answer = answer(200, ACTIVE)
        assert "its certificate is not trusted" in refusal(client(host.url), of_a_change=True)
        assert "no TLS connection can be made" in refusal(client(host.url, ca_file=str(tmp_path / "broken.pem")))
        assert "its certificate is not trusted" in refusal(client(host.url.replace("127.0.0.1", "localhost"), ca_file=f"{certificate}.crt"))
        assert host.asked == []

        assert client(host.url, ca_file=f"{certificate}.crt").status(DEMO).status == "active"


def test_https_to_a_server_that_speaks_http_is_told(host: Host) -> None:
    assert "no TLS connection can be made" in refusal(client(host.url.replace("http", "https")))
    assert host.asked == []


def test_what_a_server_says_cannot_play_tricks_on_a_terminal_nor_repeat_the_secret(host: Host, run: Run) -> None:
    words = ("yank", "local", "demo", "1.0", "--url", host.url, "--secret_env", "NEEDLE")
    host.answer = problem(403, f"No \x1b[2J\nwith {SECRET} and {BASIC}")
    refused = run(*words, env={"NEEDLE": SECRET})
    host.answer = answer(200, {**CHANGED, "changed": [f"demo-{SECRET}\x1b[2J"]})
    done = run(*words, env={"NEEDLE": SECRET})

    assert refused.stderr == f"pywharf: error: {host.url}: No \\x1b[2J\\nwith *** and Basic ***\n"
    assert done.stdout == "yanked   demo-***\\x1b[2J\nyanked: 1, already so: 0\n"
