"""What the form says about dependencies must be what the file says.

The index shows what the file says, whatever the form says; a difference means that somebody uploads something else
than he looked at (security audit of PyPI, 2026, TOB-PYPI26-10), so it is refused and not passed over.

Meanings are compared, not spellings: clients read and write requirements with different libraries.
Source: PEP 508 (requirements), PEP 440 (specifiers), PEP 643 (what may differ between an sdist and its wheels).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pywharf.errors import UploadRejected
from pywharf.repository.checks.candidate import Candidate

_LONGEST_COMPARED = 4_000  # characters; what is longer is compared as text

_MARKER_TOKEN = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s()]+")


def form_agrees_on_requires_python(candidate: Candidate) -> None:
    said = candidate.form.one("requires_python").strip()
    if not said or not _is_final(candidate, "requires-python"):
        return
    found = candidate.metadata.requires_python or ""
    if said != found and _specifier_meaning(said) != _specifier_meaning(found):
        label = candidate.metadata_label
        raise UploadRejected("requires_python", f"the form says {said[:100]!r}, the file's {label} says {found[:100]!r}")


def form_agrees_on_requires_dist(candidate: Candidate) -> None:
    as_said = candidate.form.fields.get("requires_dist", ())
    if set(as_said) == set(candidate.metadata.requires_dist):
        return  # as most are sent; nothing has to be taken apart
    said = _meanings(as_said)
    if not said or not _is_final(candidate, "requires-dist"):
        return
    found = _meanings(candidate.metadata.requires_dist)
    label = f"the file's {candidate.metadata_label}"
    for meaning, requirement in (said | found).items():
        if meaning not in found:
            raise UploadRejected("requires_dist", f"the form names {requirement[:100]!r}, {label} does not")
        if meaning not in said:
            raise UploadRejected("requires_dist", f"{label} names {requirement[:100]!r}, the form does not")


def _is_final(candidate: Candidate, header: str) -> bool:
    """Whether what the file says under `header`, or that it says nothing, is the last word.

    A wheel's always is. An sdist's is not where it is declared dynamic, nor where an older format is silent: then it is
    known only when the wheel is built.
    """
    metadata = candidate.metadata
    if candidate.name.kind == "bdist_wheel":
        return True
    major, minor = metadata.metadata_version.split(".")
    return header not in metadata.dynamic and ((int(major), int(minor)) >= (2, 2) or bool(metadata.fields.get(header)))


def _meanings(requirements: Iterable[str]) -> dict[Hashable, str]:
    """Requirements as they were written, by what they mean."""
    return {_requirement_meaning(one): one for one in requirements if one.strip()}


def _requirement_meaning(text: str) -> Hashable:
    try:
        if len(text) > _LONGEST_COMPARED:
            raise ValueError("too long to be taken apart")
        requirement = Requirement(_one_line(text))
        meaning = (
            canonicalize_name(requirement.name),
            frozenset(canonicalize_name(extra) for extra in requirement.extras),
            requirement.url or "",
            requirement.specifier,
            _marker_meaning(requirement.marker),
        )
        hash(meaning)  # reads the versions in the specifier
    except (ValueError, RecursionError):  # of no known form, or with numbers or parentheses beyond all measure
        return _one_line(text)
    return meaning


def _marker_meaning(marker: Marker | None) -> Hashable:
    """The comparisons in a marker and the words that join them, in no order and without parentheses.

    Not exact, and on the lenient side: tools write one condition in many ways, and nothing depends on this but a refusal.
    """
    tokens = _MARKER_TOKEN.findall(str(marker or ""))
    return frozenset(re.split(r"\0(?:and|or)\0", "\0".join(tokens))), frozenset(tokens) & {"and", "or"}


def _specifier_meaning(text: str) -> Hashable:
    try:
        if len(text) > _LONGEST_COMPARED:
            raise ValueError("too long to be taken apart")
        specifiers = SpecifierSet(_one_line(text))
        hash(specifiers)
    except ValueError:
        return "text", _one_line(text)
    return "specifiers", specifiers  # told apart by the word: a SpecifierSet reads any text that it is compared with


def _one_line(text: str) -> str:
    return " ".join(text.split())
