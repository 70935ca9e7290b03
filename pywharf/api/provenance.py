"""Provenance objects: the attestations of one file, arranged by who is known to have signed them, as the index serves them.

A bundle under a publisher of a known kind holds attestations whose signature and identity were verified when they were taken. A
repository that is not configured to verify keeps them under the kind "unverified", which claims nothing: they are about the file, and who
made them is for the reader to find out.

Source: PEP 740, "Provenance objects" and "Changes to provenance objects".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pywharf.api.attestations import FIELD
from pywharf.errors import UploadRejected, WharfError

MAX_ATTESTATIONS = 16  # of one file, all publishers together
MAX_BYTES = 2 * 1024 * 1024

Json = dict[str, Any]

UNVERIFIED: Json = {"kind": "unverified", "claims": {}}


class ProvenanceInvalid(WharfError):
    """A stored provenance object is none that this version reads."""


@dataclass(frozen=True)
class Bundle:
    """Attestations by one signer."""

    publisher: Json
    attestations: tuple[Json, ...]


def with_attestations(stored: bytes | None, added: Sequence[Bundle]) -> bytes | None:
    """The provenance object with further attestations; None where that changes nothing.

    stored: the object so far, None where there is none. What is there stays, and an attestation is there once: one that was
    unverified and is now known by its publisher goes over to him. The same arguments give the same bytes.
    Raises ProvenanceInvalid; UploadRejected where they would be too many.
    """
    before = [] if stored is None else _read(stored)
    after = [Bundle(bundle.publisher, bundle.attestations) for bundle in before]
    for bundle in added:
        for attestation in bundle.attestations:
            after = _put(after, bundle.publisher, attestation)
    if after == before:
        return None
    if sum(len(bundle.attestations) for bundle in after) > MAX_ATTESTATIONS:
        raise UploadRejected(FIELD, f"a file has at most {MAX_ATTESTATIONS} attestations")
    bundles = [{"publisher": bundle.publisher, "attestations": list(bundle.attestations)} for bundle in after]
    content = json.dumps({"version": 1, "attestation_bundles": bundles}, separators=(",", ":")).encode("ascii")
    if len(content) > MAX_BYTES:
        raise UploadRejected(FIELD, f"the attestations of a file have at most {MAX_BYTES} bytes together")
    return content


def _put(bundles: list[Bundle], publisher: Json, attestation: Json) -> list[Bundle]:
    holder = next((bundle for bundle in bundles if attestation in bundle.attestations), None)
    if holder is not None and (holder.publisher != UNVERIFIED or publisher == UNVERIFIED):
        return bundles
    placed: list[Bundle] = []
    for bundle in bundles:
        kept = tuple(one for one in bundle.attestations if one != attestation) if bundle is holder else bundle.attestations
        if bundle.publisher == publisher:
            kept += (attestation,)
        if kept:
            placed.append(Bundle(bundle.publisher, kept))
    if not any(bundle.publisher == publisher for bundle in bundles):
        placed.append(Bundle(publisher, (attestation,)))
    return placed


def _read(content: bytes) -> list[Bundle]:
    try:
        document = json.loads(content)
        if document["version"] != 1:
            raise ProvenanceInvalid("it is of another version")
        return [Bundle(dict(bundle["publisher"]), tuple(bundle["attestations"])) for bundle in document["attestation_bundles"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProvenanceInvalid("it is no provenance object") from error
