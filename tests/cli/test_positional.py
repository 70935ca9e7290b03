"""Arguments by place or by flag: each is found, and a contradiction is told."""

from __future__ import annotations

import click
import pytest

from pywharf.cli.positional import Positional, merge

TYPE, NAME = Positional("type", "a type"), Positional("name", "a name")


@pytest.mark.parametrize(
    ("type_", "name", "words"),
    [
        (None, None, ["t", "n"]),
        ("t", "n", []),
        ("t", None, ["n"]),
        (None, "n", ["t"]),
        ("t", None, ["t", "n"]),
        ("t", "n", ["t", "n"]),
    ],
)
def test_each_finds_its_place(type_: str | None, name: str | None, words: list[str]) -> None:
    assert merge((TYPE, NAME), {"type": type_, "name": name}, words) == {"type": "t", "name": "n"}


@pytest.mark.parametrize(
    ("type_", "name", "words", "told"),
    [
        (None, None, [], "TYPE is missing"),
        (None, None, ["t"], "NAME is missing"),
        ("t", None, [], "NAME is missing"),
        ("t", None, ["other", "n"], "TYPE is given twice"),
        ("t", "n", ["t", "other"], "NAME is given twice"),
        ("t", "n", ["x"], "one argument too many: 'x'"),
        (None, None, ["t", "n", "x"], "one argument too many: 'x'"),
    ],
)
def test_what_is_missing_left_over_or_contradicts_is_told(type_: str | None, name: str | None, words: list[str], told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        merge((TYPE, NAME), {"type": type_, "name": name}, words)


def test_an_empty_word_is_a_word() -> None:
    assert merge((NAME,), {"name": None}, [""]) == {"name": ""}
