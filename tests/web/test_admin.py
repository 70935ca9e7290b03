from __future__ import annotations

from typing import Any

import pytest

from pywharf.errors import ConfigInvalid
from pywharf.web.app import App

from .client import Answer, Client, Unreadable, basic
from .conftest import Clock
from .fakes import READ, WRITE, FakeRepository, FakeWharf
from .test_initialize_form import CONFIG, SECRET, multipart

BODY = f"config={CONFIG}&admin_secret={SECRET}".encode()
TOKEN = f"Bearer {FakeWharf.token}"


def initialize(app: App, auth: str | None = None, peer: str = "127.0.0.1", headers: dict[str, str] | None = None, **more: Any) -> Answer:
    return Client(app, auth, peer).send("POST", more.pop("address", "/initialize/"), headers, **{"body": BODY, **more})


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/initialize", "/initialize/"])
def test_from_this_machine_the_unclaimed_server_is_initialised_once(app: App, wharf: FakeWharf, address: str) -> None:
    first, second = initialize(app, address=address), initialize(app, address=address)

    assert (first.status, second.status) == (200, 401)
    assert second.headers["www-authenticate"] == 'Bearer realm="pywharf"'
    assert wharf.initialised == [(CONFIG, SECRET)]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8888", "127.0.0.1", "127.0.0.1:8888", "[::1]:8888"])
def test_this_machine_has_several_names(app: App, wharf: FakeWharf, peer: str, host: str) -> None:
    assert initialize(app, peer=peer, headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.0.2.1", {}),
        ("2001:db8::1", {}),
        ("", {}),
        ("127.0.0.1", {"Host": "pywharf.example"}),
        ("127.0.0.1", {"Host": "127.0.0.1.evil.example"}),
        ("127.0.0.1", {"Host": "localhost.evil.example"}),
        ("127.0.0.1", {"Host": "evil.example#localhost"}),
        ("127.0.0.1", {"Host": "0.0.0.0"}),
        ("127.0.0.1", {"Host": ""}),
        ("127.0.0.1", {"Origin": "http://localhost:8888"}),
        ("127.0.0.1", {"Origin": "null"}),
        ("127.0.0.1", {"Sec-Fetch-Site": "same-origin"}),
        ("127.0.0.1", {"Sec-Fetch-Mode": "navigate"}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}),
        ("127.0.0.1", {"X-Forwarded-Anything": "x"}),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {"Via": "1.1 proxy"}),
        ("127.0.0.1", {"Authorization": basic("local", WRITE)}),
        ("127.0.0.1", {"Authorization": "Bearer wrong"}),
        ("127.0.0.1", {"Authorization": ""}),
    ],
)
def test_whoever_may_come_from_elsewhere_needs_the_token(app: App, wharf: FakeWharf, peer: str, headers: dict[str, str]) -> None:
    answer = initialize(app, peer=peer, headers=headers, body=Unreadable(), length=10)

    assert answer.status == 401
    assert wharf.initialised == []


def test_once_a_secret_was_used_this_machine_needs_the_token_too(app: App, wharf: FakeWharf) -> None:
    Client(app, basic("local", READ)).get("/simple/")

    assert initialize(app).status == 401
    assert initialize(app, TOKEN).status == 200


@pytest.mark.parametrize("auth", [None, basic("local", READ), basic("local", WRITE), "Bearer wrong", "Bearer", "bearer  "])
def test_no_other_credential_initialises_and_nothing_is_read(app: App, wharf: FakeWharf, auth: str | None) -> None:
    wharf.unclaimed = False

    answer = initialize(app, auth, body=Unreadable(), length=10)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="pywharf"')
    assert wharf.initialised == []


def test_the_token_works_from_anywhere_and_again(app: App, wharf: FakeWharf) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "Host": "pywharf.example"}

    assert [initialize(app, TOKEN, "192.0.2.1", headers).status for _ in range(2)] == [200, 200]


def test_guessing_the_token_is_throttled(app: App, clock: Clock) -> None:
    guesses = [initialize(app, f"Bearer guess-{number}").status for number in range(62)]

    assert guesses == [401] * 60 + [429, 429]
    assert initialize(app, TOKEN).status == 429
    assert initialize(app, TOKEN, "192.0.2.9").status == 200


# --- with what ------------------------------------------------------------------------------------------------------


def test_files_are_taken_too(app: App, wharf: FakeWharf) -> None:
    body = multipart(("config", "config.toml", CONFIG), ("admin_secret", "admin_secret.toml", SECRET))

    answer = initialize(app, headers={"Content-Type": "multipart/form-data; boundary=b"}, body=body)

    assert answer.status == 200
    assert wharf.initialised == [(CONFIG, SECRET)]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"body": BODY[:-1], "length": len(BODY)}, 400),
        ({"body": b"", "length": len(BODY)}, 400),
        ({"length": ""}, 411),
        ({"headers": {"Transfer-Encoding": "chunked"}}, 411),
        ({"body": Unreadable(), "length": 1024 * 1024 + 1}, 413),
        ({"body": b"nonsense"}, 400),
        ({"body": b""}, 400),
    ],
)
def test_what_is_not_whole_and_well_formed_changes_nothing(app: App, wharf: FakeWharf, changed: dict[str, Any], status: int) -> None:
    assert initialize(app, **changed).status == status
    assert (wharf.initialised, wharf.unclaimed) == ([], True)


def test_a_megabyte_is_taken(app: App, wharf: FakeWharf) -> None:
    body = BODY + b"#" * (1024 * 1024 - len(BODY))

    assert initialize(app, body=body).status == 200


def test_what_is_wrong_with_the_configuration_is_told(app: App, wharf: FakeWharf) -> None:
    wharf.refusal = ConfigInvalid("config", "is not a number of bytes", table="local", key="max_file_bytes")

    answer = initialize(app, TOKEN)

    assert (answer.status, answer.reason) == (400, "config, [local], max_file_bytes: is not a number of bytes")


def test_reading_it_is_not_offered(app: App) -> None:
    assert Client(app).get("/initialize/").status == 405
    assert Client(app, None).get("/initialize/").status == 401


# --- when it was last in step ---------------------------------------------------------------------------------------


def test_the_time_of_the_last_sync_is_a_plain_number(client: Client) -> None:
    answer = client.get("/index_mtime/")

    assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "1584379892", "text/plain; charset=utf-8")


def test_before_the_first_sync_there_is_none(client: Client, repository: FakeRepository) -> None:
    repository.synced = None

    assert client.get("/index_mtime/").status == 503
