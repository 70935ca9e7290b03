"""A server that trusts publishers, end to end: what they signed is taken under their name, anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pypi_attestations", reason="comes with pywharf[attestations]")

from attested.making import Json, attestation_of, field
from attested.sigstore import Sigstore, github

from pywharf.config import ServerSettings
from pywharf.errors import ConfigInvalid
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

from .client import Answer, Client, basic

CONFIG = """
[local]
type = "file_system"
read_secret = "read"
write_secret = "write"
[local.attestations]
require = true
trusted_publishers = ["github:acme/wheels/release.yml"]
trusted_root = "{root}"
"""
WHEEL = make_wheel("demo", "1.0")
ADDRESS = f"/integrity/demo/1.0/{WHEEL.filename}/provenance"
OURS = github("acme/wheels", "release.yml")


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture
def trusted_root(tmp_path: Path, sigstore: Sigstore) -> Path:
    path = tmp_path / "trusted_root.json"
    path.write_text(sigstore.trusted_root(), encoding="utf-8")
    return path


@pytest.fixture
def layout(tmp_path: Path, trusted_root: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    replace(layout, StoredConfig(CONFIG.format(root=trusted_root), ""))
    return layout


@pytest.fixture
def app(layout: Layout) -> Iterator[App]:
    wharf = Wharf(layout, ServerSettings())
    wharf.start()
    yield make_app(wharf, ServerSettings(extra_index_url=""))
    wharf.close()


def send(app: App, distribution: Distribution, *attestations: Json) -> Answer:
    body, content_type = upload_form(distribution, {"attestations": field(*attestations) if attestations else None})
    return Client(app, basic("local", "write")).send("POST", "/legacy/", {"Content-Type": content_type}, body=body)


def read(app: App, address: str) -> Answer:
    return Client(app, basic("local", "read")).get(address)


def test_what_a_trusted_publisher_signed_is_served_under_its_name(app: App, sigstore: Sigstore) -> None:
    signed = sigstore.attest(OURS, WHEEL.filename, WHEEL.sha256)

    assert send(app, WHEEL, signed).status == 200

    (bundle,) = json.loads(read(app, ADDRESS).body)["attestation_bundles"]
    assert (bundle["publisher"]["kind"], bundle["publisher"]["repository"]) == ("GitHub", "acme/wheels")
    assert bundle["attestations"] == [signed]


def test_anything_else_is_refused_and_nothing_is_stored(app: App, sigstore: Sigstore) -> None:
    by_others = sigstore.attest(github("evil/wheels", "release.yml"), WHEEL.filename, WHEEL.sha256)
    signed = sigstore.attest(OURS, WHEEL.filename, WHEEL.sha256)

    for attestations, reason in [
        ((), "it is missing"),
        ((attestation_of(WHEEL),), "its signature cannot be verified"),
        ((by_others,), "not signed by a publisher"),
        ((signed, by_others), "attestation 2 of 2"),
    ]:
        answer = send(app, WHEEL, *attestations)

        assert answer.status == 400
        assert answer.text.startswith("attestations: ")
        assert reason in answer.text
    assert read(app, "/simple/demo/").status == 404


def test_a_server_does_not_start_on_a_trusted_root_that_is_none(layout: Layout, trusted_root: Path) -> None:
    trusted_root.write_text("{}", encoding="utf-8")
    wharf = Wharf(layout, ServerSettings())

    with pytest.raises(ConfigInvalid, match=r"attestations\.trusted_root"):
        wharf.start()
    wharf.close()
