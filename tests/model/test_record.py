"""Documents: what is written is read back, whatever it says; what is not a document is refused and nothing else happens."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pywharf.model.record import (
    MAX_DOCUMENT_BYTES,
    STATUS_MARKERS,
    DistributionRecord,
    Document,
    DocumentInvalid,
    ProjectStatus,
    Sha256,
    SideFile,
    Tombstone,
    from_json,
    now,
    time_text,
    to_json,
)

SHA256 = Sha256("0123456789abcdef" * 4)
MORNING = datetime(2026, 11, 21, 10, 11, 12, 123456, tzinfo=timezone.utc)

RECORD = DistributionRecord(
    filename="demo-1.0-py3-none-any.whl",
    kind="bdist_wheel",
    name="Demo",
    version="1.0",
    sha256=SHA256,
    size=1337,
    upload_time=MORNING,
    requires_python=">=3.10",
    metadata=SideFile("demo-1.0-py3-none-any.whl.metadata", SHA256, 99),
    summary="A demonstration",
    keywords="one,two",
    digests={"md5": "0" * 32},
)

text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)
filenames = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,30}", fullmatch=True)
digests = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64).map(Sha256)
sizes = st.integers(min_value=0, max_value=2**63 - 1)
times = st.datetimes(timezones=st.just(timezone.utc))
side_files = st.none() | st.builds(SideFile, name=filenames, sha256=digests, size=sizes)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(min_value=-(2**60), max_value=2**60) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
unknown_fields = st.dictionaries(text.map("x-{}".format), json_values, max_size=3)
documents: st.SearchStrategy[Document] = st.one_of(
    st.builds(
        DistributionRecord,
        filename=filenames,
        kind=st.sampled_from(["bdist_wheel", "sdist"]),
        name=text,
        version=text,
        sha256=digests,
        size=sizes,
        upload_time=times,
        requires_python=st.none() | text,
        metadata=side_files,
        provenance=side_files,
        yanked=st.none() | text,
        summary=text,
        keywords=text,
        digests=st.dictionaries(text, text, max_size=2),
        unknown=unknown_fields,
    ),
    st.builds(Tombstone, filename=filenames, sha256=digests, deleted_time=times, reason=text, unknown=unknown_fields),
    st.builds(ProjectStatus, status=st.sampled_from(STATUS_MARKERS), reason=text, unknown=unknown_fields),
)


def written(document: Document, **changes: Any) -> bytes:
    """The document's JSON with some fields replaced by what no pywharf would write."""
    return json.dumps({**json.loads(to_json(document)), **changes}).encode()


# --- there and back ------------------------------------------------------------------------------------------------


@given(documents)
@example(RECORD)
@example(Tombstone("demo-1.0.tar.gz", SHA256, datetime(1, 1, 1, tzinfo=timezone.utc)))
def test_a_document_is_read_back_as_it_was_written(document: Document) -> None:
    assert from_json(to_json(document)) == document


@given(documents)
def test_the_same_document_gives_the_same_bytes(document: Document) -> None:
    raw = to_json(document)

    assert to_json(from_json(raw)) == raw


def test_fields_of_a_later_version_are_kept_when_a_document_is_written_again() -> None:
    record = from_json(written(RECORD, namespaces=["acme"]))
    assert isinstance(record, DistributionRecord)

    again = json.loads(to_json(replace(record, yanked="broken")))

    assert again["namespaces"] == ["acme"]
    assert again["yanked"] == "broken"


def test_a_known_field_cannot_be_overruled_by_an_unknown_one_of_its_name() -> None:
    record = replace(RECORD, unknown={"sha256": "0" * 64, "kind": "deleted"})

    assert json.loads(to_json(record))["sha256"] == SHA256
    assert json.loads(to_json(record))["kind"] == "file"


def test_text_of_any_script_is_kept_as_utf_8() -> None:
    record = replace(RECORD, summary="R\u00e9sum\u00e9 \U0001f40d C:\\xampp \0 \u2028")

    assert "R\u00e9sum\u00e9 \U0001f40d".encode() in to_json(record)
    assert from_json(to_json(record)) == record


def test_fields_that_may_be_absent_are_read_as_empty() -> None:
    raw = {key: value for key, value in json.loads(to_json(RECORD)).items() if key not in ("summary", "keywords", "digests", "yanked")}

    record = from_json(json.dumps(raw).encode())

    assert isinstance(record, DistributionRecord)
    assert (record.summary, record.keywords, dict(record.digests), record.yanked) == ("", "", {}, None)


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\0", b"null", b"[]", b'"file"', b"{}", b"{", b"1e999", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000),
        b'{"kind":"file"}',
        b'{"kind":["file"]}',
        b'{"kind":{}}',
        b'{"kind":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"kind":"status","status":"gone"}',
        b'{"kind":"status","status":["active"]}',
        b'{"kind":"status","status":"active","reason":null}',
        b'{"kind":"status","status":"active","reason":"\\ud800"}',
        b'{"kind":"status","status":"active","reason":"\xed\xa0\x80"}',
        b'{"kind":"status","status":"active","x":' + b"9" * 5000 + b"}",
        '{"kind":"status","status":"active"}'.encode("utf-16"),
        b'{"kind":"deleted","filename":"a","sha256":"0","deleted_time":"2026-01-01T00:00:00Z"}',
    ],
)
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(DocumentInvalid):
        from_json(raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "bdist_egg"),
        ("type", None),
        ("type", ["sdist"]),
        ("filename", None),
        ("filename", ""),
        ("filename", "../demo-1.0.tar.gz"),
        ("filename", "/demo-1.0.tar.gz"),
        ("filename", "a/b"),
        ("filename", ".hidden"),
        ("filename", "demo\n"),
        ("filename", "x" * 256),
        ("name", 1),
        ("version", None),
        ("sha256", "0" * 63),
        ("sha256", SHA256.upper()),
        ("sha256", "\u0661" * 64),
        ("sha256", 0),
        ("size", -1),
        ("size", True),
        ("size", 1.5),
        ("size", "1"),
        ("size", 2**63),
        ("upload_time", "2026-11-21T10:11:12"),
        ("upload_time", "yesterday"),
        ("upload_time", ""),
        ("upload_time", 1),
        ("upload_time", "0001-01-01T00:00:00+14:00"),
        ("upload_time", "9999-12-31T23:59:59-14:00"),
        ("requires_python", 3),
        ("metadata", "yes"),
        ("metadata", []),
        ("metadata", {"name": "a"}),
        ("metadata", {"name": "../a.metadata", "sha256": SHA256, "size": 1}),
        ("provenance", True),
        ("yanked", True),
        ("summary", None),
        ("summary", "\ud800"),
        ("digests", "md5"),
        ("digests", [[[], "x"]]),
        ("digests", 7),
        ("x-later", {"deep": "\udfff"}),
    ],
)
def test_a_record_with_a_field_of_another_shape_is_refused(field: str, value: object) -> None:
    with pytest.raises(DocumentInvalid):
        from_json(written(RECORD, **{field: value}))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_refused(raw: bytes) -> None:
    try:
        from_json(raw)
    except DocumentInvalid:
        return


@given(
    documents,
    st.sampled_from(["kind", "filename", "size", "sha256", "upload_time", "metadata", "digests", "status", "yanked"]),
    json_values,
)
def test_any_value_in_any_field_is_read_or_refused_and_what_is_read_can_be_written(document: Document, field: str, value: object) -> None:
    try:
        read = from_json(written(document, **{field: value}))
    except DocumentInvalid:
        return
    assert from_json(to_json(read)) == read


def test_a_refusal_says_what_is_wrong_in_one_short_line() -> None:
    with pytest.raises(DocumentInvalid, match="size is not a number of bytes"):
        from_json(written(RECORD, size=-1))
    with pytest.raises(DocumentInvalid) as caught:
        from_json(json.dumps({"kind": "x" * 30_000}).encode())

    assert len(str(caught.value)) < 200


def test_a_document_too_large_to_keep_is_refused_and_one_byte_less_is_not() -> None:
    def sized(summary: int) -> DistributionRecord:
        return replace(RECORD, summary="s" * summary)

    room = MAX_DOCUMENT_BYTES - len(to_json(sized(0)))

    assert len(to_json(sized(room))) == MAX_DOCUMENT_BYTES
    with pytest.raises(DocumentInvalid):
        to_json(sized(room + 1))


def test_text_that_is_not_unicode_is_refused_before_it_is_stored() -> None:
    with pytest.raises(DocumentInvalid):
        to_json(replace(RECORD, summary="\ud800"))


# --- times, yanks, status ------------------------------------------------------------------------------------------


def test_times_are_written_in_utc_with_microseconds() -> None:
    cairo = timezone(timedelta(hours=2))

    assert time_text(MORNING) == "2026-11-21T10:11:12.123456Z"
    assert time_text(MORNING.replace(microsecond=0).astimezone(cairo)) == "2026-11-21T10:11:12.000000Z"


@pytest.mark.parametrize("spelled", ["2026-11-21T10:11:12.123456Z", "2026-11-21T12:11:12.123456+02:00"])
def test_times_of_any_zone_are_read_as_one_instant(spelled: str) -> None:
    record = from_json(written(RECORD, upload_time=spelled))

    assert isinstance(record, DistributionRecord)
    assert record.upload_time == MORNING
    assert record.upload_time.utcoffset() == timedelta(0)


def test_now_is_in_utc() -> None:
    assert now().utcoffset() == timedelta(0)
    assert abs(now() - datetime.now(timezone.utc)) < timedelta(minutes=1)


@pytest.mark.parametrize("reason", [None, "", "broken"])
def test_yanked_without_a_reason_is_not_the_same_as_not_yanked(reason: str | None) -> None:
    read = from_json(to_json(replace(RECORD, yanked=reason)))

    assert isinstance(read, DistributionRecord)
    assert read.yanked == reason


@pytest.mark.parametrize(
    ("status", "takes_uploads", "offers_files"),
    [("active", True, True), ("deprecated", True, True), ("archived", False, True), ("quarantined", False, False)],
)
def test_a_status_says_what_pep_792_allows(status: Any, takes_uploads: bool, offers_files: bool) -> None:
    assert ProjectStatus(status).takes_uploads is takes_uploads
    assert ProjectStatus(status).offers_files is offers_files
