"""Names: what is taken, what is refused, and that two spellings of one file meet in one key."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from pywharf.errors import InvalidName
from pywharf.model.names import (
    MAX_NAME_BYTES,
    DistributionName,
    metadata_filename,
    normalize_pattern,
    normalize_project,
    parse_filename,
    repository_name,
)

# Text that comes near a name without being one: its own characters, what breaks paths, pages and headers, and all of Unicode.
near_names = st.one_of(
    st.text(alphabet="aB1._-+!", max_size=30),
    st.text(alphabet="a1.-_/\\\0\n\r %<\"'&:~", max_size=20),
    st.text(max_size=30),
)
projects = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?", fullmatch=True)
versions = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "1!"]),
    st.sampled_from(["1", "1.0", "0.9.0", "2024.1.31"]),
    st.sampled_from(["", "a1", "rc2"]),
    st.sampled_from(["", ".post3"]),
    st.sampled_from(["", ".dev4"]),
    st.sampled_from(["", "+local.7", "+g12ab"]),
)
tags = st.sampled_from(["py3-none-any", "py2.py3-none-any", "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"])
builds = st.sampled_from(["", "-1", "-2abc", "-03"])
suffixes = st.sampled_from([".tar.gz", ".zip"])


# --- projects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "normal"),
    [
        ("demo", "demo"),
        ("Demo.Pkg", "demo-pkg"),
        ("DEMO__pkg", "demo-pkg"),
        ("demo-._-pkg", "demo-pkg"),
        ("1", "1"),
        ("A", "a"),
        ("a" * MAX_NAME_BYTES, "a" * MAX_NAME_BYTES),
    ],
)
def test_a_project_name_is_normalised(given_name: str, normal: str) -> None:
    assert normalize_project(given_name) == normal


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "-", "-demo", "demo-", "_demo", "demo.", ".demo", "demo pkg", "demo\n", "demo\0", "a/b", "a\\b"),
        *("../demo", "%2e%2e", "d\u00e9mo", "\u212aelvin", "demo\u0661", "a" * (MAX_NAME_BYTES + 1), "demo;x", "<script>"),
    ],
)
def test_what_cannot_be_a_project_is_refused(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        normalize_project(name)

    assert caught.value.name == name


@given(near_names)
def test_normalising_a_project_twice_changes_nothing_more(name: str) -> None:
    try:
        normal = normalize_project(name)
    except InvalidName:
        return
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", normal)
    assert normalize_project(normal) == normal
    assert str(normal) == canonicalize_name(name)


# --- repositories --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["local", "a", "0", "pywharf-pkg-repo", "Local-File_System.2", "x" * 64])
def test_a_repository_name_is_compared_in_lower_case(name: str) -> None:
    assert repository_name(name) == name.lower()
    assert repository_name(repository_name(name)) == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../../x", "a/b", "/a", "a\\b", "a..b", "-a", "a-", ".a", "a.", "a b", "a\0", "a\n", "a:b"),
        *("x" * 65, "x" * 300, "d\u00e9p\u00f4t", "\u212a", "a\u0130"),
    ],
)
def test_a_repository_name_that_is_no_safe_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        repository_name(name)


@given(near_names)
def test_a_repository_name_is_always_one_plain_folder(name: str) -> None:
    try:
        folded = repository_name(name)
    except InvalidName:
        return
    assert name.isascii()
    assert re.fullmatch(r"[a-z0-9._-]{1,64}", folded)
    assert not folded.startswith((".", "-"))
    assert ".." not in folded


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "kind", "project", "version", "key"),
    [
        ("demo-1.0-py3-none-any.whl", "bdist_wheel", "demo", "1.0", "demo-1-py3-none-any.whl"),
        ("Demo_Pkg-1.0-py3-none-any.whl", "bdist_wheel", "demo-pkg", "1.0", "demo_pkg-1-py3-none-any.whl"),
        ("demo-1.0-1-py3-none-any.whl", "bdist_wheel", "demo", "1.0", "demo-1-1-py3-none-any.whl"),
        ("demo-1.0-01abc-py3-none-any.whl", "bdist_wheel", "demo", "1.0", "demo-1-1abc-py3-none-any.whl"),
        ("demo-1.0+Ubuntu.1-py3-none-any.whl", "bdist_wheel", "demo", "1.0+ubuntu.1", "demo-1+ubuntu.1-py3-none-any.whl"),
        ("demo-1!2.0rc1-py3.py2-none-any.whl", "bdist_wheel", "demo", "1!2.0rc1", "demo-1!2rc1-py2.py3-none-any.whl"),
        ("demo-1.0.tar.gz", "sdist", "demo", "1.0", "demo-1.tar.gz"),
        ("demo-1.0.zip", "sdist", "demo", "1.0", "demo-1.tar.gz"),
        ("Demo.Pkg-1.0.tar.gz", "sdist", "demo-pkg", "1.0", "demo_pkg-1.tar.gz"),
        ("demo-pkg-1.0.tar.gz", "sdist", "demo-pkg", "1.0", "demo_pkg-1.tar.gz"),
        ("demo-2-1.0.tar.gz", "sdist", "demo-2", "1.0", "demo_2-1.tar.gz"),
        ("demo-1.0-beta.tar.gz", "sdist", "demo", "1.0b0", "demo-1b0.tar.gz"),
        ("demo-1.0+ubuntu-1.tar.gz", "sdist", "demo", "1.0+ubuntu.1", "demo-1+ubuntu.1.tar.gz"),
    ],
)
def test_a_file_name_is_taken_apart(filename: str, kind: str, project: str, version: str, key: str) -> None:
    name = parse_filename(filename)

    assert (name.filename, name.kind, name.project, str(name.version), name.key) == (filename, kind, project, version, key)


@pytest.mark.parametrize(
    ("filename", "says"),
    [
        ("demo-1.0-py3.7.egg", "only wheels"),
        ("demo-1.0.exe", "only wheels"),
        ("demo-1.0.tar.bz2", "only wheels"),
        ("demo-1.0.tgz", "only wheels"),
        ("demo-1.0.WHL", "only wheels"),
        ("demo-1.0-py3-none-any.whl.metadata", "only wheels"),
        ("demo", "only wheels"),
        ("", "letters"),
        (".whl", "begins with"),
        ("_demo-1.0.tar.gz", "begins with"),
        ("-1.0.tar.gz", "begins with"),
        ("demo-1.0-py3-none.whl", "not a wheel's name"),
        ("demo-1.0-x1-py3-none-any.whl", "not a wheel's name"),
        ("demo-one-py3-none-any.whl", "not a wheel's name"),
        ("demo__x-1.0-py3-none-any.whl", "not a wheel's name"),
        ("demo_-1.0-py3-none-any.whl", "project's name"),
        ("demo.-1.0-py3-none-any.whl", "project's name"),
        ("demo.tar.gz", "NAME-VERSION"),
        ("demo-one.tar.gz", "NAME-VERSION"),
        ("demo-.tar.gz", "NAME-VERSION"),
        ("demo_-1.0.tar.gz", "NAME-VERSION"),
        ("../demo-1.0.tar.gz", "letters"),
        ("a/demo-1.0.tar.gz", "letters"),
        ("/demo-1.0.tar.gz", "letters"),
        ("demo-1.0\0.tar.gz", "letters"),
        ("demo-1.0.tar.gz\n", "letters"),
        ("demo-1.0 .tar.gz", "letters"),
        ("d\u00e9mo-1.0.tar.gz", "letters"),
        ("demo-\u0661.tar.gz", "letters"),
        ("d" * 250 + "-1.0.tar.gz", "at most 200"),
    ],
)
def test_a_file_name_of_another_shape_is_refused_and_the_message_says_which_part(filename: str, says: str) -> None:
    with pytest.raises(InvalidName, match=re.escape(says)):
        parse_filename(filename)


def test_a_refusal_shows_no_more_of_a_long_name_than_a_line() -> None:
    with pytest.raises(InvalidName) as caught:
        parse_filename("x" * 1_000_000)

    assert len(str(caught.value)) < 500


@given(near_names, st.sampled_from(["", ".whl", ".tar.gz", ".zip", "-py3-none-any.whl", "-1.0-py3-none-any.whl", "-1.0.tar.gz"]))
@example("a.b_", "-1.0-py3-none-any.whl")
@example("a-1.0-1", "-1.0.tar.gz")
def test_any_text_is_either_a_name_that_is_safe_everywhere_or_refused(start: str, end: str) -> None:
    try:
        name = parse_filename(start + end)
    except InvalidName:
        return
    assert name.filename == start + end
    assert normalize_project(name.project) == name.project
    for text in (name.filename, name.key, metadata_filename(name.filename)):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", text)
        assert len(text) < 240, "a side file of it would not fit in a folder entry of 255 bytes"
    assert name.key == name.key.lower()


@given(projects, versions, builds, tags)
def test_every_spelling_of_a_wheel_has_one_key(project: str, version: str, build: str, tag: str) -> None:
    plain = f"{canonicalize_name(project).replace('-', '_')}-{version}{build}-{tag}.whl"
    python, abi, platform = tag.split("-")
    turned = "-".join([python, abi, ".".join(reversed(platform.split(".")))])
    zeroed = version.replace("+", ".0+") if re.fullmatch(r"[0-9.!]+(\+.*)?", version) and "+" in version else version

    first = parse_filename(plain)
    other = parse_filename(f"{plain.split('-')[0].upper()}-{zeroed}{build.replace('-03', '-3')}-{turned}.whl")

    assert first.key == other.key
    assert (first.project, first.release) == (other.project, other.release)
    assert parse_filename(first.key).key == first.key, "a key is a spelling of the file it stands for"


@given(projects, versions, suffixes, suffixes)
def test_a_release_has_one_sdist_whatever_its_spelling_and_suffix(project: str, version: str, one: str, two: str) -> None:
    normal = canonicalize_name(project).replace("-", "_")

    assert parse_filename(f"{normal}-{version}{one}").key == parse_filename(f"{normal.upper()}-{Version(version)}{two}").key


@given(projects, versions, versions, builds, builds, tags, tags)
def test_different_files_never_share_a_key(project: str, v1: str, v2: str, b1: str, b2: str, t1: str, t2: str) -> None:
    normal = canonicalize_name(project).replace("-", "_")
    one, two = parse_filename(f"{normal}-{v1}{b1}-{t1}.whl"), parse_filename(f"{normal}-{v2}{b2}-{t2}.whl")

    same = (Version(v1), b1, t1) == (Version(v2), b2, t2)
    assert (one.key == two.key) is same
    assert one.key != parse_filename(f"{normal}-{v1}.tar.gz").key


def test_a_release_is_the_same_with_and_without_final_zeros() -> None:
    def release(filename: str) -> str:
        return parse_filename(filename).release

    assert release("demo-1.0-py3-none-any.whl") == release("demo-1.0.0.tar.gz") == release("demo-1.zip")
    assert release("demo-1.0.tar.gz") != release("demo-1.0.1.tar.gz")


def test_a_name_taken_apart_compares_by_value() -> None:
    assert isinstance(parse_filename("demo-1.0.tar.gz"), DistributionName)
    assert parse_filename("demo-1.0.tar.gz") == parse_filename("demo-1.0.tar.gz")


def test_core_metadata_lies_beside_its_file() -> None:
    assert metadata_filename("demo-1.0-py3-none-any.whl") == "demo-1.0-py3-none-any.whl.metadata"


# --- patterns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pattern", "normal"), [("Acme_*", "acme-*"), ("acme.?ool", "acme-?ool"), ("*", "*"), ("acme", "acme")])
def test_a_pattern_is_normalised_as_names_are(pattern: str, normal: str) -> None:
    assert normalize_pattern(pattern) == normal


@pytest.mark.parametrize("pattern", ["", "acme [x]", "a/b", "acme\n", "\u212a*", "a{b}", "a|b", "!a", "[a-z]*"])
def test_a_pattern_with_anything_else_in_it_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidName):
        normalize_pattern(pattern)
