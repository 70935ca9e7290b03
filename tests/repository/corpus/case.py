"""One archive of the corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CorpusCase:
    """An archive made by code, and what admission is to say of it."""

    name: str  # the test's id: what is special about the archive, unique in the corpus
    filename: str  # what it is uploaded as
    make: Callable[[], bytes]  # the archive; the same bytes each time
    rule: str  # the function in admission.CHECKS that refuses it, or looks at what is special about it
    accepted: bool
    rules: dict[str, Any] | None = None  # keys of the table [NAME.admission] where they differ from the defaults

    def __str__(self) -> str:
        return self.name
