"""The order of a project's versions and files."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.releases import in_order, parse_version
from pywharf.model.record import DistributionRecord, Sha256


def record(version: str, filename: str = "") -> DistributionRecord:
    filename = filename or f"demo-{version}.tar.gz"
    return DistributionRecord(filename, "sdist", "demo", version, Sha256("0" * 64), 1, datetime(2026, 1, 2, tzinfo=timezone.utc))


def test_versions_ascend_as_pep_440_has_it_and_not_as_text() -> None:
    expected = ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0+local", "1.0.post1", "1.9", "1.10", "1!0.1"]

    assert list(in_order(record(version) for version in sorted(expected))) == expected


@pytest.mark.parametrize(
    ("written", "normalised"), [("1.0-RC1", "1.0rc1"), ("v1.0", "1.0"), ("01.0", "1.0"), ("1.0+Ubuntu-1", "1.0+ubuntu.1")]
)
def test_versions_are_normalised_and_each_stands_once(written: str, normalised: str) -> None:
    ordered = in_order([record(written, "b"), record(normalised, "a")])

    assert {version: [file.filename for file in files] for version, files in ordered.items()} == {normalised: ["a", "b"]}


def test_equal_versions_of_different_spelling_stand_side_by_side_in_one_order() -> None:
    files = [record("1.0.0"), record("1.1"), record("1.0"), record("0.9")]

    assert list(in_order(files)) == list(in_order(reversed(files))) == ["0.9", "1.0", "1.0.0", "1.1"]


@pytest.mark.parametrize("text", ["", "not a version", "1.0-final-2", "9" * 5000])
def test_what_is_no_version_stays_as_it_is_and_comes_first(text: str) -> None:
    assert parse_version(text) is None
    assert list(in_order([record("1.0"), record(text)])) == [text, "1.0"]


VERSIONS = st.one_of(st.text(), st.from_regex(r"v?[0-9]{1,2}(\.[0-9]){0,2}((a|rc|\.dev|\.post|-)[0-9])?", fullmatch=True))


@given(st.lists(VERSIONS, max_size=8).flatmap(lambda versions: st.tuples(st.just(versions), st.permutations(versions))))
def test_the_order_does_not_depend_on_the_order_of_arrival_and_loses_nothing(versions: tuple[list[str], list[str]]) -> None:
    one, other = (in_order([record(version) for version in arrived]) for arrived in versions)

    assert list(one.items()) == list(other.items())
    assert sorted(file.version for files in one.values() for file in files) == sorted(versions[0])
