"""Wheels of the corpus: each that is to be refused is refused by the rule it is named after, and the others are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from pywharf.backend.settings import AdmissionRules
from pywharf.errors import UploadRejected
from pywharf.repository.admission import CHECKS, admit_file

from .corpus.case import CorpusCase
from .corpus.wheels import ACCEPTED, REFUSED, TAKEN_UNDER_OTHER_RULES, WHEELS
from .making import MOMENT


def rule_that_refuses(path: Path, case: CorpusCase) -> str:
    """The check that admission stops at; "" where it takes the file."""
    path.write_bytes(case.make())
    try:
        admit_file(path, case.filename, MOMENT, AdmissionRules(**case.rules or {}))
    except UploadRejected as error:
        can_be_shown = error.reason.isprintable() and len(error.reason) < 600
        return error.rule if can_be_shown else f"{error.rule} in words that nobody can read"
    return ""


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_it_is_refused_by_its_rule(case: CorpusCase, tmp_path: Path) -> None:
    assert rule_that_refuses(tmp_path / "upload", case) == case.rule


@pytest.mark.parametrize("case", [*ACCEPTED, *TAKEN_UNDER_OTHER_RULES], ids=str)
def test_it_is_taken(case: CorpusCase, tmp_path: Path) -> None:
    assert rule_that_refuses(tmp_path / "upload", case) == ""


@pytest.mark.parametrize("case", TAKEN_UNDER_OTHER_RULES, ids=str)
def test_what_the_rules_let_pass_is_warned_of_or_not_as_they_say(case: CorpusCase, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(case.make())

    admitted = admit_file(tmp_path / "upload", case.filename, MOMENT, AdmissionRules(**case.rules or {}))

    assert len(admitted.warnings) == ("warn" in (case.rules or {}).values())
    with pytest.raises(UploadRejected):
        admit_file(tmp_path / "upload", case.filename, MOMENT)


def test_the_corpus_has_enough_of_both_and_every_rule_about_wheels() -> None:
    assert len({case.name for case in WHEELS}) == len(WHEELS)
    assert len(REFUSED) >= 40
    assert len(ACCEPTED) >= 12
    about_wheels = {check.__name__ for check in CHECKS if check.__name__.startswith(("zip", "wheel_", "record_", "entry_points_"))}
    assert about_wheels <= {case.rule for case in REFUSED} <= {check.__name__ for check in CHECKS}
