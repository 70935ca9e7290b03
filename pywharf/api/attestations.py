"""Attestations as they are uploaded: signed statements that say of one file who made it, or who published it.

Here everything is checked that needs no cryptography: the shape, the sizes, and that the statement is about the very file that
it came with, by name and by sha256. Who signed it, and whether the signature is right, is asked in `repository/signatures.py`,
where the repository is configured to know. Of several one that does not check refuses them all, and the upload with them.

Further keys are allowed in an attestation and are kept; a statement's own further keys belong to its signer.

Sources: PEP 740 ("Index hosted attestations" on packaging.python.org); in-toto Attestation Framework, Statement v1; DSSE v1.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pywharf.errors import InvalidName, UploadRejected, WharfError
from pywharf.model.names import DistributionName, parse_filename

FIELD = "attestations"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
SLSA_PROVENANCE = "https://slsa.dev/provenance/v1"
PUBLISH = "https://docs.{}/attestations/publish/v1".format(".".join(("pypi", "org")))  # an identifier; nobody is asked there
PREDICATE_TYPES = (SLSA_PROVENANCE, PUBLISH)

MAX_FIELD_CHARACTERS = 1024 * 1024  # an attestation has some 10,000
MAX_ATTESTATIONS = 8  # of one upload; clients send one or two
MAX_LOG_ENTRIES = 8  # of one attestation; there is one
MAX_DEPTH = 32  # of JSON; some 8 are in use
MAX_CERTIFICATE_BYTES = 16 * 1024  # some 2 KiB
MAX_SIGNATURE_BYTES = 72  # of ECDSA over P-256, as DER
MAX_DIGESTS = 16  # of one subject

Json = dict[str, Any]


@dataclass(frozen=True)
class Attestation:
    """One attestation that is about the file it came with."""

    document: Json  # as it was sent
    predicate_type: str  # one of PREDICATE_TYPES


class AttestationInvalid(WharfError):
    """What is wrong with one attestation, as a clause; told as part of UploadRejected."""


def parse_attestations(text: str, name: DistributionName, sha256: str) -> tuple[Attestation, ...]:
    """Read the form field.

    text: the field, a JSON array; "" where none was sent. name, sha256: of the file that was received; lower-case hex.
    Raises UploadRejected, naming the field, and of several attestations which one.
    """
    if not text.strip():
        return ()
    if len(text) > MAX_FIELD_CHARACTERS:
        raise UploadRejected(FIELD, f"it has more than {MAX_FIELD_CHARACTERS} characters")
    try:
        documents = _read_json(text)
        if not isinstance(documents, list):
            raise AttestationInvalid("it is not a JSON array of attestations")
        if len(documents) > MAX_ATTESTATIONS:
            raise AttestationInvalid(f"it holds {len(documents)} attestations; one upload has at most {MAX_ATTESTATIONS}")
    except AttestationInvalid as wrong:
        raise UploadRejected(FIELD, str(wrong)) from wrong
    attestations = []
    for number, document in enumerate(documents, start=1):
        try:
            attestations.append(_attestation(document, name, sha256))
        except AttestationInvalid as wrong:
            raise UploadRejected(FIELD, f"attestation {number} of {len(documents)}: {wrong}") from wrong
    return tuple(attestations)


def _attestation(document: Any, name: DistributionName, sha256: str) -> Attestation:
    if not isinstance(document, dict):
        raise AttestationInvalid("it is not a JSON object")
    version = document.get("version")
    if version != 1 or isinstance(version, (bool, float)):
        raise AttestationInvalid("its version is not 1, the only one there is")
    material = _object(document, "verification_material")
    certificate = _base64(material, "certificate", MAX_CERTIFICATE_BYTES)
    if not _is_der_sequence(certificate):
        raise AttestationInvalid("its certificate is not one X.509 certificate in DER")
    entries = material.get("transparency_entries")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise AttestationInvalid("its transparency_entries are not a list of one or more JSON objects")
    if len(entries) > MAX_LOG_ENTRIES:
        raise AttestationInvalid(f"it has {len(entries)} transparency_entries; at most {MAX_LOG_ENTRIES} are taken")
    envelope = _object(document, "envelope")
    if not _is_der_sequence(_base64(envelope, "signature", MAX_SIGNATURE_BYTES)):
        raise AttestationInvalid("its signature is not an ECDSA signature in DER")
    return Attestation(document, _predicate_type(_base64(envelope, "statement", MAX_FIELD_CHARACTERS), name, sha256))


def _predicate_type(statement_bytes: bytes, name: DistributionName, sha256: str) -> str:
    """What a statement about this file says it is. Raises AttestationInvalid."""
    try:
        statement = _read_json(statement_bytes.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise AttestationInvalid("its statement is not UTF-8") from error
    except AttestationInvalid as wrong:
        raise AttestationInvalid(f"its statement cannot be read: {wrong}") from wrong
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        raise AttestationInvalid(f"its statement is not an in-toto statement of type {STATEMENT_TYPE}")
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise AttestationInvalid("its statement does not have exactly one subject")
    _check_subject(subjects[0], name, sha256)
    predicate_type = statement.get("predicateType")
    if predicate_type not in PREDICATE_TYPES:
        raise AttestationInvalid(f"its predicateType is none of {', '.join(PREDICATE_TYPES)}")
    return str(predicate_type)


def _check_subject(subject: Json, name: DistributionName, sha256: str) -> None:
    named, digests = subject.get("name"), subject.get("digest")
    if not isinstance(named, str):
        raise AttestationInvalid("its subject has no name")
    try:
        parsed = parse_filename(named)
    except InvalidName as error:
        raise AttestationInvalid(f"its subject's name {error}") from error
    if (parsed.key, parsed.kind) != (name.key, name.kind):
        raise AttestationInvalid(f"its subject is {named!r}, and the file that came with it {name.filename!r}")
    if not isinstance(digests, dict) or len(digests) > MAX_DIGESTS or not all(isinstance(value, str) for value in digests.values()):
        raise AttestationInvalid("its subject has no digest, or one that is not text")
    if digests.get("sha256", "").lower() != sha256:
        raise AttestationInvalid("its subject's sha256 is not that of the file that came with it")


def _object(document: Mapping[str, Any], key: str) -> Json:
    found = document.get(key)
    if not isinstance(found, dict):
        raise AttestationInvalid(f"its {key} is missing, or is not a JSON object")
    return found


def _base64(document: Mapping[str, Any], key: str, limit: int) -> bytes:
    text = document.get(key)
    if not isinstance(text, str):
        raise AttestationInvalid(f"its {key} is missing, or is not text")
    # Some releases of the signing library broke the lines.
    text = text.replace("\n", "").replace("\r", "")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AttestationInvalid(f"its {key} is not base64") from error
    if not content or len(content) > limit:
        raise AttestationInvalid(f"its {key} is empty, or has more than {limit} bytes")
    return content


def _is_der_sequence(content: bytes) -> bool:
    """Whether these bytes are one DER SEQUENCE and nothing else: what can be told of a certificate or signature without a library."""
    if len(content) < 2 or content[0] != 0x30:
        return False
    if content[1] < 0x80:
        return len(content) == 2 + content[1]
    width = content[1] - 0x80
    return 1 <= width <= 3 and len(content) == 2 + width + int.from_bytes(content[2 : 2 + width], "big")


# --- JSON ---------------------------------------------------------------------------------------------------------


def _read_json(text: str) -> Any:
    """JSON that says one thing to every reader: no key twice, no number that is none, not too deep. Raises AttestationInvalid."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise AttestationInvalid(f"it is nested more than {MAX_DEPTH} deep") from error
    except ValueError as error:
        raise AttestationInvalid("it is not JSON") from error
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return value
    raise AttestationInvalid(f"it is nested more than {MAX_DEPTH} deep")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise AttestationInvalid("a key is there twice in one JSON object")
    return found


def _no_number(_text: str) -> NoReturn:
    raise AttestationInvalid("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise AttestationInvalid("a number is out of all range")
    return number
