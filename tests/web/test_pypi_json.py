from __future__ import annotations

import json

import pytest

from pywharf.backend.interface import FileBody, FileRef
from pywharf.errors import FileMissing

from .client import Client
from .fakes import FakeRepository


def test_a_project_is_described_from_its_core_metadata(client: Client) -> None:
    answer = client.get("/pypi/demo/json")

    found = json.loads(answer.body)
    assert answer.headers["content-type"] == "application/json"
    assert (found["info"]["summary"], found["info"]["version"], list(found["releases"])) == ("A demo", "1.0", ["1.0"])
    assert {file["filename"] for file in found["urls"]} == {"demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"}


def test_a_project_whose_metadata_is_lost_is_described_from_its_record(
    client: Client, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(file: FileRef) -> FileBody:
        raise FileMissing(file.name)

    monkeypatch.setattr(repository, "open_file", missing)

    answer = client.get("/pypi/demo/json")

    assert answer.status == 200
    found = json.loads(answer.body)
    assert (found["info"]["name"], found["info"]["version"], len(found["urls"])) == ("demo", "1.0", 2)


def test_one_release_is_without_the_others(client: Client, repository: FakeRepository) -> None:
    repository.put("demo-2.0.tar.gz", b"two")

    found = json.loads(client.get("/pypi/demo/1.0/json").body)

    assert found["info"]["version"] == "1.0"
    assert "releases" not in found


@pytest.mark.parametrize(
    "target", ["/pypi/nope/json", "/pypi/demo/9.9/json", "/pypi/demo/not-a-version/json", "/pypi/-/json", "/pypi/demo/", "/pypi/"]
)
def test_what_is_not_there_is_404_and_never_looked_for_elsewhere(client: Client, target: str) -> None:
    answer = client.get(target)

    assert (answer.status, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    ("host", "prefix", "expected"),
    [
        ("pypi.example:8888", "", "http://pypi.example:8888/simple/demo/demo-1.0.tar.gz"),
        ("[::1]:8888", "/a", "http://[::1]:8888/a/simple/demo/demo-1.0.tar.gz"),
        ('evil"><script>', "", "/simple/demo/demo-1.0.tar.gz"),
        ("evil.example/path", "", "/simple/demo/demo-1.0.tar.gz"),
        ("", "/a", "/a/simple/demo/demo-1.0.tar.gz"),
    ],
)
def test_urls_lead_back_to_where_the_client_came(client: Client, host: str, prefix: str, expected: str) -> None:
    answer = client.get("/pypi/demo/json", {"Host": host}, SCRIPT_NAME=prefix)

    assert expected in [file["url"] for file in json.loads(answer.body)["urls"]]


def test_the_host_of_one_client_is_never_told_to_another(client: Client) -> None:
    client.get("/pypi/demo/json", {"Host": "evil.example"})

    assert "evil" not in client.get("/pypi/demo/json", {"Host": "good.example"}).text


def test_conditions_work_here_too(client: Client, repository: FakeRepository) -> None:
    tag = client.get("/pypi/demo/json").headers["etag"]

    assert client.get("/pypi/demo/json", {"If-None-Match": tag}).status == 304
    assert repository.renderings == 1


def test_behind_a_proxy_no_url_claims_to_know_the_scheme(client: Client) -> None:
    found = json.loads(client.get("/pypi/demo/json", {"Host": "packages.example", "X-Forwarded-Proto": "https"}).body)

    assert {file["url"].rpartition("/")[0] for file in found["urls"]} == {"/simple/demo"}
