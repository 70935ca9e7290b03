from __future__ import annotations

import json

import pytest

from pywharf.errors import BackendUnavailable
from pywharf.repository.notices import Notice
from pywharf.web.app import App

from .client import Client, basic
from .fakes import READ, FakeRepository, FakeWharf


@pytest.mark.parametrize(
    ("one", "another", "status", "word"),
    [(True, True, 200, "ok"), (True, False, 200, "degraded"), (False, False, 503, "unavailable")],
)
def test_health_is_told_to_everybody(
    stranger: Client, repository: FakeRepository, other: FakeRepository, one: bool, another: bool, status: int, word: str
) -> None:
    repository.is_ready, other.is_ready = one, another

    answer = stranger.get("/health/")

    assert (answer.status, json.loads(answer.body)) == (status, {"status": word})
    assert answer.headers["cache-control"] == "no-store"


def test_a_server_without_repositories_serves_nobody(stranger: Client, wharf: FakeWharf) -> None:
    wharf.generation.repositories = {}

    assert stranger.get("/health/").status == 503


def test_a_notice_for_the_operator_is_a_word_to_everybody_and_told_to_those_with_a_secret_alone(
    stranger: Client, client: Client, app: App, repository: FakeRepository
) -> None:
    repository.notices = (Notice(1584379892, "the history of the branch was replaced"),)

    told = json.loads(client.get("/health/").body)

    assert (stranger.get("/health/").status, json.loads(stranger.get("/health/").body)) == (200, {"status": "degraded"})
    assert json.loads(Client(app, basic("other", "other-read")).get("/health/").body)["repository"]["notices"] == []
    assert told["repository"]["notices"] == [{"at": 1584379892, "text": "the history of the branch was replaced"}]


def test_whoever_has_a_secret_is_told_how_that_repository_is_doing_and_of_no_other(client: Client, other: FakeRepository) -> None:
    other.is_ready = False

    assert json.loads(client.get("/health/").body) == {
        "status": "degraded",
        "repository": {"name": "local", "ready": True, "synced_ago": 1.0, "problem": "", "problem_since": None, "notices": []},
    }


def test_a_repository_in_trouble_says_why_to_its_own_callers(client: Client, repository: FakeRepository) -> None:
    repository.is_ready = False

    told = json.loads(client.get("/health/").body)

    assert told["repository"]["ready"] is False
    assert told["repository"]["problem"] == "secret trouble in /srv/storage"
    assert told["repository"]["problem_since"] == 1584379892


def test_a_repository_that_serves_while_its_storage_is_in_trouble_is_degraded(
    stranger: Client, client: Client, repository: FakeRepository
) -> None:
    repository.problem = "secret trouble in /srv/storage"

    assert (stranger.get("/health/").status, json.loads(stranger.get("/health/").body)) == (200, {"status": "degraded"})
    told = json.loads(client.get("/health/").body)
    assert (told["status"], told["repository"]["problem"]) == ("degraded", "secret trouble in /srv/storage")


@pytest.mark.parametrize("auth", ["Basic nonsense", basic("local", "wrong"), basic("nobody", READ), "Bearer x"])
def test_credentials_that_are_wrong_change_nothing(client: Client, auth: str) -> None:
    client.auth = auth

    answer = client.get("/health/")

    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


def test_a_secret_that_cannot_be_asked_about_changes_nothing(client: Client, repository: FakeRepository) -> None:
    repository.access_trouble = BackendUnavailable("the host is down")

    answer = client.get("/health/")

    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


@pytest.mark.any_python
def test_guesses_are_counted_here_as_everywhere(app: App, repository: FakeRepository) -> None:
    for _ in range(60):
        Client(app, basic("local", "guess")).get("/health/")
    asked = len(repository.asked)

    for _ in range(20):
        assert Client(app, basic("local", "guess")).get("/health/").status == 200

    assert len(repository.asked) <= asked + 1
