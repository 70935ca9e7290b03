from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.headers import none_match, takes_gzip, wants_problem, weights


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip ; q=0.5", True),
        ("identity;q=1, gzip;q=0.5", False),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=0", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=-1", False),
        ("gzip;q=inf", False),
        ("deflate", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_used_where_it_is_liked(header: str | None, expected: bool) -> None:
    assert takes_gzip(header) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("*/*", False),
        ("text/html", False),
        ("application/vnd.pypi.simple.v1+json, */*;q=0.1", False),
        ("application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", True),  # uv publish
        ("application/problem+json", True),
        ("application/json, text/plain, */*", True),
        ("application/json;q=0.1, text/plain", False),
        ("application/json;q=0", False),
    ],
)
def test_a_problem_document_is_sent_to_who_asks_for_json(accept: str | None, expected: bool) -> None:
    assert wants_problem(accept) is expected


@pytest.mark.parametrize(
    ("header", "is_sent"),
    [
        (None, True),
        ('"abc"', False),
        ('W/"abc"', False),
        ('"x", "abc"', False),
        ('"x",W/"abc" , "y"', False),
        ("*", False),
        (" * ", False),
        ('"ABC"', True),
        ("abc", True),
        ('"abcd"', True),
        ('"ab" "c"', True),
        ("", True),
    ],
)
def test_conditions_are_compared_weakly(header: str | None, is_sent: bool) -> None:
    assert none_match(header, '"abc"') is is_sent


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    assert all(0.0 <= weight <= 1.0 for weight in weights(header).values())
    takes_gzip(header)
    wants_problem(header)
    none_match(header, '"abc"')
