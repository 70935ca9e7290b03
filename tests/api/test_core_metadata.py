"""Core metadata: what an index relies on is checked, everything else is taken as it comes."""

from __future__ import annotations

import contextlib
import time
from email.parser import HeaderParser
from email.policy import compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.core_metadata import MAX_HEADER_LINES, CoreMetadata, CoreMetadataInvalid, parse_core_metadata, reliable_for_sdist

MINIMAL = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def parsed(text: str) -> CoreMetadata:
    return parse_core_metadata(text.encode())


def test_every_field_that_the_index_shows_is_read() -> None:
    metadata = parsed(
        MINIMAL.replace("2.1", "2.5") + "Summary: Größe ✓\nKeywords: a,b\nAuthor: A\nAuthor-email: a@example.invalid\nMaintainer: M\n"
        "Maintainer-email: m@example.invalid\nHome-page: https://home.invalid\nDownload-URL: https://d.invalid\nLicense: MIT\n"
        "License-Expression: MIT\nLicense-File: LICENSE\nLicense-File: NOTICE\nClassifier: Private :: No\nPlatform: any\n"
        "Project-URL: Docs, https://docs.invalid\nProject-URL: nolabel\nRequires-Python: >=3.8\nRequires-Dist: a>=1\nRequires-Dist: b\n"
        "Requires-External: C\nProvides-Extra: x\nDynamic: Requires-Dist\nImport-Name: demo\nImport-Namespace: ns\n"
        "Description-Content-Type: text/markdown\n\n# Demo\n\nwords\n"
    )

    assert metadata == CoreMetadata(
        metadata_version="2.5",
        name="demo",
        version="1.0",
        fields=metadata.fields,
        summary="Größe ✓",
        keywords="a,b",
        author="A",
        author_email="a@example.invalid",
        maintainer="M",
        maintainer_email="m@example.invalid",
        home_page="https://home.invalid",
        download_url="https://d.invalid",
        license="MIT",
        license_expression="MIT",
        license_files=("LICENSE", "NOTICE"),
        classifiers=("Private :: No",),
        platforms=("any",),
        project_urls=(("Docs", "https://docs.invalid"), ("", "nolabel")),
        requires_python=">=3.8",
        requires_dist=("a>=1", "b"),
        requires_external=("C",),
        provides_extra=("x",),
        dynamic=("requires-dist",),
        import_names=("demo",),
        import_namespaces=("ns",),
        description_content_type="text/markdown",
        description="# Demo\n\nwords\n",
    )
    assert metadata.fields["requires-dist"] == ("a>=1", "b")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "2.0", "2.1", "2.4", "2.6", "2.99", "1.9"])
def test_every_minor_version_of_the_format_is_taken(version: str) -> None:
    assert parsed(MINIMAL.replace("2.1", version)).metadata_version == version


@pytest.mark.parametrize("version", ["3.0", "0.9", "2", "2.1.0", "two", "\u0662.\u0661", "2.1\n 0", "22.1"])
def test_another_major_version_of_the_format_is_refused(version: str) -> None:
    with pytest.raises(CoreMetadataInvalid) as caught:
        parsed(MINIMAL.replace("2.1", version))

    assert caught.value.field == "Metadata-Version"


@pytest.mark.parametrize("field", ["Metadata-Version", "Name", "Version"])
def test_a_missing_or_empty_mandatory_field_is_named(field: str) -> None:
    lines = MINIMAL.splitlines()
    for replacement in ([], [f"{field}:"], [f"{field}: UNKNOWN"]):
        text = "\n".join([*(line for line in lines if not line.startswith(f"{field}:")), *replacement, ""])
        with pytest.raises(CoreMetadataInvalid, match=field):
            parsed(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Name", "../demo"),
        ("Name", "demo pkg"),
        ("Name", "démo"),
        ("Name", "a" * 201),
        ("Version", "one"),
        ("Version", "1.0-beta-x"),
        ("Version", "1.0po\u017ft1"),  # a long s is an s for a pattern that ignores case
        ("Version", "1" + ".0" * 200),
        ("Version", "1" * 5000),
    ],
)
def test_a_name_or_version_that_cannot_be_one_is_refused(field: str, value: str) -> None:
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(f"{field}:")]

    with pytest.raises(CoreMetadataInvalid) as caught:
        parsed("\n".join([*lines, f"{field}: {value}", ""]))

    assert caught.value.field == field
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("header", ["Name: other", "Version: 2.0", "Metadata-Version: 2.2", "Requires-Python: >=3.9"])
def test_a_field_on_which_readers_must_agree_is_not_given_twice(header: str) -> None:
    with pytest.raises(CoreMetadataInvalid) as caught:
        parsed(MINIMAL + "Requires-Python: >=3.8\n" + header + "\n")

    assert caught.value.field == header.split(":")[0]


def test_the_same_value_twice_and_a_second_summary_do_no_harm() -> None:
    metadata = parsed(MINIMAL + "Name: demo\nSummary: first\nSummary: second\n")

    assert (metadata.name, metadata.summary, metadata.fields["summary"]) == ("demo", "first", ("first", "second"))


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(CoreMetadataInvalid, match="UTF-8"):
        parse_core_metadata(MINIMAL.encode() + "Summary: Größe\n".encode("latin-1"))


def test_unknown_of_old_setuptools_is_nothing() -> None:
    metadata = parsed("Metadata-Version: 1.0\nName: demo\nVersion: 1.0\nSummary: UNKNOWN\nHome-page: UNKNOWN\nPlatform: UNKNOWN\n")

    assert (metadata.summary, metadata.home_page, metadata.platforms) == ("", "", ())


def test_mime_headers_do_not_take_the_description_apart() -> None:
    part = "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
    body = part * 2000
    text = MINIMAL + "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n" + body

    assert parsed(text).description == "--b\n" + body


def test_a_line_that_is_no_header_begins_the_description_as_it_does_for_installers() -> None:
    metadata = parsed(MINIMAL + "this is no header\nRequires-Dist: hidden\n\nmore")

    assert metadata.requires_dist == ()
    assert metadata.description == "this is no header\nRequires-Dist: hidden\n\nmore"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_end_is_taken(newline: str) -> None:
    metadata = parsed((MINIMAL + "Requires-Dist: a\n  >=1\n\nline 1\n").replace("\n", newline))

    assert (metadata.version, metadata.requires_dist, metadata.description) == ("1.0", ("a >=1",), f"line 1{newline}")


def test_a_description_header_of_old_formats_is_unfolded() -> None:
    metadata = parsed(MINIMAL + "Description: Title\n        =====\n       |text\n          indented\n")

    assert metadata.description == "Title\n=====\ntext\n  indented"


@pytest.mark.parametrize(
    ("headers", "reliable"),
    [
        ("2.1", False),
        ("1.2", False),
        ("2.2", True),
        ("2.10", True),
        ("2.4\nDynamic: License-File", True),
        ("2.4\nDynamic: Requires-Dist", False),
        ("2.4\nDynamic: requires-python", False),
        ("2.4\nDynamic: license-file\nDynamic: Provides-Extra", False),
    ],
)
def test_the_metadata_of_an_sdist_is_reliable_from_2_2_unless_dependencies_are_dynamic(headers: str, reliable: bool) -> None:
    assert reliable_for_sdist(parsed(MINIMAL.replace("2.1", headers))) is reliable


def test_hostile_amounts_of_headers_cost_little() -> None:
    begin = time.monotonic()
    with pytest.raises(CoreMetadataInvalid, match="header lines"):
        parsed(MINIMAL + "a:\n" * (MAX_HEADER_LINES + 1))
    parsed(MINIMAL + "".join(f"h{number}: x\n" for number in range(20_000)) + "\n" + "\n" * 4_000_000)

    assert time.monotonic() - begin < 20


def test_a_long_run_of_spaces_is_read_in_one_pass() -> None:
    # A regular expression holds Python's lock: one that tried each of these anew would stop the whole server for an hour.
    value = f"a{' ' * 60_000}b"
    begin = time.monotonic()

    metadata = parsed(f"{MINIMAL}Requires-Dist: {value}\nClassifier: a\n \t b  \n   c\n")

    assert metadata.requires_dist == (value,)
    assert metadata.classifiers == ("a b c",)
    assert time.monotonic() - begin < 20


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_any_text_after_the_mandatory_fields_is_read_or_refused(text: str) -> None:
    try:
        metadata = parsed(MINIMAL + text)
    except CoreMetadataInvalid:
        return
    assert metadata.name == "demo"


LINE = st.one_of(
    st.builds("{}:{}".format, st.text("aB-!~", min_size=1, max_size=3), st.text("x :\t\x0b\x0c\x1c\x1f\x85\u2028\xa0é", max_size=6)),
    st.text("aB: \tFrom\r\x0b\u2028é", min_size=1, max_size=8),
)


@given(st.lists(LINE, max_size=6), st.sampled_from(["", "\n", "\r\n"]))
def test_headers_are_what_the_email_parser_of_python_makes_of_them(lines: list[str], end: str) -> None:
    text = f"{MINIMAL}Platform: any\n" + "\n".join(lines) + end
    expected: dict[str, list[str]] = {}
    for name, value in HeaderParser(policy=compat32).parsestr(text).items():
        expected.setdefault(name.lower(), []).append(str(value).strip(" \t\r\n"))

    assert parsed(text).fields == {name: tuple(values) for name, values in expected.items()}


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(CoreMetadataInvalid):
        parse_core_metadata(raw)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=500))
def test_a_description_comes_through_unchanged(text: str) -> None:
    assert parsed(f"{MINIMAL}\n{text}").description == text
