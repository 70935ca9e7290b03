"""Attestations that are well-formed and about a file, signed by nobody: for what is checked without cryptography."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from pywharf.api.attestations import PUBLISH, STATEMENT_TYPE
from pywharf.testing.distributions import Distribution

Json = dict[str, Any]

SEQUENCE = b"\x30\x03\x02\x01\x05"  # DER: a SEQUENCE with one INTEGER, for a certificate or signature that nobody looks into


def statement(filename: str, sha256: str, **changed: Any) -> Json:
    """An in-toto statement, with keys set or (None) left out."""
    made = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": filename, "digest": {"sha256": sha256}}],
        "predicateType": PUBLISH,
        "predicate": None,
        **changed,
    }
    return {key: value for key, value in made.items() if key not in changed or value is not None}


def enveloped(
    statement_bytes: bytes,
    signature: bytes = SEQUENCE,
    certificate: bytes = SEQUENCE,
    entries: tuple[Mapping[str, Any], ...] = ({"logIndex": "1"},),
) -> Json:
    """An attestation object around a statement."""
    return {
        "version": 1,
        "verification_material": {"certificate": _base64(certificate), "transparency_entries": [dict(entry) for entry in entries]},
        "envelope": {"statement": _base64(statement_bytes), "signature": _base64(signature)},
    }


def attestation(filename: str, sha256: str, **changed: Any) -> Json:
    """An attestation about a file; `changed` as for `statement`."""
    return enveloped(json.dumps(statement(filename, sha256, **changed)).encode())


def attestation_of(distribution: Distribution, **changed: Any) -> Json:
    return attestation(distribution.filename, distribution.sha256, **changed)


def field(*attestations: Json) -> str:
    """The form field `attestations`."""
    return json.dumps(attestations)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
