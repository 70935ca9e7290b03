"""TOML in and out: whatever is read, only ConfigInvalid is raised; whatever is written, is read back as it was."""

from __future__ import annotations

from typing import Any

import pytest
import toml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pywharf.config_text import MAX_TEXT_BYTES, read_tables, toml_table
from pywharf.errors import ConfigInvalid

TRICKY = st.sampled_from(list("\"'\\#[]{}=,.\n\r\t -_0123456789:+abtrufneTzUx\x00\u0130\ufeff"))
TOML_LIKE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "[a]\n",
                "[[a]]\n",
                "[a.b]\n",
                'k = "v"\n',
                "k = {",
                "}",
                "[",
                "]",
                '"""',
                "'''",
                '"" = """x',
                "1979-05-27T07:32:00",
                "\\u00",
                "= ",
                "07:32:00",
                "1e5",
                "0x",
                "inf",
                "1979-05-27T00:32:00.99999999999999999999999-07:00",
                '"a" . b',
                "\r",
            ]
        ),
        st.text(TRICKY, max_size=6),
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(st.one_of(st.text(), TOML_LIKE))
@example('[a]\nk = """' + "[" * 5000)
@example("[a]\nk = " + "[" * 2000 + "]" * 2000)
@example("[a]\nk = " + "9" * 5000)
@example("\r")
@example('"" = """a')
@example("[a]\nd = 1979-05-27T07:32:00." + "9" * 400)
def test_no_text_raises_anything_but_config_invalid(text: str) -> None:
    try:
        tables = read_tables(text, "config.toml")
    except ConfigInvalid as error:
        # Its context would carry the text, and the secrets in it, into tracebacks.
        tables, context = {}, (error.__cause__, error.__context__)
    else:
        context = (None, None)

    assert all(isinstance(table, dict) for table in tables.values())
    assert context == (None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[local]\nraw = hunter22\n", "config.toml, [local]: line 2 is not valid TOML: every text value stands in double quotes"),
        ("[local]\n\nraw = 12hunter22\n", "[local]: line 3"),
        ('[local]\nraw = "hunter22\n', "a quote is missing"),
        ("[local]\nraw = 'hunter22", "a quote is missing"),
        ('[local]\nraw = "hunter22\\d"\n', "a backslash in double quotes begins an escape"),
        ('[local]\nraw = ["hunter22", {env = "HUNTER"}]\n', "all items of a list have one form"),
        ('[local]\nraw = "hunter22"\nraw = "hunter22"\n', "this key is there twice"),
        ('[local]\nraw = "hunter22"\n[local]\n', "[local]: line 3 is not valid TOML: this table is there twice"),
        ("[local]\nhunter22\n", "a key needs a value"),
        ("[local]\nraw =\n", "a key needs a value"),
        ('["my.repo"] # ours\nraw = hunter22\n', "[my.repo]: line 2"),
        ("raw = 3\n", "config.toml, raw: stands outside of a table"),
        ('[[local]]\nraw = "hunter22"\n', "config.toml, local: stands outside of a table"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_without_its_value(text: str, told: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_tables(text, "config.toml")

    assert told in str(caught.value)
    assert "hunter" not in str(caught.value).lower()


def test_a_text_of_any_size_is_answered_soon() -> None:
    with pytest.raises(ConfigInvalid, match="larger than 256 KiB"):
        read_tables("#" * (MAX_TEXT_BYTES + 1), "config")


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    assert read_tables('\ufeff[local]\r\ntype = "x"\r\n', "config") == {"local": {"type": "x"}}


TEXT = st.text(st.one_of(TRICKY, st.characters(exclude_categories=["Cs"])), max_size=20)
INLINE = st.dictionaries(st.sampled_from(["raw", "env", "label"]), TEXT, max_size=3)
NUMBER = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False))
VALUE = st.one_of(TEXT, NUMBER, st.lists(TEXT, max_size=4), st.lists(st.integers(), max_size=4), INLINE, st.lists(INLINE, max_size=3))


def as_read(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_read(one) for key, one in value.items()}
    return [as_read(one) for one in value] if isinstance(value, (list, tuple)) else value


@given(
    st.sampled_from(["local", "A-b_c", "my.repo"]),
    st.dictionaries(st.sampled_from(["type", "read_secret", "a-b", "x.y"]), VALUE, max_size=4),
)
def test_what_is_written_is_read_back_or_refused(name: str, values: dict[str, Any]) -> None:
    try:
        text = toml_table(name, values)
    except ValueError:
        return

    assert toml.loads(text) == {name: as_read(values)}


# What pywharf generates: random secrets, names, numbers. None of it may be refused.
ORDINARY = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).filter(lambda text: not set(text) & set("'\"\\"))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["type", "read_secret", "path"]), st.one_of(ORDINARY, st.lists(ORDINARY, max_size=3), NUMBER)))
def test_texts_without_quotes_and_numbers_are_always_written(values: dict[str, Any]) -> None:
    assert toml.loads(toml_table("local", values)) == {"local": as_read(values)}


@pytest.mark.parametrize("value", ["\ud800", float("nan"), [float("nan")]])
def test_what_toml_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="read back"):
        toml_table("local", {"key": value})


def test_tables_stand_behind_each_other() -> None:
    assert toml.loads(toml_table("a", {"x": 1}) + toml_table("b", {"y": ("1", "2")})) == {"a": {"x": 1}, "b": {"y": ["1", "2"]}}
