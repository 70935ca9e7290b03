from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pywharf_github.config import GitHubConfig
from pywharf_github.rest import HostRefused, NameTaken, RestApi

from pywharf.testing.github_rest import GitHubRest, Person

TOKEN = "ghp_needle0123456789"
ADA = Person("Ada", 42, "Ada Lovelace")


@pytest.fixture
def host() -> Iterator[GitHubRest]:
    with GitHubRest({TOKEN: ADA}, organisations=["Acme"]) as rest:
        yield rest


def api(host: GitHubRest, owner: str = "Acme", token: str = TOKEN, **more: Any) -> RestApi:
    return RestApi(GitHubConfig(owner=owner, repo="wheels", api_url=host.url, **more), token)


def create(api: RestApi, *, of_organisation: bool = True, private: bool = True) -> None:
    api.create(of_organisation=of_organisation, private=private, description="Packages.")


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(HostRefused) as caught:
        call()
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None or TOKEN not in repr(caught.value.__cause__)
    return str(caught.value)


def test_it_knows_whose_token_it_is_and_what_a_classic_one_may_do(host: GitHubRest) -> None:
    user = api(host).user()

    assert (user.login, user.signature) == ("Ada", "Ada Lovelace <42+Ada@users.noreply.github.com>")
    assert user.scopes == {"repo", "workflow"}


def test_a_fine_grained_token_does_not_tell_what_it_may_do(host: GitHubRest) -> None:
    host.users[TOKEN] = Person("Ada", scopes=None)

    assert api(host).user().scopes is None
    assert api(host).user().name == "Ada"


def test_a_repository_is_private_and_empty_and_nothing_but_a_repository(host: GitHubRest) -> None:
    create(api(host))

    made = host.repositories["Acme", "wheels"]
    assert made.private
    assert made.asked == {
        "name": "wheels", "description": "Packages.", "private": True, "auto_init": False,
        "has_issues": False, "has_projects": False, "has_wiki": False,
    }  # fmt: skip
    assert host.calls == [("POST", "/orgs/Acme/repos")]


def test_ones_own_repository_is_made_by_another_call(host: GitHubRest) -> None:
    create(api(host, "ada"), of_organisation=False)

    assert host.calls == [("POST", "/user/repos")]
    assert ("Ada", "wheels") in host.repositories


def test_the_default_branch_and_pages(host: GitHubRest) -> None:
    one = api(host)
    create(one)

    one.set_default_branch("packages")
    address = one.enable_pages("gh-pages")

    assert one.repository().default_branch == "packages"
    assert host.repositories["Acme", "wheels"].pages == {"branch": "gh-pages", "path": "/"}
    assert address == "https://Acme.pages.example/wheels/"
    assert one.enable_pages("gh-pages") == address  # turned on already


# --- what to change -------------------------------------------------------------------------------------------------


def test_a_name_that_is_taken(host: GitHubRest) -> None:
    create(api(host))

    with pytest.raises(NameTaken, match="choose another --repo"):
        create(api(host))


def test_a_wrong_token(host: GitHubRest) -> None:
    assert "expired or revoked (401: Bad credentials)" in refused(api(host, token="other").user)


def test_an_organisation_that_nobody_knows(host: GitHubRest) -> None:
    told = refused(lambda: create(api(host, "nobody")))

    assert "no organisation 'nobody'" in told
    assert "--owner" in told
    assert "single sign-on" in told


@pytest.mark.parametrize(("private", "scope"), [(True, "repo"), (False, "public_repo")])
def test_a_token_without_the_scope_to_create(host: GitHubRest, private: bool, scope: str) -> None:
    host.users[TOKEN] = Person("Ada", scopes=("read:org",))

    assert f"the scope {scope}," in refused(lambda: create(api(host, "Ada"), of_organisation=False, private=private))


def test_a_fine_grained_token_that_may_not_create(host: GitHubRest) -> None:
    host.users[TOKEN] = Person("Ada", scopes=None, may_create=False)

    assert "Administration: write" in refused(lambda: create(api(host)))


def test_a_plan_without_private_repositories(host: GitHubRest) -> None:
    host.private_allowed = False

    told = refused(lambda: create(api(host)))

    assert "cannot be created private: the plan or the rules of 'Acme'" in told
    assert "Please upgrade your subscription" in told


def test_a_plan_without_private_pages(host: GitHubRest) -> None:
    create(api(host))
    host.private_pages = False

    told = refused(lambda: api(host).enable_pages("gh-pages"))

    assert "no Pages for private repositories" in told
    assert "--public" in told
    assert "The repository is ready" in told


def test_a_token_that_may_neither_change_the_branch_nor_turn_pages_on(host: GitHubRest) -> None:
    create(api(host))
    host.users[TOKEN] = Person("Ada", scopes=None, may_administrate=False)

    assert "Administration: write" in refused(lambda: api(host).set_default_branch("x"))
    assert "Pages: write" in refused(lambda: api(host).enable_pages("gh-pages"))


def test_the_token_of_a_workflow_or_an_app(host: GitHubRest) -> None:
    host.refuse_with = (403, {}, {"message": "Resource not accessible by integration"})

    assert "personal access token" in refused(api(host).user)


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {}), (403, {"Retry-After": "60"}), (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"})]
)
def test_too_many_requests(host: GitHubRest, status: int, headers: dict[str, str]) -> None:
    host.refuse_with = (status, headers, "You have exceeded a secondary rate limit.")

    assert "wait a few minutes" in refused(lambda: create(api(host)))


def test_trouble_of_the_host(host: GitHubRest) -> None:
    host.refuse_with = (502, {}, "Server Error")

    assert "trouble of its own" in refused(api(host).user)


def test_a_refusal_that_nobody_foresaw_is_told_in_the_hosts_words_without_the_token(host: GitHubRest) -> None:
    host.refuse_with = (422, {}, {"message": f"No, {TOKEN}!\n\x1b[2J", "errors": ["because", {"message": "and so on"}]})

    told = refused(lambda: create(api(host)))

    assert "Acme/wheels cannot be created (422: No, ***!" in told
    assert "because: and so on" in told
    assert "\n" not in told


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"[]", b'{"login": 7}', b"", b"[" * 100_000])
def test_an_address_that_is_no_api(host: GitHubRest, page: bytes) -> None:
    host.raw_answer = page

    assert "--api_url" in refused(api(host).user)


def test_a_host_that_cannot_be_reached() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    told = refused(RestApi(GitHubConfig(owner="a", repo="b", api_url=f"http://127.0.0.1:{port}"), TOKEN).user)

    assert "127.0.0.1" in told
    assert "--proxy" in told
