from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.model.reasons import MAX_REASON, fault_of_reason


@pytest.mark.parametrize("reason", ["", "broken on 3.12", "größer, 名前, \U0001f40d, e\u0301", "a " * 250, "<script>", "\u200d"])
def test_one_line_of_text_is_a_reason(reason: str) -> None:
    assert fault_of_reason(reason) == ""


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("two\nlines", "U+000A"),
        ("two\rlines", "U+000D"),
        ("a\x1b[31m", "U+001B"),
        ("\x00", "U+0000"),
        ("\x85", "U+0085"),
        ("a\u2028b", "U+2028"),
        ("exe.\u202egpj", "U+202E"),
        ("half \ud83d", "U+D83D"),
        ("\uffff", "U+FFFF"),
    ],
)
def test_what_forges_a_line_or_moves_a_cursor_is_refused_and_named(reason: str, named: str) -> None:
    assert named in fault_of_reason(reason)


def test_the_longest_reason_has_500_characters() -> None:
    assert fault_of_reason("x" * MAX_REASON) == ""
    assert "has 501 characters" in fault_of_reason("x" * (MAX_REASON + 1))


@given(st.text(st.characters(), max_size=40))
def test_a_reason_that_is_taken_is_one_line_of_utf8(reason: str) -> None:
    if not fault_of_reason(reason):
        assert len(reason.splitlines()) <= 1
        assert reason.encode().decode() == reason
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in reason)
