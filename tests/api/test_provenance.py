"""Provenance objects: what is there stays, and what is added is there once, under who signed it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.provenance import (
    MAX_ATTESTATIONS,
    MAX_BYTES,
    UNVERIFIED,
    Bundle,
    Json,
    ProvenanceInvalid,
    with_attestations,
)
from pywharf.errors import UploadRejected

GITHUB: Json = {"kind": "GitHub", "claims": {}, "repository": "acme/wheels", "workflow": "release.yml", "environment": None}
GOOGLE: Json = {"kind": "Google", "claims": {}, "email": "robot@acme.example"}


def made(number: int) -> Json:
    return {"version": 1, "number": number}


def bundles(content: bytes | None) -> list[tuple[Json, list[Json]]]:
    assert content is not None
    document = json.loads(content)
    assert document["version"] == 1
    return [(bundle["publisher"], bundle["attestations"]) for bundle in document["attestation_bundles"]]


def test_nothing_makes_no_object() -> None:
    assert with_attestations(None, []) is None


def test_attestations_of_one_publisher_are_one_bundle() -> None:
    content = with_attestations(None, [Bundle(GITHUB, (made(1),)), Bundle(GOOGLE, (made(2),)), Bundle(GITHUB, (made(3),))])

    assert bundles(content) == [(GITHUB, [made(1), made(3)]), (GOOGLE, [made(2)])]


def test_what_is_there_already_changes_nothing() -> None:
    content = with_attestations(None, [Bundle(GITHUB, (made(1), made(1), made(2)))])

    assert bundles(content) == [(GITHUB, [made(1), made(2)])]
    assert with_attestations(content, [Bundle(GITHUB, (made(2),))]) is None
    assert with_attestations(content, [Bundle(UNVERIFIED, (made(1),))]) is None


def test_further_ones_are_added_and_the_earlier_stay() -> None:
    first = with_attestations(None, [Bundle(UNVERIFIED, (made(1),))])

    second = with_attestations(first, [Bundle(GITHUB, (made(2),))])

    assert bundles(second) == [(UNVERIFIED, [made(1)]), (GITHUB, [made(2)])]


def test_one_that_is_verified_later_goes_over_to_its_publisher() -> None:
    first = with_attestations(None, [Bundle(UNVERIFIED, (made(1), made(2)))])

    second = with_attestations(first, [Bundle(GITHUB, (made(1),))])
    third = with_attestations(second, [Bundle(GITHUB, (made(2),))])

    assert bundles(second) == [(UNVERIFIED, [made(2)]), (GITHUB, [made(1)])]
    assert bundles(third) == [(GITHUB, [made(1), made(2)])]


def test_a_file_has_so_many_attestations_and_no_more() -> None:
    full = with_attestations(None, [Bundle(GITHUB, tuple(made(number) for number in range(MAX_ATTESTATIONS)))])

    assert full is not None
    with pytest.raises(UploadRejected, match=r"^attestations: "):
        with_attestations(full, [Bundle(GOOGLE, (made(-1),))])
    with pytest.raises(UploadRejected, match=r"^attestations: "):
        with_attestations(None, [Bundle(GITHUB, ({"x": "x" * MAX_BYTES},))])


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b"{}", b'{"version": 2, "attestation_bundles": []}', b'{"version": 1}', b"\xff"])
def test_what_is_no_provenance_object_is_told(stored: bytes) -> None:
    with pytest.raises(ProvenanceInvalid):
        with_attestations(stored, [Bundle(GITHUB, (made(1),))])


ADDED = st.lists(
    st.builds(
        Bundle, st.sampled_from([UNVERIFIED, GITHUB, GOOGLE]), st.lists(st.integers(0, 5).map(made), min_size=1, max_size=3).map(tuple)
    ),
    max_size=4,
)


@given(st.lists(ADDED, max_size=4))
def test_each_attestation_ever_given_is_there_exactly_once(rounds: list[list[Bundle]]) -> None:
    content = None
    for added in rounds:
        content = with_attestations(content, added) or content

    given_ones = {json.dumps(one) for added in rounds for bundle in added for one in bundle.attestations}
    verified = {json.dumps(one) for added in rounds for bundle in added if bundle.publisher != UNVERIFIED for one in bundle.attestations}
    found = [] if content is None else bundles(content)
    assert sorted(json.dumps(one) for _, attestations in found for one in attestations) == sorted(given_ones)
    assert all(attestations for _, attestations in found)
    assert {
        json.dumps(one) for publisher, attestations in found if publisher == UNVERIFIED for one in attestations
    } == given_ones - verified
