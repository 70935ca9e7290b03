from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pywharf.backend.interface import FileRef
from pywharf.errors import BackendUnavailable, IndexNotReady, WharfError
from pywharf.web.app import App

from .client import Answer, Client, Unreadable, basic
from .fakes import READ, WRITE, FakeRepository, FakeWharf

# Everything else needs a caller, or a token.
OPEN = {("GET", "/health"), ("GET", "/login"), ("GET", "/logout"), ("GET", "/static/<name>")}
OPEN |= {("POST", "/login"), ("POST", "/logout")}
OPEN |= {(method, f"{rule}/") for method, rule in OPEN}
WHEEL = "/simple/demo/demo-1.0-py3-none-any.whl"


def filled(rule: str) -> str:
    """A route's rule with something in the place of its arguments."""
    return re.sub(
        r"<(\w+)>",
        lambda match: {"project": "demo", "filename": "demo-1.0.tar.gz", "version": "1.0", "name": "pywharf.css"}[match[1]],
        rule,
    )


def test_every_route_but_the_open_ones_answers_a_stranger_with_401(app: App, stranger: Client) -> None:
    answered = {}
    for route in app.routes:
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            answered[method, route.rule] = stranger.send(method, filled(route.rule), body=Unreadable(), length=10)

    assert len(answered) > 30
    assert {address for address, answer in answered.items() if answer.status != 401} == OPEN | {
        ("HEAD", rule) for method, rule in OPEN if method == "GET"
    }
    assert all("www-authenticate" in answer.headers for address, answer in answered.items() if answer.status == 401)


def test_the_routes_of_installers_are_there_before_the_others_are_made(app: App) -> None:
    reader = Client(app)
    paths = ("/simple/", "/simple/demo/", WHEEL)
    before = [reader.get(path) for path in paths]

    assert app._made is None
    app.load()
    assert app._made is not None
    assert [(answer.status, answer.body) for answer in before] == [(reader.get(path).status, reader.get(path).body) for path in paths]


def test_many_who_need_the_other_routes_at_once_wait_for_one_making_of_them(app: App) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: id(app._all()), range(8)))

    assert len(made) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "target", ["/", "/nothing", "/simple/demo/", WHEEL, "/simple/nope/", "/legacy", "/pypi/x/json", "/%ff", "/a/b/c/d"]
)
def test_a_stranger_sees_401_whatever_is_there(stranger: Client, method: str, target: str) -> None:
    answer = stranger.send(method, target, body=Unreadable(), length=10)

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="pywharf"'


@pytest.mark.parametrize(
    ("user", "secret", "expected"),
    [
        # page, file, HEAD, metadata, list, upload, time, initialise, nothing here, method not offered
        (None, None, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("local", "wrong", [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("nobody", READ, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("other", READ, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("local", READ, [200, 200, 200, 200, 200, 403, 200, 401, 404, 405]),
        ("LOCAL", READ, [200, 200, 200, 200, 200, 403, 200, 401, 404, 405]),
        ("local", WRITE, [200, 200, 200, 200, 200, 400, 200, 401, 404, 405]),
        # of another repository: nothing of this one, not even that it is there
        ("other", "other-read", [302, 404, 404, 404, 200, 403, 200, 401, 404, 405]),
        ("other", "other-write", [302, 404, 404, 404, 200, 400, 200, 401, 404, 405]),
    ],
)
def test_who_may_do_what(app: App, user: str | None, secret: str | None, expected: list[int]) -> None:
    client = Client(app, basic(user, secret) if user and secret else None)

    answers = [
        client.get("/simple/demo/"),
        client.get(WHEEL),
        client.send("HEAD", WHEEL),
        client.get(f"{WHEEL}.metadata"),
        client.get("/simple/"),
        client.send("POST", "/simple/", body=b"x"),
        client.get("/index_mtime/"),
        client.send("POST", "/initialize/", body=b"config=x"),
        client.get("/nothing"),
        client.send("DELETE", "/simple/demo/"),
    ]

    assert [answer.status for answer in answers] == expected


@pytest.mark.parametrize(
    "agent", ["pip/26.3", "uv/0.13", "poetry/2.5", "pdm/2.29", "twine/7.0", "curl/8", "python-requests/2", "Mozilla/5.0", None]
)
@pytest.mark.parametrize("auth", [None, basic("local", READ), basic("local", "wrong"), "Bearer x"])
def test_the_user_agent_decides_nothing(app: App, agent: str | None, auth: str | None) -> None:
    client = Client(app, auth)

    answer = client.get("/simple/demo/", {"User-Agent": agent} if agent else {})

    assert answer.status == (200 if auth == basic("local", READ) else 401)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "/simple/demo%00/",
        "/simple/de%ffmo/",
        "/simple/%64%65mo%ff/",
        "/simple/..%2fdemo/",
        "/simple%2Fdemo/",
        "/simple%2fdemo%2f",
        "/simple/%2e%2e/demo/",
        "/simple/../simple/demo/",
        "/simple/demo;x/",
        "/simple;x/demo/",
        "/simple/%2564emo/",
        "/simple/demo%252F/",
        "/simple/demo%0d%0aX-Evil:%20yes/",
        "/simple/demo%e2%80%a8/",
        "/simple/demo /",
        "/simple/d\u00e9mo/".encode().decode("latin-1"),
        "/simple/%2Bsimple/demo/",
        "/%2Bsimple/demo/",
        "/demo/json",
        "/demo/json/",
        "/simple/demo/x/y",
        "/simple/demo//demo-1.0.tar.gz",
        "//simple/demo/",
        "/Simple/demo/",
    ],
)
def test_a_path_that_is_none_of_ours_is_404_and_leads_nowhere(client: Client, target: str) -> None:
    answer = client.get(target)

    assert (answer.status, answer.headers.get("location")) == (404, None)


def test_an_encoded_letter_is_the_letter(client: Client) -> None:
    assert client.get("/simple/%64emo/").body == client.get("/simple/demo/").body


def test_a_method_that_is_not_offered_is_told_with_those_that_are(client: Client) -> None:
    answer = client.send("PUT", "/simple/")

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_what_a_proxy_claims_is_forgotten(client: Client) -> None:
    claims = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }

    for target in ("/simple", "/simple/Demo", "/", "/simple/nope/", "/pypi/demo/json", "/simple//demo/"):
        answer = client.get(target, {**claims, "X-Script-Name": "/evil", "X-Forwarded-Prefix": "/evil"})

        assert "evil" not in answer.headers.get("location", "") + answer.text
        assert "https" not in answer.headers.get("location", "").replace("https://extra.example/simple/", "")


def test_a_generation_is_held_until_the_response_is_closed(app: App, wharf: FakeWharf, repository: FakeRepository) -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": WHEEL, "HTTP_AUTHORIZATION": basic("local", READ)}
    response = app(environ, lambda *_: print)

    held = wharf.holders
    list(response)
    response.close()

    assert (held, wharf.holders) == (1, 0)
    assert repository.opened[0].closed


def test_a_response_nobody_reads_lets_go_of_everything_too(app: App, wharf: FakeWharf, repository: FakeRepository) -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": WHEEL, "HTTP_AUTHORIZATION": basic("local", READ)}

    app(environ, lambda *_: print).close()

    assert wharf.holders == 0
    assert (repository.opened[0].closed, repository.opened[0].read_bytes) == (True, 0)


def test_an_unexpected_error_is_a_500_that_says_nothing_and_a_log_that_says_all_but_the_secret(
    client: Client, repository: FakeRepository, wharf: FakeWharf, caplog: pytest.LogCaptureFixture
) -> None:
    repository.trouble = ZeroDivisionError(f"at /srv/storage with {READ}")

    answer = client.get("/simple/demo/?token=hidden")

    assert answer.status == 500
    reference = answer.text.split()[-1]
    assert not re.search(r"srv|Zero|Traceback|read-me|File", answer.text + answer.reason)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert reference in record.getMessage()
    assert "ZeroDivisionError: at /srv/storage with ***" in record.getMessage()
    assert READ not in caplog.text
    assert "hidden" not in caplog.text
    assert wharf.holders == 0


def test_an_error_of_ours_that_no_table_knows_is_unexpected_too(client: Client, repository: FakeRepository) -> None:
    class Novelty(WharfError):
        pass

    repository.trouble = Novelty("internals")

    answer = client.get("/simple/demo/")

    assert (answer.status, "internals" in answer.text) == (500, False)


@pytest.mark.parametrize(
    "target", ["/simple/", "/simple/demo/", "/simple/nope/", WHEEL, f"{WHEEL}.metadata", "/pypi/demo/json", "/pypi/nope/json"]
)
@pytest.mark.parametrize("trouble", [BackendUnavailable("it is away", retry_after=7), IndexNotReady("local", "it is new", retry_after=7)])
def test_trouble_below_is_503_and_never_a_404_or_a_redirect(
    client: Client, repository: FakeRepository, target: str, trouble: Exception
) -> None:
    repository.trouble = trouble

    answer = client.get(target)

    assert (answer.status, answer.headers["retry-after"], answer.headers.get("location")) == (503, "7", None)


def test_a_file_that_ends_early_breaks_the_connection_off(app: App, repository: FakeRepository, wharf: FakeWharf) -> None:
    read = repository.open_file

    def shorter(file: FileRef) -> Any:
        body = read(file)
        body.stream.truncate(10)
        return body

    repository.open_file = shorter  # type: ignore[method-assign]

    with pytest.raises(ConnectionAbortedError):
        Client(app).get(WHEEL)

    assert wharf.holders == 0
    assert repository.opened[0].closed


def test_the_access_log_has_one_line_for_each_request_without_query_and_secret(
    client: Client, stranger: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pywharf.access")

    client.get(f"{WHEEL}?token=hidden")
    stranger.get("/simple/%0aGET%20/forged%1b[2J/")

    lines = [record.getMessage() for record in caplog.records if record.name == "pywharf.access"]
    assert re.fullmatch(rf"GET {WHEEL} status=200 repository=local bytes=600 ms=\d+\.\d peer=192.0.2.1", lines[0])
    assert re.fullmatch(r"GET /simple/%0AGET%20/forged%1B\[2J/ status=401 repository=- bytes=\d+ ms=\d+\.\d peer=192.0.2.1", lines[1])
    assert len(lines) == 2


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/simple",
        "/simple/",
        "/simple/demo/",
        "/simple/Demo/",
        WHEEL,
        f"{WHEEL}.metadata",
        "/index_mtime/",
        "/health/",
        "/pypi/demo/json",
        "/no",
    ],
)
def test_head_is_get_without_the_body(client: Client, target: str) -> None:
    def shown(answer: Answer) -> Any:
        return answer.status, answer.reason, answer.headers

    head, get = client.send("HEAD", target), client.get(target)

    assert head.body == b""
    assert shown(head) == shown(get)
