"""The kit catches every backend of broken_backends.py, each by the tests that are about its mistake."""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_python

BROKEN = Path(__file__).with_name("broken_backends.py")

CAUGHT_BY = {
    "LastWriterWins": "test_a_change_is_moved_where_its_key_changed_since test_one_of_many_wins_a_name",
    "ForgetsTheProjectsDocument": "test_a_change_is_moved_where_the_projects_own_document_changed",
    "ComparesWholeProjects": "test_other_keys_of_the_project_do_not_disturb",
    "ComparesKeysWithoutTheirProject": "test_other_projects_do_not_disturb",
    "ComparesTheFirstKeyOnly": "test_a_change_is_moved_where_one_of_its_keys_changed_and_none_is_written",
    "LooksThenLeaps": "test_one_of_many_wins_a_name",
    "TakesAnyCursor": "test_a_cursor_that_is_not_in_the_past_is_moved",
    "WritesBeforeItCompares": "test_a_moved_change_leaves_no_trace_and_goes_through_when_decided_again",
    "KnowsEveryCursor": "test_a_cursor_from_another_storage_resets test_a_cursor_that_never_was_resets",
    "TellsEverythingAlways": "test_a_reader_is_given_only_what_it_has_not_seen",
    "NewCursorEachTime": "test_nothing_new_gives_the_same_cursor_back",
    "SkipsAnEntry": "test_several_files_and_documents_go_in_one_change",
    "ShowsAChangeInPieces": "test_a_change_is_seen_whole_or_not_at_all",
    "RemembersWhatItRead": "test_another_instance_sees_the_commit",
    "TidiesDocuments": "test_a_document_comes_back_byte_for_byte",
    "CutsLongDocuments": "test_a_document_comes_back_byte_for_byte",
    "HidesWhatWasRemoved": "test_a_document_removed_behind_our_back_is_told_as_none",
    "ForgetsAtTheCheckpoint": "test_a_checkpoint_changes_nothing_for_any_reader",
    "CountsForItself": "test_serials_are_the_same_for_every_reader",
    "CountsBackwards": "test_serials_grow_with_each_commit",
    "EatsTheStagedFile": "test_the_staged_file_is_left_as_it_was",
    "StoresTheFirstFileOnly": "test_several_files_and_documents_go_in_one_change",
    "WritesDocumentsFirst": "test_no_document_is_written_whose_body_cannot_be_placed",
    "HandsOutPipes": "test_a_body_is_seekable_and_of_known_size",
    "PointsElsewhere": "test_a_body_that_says_where_it_lies_is_that_file",
    "ShowsCopiesToStrangers": "test_a_copy_on_this_machine_is_the_body_and_for_nobody_who_may_not_read",
    "OpensNothingAsEmpty": "test_a_file_that_nobody_stored_is_missing",
    "NeverDrops": "test_a_dropped_body_is_gone",
    "DropsFirst": "test_a_body_is_dropped_only_once_the_commit_is_made "
    "test_of_a_change_of_several_keys_nothing_is_dropped_where_one_of_them_moved",
    "DropsByContent": "test_dropping_a_body_leaves_the_same_bytes_under_another_name",
    "DropsTheFirstBodyOnly": "test_a_release_is_deleted_in_one_change_with_all_its_bodies",
    "KeepsBodiesByTheirDocument": "test_a_new_document_leaves_the_bodies_that_came_with_the_one_before",
    "TakesMessagesForAscii": "test_a_message_is_for_people_and_changes_nothing",
    "WalksPastWhatHandsPutThere": "test_a_file_put_there_by_hand_is_met_and_can_be_opened_but_is_not_in_the_log",
    "SweepsTheYoung": "test_sweeping_keeps_what_is_younger_than_a_day",
    "SweepsTheKnown": "test_sweeping_keeps_what_is_known",
    "NeverSweeps": "test_sweeping_removes_what_is_old_and_unknown",
    "LetsReadersWrite": "test_committing_needs_the_right_to_write",
    "LetsStrangersRead": "test_reading_needs_the_right_to_read",
    "LetsReadersSweep": "test_sweeping_and_writing_a_checkpoint_need_the_right_to_write",
    "PromisesTooMuch": "test_access_says_what_the_secret_may_do",
    "GuessesWhenItCannotAsk": "test_access_is_never_guessed",
    "TakesLostForEmpty": "test_a_storage_that_is_gone_is_unavailable_and_not_empty",
    "ClosesForAll": "test_closing_one_instance_twice_leaves_the_others_at_work",
}


SOUND = "test_an_empty_log_is_a_reset_without_entries test_the_bytes_come_back"  # what none of them has broken


class Outcomes:
    """A pytest plugin that runs, on each broken backend, the tests that are of interest here, and keeps what came of them."""

    def __init__(self) -> None:
        self.failed: defaultdict[str, set[str]] = defaultdict(set)
        self.passed: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items for broken, test in [self._names(item.nodeid)] if test in f"{CAUGHT_BY[broken]} {SOUND}".split()]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        broken, test = self._names(report.nodeid)
        if report.failed:
            self.failed[broken].add(test)
        elif report.when == "call" and report.passed:
            self.passed[broken].add(test)

    @staticmethod
    def _names(nodeid: str) -> tuple[str, str]:
        _, suite, test = nodeid.split("::")
        return suite.removeprefix("Test"), test.partition("[")[0]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    outcomes = Outcomes()
    plain = ["-c", os.devnull, f"--rootdir={BROKEN.parent}", "--import-mode=importlib", "-p", "no:cacheprovider", "--tb=no", "-qq", "-rN"]
    pytest.main([*plain, f"--basetemp={tmp_path_factory.mktemp('broken')}", str(BROKEN)], plugins=[outcomes])
    return outcomes


@pytest.mark.parametrize("broken", CAUGHT_BY)
def test_the_kit_catches(outcomes: Outcomes, broken: str) -> None:
    assert outcomes.failed[broken] == set(CAUGHT_BY[broken].split())
    assert outcomes.passed[broken] >= set(SOUND.split())  # it is the mistake that is caught, not a backend that does nothing


def test_every_broken_backend_is_one_that_the_kit_has_to_catch() -> None:
    classes = [node for node in ast.parse(BROKEN.read_text()).body if isinstance(node, ast.ClassDef)]
    broken = {node.name for node in classes for base in node.bases if isinstance(base, ast.Name) and base.id == "MemoryBackend"}

    assert broken == set(CAUGHT_BY)
