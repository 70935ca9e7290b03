"""Pages of other indexes, read: ours back again, those of others, and whatever a stranger may send."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.negotiation import PageFormat
from pywharf.api.simple import render_list, render_project
from pywharf.api.simple_reading import OfferedFile, read_list, read_project, shown
from pywharf.errors import SourceUnusable
from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import DistributionRecord, ProjectStatus, Sha256

URL = "https://index.example/simple/demo/"
JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html; charset=UTF-8"
THEN = datetime(2026, 11, 21, 10, 11, 12, 131415, tzinfo=timezone.utc)
RECORD = DistributionRecord("demo-1.0.tar.gz", "sdist", "demo", "1.0", Sha256("ab" * 32), 12, THEN)


@pytest.mark.parametrize("format_", [PageFormat.HTML, PageFormat.JSON_V1])
@pytest.mark.parametrize("yanked", [None, "", 'a <b> & "c"'])
@pytest.mark.parametrize("status", [ProjectStatus(), ProjectStatus("deprecated", "use <other> & co"), ProjectStatus("archived")])
def test_our_own_pages_say_what_they_were_made_from(format_: PageFormat, yanked: str | None, status: ProjectStatus) -> None:
    detail = ProjectDetail(ProjectName("demo"), (replace(RECORD, yanked=yanked),), status, serial=3, revision=1)

    page = read_project(format_.value, render_project(detail, format_), URL)

    assert page.status == status
    (file,) = page.files
    assert (file.filename, file.url, dict(file.hashes)) == ("demo-1.0.tar.gz", f"{URL}demo-1.0.tar.gz", {"sha256": "ab" * 32})
    assert (file.yanked, file.upload_time) == (yanked, THEN)
    assert file.size == (12 if format_ is PageFormat.JSON_V1 else None)


@pytest.mark.parametrize("format_", [PageFormat.HTML, PageFormat.JSON_V1])
def test_our_own_list_says_what_it_was_made_from(format_: PageFormat) -> None:
    names = (ProjectName("a"), ProjectName("demo-x"))

    assert read_list(format_.value, render_list(ProjectList(names, 1, 1), format_), URL) == list(names)


def test_an_html_page_of_any_index_is_read() -> None:
    page = b"""<html><head><base href="/files/"><title>x</title></head><body>
        <A HREF='demo-1.0-py3-none-any.whl#md5=0123456789abcdef0123456789ABCDEF' data-yanked>demo 1.0</A>
        <a href="https://cdn.example/x/demo%%2D2.0.tar.gz?sig=secret#sha256=%s" data-upload-time="2024-05-06T07:08:09Z">other text
        <a href="../">up</a><a>no link</a><a href="">nothing</a></body>""" % (b"cd" * 32)

    first, second = read_project(HTML, page, URL).files

    assert first == OfferedFile(
        "demo-1.0-py3-none-any.whl", "https://index.example/files/demo-1.0-py3-none-any.whl", {"md5": "0123456789abcdef" * 2}, yanked=""
    )
    assert second.filename == "demo-2.0.tar.gz"
    assert second.url == "https://cdn.example/x/demo%2D2.0.tar.gz?sig=secret"
    assert second.hashes == {"sha256": "cd" * 32}
    assert second.upload_time == datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def test_what_json_may_leave_out_is_left_out() -> None:
    files = [
        {"filename": "a-1.whl", "url": "a-1.whl", "hashes": {}},
        {
            "filename": "b-1.whl",
            "url": "/b",
            "hashes": {"sha256": 3, "x!": "ab" * 32},
            "size": -1,
            "upload-time": "yesterday",
            "yanked": False,
        },
        {"filename": 7, "url": "c"},
        {"url": "d"},
        "e",
    ]
    page = read_project(
        JSON, json.dumps({"meta": {"api-version": "1.9"}, "files": files, "project-status": {"status": "novel"}}).encode(), URL
    )

    assert page.files == (OfferedFile("a-1.whl", f"{URL}a-1.whl"), OfferedFile("b-1.whl", "https://index.example/b"))
    assert page.status == ProjectStatus()


@pytest.mark.parametrize(
    ("content_type", "body", "told"),
    [
        ("text/plain", b"", "no page of a package index"),
        ("", b"", "no page of a package index"),
        (JSON, b"{", "cannot be read"),
        (JSON, b"[" * 100_000, "cannot be read"),
        (JSON, b"[]", "no page of a package index"),
        (JSON, b'{"meta": {"api-version": "2.0"}}', "version 2.0"),
        (HTML, b'<meta name="pypi:repository-version" content="2.0">', "version 2.0"),
    ],
)
def test_what_is_no_page_is_refused(content_type: str, body: bytes, told: str) -> None:
    with pytest.raises(SourceUnusable, match=told):
        read_project(content_type, body, URL)
    with pytest.raises(SourceUnusable, match=told):
        read_list(content_type, body, URL)


@given(st.binary(max_size=300) | st.text(alphabet="<>a/=\"' hrefdata-ynkbsmtonc#&;:[]!-", max_size=300).map(str.encode))
def test_no_html_is_an_error_of_another_kind(body: bytes) -> None:
    for file in read_project(HTML, body, URL).files:
        assert file.filename
    read_list(HTML, body, URL)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "files",
                        "filename",
                        "url",
                        "hashes",
                        "sha256",
                        "size",
                        "yanked",
                        "upload-time",
                        "project-status",
                        "status",
                        "reason",
                        "projects",
                        "name",
                    ]
                ),
                x,
                max_size=5,
            )
        ),
    )
)
def test_no_json_is_an_error_of_another_kind(page: object) -> None:
    body = json.dumps({**page, "meta": {"api-version": "1.0"}} if isinstance(page, dict) else page).encode()
    for read in (read_project, read_list):
        try:
            read(JSON, body, URL)  # type: ignore[operator]
        except SourceUnusable:
            assert not isinstance(page, dict)


def test_messages_show_no_credentials_and_no_query() -> None:
    assert shown("https://user:secret@index.example:8443/simple/?token=secret#x") == "https://index.example:8443/simple/"
    assert "secret" not in shown("https://user:secret@[bad/")
