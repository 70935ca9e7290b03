"""What somebody typed into a search field, as an expression that SQLite's full text search takes. Pure."""

from __future__ import annotations

import re

MOST_WORDS = 12
MOST_LENGTH = 200  # characters

_WORD = re.compile(r"\w+")


def match_expression(typed: str) -> str:
    """An FTS5 expression: every word has to be there, and each may be the beginning of one. "" where there is no word.

    Nothing that is typed is an operator: each word stands in quotes.
    """
    words = _WORD.findall(typed[:MOST_LENGTH].replace("_", " "))[:MOST_WORDS]
    return " AND ".join(f'"{word}"*' for word in words)
