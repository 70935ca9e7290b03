"""Which form of a page each client gets (PEP 691, RFC 9110)."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.negotiation import NotAcceptable, PageFormat, negotiate
from pywharf.errors import WharfError

JSON, HTML_V1, HTML = PageFormat.JSON_V1, PageFormat.HTML_V1, PageFormat.HTML

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
LATEST_JSON = "application/vnd.pypi.simple.latest+json"
LATEST_HTML = "application/vnd.pypi.simple.latest+html"


@pytest.mark.parametrize(
    ("client", "accept", "expected"),
    [
        ("pip 20, 21", "text/html", HTML),
        ("pip 23, 26, pdm", f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01", JSON),
        ("uv", f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01", JSON),
        ("uv before it publishes", "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", HTML),
        ("poetry", f"{V1_JSON}, */*;q=0.1", JSON),
        ("curl, hatch", "*/*", HTML),
        ("Firefox", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        ("Chrome", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8", HTML),
        ("Java's HTTP client", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", HTML),
    ],
)
def test_each_client_gets_the_form_it_reads_best(client: str, accept: str, expected: PageFormat) -> None:
    assert negotiate(accept) is expected


@pytest.mark.parametrize("accept", [None, "", " ", ",", " , ,"])
def test_no_accept_header_means_anything_and_gets_text_html(accept: str | None) -> None:
    assert negotiate(accept) is HTML


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (f"text/html, {V1_HTML}, {V1_JSON}", JSON),
        (f"text/html, {V1_HTML}", HTML_V1),
        ("application/*", JSON),
        ("text/*", HTML),
        ("text/*, application/*", JSON),
        ("*/*, text/html", HTML),
        (f"*/*, {V1_HTML}", HTML_V1),
        ("*/*, application/*", JSON),
        (f"text/*, {V1_HTML}", HTML_V1),
        (f"{LATEST_JSON}, {V1_HTML}", JSON),
        (f"{V1_JSON}, {LATEST_HTML}", JSON),
    ],
)
def test_of_forms_liked_equally_one_asked_for_by_name_and_then_the_richest_is_given(accept: str, expected: PageFormat) -> None:
    assert negotiate(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (f"{V1_JSON};q=0.001, text/html;q=0.002", HTML),
        (f"{V1_JSON};q=0.5, {V1_HTML};q=0.51", HTML_V1),
        (f"{V1_JSON};q=1.000, text/html;q=0.999", JSON),
        (f"{V1_JSON};q=0.1, */*", HTML),
        (f"{V1_JSON} ; Q=0.1 , text/html\t;\tq=0.2", HTML),
    ],
)
def test_the_greater_weight_wins_whatever_the_order(accept: str, expected: PageFormat) -> None:
    assert negotiate(accept) is expected
    assert negotiate(",".join(reversed(accept.split(",")))) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*, text/html;q=0.1", JSON),  # text/html is 0.1; the rest, by the wildcard, 1
        (f"application/*;q=0.9, {V1_JSON};q=0.1, text/html;q=0.5", HTML_V1),
        ("text/*;q=0.1, */*;q=0.5", JSON),
        (f"{LATEST_JSON}, {V1_JSON};q=0.1, text/html;q=0.5", HTML),  # the real type says more than its alias
    ],
)
def test_a_more_exact_range_decides_over_a_wider_one(accept: str, expected: PageFormat) -> None:
    assert negotiate(accept) is expected


def test_a_range_given_twice_counts_with_its_greater_weight() -> None:
    assert negotiate(f"{V1_JSON};q=0.1, text/html;q=0.5, {V1_JSON};q=0.9") is JSON
    assert negotiate(f"text/html;level=1;q=0.7, text/html;q=0.3, {V1_JSON};q=0.5") is HTML


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*, text/html;q=0", JSON),
        (f"*/*, text/html;q=0, {V1_JSON};q=0.000", HTML_V1),
        (f"application/*, {V1_JSON};q=0", HTML_V1),
        (f"{LATEST_JSON}, {V1_JSON};q=0, text/html;q=0.1", HTML),
    ],
)
def test_a_weight_of_zero_refuses_a_form(accept: str, expected: PageFormat) -> None:
    assert negotiate(accept) is expected


@pytest.mark.parametrize("weight", ["0", "0.", "0.0", "0.000", ".0", "00"])
def test_every_spelling_of_zero_refuses(weight: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(f"text/html;q={weight}")


@pytest.mark.parametrize("accept", [LATEST_JSON, LATEST_JSON.upper(), f"{LATEST_JSON};q=0.5"])
def test_the_latest_alias_is_answered_with_the_real_json_type(accept: str) -> None:
    assert negotiate(accept).content_type == V1_JSON


def test_the_latest_alias_is_answered_with_the_real_html_type() -> None:
    assert negotiate(LATEST_HTML).content_type == f"{V1_HTML}; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        f"{V1_JSON};charset=utf-8",
        f'{V1_JSON};profile="a,b;q=0";q=0.9, text/html;q=0.5',
        f'{V1_JSON};profile="a\\",text/plain;q=0";q=0.9, text/html;q=0.5',
        f"text/html;q=0.5;level=3, {V1_JSON};level=1;q=0.7;ext=q",
    ],
)
def test_other_parameters_are_ignored_even_with_separators_in_quotes(accept: str) -> None:
    assert negotiate(accept) is JSON


def test_a_quotation_mark_behind_a_backslash_does_not_end_a_quoted_parameter() -> None:
    assert negotiate(f'{V1_JSON};x="\\",image/png;";q=0.4, text/html;q=0.5') is HTML


@pytest.mark.parametrize("weight", ["", "high", "-1", "nan", "inf", "1e-9", "\u0660", "+0", '"0"'])
def test_a_weight_that_cannot_be_read_counts_as_none_given(weight: str) -> None:
    assert negotiate(f"text/html;q={weight}") is HTML


@pytest.mark.parametrize("weight", ["2", "1.001", "9" * 5000])
def test_a_weight_above_one_is_one(weight: str) -> None:
    assert negotiate(f"text/html;q={weight}, {V1_JSON}") is JSON


def test_more_decimals_than_three_are_read() -> None:
    assert negotiate(f"{V1_JSON};q=0.00011, text/html;q=0.00012") is HTML


@pytest.mark.parametrize("accept", ["nonsense", ";q=0", "=,;", '"', "text", "*;"])
def test_a_header_without_one_media_range_is_as_good_as_none(accept: str) -> None:
    assert negotiate(accept) is HTML


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "image/*",
        "text/plain",
        "*/*;q=0",
        f"{V1_JSON};q=0",
        "application/vnd.pypi.simple.v2+json",
        "application/vnd.pypi.simple.v1+xml",
        "*/html",
        "text/html/x",
    ],
)
def test_who_takes_no_form_of_ours_is_told_which_there_are(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="None of the content types asked for can be given") as caught:
        negotiate(accept)

    assert caught.value.asked == accept
    for offered in PageFormat:
        assert offered.value in str(caught.value)


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        (V1_JSON, JSON),
        (V1_HTML, HTML_V1),
        ("text/html", HTML),
        (LATEST_JSON, JSON),
        (LATEST_HTML, HTML_V1),
        ("application/vnd.pypi.simple.v1 json", JSON),  # "+" in a query is a space
        ("application/vnd.pypi.simple.latest html", HTML_V1),
        ("Text/HTML", HTML),
    ],
)
def test_the_format_of_the_query_wins_over_the_header(format_: str, expected: PageFormat) -> None:
    for accept in (None, "text/html", f"{V1_JSON}", "image/png", "*/*;q=0"):
        assert negotiate(accept, format_) is expected


@pytest.mark.parametrize("format_", ["", "json", "html", "*/*", "application/json", f"{V1_JSON};q=1", f"{V1_JSON},text/html"])
def test_an_unknown_format_in_the_query_is_refused_whatever_the_header(format_: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate("*/*", format_)


def test_a_refusal_keeps_no_more_than_the_beginning_of_what_was_sent() -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiate("image/" + "x" * 100_000)

    assert len(caught.value.asked) == 200
    assert isinstance(caught.value, WharfError)
    assert "xxx" not in str(caught.value)


RANGES = [*(format_.value for format_ in PageFormat), LATEST_JSON, "*/*", "text/*", "application/*", "text/html;q=0.5"]
PIECES = st.sampled_from([*RANGES, *',;q=01.-"\\*/ \t\x00\u00e9', "q=0", ";q=0.123"])


@given(
    st.one_of(st.none(), st.text(), st.lists(PIECES).map("".join)),
    st.one_of(st.none(), st.text(), st.lists(PIECES, max_size=3).map("".join)),
)
def test_whatever_is_sent_the_answer_is_a_form_or_not_acceptable(accept: str | None, format_: str | None) -> None:
    with contextlib.suppress(NotAcceptable):
        assert negotiate(accept, format_) in PageFormat


WEIGHTS = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(st.permutations(list(PageFormat)), st.tuples(WEIGHTS, WEIGHTS, WEIGHTS))
def test_with_every_form_named_the_one_of_greatest_weight_is_given(formats: list[PageFormat], weights: tuple[float, float, float]) -> None:
    liked = dict(zip(formats, weights, strict=True))
    accept = ", ".join(f"{format_.value};q={weight:.3f}" for format_, weight in liked.items())

    if max(weights) == 0:
        with pytest.raises(NotAcceptable):
            negotiate(accept)
    else:
        assert liked[negotiate(accept)] == max(weights)


@pytest.mark.parametrize("piece", ['"', '"\\', ";", ",", "a/b;q=1,", "/", "*/*;", "q=", ";q=" + "9" * 50])
def test_no_header_takes_long_to_read(piece: str) -> None:
    accept = piece * (64 * 1024 // len(piece))
    began = time.process_time()

    with contextlib.suppress(NotAcceptable):
        negotiate(accept)

    assert time.process_time() - began < 1  # some 30 ms; what grows with the square takes minutes
