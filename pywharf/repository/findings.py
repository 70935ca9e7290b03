"""What a verification finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["log", "record", "file", "index", "names", "copy", "leftover"]


@dataclass(frozen=True)
class Finding:
    """One difference between what is stored and what should be."""

    kind: Kind  # what is different; docs/how-to/check-and-repair.md has the list
    where: str  # which one: a file's name, a row, a line
    what: str  # what is wrong, one clause
    remedy: str  # what to do about it, one clause
    mended: bool = False  # it was put right in this run
