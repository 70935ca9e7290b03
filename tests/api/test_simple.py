"""The pages of the Simple API, HTML and JSON (PEP 503, 592, 629, 658, 691, 700, 714, 740, 792)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.negotiation import PageFormat
from pywharf.api.simple import render_list, render_project
from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import STATUS_MARKERS, DistributionRecord, ProjectStatus, Sha256, SideFile, StatusMarker

DIGEST = Sha256("0a" * 32)
METADATA_DIGEST = Sha256("1b" * 32)
UPLOADED = datetime(2026, 11, 21, 10, 11, 12, 123456, tzinfo=timezone.utc)

WHEEL = DistributionRecord(
    filename="holy_grail-1.0-py3-none-any.whl",
    kind="bdist_wheel",
    name="Holy.Grail",
    version="1.0",
    sha256=DIGEST,
    size=1337,
    upload_time=UPLOADED,
)


def project(*files: DistributionRecord, status: ProjectStatus | None = None, serial: int = 7) -> ProjectDetail:
    return ProjectDetail(ProjectName("holy-grail"), files, status or ProjectStatus(), serial, revision=3)


def as_json(detail: ProjectDetail, **options: str) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(render_project(detail, PageFormat.JSON_V1, **options))
    return page


class Page(HTMLParser):
    """What a page holds once a parser has read it."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.links: list[tuple[dict[str, str | None], str]] = []
        self.metas: dict[str, str] = {}
        self.others: list[str] = []  # attributes of elements that are no links
        self.comments: list[str] = []
        self.open: list[str] = []
        self.feed(raw.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "a":
            assert len(dict(attrs)) == len(attrs)
            self.links.append((dict(attrs), ""))
        elif tag == "meta" and dict(attrs).get("name"):
            self.metas[str(dict(attrs)["name"])] = str(dict(attrs)["content"])
        else:
            self.others += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "a":
            attributes, text = self.links[-1]
            self.links[-1] = (attributes, text + data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def as_html(detail: ProjectDetail, **options: str) -> Page:
    return Page(render_project(detail, PageFormat.HTML, **options))


# --- the whole page ------------------------------------------------------------------------------------------------


def test_a_page_in_json_has_exactly_these_keys() -> None:
    wheel = replace(WHEEL, requires_python=">=3.9,<4", metadata=SideFile("x.metadata", METADATA_DIGEST, 12))

    assert as_json(project(wheel, status=ProjectStatus("deprecated", "use other-grail"))) == {
        "meta": {"api-version": "1.4", "_last-serial": 7},
        "name": "holy-grail",
        "project-status": {"status": "deprecated", "reason": "use other-grail"},
        "versions": ["1.0"],
        "files": [
            {
                "filename": "holy_grail-1.0-py3-none-any.whl",
                "url": "holy_grail-1.0-py3-none-any.whl",
                "hashes": {"sha256": DIGEST},
                "requires-python": ">=3.9,<4",
                "core-metadata": {"sha256": METADATA_DIGEST},
                "yanked": False,
                "size": 1337,
                "upload-time": "2026-11-21T10:11:12.123456Z",
            }
        ],
    }


def test_a_page_in_html_is_exactly_this() -> None:
    wheel = replace(WHEEL, requires_python=">=3.9,<4", yanked="broken", metadata=SideFile("x.metadata", METADATA_DIGEST, 12))

    assert render_project(project(wheel, status=ProjectStatus("archived", "no more")), PageFormat.HTML).decode() == (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n'
        "<head>\n"
        '<meta charset="utf-8">\n'
        '<meta name="pypi:repository-version" content="1.4">\n'
        '<meta name="pypi:project-status" content="archived">\n'
        '<meta name="pypi:project-status-reason" content="no more">\n'
        "<title>Links for holy-grail</title>\n"
        "</head>\n"
        "<body>\n"
        "<h1>Links for holy-grail</h1>\n"
        f'<a href="holy_grail-1.0-py3-none-any.whl#sha256={DIGEST}" data-requires-python="&gt;=3.9,&lt;4"'
        f' data-core-metadata="sha256={METADATA_DIGEST}" data-dist-info-metadata="sha256={METADATA_DIGEST}"'
        ' data-yanked="broken" data-upload-time="2026-11-21T10:11:12.123456Z">holy_grail-1.0-py3-none-any.whl</a><br>\n'
        "</body>\n"
        "</html>\n"
        "<!--SERIAL 7-->\n"
    )


def test_both_types_of_html_are_the_same_bytes() -> None:
    assert render_project(project(WHEEL), PageFormat.HTML) == render_project(project(WHEEL), PageFormat.HTML_V1)
    names = ProjectList((ProjectName("a"),), 1, 1)
    assert render_list(names, PageFormat.HTML) == render_list(names, PageFormat.HTML_V1)


def test_no_deprecated_or_mistaken_key_of_other_indexes_is_in_the_json() -> None:
    (entry,) = as_json(project(replace(WHEEL, metadata=SideFile("x", METADATA_DIGEST, 1))))["files"]

    assert not {"dist-info-metadata", "data-dist-info-metadata", "gpg-sig"} & set(entry)
    assert "project-status" not in as_json(project(WHEEL))["meta"]


# --- fields --------------------------------------------------------------------------------------------------------


def test_a_file_without_core_metadata_says_so_in_json_and_nothing_in_html() -> None:
    assert as_json(project(WHEEL))["files"][0]["core-metadata"] is False
    assert not [name for name in as_html(project(WHEEL)).links[0][0] if "metadata" in name]


@pytest.mark.parametrize("requires_python", [None, ""])
def test_requires_python_is_left_out_where_there_is_none(requires_python: str | None) -> None:
    detail = project(replace(WHEEL, requires_python=requires_python))

    assert "requires-python" not in as_json(detail)["files"][0]
    assert "data-requires-python" not in as_html(detail).links[0][0]


@pytest.mark.parametrize(("yanked", "in_json", "in_html"), [("", True, ""), ("broken <b>", "broken <b>", "broken <b>"), (" ", " ", " ")])
def test_a_yanked_file_is_marked_with_its_reason(yanked: str, in_json: str | bool, in_html: str) -> None:
    detail = project(replace(WHEEL, yanked=yanked))

    assert as_json(detail)["files"][0]["yanked"] == in_json
    assert as_html(detail).links[0][0]["data-yanked"] == in_html


def test_a_file_that_is_not_yanked_has_no_mark() -> None:
    assert as_json(project(WHEEL))["files"][0]["yanked"] is False
    assert "data-yanked" not in as_html(project(WHEEL)).links[0][0]


def test_the_upload_time_is_given_in_utc_with_six_decimals() -> None:
    elsewhere = UPLOADED.replace(microsecond=0).astimezone(timezone(timedelta(hours=-7)))
    detail = project(replace(WHEEL, upload_time=elsewhere))

    assert as_json(detail)["files"][0]["upload-time"] == "2026-11-21T10:11:12.000000Z"
    assert as_html(detail).links[0][0]["data-upload-time"] == "2026-11-21T10:11:12.000000Z"


@pytest.mark.parametrize("status", STATUS_MARKERS)
def test_the_status_is_told_at_the_top_and_its_reason_only_where_there_is_one(status: StatusMarker) -> None:
    silent, told = project(status=ProjectStatus(status)), project(status=ProjectStatus(status, "for <good> reason"))

    assert as_json(silent)["project-status"] == {"status": status}
    assert as_json(told)["project-status"] == {"status": status, "reason": "for <good> reason"}
    assert as_html(silent).metas == {"pypi:repository-version": "1.4", "pypi:project-status": status}
    assert as_html(told).metas["pypi:project-status-reason"] == "for <good> reason"


def test_a_quarantined_project_offers_no_file_and_keeps_its_versions() -> None:
    page = as_json(project(WHEEL, status=ProjectStatus("quarantined")))

    assert page["files"] == []
    assert page["versions"] == ["1.0"]
    assert as_html(project(WHEEL, status=ProjectStatus("quarantined"))).links == []


@pytest.mark.parametrize("status", ["active", "archived", "deprecated"])
def test_a_project_of_any_other_status_offers_its_files(status: StatusMarker) -> None:
    assert len(as_json(project(WHEEL, status=ProjectStatus(status)))["files"]) == 1


def test_a_project_without_files_is_still_a_page() -> None:
    assert as_json(project())["files"] == as_json(project())["versions"] == []
    assert as_html(project()).links == []


# --- provenance ----------------------------------------------------------------------------------------------------

ATTESTED = replace(WHEEL, version="1.0+l", provenance=SideFile("x.provenance", METADATA_DIGEST, 5))


def test_provenance_is_linked_by_a_full_and_secure_url() -> None:
    expected = "https://pypi.example/p/integrity/holy-grail/1.0%2Bl/holy_grail-1.0-py3-none-any.whl/provenance"

    assert as_json(project(ATTESTED), base_url="https://pypi.example/p/")["files"][0]["provenance"] == expected
    assert as_html(project(ATTESTED), base_url="https://pypi.example/p/").links[0][0]["data-provenance"] == expected


@pytest.mark.parametrize("options", [{}, {"base_url": "http://pypi.example/"}, {"base_url": "/"}])
def test_provenance_is_left_out_where_no_secure_url_can_be_given(options: dict[str, str]) -> None:
    assert "provenance" not in as_json(project(ATTESTED), **options)["files"][0]
    assert "data-provenance" not in as_html(project(ATTESTED), **options).links[0][0]


def test_a_file_without_provenance_links_none() -> None:
    assert "provenance" not in as_json(project(WHEEL), base_url="https://pypi.example/")["files"][0]


# --- order ---------------------------------------------------------------------------------------------------------


def test_files_stand_by_version_and_then_by_name() -> None:
    names = ["demo-1.2.tar.gz", "demo-1.10-cp311-cp311-any.whl", "demo-1.10-cp39-cp39-any.whl", "demo-1.10.tar.gz", "demo-2.0rc1.tar.gz"]
    files = [replace(WHEEL, filename=name, version=re.split("[-]", name.removesuffix(".tar.gz"))[1]) for name in names]
    page = as_json(project(*reversed(files)))

    assert [entry["filename"] for entry in page["files"]] == names
    assert page["versions"] == ["1.2", "1.10", "2.0rc1"]
    assert [text for _, text in as_html(project(*files)).links] == names


@given(
    st.permutations(
        [replace(WHEEL, filename=f"demo-{version}-{tag}.whl", version=version) for version in ("1", "1.0", "2", "x") for tag in "ab"]
    )
)
def test_the_bytes_do_not_depend_on_the_order_of_arrival(files: list[DistributionRecord]) -> None:
    for format_ in PageFormat:
        assert render_project(project(*files), format_) == render_project(project(*reversed(files)), format_)


def test_the_local_revision_is_not_in_the_page() -> None:
    for format_ in PageFormat:
        assert render_project(project(WHEEL), format_) == render_project(replace(project(WHEEL), revision=99), format_)


# --- URLs ----------------------------------------------------------------------------------------------------------

PAGE_URL = "https://pypi.example/prefix/simple/holy-grail/"


@pytest.mark.parametrize(
    ("filename", "url"),
    [
        ("demo-1.0.tar.gz", "demo-1.0.tar.gz"),
        ("demo-1.0+ubuntu.1-py3-none-any.whl", "demo-1.0%2Bubuntu.1-py3-none-any.whl"),
        ("demo-1!2.0.tar.gz", "demo-1%212.0.tar.gz"),
        ("a b.whl", "a%20b.whl"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("//evil.example/x.whl", "%2F%2Fevil.example%2Fx.whl"),
        ("../../x?a=b#c", "..%2F..%2Fx%3Fa%3Db%23c"),
        ("ünï.whl", "%C3%BCn%C3%AF.whl"),
    ],
)
def test_a_file_is_linked_beside_its_page_by_its_percent_encoded_name(filename: str, url: str) -> None:
    detail = project(replace(WHEEL, filename=filename))

    assert as_json(detail)["files"][0]["url"] == url
    attributes, text = as_html(detail).links[0]
    assert attributes["href"] == f"{url}#sha256={DIGEST}"
    assert text == filename
    assert unquote(urlsplit(urljoin(PAGE_URL, url)).path) == f"/prefix/simple/holy-grail/{filename}"


# --- the list ------------------------------------------------------------------------------------------------------


def test_the_list_names_every_project_and_links_to_its_page() -> None:
    projects = ProjectList((ProjectName("frob"), ProjectName("holy-grail")), serial=12, revision=5)

    assert json.loads(render_list(projects, PageFormat.JSON_V1)) == {
        "meta": {"api-version": "1.4", "_last-serial": 12},
        "projects": [{"name": "frob"}, {"name": "holy-grail"}],
    }
    page = Page(render_list(projects, PageFormat.HTML))
    assert page.links == [({"href": "frob/"}, "frob"), ({"href": "holy-grail/"}, "holy-grail")]
    assert page.metas == {"pypi:repository-version": "1.4"}
    assert page.comments == ["SERIAL 12"]


def test_a_list_of_nothing_is_a_page() -> None:
    assert json.loads(render_list(ProjectList((), 0, 0), PageFormat.JSON_V1))["projects"] == []
    assert Page(render_list(ProjectList((), 0, 0), PageFormat.HTML)).links == []


# --- hostile records -----------------------------------------------------------------------------------------------

HOSTILE = st.one_of(
    st.text(st.characters()),  # lone surrogates and controls too
    st.sampled_from(
        [
            '"><script>alert(1)</script>',
            "' onmouseover='alert(1)",
            "--><script>alert(1)</script><!--",
            "</title></head><body onload=alert(1)>",
            "&lt;script&gt;&amp;#x3c;&#60;",
            "javascript:alert(1)",
            "data:text/html,<svg/onload=alert(1)>",
            "\r\nSet-Cookie: a=b\r\n\r\n<html>",
            "\x00\x0b\x7f\x9f\ufdd0\uffff\ud800",
            "\u202egnp.exe",
            "]]><![CDATA[",
            "`\\u003cscript",
        ]
    ),
)
SIDE = st.none() | st.builds(SideFile, HOSTILE, HOSTILE.map(Sha256), st.just(1))
RECORDS = st.builds(
    DistributionRecord,
    filename=HOSTILE,
    kind=st.sampled_from(["bdist_wheel", "sdist"]),
    name=HOSTILE,
    version=HOSTILE,
    sha256=HOSTILE.map(Sha256),
    size=st.integers(0),
    upload_time=st.datetimes(timezones=st.just(timezone.utc)),
    requires_python=st.none() | HOSTILE,
    metadata=SIDE,
    provenance=SIDE,
    yanked=st.none() | HOSTILE,
)
DETAILS = st.builds(
    ProjectDetail,
    name=HOSTILE.map(ProjectName),
    files=st.lists(RECORDS, max_size=3).map(tuple),
    status=st.builds(ProjectStatus, st.sampled_from(["active", "archived", "deprecated"]), HOSTILE),
    serial=st.integers(0),
    revision=st.just(1),
)
LINK_ATTRIBUTES = (
    "href data-requires-python data-core-metadata data-dist-info-metadata data-yanked data-provenance data-upload-time".split()
)


@given(DETAILS)
def test_nothing_in_a_record_breaks_out_of_the_html(detail: ProjectDetail) -> None:
    page = Page(render_project(detail, PageFormat.HTML, base_url="https://pypi.example/"))

    status = ["meta", "meta"] if detail.status.reason else ["meta"]
    assert page.elements == ["html", "head", "meta", "meta", *status, "title", "body", "h1", *["a", "br"] * len(detail.files)]
    assert page.open == []
    assert page.others == ["lang", "charset"]
    assert page.comments == [f"SERIAL {detail.serial}"]
    assert set(page.metas) <= {"pypi:repository-version", "pypi:project-status", "pypi:project-status-reason"}
    for attributes, _ in page.links:
        assert set(attributes) <= set(LINK_ATTRIBUTES)
        target = urlsplit(urljoin(PAGE_URL, str(attributes["href"])))
        assert (target.scheme, target.netloc) == ("https", "pypi.example")
        assert target.path.startswith("/prefix/simple/")  # a file named ".." at worst
        assert target.query == ""


@given(DETAILS)
def test_nothing_that_must_not_stand_in_html_is_in_it(detail: ProjectDetail) -> None:
    text = render_project(detail, PageFormat.HTML).decode("utf-8")

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", text)


@given(DETAILS)
def test_json_is_always_valid_utf_8_and_agrees_with_the_html(detail: ProjectDetail) -> None:
    page = as_json(detail)
    html = as_html(detail)

    assert len(page["files"]) == len(html.links) == len(detail.files)
    assert len(set(page["versions"])) == len(page["versions"])
    for entry, (attributes, text) in zip(page["files"], html.links, strict=True):
        assert str(attributes["href"]).startswith(f"{entry['url']}#sha256=")
        assert bool(entry["yanked"]) == ("data-yanked" in attributes)
        assert entry["yanked"] != ""
        assert ("requires-python" in entry) == ("data-requires-python" in attributes)
        assert attributes.get("data-core-metadata") == attributes.get("data-dist-info-metadata")
        assert bool(entry["core-metadata"]) == ("data-core-metadata" in attributes)
        assert attributes["data-upload-time"] == entry["upload-time"]
        if entry["filename"].isprintable() and "&" not in entry["filename"]:
            assert text == entry["filename"]


@given(st.lists(HOSTILE.map(ProjectName), max_size=4))
def test_nothing_in_a_project_name_breaks_out_of_the_list(names: list[ProjectName]) -> None:
    projects = ProjectList(tuple(names), 1, 1)
    page = Page(render_list(projects, PageFormat.HTML))

    assert page.elements == ["html", "head", "meta", "meta", "title", "body", "h1", *["a", "br"] * len(names)]
    assert all(set(attributes) == {"href"} for attributes, _ in page.links)
    assert len(json.loads(render_list(projects, PageFormat.JSON_V1))["projects"]) == len(names)
