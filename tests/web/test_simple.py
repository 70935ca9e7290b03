from __future__ import annotations

import gzip
import json

import pytest

from pywharf.config import ServerSettings
from pywharf.model.record import ProjectStatus
from pywharf.web.app import make_app

from .client import Client
from .fakes import FakeRepository, FakeWharf

JSON = "application/vnd.pypi.simple.v1+json"
PIP = f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
UV = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
POETRY = f"{JSON}, */*;q=0.1"


@pytest.mark.parametrize("target", ["/simple/", "/simple/demo/"])
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        (PIP, JSON),
        (UV, JSON),
        (POETRY, JSON),
        ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html; charset=utf-8"),
    ],
)
def test_a_page_comes_in_the_format_asked_for(client: Client, target: str, accept: str | None, content_type: str) -> None:
    answer = client.get(target, {"Accept": accept} if accept else {})

    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.headers["vary"] == "Accept, Accept-Encoding, Authorization, Cookie"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_json_and_html_show_the_same_files(client: Client) -> None:
    page = json.loads(client.get("/simple/demo/", {"Accept": JSON}).body)
    html = client.get("/simple/demo/").text

    assert {file["filename"] for file in page["files"]} == {"demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"}
    assert all(f'href="{file["url"]}#sha256={file["hashes"]["sha256"]}"' in html for file in page["files"])


@pytest.mark.parametrize(
    "query", [f"format={JSON}", "format=application/vnd.pypi.simple.v1%2Bjson", "x=1&format=application/vnd.pypi.simple.latest+json"]
)
def test_the_query_wins_over_the_header(client: Client, query: str) -> None:
    assert client.get(f"/simple/demo/?{query}", {"Accept": "text/html"}).headers["content-type"] == JSON


@pytest.mark.parametrize(("query", "accept"), [("", "image/png"), ("?format=yaml", "*/*"), ("?format=", "*/*")])
def test_what_cannot_be_given_is_406(client: Client, query: str, accept: str) -> None:
    answer = client.get(f"/simple/demo/{query}", {"Accept": accept})

    assert answer.status == 406
    assert JSON in answer.text


def test_a_query_of_very_many_fields_is_refused(client: Client) -> None:
    assert client.get("/simple/?" + "&".join(["x=1"] * 1000)).status == 400


@pytest.mark.parametrize("target", ["/simple/", "/simple/demo/"])
def test_pages_say_which_serial_they_show(client: Client, target: str) -> None:
    assert client.get(target).headers["x-pypi-last-serial"] == "42"
    assert json.loads(client.get(target, {"Accept": JSON}).body)["meta"]["_last-serial"] == 42


# --- variants and conditions ----------------------------------------------------------------------------------------


def test_every_variant_has_a_tag_of_its_own(client: Client) -> None:
    tags = [
        client.get("/simple/demo/", {"Accept": accept, "Accept-Encoding": encoding}).headers["etag"]
        for accept in (JSON, "text/html", "application/vnd.pypi.simple.v1+html")
        for encoding in ("gzip", "identity")
    ]

    assert len(set(tags)) == 6
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


def test_gzip_unpacks_to_the_plain_page(client: Client) -> None:
    packed = client.get("/simple/demo/", {"Accept-Encoding": "gzip, deflate"})
    plain = client.get("/simple/demo/")

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)


@pytest.mark.parametrize("headers", [{"Accept": JSON}, {"Accept-Encoding": "gzip"}, {}])
def test_who_has_the_page_gets_304(client: Client, headers: dict[str, str]) -> None:
    first = client.get("/simple/demo/", headers)

    second = client.get("/simple/demo/", {**headers, "If-None-Match": f'"x", W/{first.headers["etag"]}'})

    assert (second.status, second.body) == (304, b"")
    for name in ("etag", "vary", "cache-control", "x-pypi-last-serial"):
        assert second.headers[name] == first.headers[name]
    assert not {"content-type", "content-length", "content-encoding"} & second.headers.keys()


def test_the_tag_of_one_variant_does_not_stand_for_another(client: Client) -> None:
    tag = client.get("/simple/demo/", {"Accept-Encoding": "gzip"}).headers["etag"]

    assert client.get("/simple/demo/", {"If-None-Match": tag}).status == 200


def test_a_change_gives_a_new_page_with_a_new_tag(client: Client, repository: FakeRepository) -> None:
    before = client.get("/simple/demo/")
    repository.put("demo-2.0.tar.gz", b"new")

    after = client.get("/simple/demo/", {"If-None-Match": before.headers["etag"]})

    assert after.status == 200
    assert "demo-2.0.tar.gz" in after.text


def test_a_page_is_rendered_at_first_reading_only(client: Client, repository: FakeRepository) -> None:
    for _ in range(5):
        client.get("/simple/demo/")
        client.get("/simple/demo/", {"Accept-Encoding": "gzip"})

    assert repository.renderings == 1


def test_another_generation_never_sees_the_pages_of_the_one_before(client: Client, wharf: FakeWharf) -> None:
    client.get("/simple/demo/")
    anew = FakeRepository()
    anew.put("demo-9.0.tar.gz", b"new")
    anew.revision = wharf.generation.repositories["local"].revision

    wharf.generation.number += 1
    wharf.generation.repositories = {"local": anew}

    assert "demo-9.0" in client.get("/simple/demo/").text


def test_a_stranger_learns_nothing_by_a_condition(client: Client, stranger: Client) -> None:
    tag = client.get("/simple/demo/").headers["etag"]

    assert stranger.get("/simple/demo/", {"If-None-Match": tag}).status == 401
    assert stranger.get("/simple/demo/", {"If-None-Match": "*"}).status == 401


def test_a_quarantined_project_has_a_page_without_files(client: Client, repository: FakeRepository) -> None:
    repository.status["demo"] = ProjectStatus("quarantined")

    assert json.loads(client.get("/simple/demo/", {"Accept": JSON}).body)["files"] == []


# --- redirects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/pypi", "/a/b"])
@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/", "/simple/"),
        ("/simple", "/simple/"),
        ("/simple/demo", "/simple/demo/"),
        ("/simple/Demo/", "/simple/demo/"),
        ("/simple/Demo", "/simple/demo/"),
        ("/simple/de.mo-__x/?a=1&b=%20", "/simple/de-mo-x/?a=1&b=%20"),
        ("/simple?format=application/json", "/simple/?format=application/json"),
        ("/simple//Demo", "/simple/demo/"),
        ("/index_mtime", "/index_mtime/"),
        ("/health", "/health/"),
        ("/simple/Demo/demo-1.0.tar.gz", "/simple/demo/demo-1.0.tar.gz"),
        ("/simple/demo/demo-1.0.tar.gz/", "/simple/demo/demo-1.0.tar.gz"),
        ("/pypi/Demo/json", "/pypi/demo/json"),
        ("/pypi/demo/json/", "/pypi/demo/json"),
        ("/pypi/Demo/1.0+x/json/?a=b", "/pypi/demo/1.0+x/json?a=b"),
    ],
)
def test_a_redirect_leads_to_the_one_spelling_under_any_prefix(client: Client, prefix: str, target: str, leads_to: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.send(method, target, SCRIPT_NAME=prefix)

        assert answer.status == 301
        assert "://" not in answer.headers["location"]
        assert not answer.headers["location"].startswith("//")
        assert client.follow(prefix + target, answer.headers["location"]) == prefix + leads_to


def test_the_place_itself_without_a_slash_leads_in_as_well(client: Client) -> None:
    answer = client.get("", SCRIPT_NAME="/pypi")

    assert client.follow("/pypi", answer.headers["location"]) == "/pypi/simple/"


@pytest.mark.parametrize("prefix", ["", "/stripped/by/a/proxy"])
def test_a_redirect_holds_behind_a_proxy_that_takes_its_prefix_off_silently(client: Client, prefix: str) -> None:
    answer = client.get("/simple/Demo")

    assert client.follow(f"{prefix}/simple/Demo", answer.headers["location"]) == f"{prefix}/simple/demo/"


def test_nothing_in_the_query_gets_out_of_the_header(client: Client) -> None:
    answer = client.get("/simple?a=\xff\x01b", QUERY_STRING="a=\xff\x01\r\nSet-Cookie: x")

    assert answer.headers["location"] == "simple/?a=%FF%01%0D%0ASet-Cookie:%20x"


# --- the extra index ------------------------------------------------------------------------------------------------


def test_an_unknown_project_is_looked_for_at_the_extra_index(client: Client) -> None:
    answer = client.get("/simple/nope/?format=x&y=%2B")

    assert (answer.status, answer.headers["location"]) == (302, "https://extra.example/simple/nope/?format=x&y=%2B")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_only_the_normalised_name_leaves(client: Client) -> None:
    answer = client.get("/simple/No_Pe/")

    assert client.follow("/simple/No_Pe/", answer.headers["location"]) == "/simple/no-pe/"


def test_a_name_that_is_ours_never_leaves(client: Client, repository: FakeRepository) -> None:
    repository.private = {"acme-core"}

    answer = client.get("/simple/acme-core/")

    assert (answer.status, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    "target",
    [
        "/simple/nope/nope-1.0.tar.gz",
        "/simple/nope/nope-1.0.tar.gz.metadata",
        "/pypi/nope/json",
        "/simple/a..b%2f/",
        "/simple/-x-/",
        "/simple/" + "x" * 300 + "/",
    ],
)
def test_only_pages_of_possible_projects_are_looked_for_elsewhere(client: Client, target: str) -> None:
    answer = client.get(target)

    assert (answer.status, answer.headers.get("location")) == (404, None)


def test_a_stranger_is_not_sent_to_the_extra_index(stranger: Client) -> None:
    answer = stranger.get("/simple/nope/")

    assert (answer.status, answer.headers.get("location")) == (401, None)


def test_without_an_extra_index_an_unknown_project_is_404(wharf: FakeWharf) -> None:
    client = Client(make_app(wharf.wharf, ServerSettings(extra_index_url="")))

    assert client.get("/simple/nope/").status == 404


def test_the_extra_index_may_be_given_without_its_final_slash(wharf: FakeWharf) -> None:
    client = Client(make_app(wharf.wharf, ServerSettings(extra_index_url="https://extra.example/pypi")))

    assert client.get("/simple/nope/").headers["location"] == "https://extra.example/pypi/nope/"
