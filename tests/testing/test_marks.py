"""A file is left out where none of its tests is asked for, and never where one might be."""

from __future__ import annotations

from pathlib import Path

import marks
import pytest

OTHERS = "not any_python and not clients and not live and not browser and not slow"
WHOLE = "(clients or live or browser) and not slow"

PLAIN = "def test_it() -> None: ...\n"
ANY_PYTHON = f"pytestmark = pytest.mark.any_python\n{PLAIN}"
LIVE = f"pytestmark = [pytest.mark.live, pytest.mark.skipif(True, reason='')]\n{PLAIN}"
SOME_ARE_LIVE = f"{PLAIN}@pytest.mark.live\ndef test_that() -> None: ...\n"
ALL_BUT_SOME_ARE_SLOW = f"pytestmark = pytest.mark.any_python\n{PLAIN}@pytest.mark.slow\ndef test_that() -> None: ...\n"


@pytest.mark.parametrize(
    ("text", "on_others", "in_whole", "in_all"),
    [
        (PLAIN, True, False, True),
        (ANY_PYTHON, False, False, True),
        (LIVE, False, True, True),
        (SOME_ARE_LIVE, True, True, True),
        (ALL_BUT_SOME_ARE_SLOW, False, False, True),
        ("pytestmark = [\n    pytest.mark.live,\n]\n" + PLAIN, True, True, True),  # over several lines it is in doubt
    ],
)
def test_a_file_is_left_out_where_no_test_in_it_is_asked_for(
    tmp_path: Path, text: str, on_others: bool, in_whole: bool, in_all: bool
) -> None:
    file = tmp_path / "test_file.py"
    file.write_text(text)

    assert marks.may_be_chosen(file, OTHERS) is on_others
    assert marks.may_be_chosen(file, WHOLE) is in_whole
    assert marks.may_be_chosen(file, "") is in_all
    assert marks.may_be_chosen(file, "unheard_of") is True


def test_a_folder_marks_its_tests() -> None:
    tests = Path(marks.__file__).parent

    for folder, mark in marks.FOLDERS.items():
        file = next((tests / folder).glob("test_*.py"))
        assert marks.of_folder(file) == {mark}
        assert not marks.may_be_chosen(file, OTHERS)
    assert marks.may_be_chosen(next((tests / "clients").glob("test_*.py")), WHOLE)
    assert marks.of_folder(tests / "test_docs.py") == set()
