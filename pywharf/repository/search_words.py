"""What somebody typed into a search field, as an expression that SQLite's full text search takes. Pure."""

from __future__ import annotations

import re
import unicodedata

MOST_WORDS = 12
MOST_LENGTH = 200  # characters

_WORD = re.compile(r"\w+")


def match_expression(typed: str) -> str:
    """An FTS5 expression: every word has to be there, and each may be the beginning of one. "" where there is no word.

    Nothing that is typed is an operator: each word stands in quotes.
    """
    return " AND ".join(f'"{word}"*' for word in words_of(typed))


def words_of(typed: str, *, all_of_them: bool = False) -> list[str]:
    """The words in a text; of what somebody typed, only so many. An accent that was typed on its own is put on its letter."""
    text = unicodedata.normalize("NFC", typed if all_of_them else typed[:MOST_LENGTH]).replace("_", " ")
    return _WORD.findall(text) if all_of_them else _WORD.findall(text)[:MOST_WORDS]
