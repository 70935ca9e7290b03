"""The right to read files that are here: asked for rarely, and of a silent host by nobody."""

from __future__ import annotations

import time

import pytest
from pywharf_github import proof as proof_module
from pywharf_github.proof import Proof

from pywharf.errors import AccessDenied, BackendUnavailable


class Branch:
    """Looked at through a proof, as a backend does."""

    def __init__(self) -> None:
        self.proof = Proof()
        self.looks = 0
        self.trouble: Exception | None = None

    def look(self) -> None:
        with self.proof.asked():
            self.looks += 1
            if self.trouble:
                raise self.trouble

    def need(self) -> None:
        self.proof.need(self.look)


@pytest.fixture
def branch() -> Branch:
    return Branch()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed besides."""
    passed = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr(proof_module.time, "monotonic", lambda: monotonic() + passed[0])
    return passed


def test_it_is_asked_for_once_in_five_minutes(branch: Branch, later: list[float]) -> None:
    for _ in range(3):
        branch.need()
    assert branch.looks == 1

    later[0] += proof_module.GOOD_FOR + 1
    branch.need()
    assert branch.looks == 2


def test_any_look_at_the_branch_renews_it(branch: Branch, later: list[float]) -> None:
    branch.need()
    later[0] += proof_module.GOOD_FOR - 1
    branch.look()
    later[0] += 100
    branch.need()

    assert branch.looks == 2


def test_where_it_was_never_given_it_has_to_be_asked_for(branch: Branch) -> None:
    branch.trouble = BackendUnavailable("down")
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            branch.need()

    assert branch.looks == 2


def test_a_host_that_is_down_takes_nothing_back_and_is_not_asked_for_each_file(branch: Branch, later: list[float]) -> None:
    branch.need()
    branch.trouble = BackendUnavailable("down")
    later[0] += proof_module.GOOD_FOR + 1
    for _ in range(10):
        branch.need()
    assert branch.looks == 2

    later[0] += proof_module.ASK_AGAIN + 1
    branch.need()
    assert branch.looks == 3


def test_nobody_asks_a_second_time_while_somebody_is_waiting_for_the_host(branch: Branch, later: list[float]) -> None:
    branch.need()
    later[0] += proof_module.GOOD_FOR + 1
    with branch.proof.asked():
        for _ in range(10):
            branch.need()

    assert branch.looks == 1


def test_that_it_was_given_once_is_remembered_however_long_ago_and_whatever_became_of_it(branch: Branch, later: list[float]) -> None:
    branch.trouble = BackendUnavailable("down")
    with pytest.raises(BackendUnavailable):
        branch.look()
    assert not branch.proof.given
    branch.trouble = None
    branch.need()
    later[0] += 86400
    branch.trouble = AccessDenied("read")
    with pytest.raises(AccessDenied):
        branch.look()

    assert branch.proof.given
    assert not branch.proof.stands()


@pytest.mark.parametrize("how", ["denied", "gone"])
def test_what_the_host_takes_back_is_taken_back(branch: Branch, later: list[float], how: str) -> None:
    branch.need()
    if how == "denied":
        branch.trouble = AccessDenied("read")
        with pytest.raises(AccessDenied):
            branch.look()
    else:
        branch.proof.withdraw()
        branch.trouble = BackendUnavailable("gone")

    with pytest.raises((AccessDenied, BackendUnavailable)):
        branch.need()
