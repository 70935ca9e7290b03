"""Admission: what a form claims, a file's name says and its metadata says must be one story; the index tells the file's."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pywharf.api.file_digests import FileDigests
from pywharf.api.upload import UploadForm
from pywharf.errors import UploadRejected
from pywharf.model.record import MAX_DOCUMENT_BYTES, DistributionRecord, SideFile, from_json, to_json
from pywharf.repository.admission import CHECKS, Admitted, admit, admit_file
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

Fields = dict[str, "str | tuple[str, ...]"]


class Uploader:
    """Fills in forms and sends them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "received"

    def form(self, distribution: Distribution, fields: Fields) -> UploadForm:
        """The form of a client that says the least it must, and `fields`."""
        digests = FileDigests()
        digests.update(distribution.data)
        self.path.write_bytes(distribution.data)
        stem = [*distribution.filename.split("-"), ""]
        said: Fields = {
            ":action": "file_upload",
            "metadata_version": "2.1",
            "name": stem[0],
            "version": stem[1].removesuffix(".tar.gz").removesuffix(".zip"),
            "filetype": "bdist_wheel" if distribution.filename.endswith(".whl") else "sdist",
            "sha256_digest": digests.sha256,
            **fields,
        }
        values = {name: (value,) if isinstance(value, str) else value for name, value in said.items()}
        return UploadForm(values, distribution.filename, digests.size, digests.sha256, digests.md5, digests.blake2b_256)

    def send(self, distribution: Distribution, **fields: str | tuple[str, ...]) -> Admitted:
        return admit(self.form(distribution, fields), self.path)

    def refused(self, distribution: Distribution, **fields: str | tuple[str, ...]) -> UploadRejected:
        with pytest.raises(UploadRejected) as caught:
            self.send(distribution, **fields)
        assert caught.value.reason.isprintable()
        return caught.value


@pytest.fixture
def uploader(tmp_path: Path) -> Uploader:
    return Uploader(tmp_path)


WHEEL = make_wheel(
    "demo", "1.0", requires_python=">=3.8,<4", requires_dist=["Foo_Bar[x,Y] (>=1.0,<2) ; python_version < '4' and os_name == 'posix'", "b"]
)
AGREEING = ("b", 'foo-bar[y,x]<2,>=1; os_name=="posix" and (python_version<"4")')


# --- the record -----------------------------------------------------------------------------------------------------


def test_the_record_says_what_the_file_says_and_not_what_the_form_says(uploader: Uploader) -> None:
    wheel = make_wheel(
        "Acme.Demo",
        "1.0.0",
        requires_python=">= 3.8",
        requires_dist=["Acme_Core>=1", "acme.core[fast]; extra == 'fast'", "-not a requirement"],
        extra_headers=[("Summary", "Größe ✓"), ("Keywords", "a,b"), ("Classifier", "Private :: X")],
    )
    before = datetime.now(timezone.utc)

    admitted = uploader.send(wheel, name="acme_demo", version="1", summary="a lie", keywords="lies", metadata_version="99", classifiers="x")

    assert admitted.metadata_bytes == wheel.metadata
    assert (admitted.name.filename, admitted.name.project) == (wheel.filename, "acme-demo")
    assert before <= admitted.record.upload_time <= datetime.now(timezone.utc)
    assert admitted.record == DistributionRecord(
        filename=wheel.filename,
        kind="bdist_wheel",
        name="Acme.Demo",
        version="1.0.0",
        sha256=admitted.record.sha256,
        size=len(wheel.data),
        upload_time=admitted.record.upload_time,
        requires_python=">= 3.8",
        metadata=SideFile(f"{wheel.filename}.metadata", admitted.record.metadata.sha256, len(wheel.metadata))
        if admitted.record.metadata
        else None,
        summary="Größe ✓",
        keywords="a,b",
        digests={"md5": hashlib.md5(wheel.data).hexdigest(), "blake2b_256": hashlib.blake2b(wheel.data, digest_size=32).hexdigest()},
        import_names=("acme_demo",),
        requires=("acme-core",),
    )
    assert admitted.record.metadata is not None
    assert admitted.record.metadata.sha256 == hashlib.sha256(wheel.metadata).hexdigest()
    assert admitted.record.sha256 == wheel.sha256


@pytest.mark.parametrize(
    ("sdist", "served"),
    [
        (make_sdist("demo", "1.0", metadata_version="2.1"), False),
        (make_sdist("demo", "1.0", metadata_version="1.0"), False),
        (make_sdist("demo", "1.0", metadata_version="2.2"), True),
        (make_sdist("demo", "1.0", metadata_version="2.4", suffix=".zip"), True),
        (make_sdist("demo", "1.0", metadata_version="2.4", extra_headers=[("Dynamic", "Requires-Dist")]), False),
        (make_sdist("demo", "1.0", metadata_version="2.4", extra_headers=[("Dynamic", "License-File")]), True),
    ],
)
def test_the_metadata_of_an_sdist_is_served_where_it_is_reliable(uploader: Uploader, sdist: Distribution, served: bool) -> None:
    admitted = uploader.send(sdist)

    assert admitted.metadata_bytes == (sdist.metadata if served else None)
    assert (admitted.record.metadata is not None) is served
    assert admitted.record.kind == "sdist"


def test_the_largest_record_fits_into_a_document(uploader: Uploader) -> None:
    text = "\x1b" + "\U0001f600" * 100_000
    specifier = ",".join(["!=3.9"] * 333)
    version = "1.0" + ".0" * 70
    wheel = make_wheel(
        "a" * 50,
        version,
        requires_python=specifier,
        extra_headers=[("Summary", text), ("Keywords", text)],
        filename=f"{'a' * 50}-1.0-py3-none-any.whl",
    )

    record = uploader.send(wheel).record

    assert record.requires_python == specifier
    assert record.version == version
    assert len(record.summary) == 2000
    assert record.summary.isprintable()
    assert 15_000 < len(to_json(record)) < MAX_DOCUMENT_BYTES
    assert from_json(to_json(record)) == record


def test_metadata_that_names_a_folder_of_the_other_system_is_remembered_as_it_is(uploader: Uploader) -> None:
    record = uploader.send(make_wheel("demo", "1.0", extra_headers=[("Summary", r'C:\xampp "quoted" \u0000')])).record

    assert record.summary == r'C:\xampp "quoted" \u0000'
    assert from_json(to_json(record)) == record


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    summary=st.text(alphabet=st.characters(codec="utf-8"), max_size=100),
    keywords=st.text(alphabet=st.characters(codec="utf-8"), max_size=100),
)
def test_any_text_in_the_metadata_is_refused_or_comes_back_from_the_document(uploader: Uploader, summary: str, keywords: str) -> None:
    try:
        record = uploader.send(make_wheel("demo", "1.0", extra_headers=[("Summary", summary), ("Keywords", keywords)])).record
    except UploadRejected:
        return
    assert from_json(to_json(record)) == record


# --- honest uploads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("Demo.Pkg-1.0-py3-none-any.whl", "Demo.Pkg", "1.0"),
        ("Demo_Pkg-1.0-py3-none-any.whl", "demo-pkg", "1.0.0"),
        ("demo_pkg-1!1.0rc1+local.1-2_x-py2.py3-none-any.whl", "demo.pkg", "1!1.0-RC.1+Local-1"),
        ("Demo.Pkg-1.0.tar.gz", "DEMO_PKG", "1.0"),
        ("demo-pkg-1.0.zip", "demo--pkg", "v1.0"),
        ("demo_pkg-1.0.dev3.tar.gz", "demo-pkg", "1.0dev3"),
    ],
)
def test_names_and_versions_are_compared_normalised(uploader: Uploader, filename: str, name: str, version: str) -> None:
    if filename.endswith(".whl"):
        tag = "-".join(filename.removesuffix(".whl").split("-")[-3:])
        distribution = make_wheel("Demo-Pkg", filename.split("-")[1], filename=filename, tag=tag)
    else:
        suffix = ".zip" if filename.endswith(".zip") else ".tar.gz"
        distribution = make_sdist("Demo-Pkg", filename.removesuffix(suffix).split("-")[-1], filename=filename, suffix=suffix)

    admitted = uploader.send(distribution, name=name, version=version)

    assert admitted.name.project == "demo-pkg"
    assert admitted.record.filename == filename
    assert admitted.record.name == "Demo-Pkg"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"requires_python": "", "requires_dist": ("",)},
        {"requires_python": "<4.0, >=3.8.0", "requires_dist": AGREEING},
        {"requires_dist": (*AGREEING, *AGREEING, "B")},
        {"requires_python": " >=3.8 ,<4 "},
    ],
)
def test_another_spelling_of_dependencies_and_an_empty_field_contradict_nothing(uploader: Uploader, fields: Fields) -> None:
    assert uploader.send(WHEEL, **fields).record.requires_python == ">=3.8,<4"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("a", "A"),
        ("a.b_c", "a-b-c"),
        ("a >= 1.0", "a(>=1)"),
        ("a ~=1.0, !=1.0.5", "a!=1.0.5,~=1.0"),
        ("a==1.*", "a (==1.*)"),
        ("a===weird", "a ===weird"),
        ("a @ https://example.invalid/a.zip ; extra == 'X_y'", 'a@https://example.invalid/a.zip ; extra=="x-y"'),
        ("a; (os_name=='nt' or python_version<'3') and extra=='t'", 'a ; extra == "t" and (python_version < "3" or os_name == "nt")'),
        ("a[]", "a"),
        ("not ! a requirement", "not  !  a\trequirement"),
        ("a; " + "(" * 3000 + "os_name=='nt'" + ")" * 3000, "a; " + "(" * 3000 + "os_name=='nt'" + ")" * 3000),
        ("a>=" + "1" * 5000, "a>=" + "1" * 5000),
        ("a; " + "(" * 900 + "os_name=='nt'" + ")" * 900, "a; " + "(" * 900 + "os_name=='nt'" + ")" * 900),
    ],
)
def test_requirements_are_compared_by_what_they_mean(uploader: Uploader, said: str, found: str) -> None:
    uploader.send(make_wheel("demo", "1.0", requires_dist=[found]), requires_dist=said)
    uploader.send(make_wheel("demo", "1.0", requires_dist=[said]), requires_dist=found)


@pytest.mark.parametrize(
    "sdist",
    [
        make_sdist("demo", "1.0", metadata_version="1.1"),
        make_sdist("demo", "1.0", metadata_version="2.1"),
        make_sdist("demo", "1.0", metadata_version="2.2", extra_headers=[("Dynamic", "Requires-Dist"), ("Dynamic", "requires-python")]),
        make_sdist(
            "demo",
            "1.0",
            metadata_version="2.6",
            requires_dist=["a"],
            requires_python=">=3",
            extra_headers=[("Dynamic", "Requires-Dist"), ("Dynamic", "Requires-Python")],
        ),
    ],
)
def test_where_an_sdist_does_not_know_its_dependencies_the_form_may(uploader: Uploader, sdist: Distribution) -> None:
    assert uploader.send(sdist, requires_dist="b>=2", requires_python=">=3.8").metadata_bytes is None


def test_metadata_of_another_version_of_the_format_is_not_compared_with_the_forms(uploader: Uploader) -> None:
    uploader.send(make_wheel("demo", "1.0", metadata_version="2.99"), metadata_version="2.3")


# --- contradictions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "other"),
        ("name", "demo2"),
        ("name", "../demo"),
        ("name", "de mo"),
        ("version", "1.1"),
        ("version", "1.0.post1"),
        ("version", "1.0+local"),
        ("version", "one"),
        ("version", "1" * 5000),
        ("filetype", "sdist"),
        ("requires_python", ">=3.9"),
        ("requires_python", ">=3.8"),
        ("requires_python", "nonsense"),
        ("requires_python", ">=" + "3" * 5000),
        ("requires_dist", ("b",)),
        ("requires_dist", (*AGREEING, "c")),
        ("requires_dist", ("b>1", AGREEING[1])),
        ("requires_dist", ("b", AGREEING[1].replace("posix", "nt"))),
        ("requires_dist", ("b", AGREEING[1].replace(" and ", " or "))),
        ("requires_dist", ("b", AGREEING[1].replace("[y,x]", ""))),
    ],
)
def test_a_form_that_contradicts_the_file_is_refused_and_the_field_is_named(
    uploader: Uploader, field: str, value: str | tuple[str, ...]
) -> None:
    assert uploader.refused(WHEEL, **{field: value}).field == field


def test_a_form_must_not_add_dependencies_to_a_file_without_any(uploader: Uploader) -> None:
    for distribution in (make_wheel("demo", "1.0"), make_sdist("demo", "1.0", metadata_version="2.2")):
        assert uploader.refused(distribution, requires_dist="evil").field == "requires_dist"
        assert uploader.refused(distribution, requires_python=">=2").field == "requires_python"


@pytest.mark.parametrize("field", ["name", "version", "filetype", "requires_python", ":action", "sha256_digest"])
def test_a_field_of_two_minds_is_refused(uploader: Uploader, field: str) -> None:
    assert uploader.refused(WHEEL, **{field: ("demo", "other")}).field == field


def test_a_form_that_is_incomplete_or_has_a_wrong_digest_is_refused_before_the_file_is_opened(uploader: Uploader) -> None:
    broken = Distribution("demo-1.0-py3-none-any.whl", b"no archive", b"")

    assert uploader.refused(broken, metadata_version="").field == "metadata_version"
    assert uploader.refused(broken, sha256_digest="0" * 64).field == "sha256_digest"
    assert uploader.refused(broken, version="2").field == "version"
    assert uploader.refused(broken).field == "content"


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0.egg",
        "demo-1.0.exe",
        "demo-1.0.tar.bz2",
        "demo-1.0.tgz",
        "demo-1.0.whl",
        "demo.tar.gz",
        "../demo-1.0.tar.gz",
        "/etc/demo-1.0.tar.gz",
        "demo-1.0.tar.gz/",
        ".demo-1.0.tar.gz",
        "demo\n-1.0.tar.gz",
        "demo%2f-1.0.tar.gz",
        "demo-1.0-py3-none-any.whl.tar.gz",
        "démo-1.0.tar.gz",
        "",
        "a" * 200 + "-1.0.tar.gz",
    ],
)
def test_a_file_with_a_name_that_is_not_taken_is_refused(uploader: Uploader, filename: str) -> None:
    error = uploader.refused(Distribution(filename, WHEEL.data, b""), name="demo", version="1.0")

    assert error.field in ("content", "filetype", "version", "name")


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"name": "other"}, "other"),
        ({"version": "1.1"}, "1.1"),
        ({"metadata_version": "3.0"}, "Metadata-Version"),
        ({"requires_python": "python3"}, "Requires-Python"),
        ({"requires_python": ">=3.8\x1f"}, "Requires-Python"),
        ({"requires_python": ",".join([">=3.8"] * 400)}, "Requires-Python"),
        ({"requires_python": "===" + "\x7f"}, "Requires-Python"),
        ({"extra_headers": [("Version", "1.1")]}, "Version"),
        ({"extra_headers": [("Name", "other")]}, "Name"),
    ],
)
def test_metadata_that_the_index_cannot_rely_on_is_refused(uploader: Uploader, metadata: dict[str, object], word: str) -> None:
    wheel = make_wheel(**{"name": "demo", "version": "1.0", "filename": "demo-1.0-py3-none-any.whl", **metadata})  # type: ignore[arg-type]  # of many types

    error = uploader.refused(wheel)

    assert error.field == "content"
    assert "METADATA" in error.reason
    assert word in error.reason


def test_metadata_that_is_not_utf_8_is_refused(uploader: Uploader) -> None:
    sdist = make_sdist("demo", "1.0", extra_headers=[("Summary", "Größe")])
    latin = gzip.compress(gzip.decompress(sdist.data).replace("Größe".encode(), "Größe  ".encode("latin-1")))  # as many bytes

    assert "UTF-8" in uploader.refused(Distribution(sdist.filename, latin, b"")).reason


def test_an_archive_is_closed_whatever_came_of_it(uploader: Uploader) -> None:
    def opened() -> list[str]:
        return [link for one in Path("/proc/self/fd").iterdir() if (link := _target(one)).startswith(str(uploader.path))]

    assert uploader.send(WHEEL)
    assert opened() == []
    uploader.refused(WHEEL, requires_python=">= 99")
    assert opened() == []


def test_a_record_has_those_digests_that_were_taken(uploader: Uploader) -> None:
    form = replace(uploader.form(WHEEL, {}), md5="")

    assert set(admit(form, uploader.path).record.digests) == {"blake2b_256"}


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


# --- files that no form came with -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distribution", [WHEEL, make_sdist("Demo", "1.0", metadata_version="2.2"), make_sdist("demo", "1.0", suffix=".zip")]
)
def test_a_file_found_in_the_storage_is_admitted_with_its_own_time(tmp_path: Path, distribution: Distribution) -> None:
    path = tmp_path / "found under any name"
    path.write_bytes(distribution.data)
    time = datetime(2020, 1, 2, 3, 4, 5, 678, tzinfo=timezone.utc)

    admitted = admit_file(path, distribution.filename, time)

    assert admitted.record.upload_time == time
    assert (admitted.record.sha256, admitted.record.size) == (distribution.sha256, len(distribution.data))
    assert admitted.record.digests["md5"] == hashlib.md5(distribution.data).hexdigest()


@pytest.mark.parametrize(
    ("filename", "data"), [("notes.txt", b""), ("demo-1.0-py3-none-any.whl", b""), ("demo-2.0-py3-none-any.whl", WHEEL.data)]
)
def test_a_file_found_in_the_storage_that_is_no_distribution_is_refused(tmp_path: Path, filename: str, data: bytes) -> None:
    path = tmp_path / filename
    path.write_bytes(data)

    with pytest.raises(UploadRejected) as caught:
        admit_file(path, filename, datetime.now(timezone.utc))

    assert caught.value.field == "content"


def test_every_check_is_in_the_list_once() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS) > 50
