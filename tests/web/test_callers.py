from __future__ import annotations

import base64
import tracemalloc
from types import SimpleNamespace

import pytest

from pywharf.errors import BackendUnavailable
from pywharf.web import callers
from pywharf.web.app import App

from .client import Answer, Client, basic
from .conftest import Clock
from .fakes import READ, WRITE, FakeRepository, FakeWharf

pytestmark = pytest.mark.any_python


def encoded(raw: bytes) -> str:
    return "Basic " + base64.b64encode(raw).decode()


MALFORMED = [
    "",
    "Basic",
    "Basic ",
    "Basic !!!!",
    "Basic bG9jYWw",  # no padding, no colon
    "Basic " + "=" * 8,
    encoded(b"local"),
    encoded(b"local:"),
    encoded(b":read-me"),
    encoded(b"local:read-me\x00"),
    encoded(b"lo\x00cal:read-me"),
    encoded(b"local:read-me\n"),
    encoded(b"local:\xff\xfe"),
    encoded("local:read-me".encode("utf-16")),
    "Basic " + base64.b64encode(b"local:read-me").decode() + "\u00e9",
    "Basic " + base64.b64encode(b"local:read-me").decode() + ", " + "Basic " + base64.b64encode(b"local:read-me").decode(),
    "Basic bG9jYWw6 cmVhZC1tZQ==",
    "Bearer read-me",
    "Digest username=local",
    "local:read-me",
    "Basic" + base64.b64encode(b"local:read-me").decode(),
    encoded(b"local:" + b"x" * 1_000_000),
    encoded(b"../local:read-me"),
    encoded(b"local/:read-me"),
    encoded(b" local:read-me"),
]


def same(answer: Answer) -> tuple[object, ...]:
    return answer.status, answer.reason, answer.headers, answer.body


@pytest.mark.parametrize("authorization", MALFORMED, ids=range(len(MALFORMED)))
def test_credentials_that_cannot_be_read_are_answered_like_none(app: App, authorization: str) -> None:
    nobody = Client(app, None).get("/simple/demo/")

    answer = Client(app, authorization).get("/simple/demo/")

    assert answer.status == 401
    assert same(answer) == same(nobody)


def test_unknown_repository_and_wrong_secret_are_told_alike(app: App) -> None:
    unknown = Client(app, basic("unknown", READ)).get("/simple/demo/")
    wrong = Client(app, basic("local", "wrong")).get("/simple/demo/")

    assert same(unknown) == same(wrong)
    assert unknown.headers["www-authenticate"] == 'Basic realm="pywharf"'


def test_unknown_repository_and_wrong_secret_take_the_same_time(
    app: App, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Clock()
    check = repository.access

    def advance(seconds: float) -> None:
        now.now += seconds

    def slower(*args: object) -> object:
        advance(0.003)
        return check(*args)  # type: ignore[arg-type]

    def taken(user: str) -> float:
        began = now()
        assert Client(app, basic(user, "wrong")).get("/simple/").status == 401
        return now() - began

    monkeypatch.setattr(callers, "time", SimpleNamespace(monotonic=now))
    monkeypatch.setattr(app._callers, "_sleep", advance)
    repository.access = slower  # type: ignore[assignment]

    assert taken("unknown") == pytest.approx(callers.DENIAL_TAKES)
    assert taken("local") == pytest.approx(callers.DENIAL_TAKES)


def test_the_secret_may_hold_colons_and_letters_of_any_alphabet(app: App, repository: FakeRepository) -> None:
    repository.secrets["a:b:ß§漢"] = repository.secrets[READ]

    assert Client(app, basic("local", "a:b:ß§漢")).get("/simple/").status == 200
    assert Client(app, basic("local", "a")).get("/simple/").status == 401


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic  "])
def test_the_scheme_is_read_generously(app: App, scheme: str) -> None:
    assert Client(app, f"{scheme} {base64.b64encode(b'local:read-me').decode()}").get("/simple/").status == 200


def test_a_reader_may_not_write_and_is_told_so(client: Client) -> None:
    answer = client.send("POST", "/simple/", body=b"x")

    assert (answer.status, answer.reason) == (403, "The secret does not allow to write")
    assert "www-authenticate" not in answer.headers


def test_a_right_secret_claims_the_generated_configuration_and_a_wrong_one_does_not(app: App, wharf: FakeWharf) -> None:
    Client(app, basic("local", "wrong")).get("/simple/")
    Client(app, None).get("/simple/")
    assert wharf.unclaimed

    assert Client(app, basic("local", READ)).send("POST", "/simple/", body=b"x").status == 403

    assert not wharf.unclaimed


def test_a_storage_that_cannot_be_asked_is_503_and_no_denial(app: App, repository: FakeRepository) -> None:
    repository.access_trouble = BackendUnavailable("it is away", retry_after=3)

    for _ in range(70):
        answer = Client(app, basic("local", READ)).get("/simple/")

    assert (answer.status, answer.headers["retry-after"]) == (503, "3")


def test_sixty_wrong_secrets_in_a_minute_are_enough(app: App, clock: Clock, repository: FakeRepository) -> None:
    guesses = [Client(app, basic("local", f"guess {number}")).get("/simple/").status for number in range(61)]

    assert guesses == [401] * 60 + [429]
    asked = len(repository.asked)
    answer = Client(app, basic("local", "one more")).get("/simple/")
    assert (answer.status, len(repository.asked)) == (429, asked)
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_unknown_repositories_count_as_guesses(app: App) -> None:
    guesses = [Client(app, basic(f"unknown-{number}", READ)).get("/simple/").status for number in range(61)]

    assert guesses == [401] * 60 + [429]


def throttle(app: App) -> None:
    for number in range(62):
        Client(app, basic("local", f"guess {number}")).get("/simple/")


def test_while_throttled_one_secret_a_second_is_checked(app: App, clock: Clock) -> None:
    throttle(app)

    assert Client(app, basic("local", READ)).get("/simple/").status == 429
    clock.now += 1.1
    assert Client(app, basic("local", READ)).get("/simple/").status == 200


def test_a_wrong_secret_that_was_checked_while_throttled_is_told_like_one_that_was_not(app: App, clock: Clock) -> None:
    throttle(app)
    clock.now += 1.1

    checked = Client(app, basic("local", "checked")).get("/simple/")
    unchecked = Client(app, basic("local", "unchecked")).get("/simple/")

    assert (checked.status, checked.body) == (unchecked.status, unchecked.body) == (429, checked.body)


def test_a_remembered_secret_and_no_secret_are_never_throttled(app: App) -> None:
    assert Client(app, basic("local", WRITE)).get("/simple/").status == 200
    throttle(app)

    assert Client(app, basic("local", WRITE)).get("/simple/").status == 200
    assert Client(app, None).get("/simple/").status == 401
    assert Client(app, basic("local", "")).get("/simple/").status == 401


def test_another_address_is_not_throttled_whatever_it_is_said_to_be(app: App) -> None:
    throttle(app)

    assert Client(app, basic("local", READ), peer="192.0.2.2").get("/simple/", {"X-Forwarded-For": "192.0.2.1"}).status == 200


def test_wrong_secrets_are_not_kept(app: App, clock: Clock) -> None:
    def guess(first: int) -> None:
        for number in range(first, first + 150):
            clock.now += 2
            Client(app, basic("local", f"guess {number}"), peer=f"198.51.100.{number % 250}").get("/simple/")

    guess(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    guess(150)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert grown < 400_000
