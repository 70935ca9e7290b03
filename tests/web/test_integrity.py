"""Provenance over HTTP, on a real wharf: uploaded as a form's field, linked from pages where the operator said the address, and served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from attested.making import Json, attestation_of, field

from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig
from pywharf.stored_config import replace as store_config
from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

from .client import Answer, Client, basic

pytestmark = pytest.mark.any_python

CONFIG = '[local]\ntype = "file_system"\nread_secret = "read"\nwrite_secret = "write"\n'
PUBLIC = "https://wharf.example/packages"
WHEEL = make_wheel("Demo.Pkg", "1.0+acme.1")
PLAIN = make_wheel("Demo.Pkg", "2.0")
ADDRESS = f"/integrity/demo-pkg/1.0+acme.1/{WHEEL.filename}/provenance"
SIMPLE_JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
INTEGRITY = "application/vnd.pypi.integrity.v1+json"


@pytest.fixture
def wharf(tmp_path: Path) -> Iterator[Wharf]:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    store_config(layout, StoredConfig(CONFIG, ""))
    wharf = Wharf(layout, ServerSettings())
    wharf.start()
    yield wharf
    wharf.close()


@pytest.fixture
def app(wharf: Wharf) -> App:
    return make_app(wharf, ServerSettings(extra_index_url="", public_url=PUBLIC))


@pytest.fixture
def client(app: App) -> Client:
    return Client(app, basic("local", "read"))


def send(app: App, distribution: Distribution, attestations: str | None = None) -> Answer:
    body, content_type = upload_form(distribution, {"attestations": attestations})
    return Client(app, basic("local", "write")).send("POST", "/legacy/", {"Content-Type": content_type}, body=body)


def entry(client: Client, filename: str, **more: str) -> Json:
    page = json.loads(client.get("/simple/demo-pkg/", {**SIMPLE_JSON, **more}).body)
    found: Json = next(file for file in page["files"] if file["filename"] == filename)
    return found


def test_what_was_uploaded_is_served(app: App, client: Client) -> None:
    assert send(app, WHEEL, field(attestation_of(WHEEL))).status == 200

    answer = client.get(ADDRESS)

    assert answer.status == 200
    assert answer.headers["content-type"] == INTEGRITY
    assert answer.headers["cache-control"] == "private, no-cache"
    assert json.loads(answer.body) == {
        "version": 1,
        "attestation_bundles": [{"publisher": {"kind": "unverified", "claims": {}}, "attestations": [attestation_of(WHEEL)]}],
    }


def test_pages_link_to_it_by_the_address_that_the_operator_said(app: App, client: Client) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))
    send(app, PLAIN)
    expected = f"{PUBLIC}/integrity/demo-pkg/1.0%2Bacme.1/{WHEEL.filename.replace('+', '%2B')}/provenance"

    assert entry(client, WHEEL.filename)["provenance"] == expected
    assert "provenance" not in entry(client, PLAIN.filename)
    assert f'data-provenance="{expected}"' in client.get("/simple/demo-pkg/").text
    assert client.get(expected.removeprefix(PUBLIC)).status == 200


@pytest.mark.parametrize("lie", [{"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}])
def test_no_request_says_where_the_link_leads(app: App, client: Client, lie: dict[str, str]) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))

    assert entry(client, WHEEL.filename, **lie)["provenance"].startswith(f"{PUBLIC}/integrity/")


def test_where_no_address_was_said_nothing_is_linked_and_all_is_served(wharf: Wharf) -> None:
    app = make_app(wharf, ServerSettings(extra_index_url=""))
    client = Client(app, basic("local", "read"))
    send(app, WHEEL, field(attestation_of(WHEEL)))

    assert "provenance" not in entry(client, WHEEL.filename)
    assert "data-provenance" not in client.get("/simple/demo-pkg/").text
    assert client.get(ADDRESS).status == 200


@pytest.mark.parametrize(
    ("accept", "status", "given"),
    [
        (None, 200, INTEGRITY),
        ("*/*", 200, INTEGRITY),
        (INTEGRITY, 200, INTEGRITY),
        ("application/json", 200, "application/json"),
        (f"application/json, {INTEGRITY};q=0.5", 200, "application/json"),
        ("application/*;q=0.1", 200, INTEGRITY),
        (f"{INTEGRITY};q=0, application/json;q=0.1", 200, "application/json"),
        ("text/html", 406, ""),
        (f"{INTEGRITY};q=0, application/json;q=0", 406, ""),
        ("application/vnd.pypi.integrity.v2+json", 406, ""),
    ],
)
def test_it_comes_as_the_client_takes_it_or_not_at_all(app: App, client: Client, accept: str | None, status: int, given: str) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))

    answer = client.get(ADDRESS, {} if accept is None else {"Accept": accept})

    assert answer.status == status
    if status == 200:
        assert answer.headers["content-type"] == given
        assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize(
    "address",
    [
        f"/integrity/demo-pkg/2.0/{PLAIN.filename}/provenance",  # it has none
        f"/integrity/demo-pkg/2.0/{WHEEL.filename}/provenance",
        f"/integrity/other/1.0+acme.1/{WHEEL.filename}/provenance",
        "/integrity/demo-pkg/1.0+acme.1/demo_pkg-1.0-py3-none-any.whl/provenance",
        "/integrity/demo-pkg/1.0+acme.1/x/provenance",
        "/integrity/demo-pkg/..%2F/x/provenance",
        "/integrity/-/1.0/x/provenance",
        f"/integrity/demo-pkg/{'1' * 300}/x/provenance",
    ],
)
def test_where_there_is_none_it_is_not_found(app: App, client: Client, address: str) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))
    send(app, PLAIN)

    assert client.get(address).status == 404


def test_other_spellings_lead_to_the_right_one(app: App, client: Client) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))

    for spelling in (ADDRESS.replace("demo-pkg", "Demo.Pkg"), f"{ADDRESS}/"):
        answer = client.get(spelling)

        assert answer.status == 301
        assert client.follow(spelling, answer.headers["location"]) == ADDRESS


def test_strangers_get_nothing(app: App) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))

    assert Client(app, None).get(ADDRESS).status == 401


def test_a_client_that_has_it_is_told_so_until_there_is_more(app: App, client: Client) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))
    tag = client.get(ADDRESS).headers["etag"]
    assert client.get(ADDRESS, {"If-None-Match": tag}).status == 304
    page = client.get("/simple/demo-pkg/").headers["etag"]

    again = send(app, WHEEL, field(attestation_of(WHEEL, predicate={"more": 1})))

    assert again.status == 200
    answer = client.get(ADDRESS, {"If-None-Match": tag})
    assert answer.status == 200
    assert len(json.loads(answer.body)["attestation_bundles"][0]["attestations"]) == 2
    assert client.get("/simple/demo-pkg/", {"If-None-Match": page}).status == 200, "the project's serial is on the page"


def test_a_head_is_answered_without_a_body(app: App, client: Client) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))

    answer = client.send("HEAD", ADDRESS)

    assert (answer.status, answer.body) == (200, b"")


def test_a_quarantined_project_hides_it(app: App, client: Client, wharf: Wharf) -> None:
    send(app, WHEEL, field(attestation_of(WHEEL)))
    with wharf.hold() as generation:
        repository = generation.find("local")
        assert repository is not None
        repository.releases.set_status(None, "demo-pkg", "quarantined")

    assert client.get(ADDRESS).status == 404
    assert json.loads(client.get("/simple/demo-pkg/", SIMPLE_JSON).body)["files"] == []


REFUSED = {
    "another file": field(attestation_of(PLAIN)),
    "another digest": field(attestation_of(replace(WHEEL, data=b"x"))),
    "two subjects": field(attestation_of(WHEEL, subject=[{"name": WHEEL.filename, "digest": {"sha256": WHEEL.sha256}}] * 2)),
    "not JSON": "{",
    "not a list": json.dumps(attestation_of(WHEEL)),
    "huge": json.dumps(["x" * 1_100_000]),
    "beyond what is held": json.dumps(["x" * 5_000_000]),
    "version 2": json.dumps([{**attestation_of(WHEEL), "version": 2}]),
    "another payload type": field(attestation_of(WHEEL, _type="application/json")),
    "the last of several": field(attestation_of(WHEEL), attestation_of(WHEEL, predicateType="x")),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_a_refusal_names_the_field_and_nothing_is_stored(app: App, client: Client, tmp_path: Path, refused: str) -> None:
    answer = send(app, WHEEL, REFUSED[refused])

    assert answer.status == 400
    assert answer.text.startswith("attestations: ")
    assert answer.reason.startswith("attestations: ")
    assert client.get("/simple/demo-pkg/").status == 404
    left = [path for path in (tmp_path / "root").rglob("*") if path.is_file() and WHEEL.data == path.read_bytes()]
    assert left == []
