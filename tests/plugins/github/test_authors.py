from __future__ import annotations

from collections.abc import Iterator

import pytest
from pywharf_github import authors
from pywharf_github.authors import TokenAuthor, may_ask
from pywharf_github.commits import COMMITTER
from pywharf_github.config import GitHubConfig

from pywharf.testing.github_rest import GitHubRest, Person

TOKEN = "ghp_needle"
ASKED = [("GET", "/user")]


@pytest.fixture
def host() -> Iterator[GitHubRest]:
    with GitHubRest({TOKEN: Person("ada", 42, "Ada <Love>\nlace")}) as rest:
        yield rest


def config(host: GitHubRest) -> GitHubConfig:
    return GitHubConfig(owner="acme", repo="wheels", api_url=host.url, git_url="https://git.example/{owner}/{repo}.git")


def test_commits_name_the_user_whose_token_it_is_who_is_asked_once(host: GitHubRest) -> None:
    author = TokenAuthor(config(host), TOKEN)

    assert [author(), author()] == ["Ada Lovelace <42+ada@users.noreply.github.com>"] * 2
    assert host.calls == ASKED


def test_opening_asks_nobody(host: GitHubRest) -> None:
    TokenAuthor(config(host), TOKEN)

    assert host.calls == []


def test_commits_name_pywharf_where_the_host_does_not_tell_and_it_is_asked_again_after_a_while(
    host: GitHubRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.refuse_with = (403, {}, {"message": "Resource not accessible by integration"})
    author = TokenAuthor(config(host), TOKEN)
    assert [author(), author()] == [COMMITTER] * 2
    assert host.calls == ASKED

    host.refuse_with = None
    later = authors.time.monotonic() + authors.ASK_AGAIN + 1
    monkeypatch.setattr(authors.time, "monotonic", lambda: later)

    assert author().startswith("Ada")


def test_a_token_goes_to_the_api_of_its_own_host_only(host: GitHubRest) -> None:
    theirs = "https://gitlab.example/{owner}/{repo}.git"

    assert may_ask(GitHubConfig(owner="a", repo="b"))
    assert may_ask(config(host))
    assert not may_ask(GitHubConfig(owner="a", repo="b", git_url=theirs))
    assert not may_ask(GitHubConfig(owner="a", repo="b", api_url="https://git.example/api/v3"))
    assert TokenAuthor(GitHubConfig(owner="a", repo="b", git_url=theirs), TOKEN)() == COMMITTER
