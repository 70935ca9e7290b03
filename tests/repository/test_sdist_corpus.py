"""Source distributions of the corpus: each that is to be refused is refused by the rule it is named after, and the others are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from pywharf.backend.settings import AdmissionRules
from pywharf.errors import UploadRejected
from pywharf.repository import admission
from pywharf.repository.admission import admit_file

from .corpus.case import CorpusCase
from .corpus.sdists import ACCEPTED, OLD_FASHIONED, REFUSED, SDISTS
from .making import MOMENT


def rule_that_refuses(path: Path, case: CorpusCase, monkeypatch: pytest.MonkeyPatch) -> str:
    """The check that admission stops at; "" where it takes the file."""
    reached: list[str] = []

    def noted(check):  # type: ignore[no-untyped-def]
        def noting(candidate):  # type: ignore[no-untyped-def]
            reached.append(check.__name__)
            check(candidate)

        return noting

    monkeypatch.setattr(admission, "CHECKS", tuple(map(noted, admission.CHECKS)))
    path.write_bytes(case.make())
    try:
        admit_file(path, case.filename, MOMENT, AdmissionRules(**case.rules or {}))
    except UploadRejected as error:
        return reached[-1] if error.reason.isprintable() else f"{error!r} cannot be shown to a person"
    return ""


def test_the_corpus_has_enough_of_both_and_every_rule_about_sdists() -> None:
    assert len({case.name for case in SDISTS}) == len(SDISTS)
    assert len(REFUSED) >= 25
    assert len(ACCEPTED) >= 10
    about_sdists = {check.__name__ for check in admission.CHECKS if check.__name__.startswith(("tar_", "sdist_"))}
    assert {case.rule for case in REFUSED} == about_sdists


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_it_is_refused_by_its_rule(case: CorpusCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rule_that_refuses(tmp_path / "upload", case, monkeypatch) == case.rule


@pytest.mark.parametrize("case", [*ACCEPTED, *OLD_FASHIONED], ids=str)
def test_it_is_taken(case: CorpusCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rule_that_refuses(tmp_path / "upload", case, monkeypatch) == ""
