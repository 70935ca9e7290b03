"""A process of ours gets what Python needs to find the same modules, and no secret."""

from __future__ import annotations

import os
import sys

import pytest

from pywharf.own_process import environment


def test_it_gets_what_it_needs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYWHARF_SECRET", "hidden")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    monkeypatch.delenv("PYTHONHOME", raising=False)

    assert "hidden" not in environment().values()
    assert "TMPDIR" not in environment()
    assert environment(("TMPDIR", "SQLITE_TMPDIR"))["TMPDIR"] == "/elsewhere"


def test_modules_are_found_in_the_order_in_which_this_process_finds_them() -> None:
    here = [os.path.abspath(folder) for folder in sys.path if folder]

    assert [folder for folder in environment()["PYTHONPATH"].split(os.pathsep) if folder in here] == here
