"""The JSON API of the public index."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.pypi_json import choose_described_file, render_pypi_json
from pywharf.model.names import Kind, ProjectName
from pywharf.model.project import ProjectDetail
from pywharf.model.record import DistributionRecord, ProjectStatus, Sha256, SideFile

DIGEST = Sha256("0a" * 32)
METADATA_DIGEST = Sha256("1b" * 32)
PAGE_URL = "https://pypi.example/simple/holy-grail/"


def wheel(version: str, tag: str = "py3-none-any", *, yanked: str | None = None, metadata: bool = True) -> DistributionRecord:
    return DistributionRecord(
        filename=f"holy_grail-{version}-{tag}.whl",
        kind="bdist_wheel",
        name="Holy.Grail",
        version=version,
        sha256=DIGEST,
        size=1337,
        upload_time=datetime(2026, 11, 21, 10, 11, 12, 123456, tzinfo=timezone.utc),
        requires_python=">=3.9",
        metadata=SideFile("x.metadata", METADATA_DIGEST, 12) if metadata else None,
        yanked=yanked,
        summary="from the record",
        keywords="cup,quest",
        digests={"md5": "aa", "blake2b_256": "bb"},
    )


def sdist(version: str, *, yanked: str | None = None, metadata: bool = False) -> DistributionRecord:
    kind: Kind = "sdist"
    return replace(wheel(version, yanked=yanked, metadata=metadata), filename=f"holy_grail-{version}.tar.gz", kind=kind)


def project(*files: DistributionRecord, status: ProjectStatus | None = None) -> ProjectDetail:
    return ProjectDetail(ProjectName("holy-grail"), files, status or ProjectStatus(), serial=7, revision=3)


def answer(detail: ProjectDetail, version: str | None = None, core_metadata: bytes | None = None) -> dict[str, Any]:
    raw = render_pypi_json(detail, version, core_metadata, file_url=lambda filename: f"{PAGE_URL}{filename}", page_url=PAGE_URL)
    assert raw is not None
    read: dict[str, Any] = json.loads(raw)
    return read


METADATA = """\
Metadata-Version: 2.4
Name: Holy.Grail
Version: 1.0
Summary: Küp of a carpenter
Keywords: cup,quest
Author: Galahad
Author-email: galahad@camelot.example
Maintainer: Percival
Maintainer-email: percival@camelot.example
Home-page: https://grail.example/
Download-URL: https://grail.example/get
License-Expression: MIT
License-File: LICENSE
License-File: AUTHORS
Classifier: Private :: Do Not Upload
Classifier: Topic :: Quest
Platform: any
Platform: linux
Project-URL: Source, https://code.example/grail
Project-URL: https://no-label.example/
Requires-Python: >=3.9
Requires-Dist: coconut (>=2)
Requires-Dist: swallow; extra == "air"
Provides-Extra: air
Dynamic: Summary
Description-Content-Type: text/markdown

# Grail
""".encode()


# --- what is described ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (["0.9", "1.10", "1.9"], "1.10"),
        (["1.0", "2.0rc1", "2.0.dev1"], "1.0"),
        (["1.0rc1", "1.0b2"], "1.0rc1"),
        (["1!0.1", "2.0"], "1!0.1"),
        (["1.0", "1.0.post1", "1.0+local"], "1.0.post1"),
        (["1.0", "no version"], "1.0"),
        (["no version"], "no version"),
    ],
)
def test_a_project_is_described_by_its_newest_final_release(versions: list[str], chosen: str) -> None:
    detail = project(*(sdist(version) for version in versions))

    assert answer(detail)["info"]["version"] == chosen
    file = choose_described_file(detail, None)
    assert file is not None
    assert file.version == chosen


def test_a_yanked_release_describes_the_project_only_where_all_are_yanked() -> None:
    assert answer(project(sdist("1.0"), sdist("2.0", yanked="")))["info"]["version"] == "1.0"
    assert answer(project(sdist("1.0rc1"), sdist("2.0", yanked="")))["info"]["version"] == "1.0rc1"
    assert answer(project(sdist("1.0", yanked=""), sdist("2.0", yanked="bad"), sdist("3.0a1", yanked="")))["info"]["version"] == "2.0"


def test_a_release_with_one_file_that_is_not_yanked_is_not_yanked() -> None:
    detail = project(sdist("1.0"), sdist("2.0"), wheel("2.0", yanked="wheel is broken"))

    assert answer(detail)["info"]["version"] == "2.0"
    assert answer(detail)["info"]["yanked"] is False
    assert answer(detail)["info"]["yanked_reason"] is None
    file = choose_described_file(detail, None)
    assert file is not None
    assert file.kind == "sdist"


@pytest.mark.parametrize(("yanked", "reason"), [("", None), ("leaks", "leaks")])
def test_a_yanked_release_says_so_with_its_reason(yanked: str, reason: str | None) -> None:
    info = answer(project(sdist("1.0", yanked=yanked)))["info"]

    assert info["yanked"] is True
    assert info["yanked_reason"] == reason


def test_of_a_release_a_wheel_with_core_metadata_is_read_before_anything_else() -> None:
    bare, served = wheel("1.0", "cp311-cp311-any", metadata=False), wheel("1.0", "py3-none-any")

    assert choose_described_file(project(sdist("1.0", metadata=True), bare, served), None) == served
    assert choose_described_file(project(sdist("1.0", metadata=True), bare), None) == sdist("1.0", metadata=True)
    assert choose_described_file(project(sdist("1.0"), bare), None) == bare


@pytest.mark.parametrize("version", ["1.0", "1.0.0", "v1", "1.0-0", " 1.0 "])
def test_a_release_is_found_by_any_spelling_of_its_version(version: str) -> None:
    detail = project(sdist("1.0"), sdist("2.0"), *([sdist("1.0.post0")] if version == "1.0-0" else []))
    file = choose_described_file(detail, version)

    assert file is not None
    assert file.filename == ("holy_grail-1.0.post0.tar.gz" if version == "1.0-0" else "holy_grail-1.0.tar.gz")


def test_equal_versions_of_different_spelling_are_one_release() -> None:
    detail = project(wheel("1.0.0"), sdist("1.0"))

    assert answer(detail)["info"]["version"] == "1.0"
    assert [entry["filename"] for entry in answer(detail, "1.0.0")["urls"]] == [
        "holy_grail-1.0.tar.gz",
        "holy_grail-1.0.0-py3-none-any.whl",
    ]
    assert list(answer(detail)["releases"]) == ["1.0"]


def test_a_version_that_is_none_is_found_as_it_is_written() -> None:
    assert answer(project(sdist("beta seven"), sdist("other")), "other")["info"]["version"] == "other"


@pytest.mark.parametrize("version", ["3.0", "", "nonsense", "1.0+local", "9" * 5000])
def test_no_such_release_is_no_answer(version: str) -> None:
    detail = project(sdist("1.0"))

    assert choose_described_file(detail, version) is None
    assert render_pypi_json(detail, version, None, file_url=str, page_url="") is None


@pytest.mark.parametrize("detail", [project(), project(sdist("1.0"), status=ProjectStatus("quarantined"))])
def test_a_project_that_offers_no_file_is_no_answer(detail: ProjectDetail) -> None:
    for version in (None, "1.0"):
        assert choose_described_file(detail, version) is None
        assert render_pypi_json(detail, version, METADATA, file_url=str, page_url="") is None


# --- info ----------------------------------------------------------------------------------------------------------

CONSTANTS = {"bugtrack_url": None, "docs_url": None, "downloads": {"last_day": -1, "last_month": -1, "last_week": -1}}
URLS = {"package_url": PAGE_URL, "project_url": PAGE_URL, "release_url": PAGE_URL}


def test_info_says_what_the_core_metadata_says() -> None:
    assert answer(project(wheel("1.0")), None, METADATA)["info"] == {
        **CONSTANTS,
        **URLS,
        "name": "Holy.Grail",
        "version": "1.0",
        "summary": "Küp of a carpenter",
        "description": "# Grail\n",
        "description_content_type": "text/markdown",
        "keywords": "cup,quest",
        "author": "Galahad",
        "author_email": "galahad@camelot.example",
        "maintainer": "Percival",
        "maintainer_email": "percival@camelot.example",
        "home_page": "https://grail.example/",
        "download_url": "https://grail.example/get",
        "license": "",
        "license_expression": "MIT",
        "license_files": ["LICENSE", "AUTHORS"],
        "classifiers": ["Private :: Do Not Upload", "Topic :: Quest"],
        "platform": "any, linux",
        "project_urls": {"Source": "https://code.example/grail", "https://no-label.example/": "https://no-label.example/"},
        "requires_python": ">=3.9",
        "requires_dist": ["coconut (>=2)", 'swallow; extra == "air"'],
        "provides_extra": ["air"],
        "dynamic": ["summary"],
        "yanked": False,
        "yanked_reason": None,
    }


@pytest.mark.parametrize("core_metadata", [None, b"\xff", b"", b"Metadata-Version: 9.0\nName: x\nVersion: 1\n"])
def test_without_readable_core_metadata_info_has_the_same_keys_and_what_the_record_says(core_metadata: bytes | None) -> None:
    known = answer(project(wheel("1.0")), None, METADATA)["info"]
    info = answer(project(wheel("1.0")), None, core_metadata)["info"]

    assert set(info) == set(known)
    assert (info["name"], info["version"], info["summary"], info["keywords"], info["requires_python"]) == (
        "Holy.Grail",
        "1.0",
        "from the record",
        "cup,quest",
        ">=3.9",
    )
    assert info["description"] == info["author"] == ""
    assert info["classifiers"] == []
    assert info["requires_dist"] is info["project_urls"] is info["license_files"] is info["platform"] is None


def test_the_version_is_given_normalised() -> None:
    detail = project(replace(sdist("1.0"), version="1.0-RC1"))

    assert answer(detail)["info"]["version"] == "1.0rc1"
    assert list(answer(detail)["releases"]) == ["1.0rc1"]


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_file_is_told_with_these_keys() -> None:
    (entry,) = answer(project(wheel("1.0", "cp311.cp312-abi3-any")))["urls"]

    assert entry == {
        "filename": "holy_grail-1.0-cp311.cp312-abi3-any.whl",
        "packagetype": "bdist_wheel",
        "python_version": "cp311.cp312",
        "requires_python": ">=3.9",
        "size": 1337,
        "url": f"{PAGE_URL}holy_grail-1.0-cp311.cp312-abi3-any.whl",
        "digests": {"sha256": DIGEST, "md5": "aa", "blake2b_256": "bb"},
        "md5_digest": "aa",
        "core-metadata": {"sha256": METADATA_DIGEST},
        "upload_time": "2026-11-21T10:11:12",
        "upload_time_iso_8601": "2026-11-21T10:11:12.123456Z",
        "yanked": False,
        "yanked_reason": None,
        "comment_text": "",
        "downloads": -1,
        "has_sig": False,
    }


def test_only_the_digests_that_are_known_are_told() -> None:
    (entry,) = answer(project(replace(sdist("1.0"), digests={})))["urls"]

    assert entry["digests"] == {"sha256": DIGEST}
    assert entry["md5_digest"] is None


def test_a_digest_in_the_record_never_replaces_the_sha256() -> None:
    (entry,) = answer(project(replace(sdist("1.0"), digests={"sha256": "other"})))["urls"]

    assert entry["digests"] == {"sha256": DIGEST}


def test_an_sdist_is_of_python_version_source_and_has_no_core_metadata_here() -> None:
    (entry,) = answer(project(sdist("1.0")))["urls"]

    assert (entry["packagetype"], entry["python_version"], entry["core-metadata"]) == ("sdist", "source", False)


@pytest.mark.parametrize(("yanked", "reason"), [("", None), ("leaks", "leaks")])
def test_a_yanked_file_is_marked(yanked: str, reason: str | None) -> None:
    (entry,) = answer(project(sdist("1.0", yanked=yanked)))["urls"]

    assert entry["yanked"] is True
    assert entry["yanked_reason"] == reason


def test_upload_times_are_told_in_utc() -> None:
    there = timezone(timedelta(hours=9))
    (entry,) = answer(project(replace(sdist("1.0"), upload_time=datetime(2026, 1, 1, 3, 0, 0, tzinfo=there))))["urls"]

    assert (entry["upload_time"], entry["upload_time_iso_8601"]) == ("2025-12-31T18:00:00", "2025-12-31T18:00:00.000000Z")


# --- the answer ----------------------------------------------------------------------------------------------------


def test_the_project_lists_all_releases_and_a_release_only_its_own_files() -> None:
    detail = project(wheel("1.10"), sdist("1.10"), sdist("1.9"), sdist("1.2", yanked="bad"))
    whole, one = answer(detail), answer(detail, "1.9")

    assert list(whole["releases"]) == ["1.2", "1.9", "1.10"]
    assert whole["releases"]["1.10"] == whole["urls"]
    assert [entry["filename"] for entry in whole["urls"]] == ["holy_grail-1.10-py3-none-any.whl", "holy_grail-1.10.tar.gz"]
    assert "releases" not in one
    assert [entry["filename"] for entry in one["urls"]] == ["holy_grail-1.9.tar.gz"]
    assert one["info"]["version"] == "1.9"


def test_the_rest_of_the_answer_is_the_serial_and_what_a_private_index_does_not_know() -> None:
    whole = answer(project(sdist("1.0")))

    assert set(whole) == {"info", "urls", "releases", "last_serial", "vulnerabilities", "ownership"}
    assert whole["last_serial"] == 7
    assert whole["vulnerabilities"] == []
    assert whole["ownership"] == {"roles": [], "organization": None}


def test_the_bytes_do_not_depend_on_the_order_of_arrival() -> None:
    files = [wheel("1.0"), sdist("1.0"), sdist("1.0.0"), sdist("2.0"), sdist("x")]

    assert answer(project(*files)) == answer(project(*reversed(files)))
    assert json.dumps(answer(project(*files))) == json.dumps(answer(project(*reversed(files))))


HOSTILE = st.text(st.characters()) | st.sampled_from(["\ud800", '"},"info":{', "-", "a-b-c-d-e", "1.0", "1.0.0", "9" * 5000])


@given(
    st.lists(
        st.builds(
            DistributionRecord,
            filename=HOSTILE,
            kind=st.sampled_from(["bdist_wheel", "sdist"]),
            name=HOSTILE,
            version=HOSTILE,
            sha256=HOSTILE.map(Sha256),
            size=st.integers(0),
            upload_time=st.datetimes(timezones=st.just(timezone.utc)),
            requires_python=st.none() | HOSTILE,
            metadata=st.none() | st.builds(SideFile, HOSTILE, HOSTILE.map(Sha256), st.just(1)),
            yanked=st.none() | HOSTILE,
            summary=HOSTILE,
            digests=st.dictionaries(HOSTILE, HOSTILE, max_size=2),
        ),
        min_size=1,
        max_size=4,
    ),
    st.none() | st.binary() | st.binary().map(lambda tail: METADATA + tail),
)
def test_any_record_and_any_core_metadata_give_a_valid_answer_with_every_file_in_it(
    files: list[DistributionRecord], core_metadata: bytes | None
) -> None:
    detail = project(*files)
    whole = answer(detail, None, core_metadata)

    assert sum(len(entries) for entries in whole["releases"].values()) == len(files)
    assert whole["urls"] in whole["releases"].values()
    for record in files:
        assert choose_described_file(detail, record.version) is not None
