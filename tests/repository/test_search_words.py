from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.repository.search_words import MOST_WORDS, match_expression

TABLE = sqlite3.connect(":memory:", check_same_thread=False)
TABLE.execute("CREATE VIRTUAL TABLE words USING fts5(name, summary, prefix='1 2 3', tokenize=\"unicode61 remove_diacritics 2\")")
TABLE.execute("INSERT INTO words VALUES('acme-http', 'A client')")


@pytest.mark.parametrize(
    ("typed", "expression"),
    [
        ("", ""),
        (" \t\n", ""),
        ("!?*", ""),
        ("http", '"http"*'),
        ("acme-http", '"acme"* AND "http"*'),
        ("acme_http", '"acme"* AND "http"*'),
        ('a" OR name:b NEAR(', '"a"* AND "OR"* AND "name"* AND "b"* AND "NEAR"*'),
        ("größe", '"größe"*'),
        ("gro\u0308ße", '"größe"*'),  # as some keyboards and file systems write it
    ],
)
def test_each_word_is_one_that_may_be_begun(typed: str, expression: str) -> None:
    assert match_expression(typed) == expression


def test_only_so_many_words_are_looked_for() -> None:
    assert match_expression("x " * 100).count("AND") == MOST_WORDS - 1


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("\"'*^:(){}-+ANDORNOT \0\u0301é"))
def test_whatever_is_typed_can_be_asked_for(typed: str) -> None:
    expression = match_expression(typed)

    if expression:
        TABLE.execute("SELECT count(*) FROM words WHERE words MATCH ?", (expression,)).fetchone()
