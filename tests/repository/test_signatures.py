"""Signatures and identities, verified by the library against a Sigstore of our own (`attested/sigstore.py`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pypi_attestations", reason="comes with pywharf[attestations]")

from attested.sigstore import Identity, Sigstore, github, gitlab, google
from cryptography.hazmat.primitives.asymmetric import ec

from pywharf.api.attestations import Attestation, parse_attestations
from pywharf.backend.settings import AttestationRules
from pywharf.errors import ConfigInvalid, UploadRejected
from pywharf.model.names import parse_filename
from pywharf.repository.signatures import Signatures

WHEEL = "demo-1.0-py3-none-any.whl"
SHA256 = "ab" * 32
OURS = github("acme/wheels", "release.yml")

Json = dict[str, Any]


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture
def trusted_root(tmp_path: Path, sigstore: Sigstore) -> Path:
    path = tmp_path / "trusted_root.json"
    path.write_text(sigstore.trusted_root(), encoding="utf-8")
    return path


Trusting = Callable[..., Signatures]


@pytest.fixture
def trusting(trusted_root: Path) -> Trusting:
    """A repository that trusts these publishers."""

    def make(*publishers: str, require: bool = False) -> Signatures:
        rules = AttestationRules(trusted_publishers=publishers, trusted_root=trusted_root, require=require)
        return Signatures("local", rules)

    return make


def taken(*documents: Json) -> tuple[Attestation, ...]:
    """Attestations as the upload's form brings them: each has passed what is checked without cryptography."""
    return parse_attestations(json.dumps(documents), parse_filename(WHEEL), SHA256)


def refusal(signatures: Signatures, *documents: Json) -> str:
    with pytest.raises(UploadRejected) as raised:
        signatures.bundles(taken(*documents))
    assert raised.value.field == "attestations"
    return raised.value.reason


@pytest.mark.parametrize(
    ("publisher", "identity", "shown"),
    [
        (
            "github:acme/wheels/release.yml",
            OURS,
            {"kind": "GitHub", "claims": {}, "repository": "acme/wheels", "workflow": "release.yml", "environment": None},
        ),
        (
            "gitlab:acme/group/wheels//.gitlab-ci.yml",
            gitlab("acme/group/wheels"),
            {"kind": "GitLab", "claims": {}, "repository": "acme/group/wheels", "workflow_filepath": ".gitlab-ci.yml", "environment": None},
        ),
        ("google:robot@acme.example", google("robot@acme.example"), {"kind": "Google", "claims": {}, "email": "robot@acme.example"}),
    ],
)
def test_an_attestation_by_a_trusted_publisher_is_taken_under_its_name(
    trusting: Trusting, sigstore: Sigstore, publisher: str, identity: Identity, shown: Json
) -> None:
    document = sigstore.attest(identity, WHEEL, SHA256)

    (bundle,) = trusting("github:other/one/x.yml", publisher).bundles(taken(document))

    assert bundle.publisher == shown
    assert bundle.attestations == (document,)


def test_a_workflow_is_known_by_the_commit_it_ran_at_as_well(trusting: Trusting, sigstore: Sigstore) -> None:
    config = "https://github.com/acme/wheels/.github/workflows/release.yml@" + "0" * 40

    assert trusting("github:acme/wheels/release.yml").bundles(
        taken(sigstore.attest(github("acme/wheels", "release.yml", config=config), WHEEL, SHA256))
    )


@pytest.mark.parametrize(
    "identity",
    [
        github("evil/wheels", "release.yml"),
        github("acme/wheels-2", "release.yml"),
        github("acme/wheels", "other.yml"),
        github("acme/wheels", "release.yml@x.yml"),
        github("acme/wheels", "release.yml", issuer="https://evil.example"),
        github("acme/wheels", "release.yml", source="https://github.com/evil/wheels"),
        github("acme/wheels", "release.yml", config="https://github.com/acme/wheels/.github/workflows/release.yml@refs/heads/other"),
        gitlab("acme/wheels"),
        google("robot@evil.example"),
        google("robot@acme.example", issuer="https://accounts.evil.example"),
        Identity("https://github.com/acme/wheels", {}),
    ],
    ids=lambda identity: f"{identity.san}-{identity.claims.get(8)}"[-60:],
)
def test_a_right_signature_by_somebody_else_is_refused(trusting: Trusting, sigstore: Sigstore, identity: Identity) -> None:
    signatures = trusting("github:acme/wheels/release.yml", "gitlab:acme/other//.gitlab-ci.yml", "google:robot@acme.example")

    assert "not signed by a publisher" in refusal(signatures, sigstore.attest(identity, WHEEL, SHA256))


def with_another_key(sigstore: Sigstore, key: str) -> Json:
    return sigstore.another(**{key: ec.generate_private_key(ec.SECP256R1())}).attest(OURS, WHEEL, SHA256)


def exchanged(document: Json, other: Json, *path: str) -> Json:
    """The document with one part of another in it."""
    copy: Json = json.loads(json.dumps(document))
    inner, outer = copy, other
    for key in path[:-1]:
        inner, outer = inner[key], outer[key]
    inner[path[-1]] = outer[path[-1]]
    return copy


BROKEN: dict[str, Callable[[Sigstore], Json]] = {
    "certificate of another authority": lambda sigstore: with_another_key(sigstore, "authority_key"),
    "unknown certificate log": lambda sigstore: with_another_key(sigstore, "certificate_log_key"),
    "unknown transparency log": lambda sigstore: with_another_key(sigstore, "log_key"),
    "logged after the certificate's end": lambda sigstore: sigstore.another(logged_later=timedelta(minutes=11)).attest(OURS, WHEEL, SHA256),
    "logged before the certificate's begin": lambda sigstore: sigstore.another(logged_later=timedelta(minutes=-1)).attest(
        OURS, WHEEL, SHA256
    ),
    "key of another curve": lambda sigstore: sigstore.another(curve=ec.SECP256K1()).attest(OURS, WHEEL, SHA256),
    "signature of another statement": lambda sigstore: exchanged(
        sigstore.attest(OURS, WHEEL, SHA256), sigstore.attest(OURS, WHEEL, SHA256, predicate={"x": 1}), "envelope", "signature"
    ),
    "statement of another signature": lambda sigstore: exchanged(
        sigstore.attest(OURS, WHEEL, SHA256), sigstore.attest(OURS, WHEEL, SHA256, predicate={"x": 1}), "envelope", "statement"
    ),
    "certificate of another key": lambda sigstore: exchanged(
        sigstore.attest(OURS, WHEEL, SHA256), sigstore.attest(OURS, WHEEL, SHA256), "verification_material", "certificate"
    ),
    "log entry of another attestation": lambda sigstore: exchanged(
        sigstore.attest(OURS, WHEEL, SHA256), sigstore.attest(OURS, WHEEL, SHA256), "verification_material", "transparency_entries"
    ),
    "no certificate at all": lambda sigstore: exchanged(
        sigstore.attest(OURS, WHEEL, SHA256), {"verification_material": {"certificate": "MAMCAQU="}}, "verification_material", "certificate"
    ),
    "log entry that is none": lambda sigstore: exchanged(
        sigstore.attest(OURS, WHEEL, SHA256),
        {"verification_material": {"transparency_entries": [{"logIndex": {}}]}},
        "verification_material",
        "transparency_entries",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_not_rightly_signed_is_refused(trusting: Trusting, sigstore: Sigstore, broken: str) -> None:
    document = BROKEN[broken](sigstore)

    assert "its signature cannot be verified" in refusal(trusting("github:acme/wheels/release.yml"), document)


def test_one_that_is_not_right_refuses_them_all_and_is_named(trusting: Trusting, sigstore: Sigstore) -> None:
    right, wrong = sigstore.attest(OURS, WHEEL, SHA256), with_another_key(sigstore, "log_key")

    assert refusal(trusting("github:acme/wheels/release.yml"), right, wrong).startswith("attestation 2 of 2: ")


def test_a_repository_that_requires_attestations_refuses_an_upload_without_one(trusting: Trusting, sigstore: Sigstore) -> None:
    signatures = trusting("github:acme/wheels/release.yml", require=True)

    assert "it is missing" in refusal(signatures)
    assert signatures.bundles(taken(sigstore.attest(OURS, WHEEL, SHA256)))


def test_without_trusted_publishers_nothing_is_said_of_the_signer(sigstore: Sigstore) -> None:
    document = with_another_key(sigstore, "authority_key")
    signatures = Signatures("local", AttestationRules())
    signatures.load()

    (bundle,) = signatures.bundles(taken(document))

    assert bundle.publisher == {"kind": "unverified", "claims": {}}
    assert bundle.attestations == (document,)
    assert signatures.bundles(()) == ()


@pytest.mark.parametrize("content", [None, "", "{}", '{"mediaType": "text/plain"}', "[" * 100_000])
def test_a_trusted_root_that_is_none_is_told_when_the_repository_starts(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "root.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    signatures = Signatures("local", AttestationRules(trusted_publishers=("google:a@b.example",), trusted_root=path))

    with pytest.raises(ConfigInvalid) as raised:
        signatures.load()

    assert (raised.value.table, raised.value.key) == ("local", "attestations.trusted_root")
    assert str(tmp_path) not in str(raised.value)


def test_without_a_file_the_keys_are_those_that_the_library_keeps_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore
) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    signatures = Signatures("local", AttestationRules(trusted_publishers=("github:acme/wheels/release.yml",)))

    signatures.load()

    assert [path.name for path in tmp_path.rglob("trusted_root.json")] == ["trusted_root.json"]
    assert "its signature cannot be verified" in refusal(signatures, sigstore.attest(OURS, WHEEL, SHA256))
