from __future__ import annotations

import json

import pytest

from .client import Client
from .fakes import FakeRepository, FakeWharf


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


def test_credentials_of_any_kind_do_not_matter(client: Client) -> None:
    client.auth = "Basic nonsense"

    assert client.get("/health/").status == 200
