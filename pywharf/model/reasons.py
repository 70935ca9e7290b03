"""Reasons that people give: for a yank, a deletion, a project's status. They stand in pages, commit messages and terminals.

Source: PEP 592 (a yank's reason is free text), PEP 792 (as is a status's).
"""

from __future__ import annotations

import re

MAX_REASON = 500  # characters

# Control characters, line separators, what turns the writing direction round, halves of surrogate pairs, and what is no character.
_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def fault_of_reason(reason: str) -> str:
    """What is wrong with a reason, as one clause; "" where it is one line of text that can be shown anywhere."""
    if len(reason) > MAX_REASON:
        return f"has {len(reason)} characters; a reason has at most {MAX_REASON}"
    if found := _NOT_IN_A_LINE.search(reason):
        return f"holds U+{ord(found[0]):04X}; a reason is one line, without control characters"
    return ""
