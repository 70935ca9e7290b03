"""Attestations as they are uploaded: about the very file, or refused; and a refusal names the field and what is wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from attested.making import SEQUENCE, Json, attestation, enveloped, field, statement
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.attestations import (
    MAX_ATTESTATIONS,
    MAX_FIELD_CHARACTERS,
    MAX_LOG_ENTRIES,
    PREDICATE_TYPES,
    PUBLISH,
    SLSA_PROVENANCE,
    STATEMENT_TYPE,
    Attestation,
    parse_attestations,
)
from pywharf.errors import UploadRejected
from pywharf.model.names import parse_filename

WHEEL = "demo_pkg-1.0-py3-none-any.whl"
SHA256 = "0123456789abcdef" * 4
GOOD = attestation(WHEEL, SHA256)


def parse(text: str, filename: str = WHEEL) -> tuple[Attestation, ...]:
    return parse_attestations(text, parse_filename(filename), SHA256)


def refusal(text: str, filename: str = WHEEL) -> str:
    with pytest.raises(UploadRejected) as caught:
        parse(text, filename)
    assert caught.value.field == "attestations"
    return caught.value.reason


def with_part(value: Any, *path: str) -> Json:
    """A good attestation with one part replaced; None removes it."""
    document: Json = json.loads(json.dumps(GOOD))
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


# --- taken -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  ", "[]"])
def test_without_attestations_there_is_nothing_to_check(text: str) -> None:
    assert parse(text) == ()


def test_attestations_are_kept_as_they_were_sent() -> None:
    slsa = attestation(WHEEL, SHA256, predicateType=SLSA_PROVENANCE, predicate={"buildDefinition": {}})

    assert parse(field(GOOD, slsa)) == (Attestation(GOOD, PUBLISH), Attestation(slsa, SLSA_PROVENANCE))


def test_further_keys_are_allowed_everywhere() -> None:
    document = with_part("x", "note")
    document["verification_material"]["timestamps"] = ["AAAA"]
    document["envelope"]["more"] = 1
    document["envelope"]["statement"] = base64_of(json.dumps({**statement(WHEEL, SHA256), "more": [1.5]}).encode())

    assert parse(field(document))[0].document == document


def test_base64_may_have_line_breaks() -> None:
    broken = base64.encodebytes(json.dumps(statement(WHEEL, SHA256)).encode()).decode()
    assert broken.count("\n") > 1

    assert parse(field(with_part(broken, "envelope", "statement")))


@pytest.mark.parametrize(
    ("subject", "filename"),
    [
        ("Demo.Pkg-1.0-py3-none-any.whl", WHEEL),
        ("demo_pkg-1.0.0-py3-none-any.whl", WHEEL),
        ("demo_pkg-1.0-py2.py3-none-any.whl", "demo_pkg-1.0-py3.py2-none-any.whl"),
        ("demo-pkg-1.0.tar.gz", "Demo.Pkg-1.0.0.tar.gz"),
    ],
)
def test_the_subject_may_spell_the_file_s_name_another_way(subject: str, filename: str) -> None:
    assert parse(field(attestation(subject, SHA256)), filename)


def test_the_digest_may_be_in_upper_case_and_have_others_beside_it() -> None:
    subject = [{"name": WHEEL, "digest": {"sha512": "x", "sha256": SHA256.upper()}}]

    assert parse(field(attestation(WHEEL, SHA256, subject=subject)))


# --- refused ---------------------------------------------------------------------------------------------------------

TEXTS: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "not JSON"),
    "NaN": ("[NaN]", "NaN"),
    "infinite number": ("[1e999]", "out of all range"),
    "number with thousands of digits": (f"[{'9' * 10_000}]", "not JSON"),
    "key twice": ('[{"version": 1, "version": 1}]', "twice"),
    "object": (json.dumps(GOOD), "not a JSON array"),
    "array of arrays": ("[[]]", "not a JSON object"),
    "array of text": ('["x"]', "not a JSON object"),
    "deep": ("[" * 40 + "]" * 40, "deep"),
    "very deep": ("[" * 100_000 + "]" * 100_000, "deep"),
    "huge": (f'["{"x" * MAX_FIELD_CHARACTERS}"]', "characters"),
    "too many": (field(*[GOOD] * (MAX_ATTESTATIONS + 1)), "at most"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_field_that_is_no_list_of_attestations_is_refused(text: str) -> None:
    sent, reason = TEXTS[text]

    assert reason in refusal(sent)


DOCUMENTS: dict[str, tuple[Json, str]] = {
    "version 2": (with_part(2, "version"), "version"),
    "version true": (with_part(True, "version"), "version"),
    "version 1.0": (with_part(1.0, "version"), "version"),
    "version as text": (with_part("1", "version"), "version"),
    "no version": (with_part(None, "version"), "version"),
    "no material": (with_part(None, "verification_material"), "verification_material"),
    "material as text": (with_part("x", "verification_material"), "verification_material"),
    "no certificate": (with_part(None, "verification_material", "certificate"), "certificate"),
    "certificate as PEM": (with_part("-----BEGIN CERTIFICATE-----", "verification_material", "certificate"), "base64"),
    "empty certificate": (with_part("", "verification_material", "certificate"), "empty"),
    "huge certificate": (with_part(base64_of(b"\x30\x82\xff\xff" + b"x" * 0xFFFF), "verification_material", "certificate"), "more than"),
    "certificate that is no DER": (with_part(base64_of(b"abc"), "verification_material", "certificate"), "DER"),
    "certificate and more": (with_part(base64_of(SEQUENCE + b"x"), "verification_material", "certificate"), "DER"),
    "certificate cut off": (with_part(base64_of(b"\x30\x82\x01\x00"), "verification_material", "certificate"), "DER"),
    "no log entry": (with_part([], "verification_material", "transparency_entries"), "transparency_entries"),
    "log entries as object": (with_part({}, "verification_material", "transparency_entries"), "transparency_entries"),
    "log entry as text": (with_part(["x"], "verification_material", "transparency_entries"), "transparency_entries"),
    "too many log entries": (with_part([{}] * (MAX_LOG_ENTRIES + 1), "verification_material", "transparency_entries"), "at most"),
    "no envelope": (with_part(None, "envelope"), "envelope"),
    "no signature": (with_part(None, "envelope", "signature"), "signature"),
    "signature as number": (with_part(1, "envelope", "signature"), "signature"),
    "raw signature": (with_part(base64_of(b"x" * 64), "envelope", "signature"), "DER"),
    "long signature": (with_part(base64_of(b"\x30\x7e" + b"x" * 126), "envelope", "signature"), "more than"),
    "no statement": (with_part(None, "envelope", "statement"), "statement"),
    "statement as object": (with_part({}, "envelope", "statement"), "statement"),
    "statement not base64": (with_part("%%%", "envelope", "statement"), "base64"),
    "statement not UTF-8": (enveloped(b"\xff\xfe"), "UTF-8"),
    "statement not JSON": (enveloped(b"x"), "not JSON"),
    "statement an array": (enveloped(b"[]"), "in-toto"),
    "statement with a key twice": (enveloped(json.dumps(statement(WHEEL, SHA256)).replace("{", '{"_type": "x", ', 1).encode()), "twice"),
    "older in-toto": (attestation(WHEEL, SHA256, _type="https://in-toto.io/Statement/v0.1"), STATEMENT_TYPE),
    "another payload type": (enveloped(b'{"payloadType": "application/json", "payload": ""}'), "in-toto"),
    "no type": (attestation(WHEEL, SHA256, _type=None), "in-toto"),
    "no subject": (attestation(WHEEL, SHA256, subject=None), "exactly one subject"),
    "empty subject": (attestation(WHEEL, SHA256, subject=[]), "exactly one subject"),
    "two subjects": (attestation(WHEEL, SHA256, subject=[{"name": WHEEL, "digest": {"sha256": SHA256}}] * 2), "exactly one subject"),
    "subject as object": (attestation(WHEEL, SHA256, subject={"name": WHEEL, "digest": {"sha256": SHA256}}), "exactly one subject"),
    "subject without a name": (attestation(WHEEL, SHA256, subject=[{"digest": {"sha256": SHA256}}]), "no name"),
    "subject is no distribution": (attestation("demo.exe", SHA256), "subject's name"),
    "subject with a path": (attestation(f"../{WHEEL}", SHA256), "subject's name"),
    "another project": (attestation("other-1.0-py3-none-any.whl", SHA256), "its subject is 'other-1.0-py3-none-any.whl'"),
    "another version": (attestation("demo_pkg-1.1-py3-none-any.whl", SHA256), "its subject is"),
    "another tag": (attestation("demo_pkg-1.0-py2-none-any.whl", SHA256), "its subject is"),
    "the sdist": (attestation("demo_pkg-1.0.tar.gz", SHA256), "its subject is"),
    "wrong digest": (attestation(WHEEL, "f" * 64), "sha256 is not"),
    "no digest": (attestation(WHEEL, SHA256, subject=[{"name": WHEEL}]), "no digest"),
    "another digest only": (attestation(WHEEL, SHA256, subject=[{"name": WHEEL, "digest": {"sha512": SHA256}}]), "sha256 is not"),
    "digest as number": (attestation(WHEEL, SHA256, subject=[{"name": WHEEL, "digest": {"sha256": 1}}]), "not text"),
    "digest as base64": (attestation(WHEEL, SHA256, subject=[{"name": WHEEL, "digest": {"sha256": "ASNF"}}]), "sha256 is not"),
    "unknown predicate": (attestation(WHEEL, SHA256, predicateType="https://slsa.dev/provenance/v0.2"), "predicateType"),
    "predicate as list": (attestation(WHEEL, SHA256, predicateType=[PUBLISH]), "predicateType"),
    "no predicate": (attestation(WHEEL, SHA256, predicateType=None), "predicateType"),
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_attestation_that_is_not_right_refuses_the_upload_and_is_named(document: str) -> None:
    sent, reason = DOCUMENTS[document]
    parse(field(GOOD))

    said = refusal(field(GOOD, sent))

    assert said.startswith("attestation 2 of 2: ")
    assert reason in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([GOOD, *PREDICATE_TYPES, WHEEL]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["version", "envelope", "subject", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
PARTS = [
    ("version",),
    ("envelope",),
    ("envelope", "statement"),
    ("envelope", "signature"),
    ("verification_material",),
    ("verification_material", "certificate"),
    ("verification_material", "transparency_entries"),
]


def fault(text: str) -> str | None:
    """The field that a text is refused for; None where it is taken."""
    try:
        parse(text)
    except UploadRejected as error:
        return error.field
    return None


@given(JSON, st.sampled_from(PARTS))
def test_nothing_but_a_refusal_comes_of_any_json(value: Any, part: tuple[str, ...]) -> None:
    for sent in (value, [value], [with_part(value, *part)]):
        assert fault(json.dumps(sent)) in (None, "attestations")


@given(st.sampled_from(["_type", "subject", "predicateType", "predicate"]), JSON)
def test_nothing_but_a_refusal_comes_of_any_statement(key: str, value: Any) -> None:
    assert fault(field(attestation(WHEEL, SHA256, **{key: value}))) in (None, "attestations")


@given(st.text() | st.binary().map(lambda content: content.decode("latin-1")))
def test_nothing_but_a_refusal_comes_of_any_text(text: str) -> None:
    assert fault(text) in (None, "attestations")
