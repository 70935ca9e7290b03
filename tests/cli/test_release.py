"""`pywharf yank`, `unyank`, `delete`, `status`: through a running server and on its ROOT, with the same words and the same outcome."""

from __future__ import annotations

import pytest
from cli.released import READER, WRITER, Command, Shop, command, server, shop

from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.any_python

__all__ = ["command", "server", "shop"]  # fixtures


# --- what they do ----------------------------------------------------------------------------------------------------


def test_a_release_is_yanked_and_unyanked_and_that_it_was_so_already_is_told(shop: Shop, command: Command) -> None:
    wheel, sdist, later = shop.wheel.filename, shop.sdist.filename, shop.later.filename
    words = ("yank", "LOCAL", shop.project.replace("-", "_").upper(), "1.0.0", "--reason", "broken on 3.12, größer")

    assert command.done(*words) == [f"yanked   {wheel}", f"yanked   {sdist}", "yanked: 2, already so: 0"]
    assert shop.yanked() == {wheel: "broken on 3.12, größer", sdist: "broken on 3.12, größer", later: False}
    assert command.done(*words)[-1] == "yanked: 0, already so: 2"
    assert command.done("unyank", "local", shop.project, "--file", wheel) == [f"unyanked {wheel}", "unyanked: 1, already so: 0"]
    assert command.done("unyank", "local", shop.project, "1.0") == [f"unyanked {sdist}", f"already  {wheel}", "unyanked: 1, already so: 1"]
    assert set(shop.yanked().values()) == {False}


def test_one_file_is_deleted_for_good(shop: Shop, command: Command) -> None:
    words = ("delete", "local", shop.project, "1.0", "--file", shop.wheel.filename, "--reason", "holds a password", "--yes")

    deleted = command.done(*words)

    assert deleted[:2] == [f"deleted  {shop.wheel.filename}", "deleted: 1, already so: 0"]
    assert "stay taken for ever" in deleted[2]
    assert sorted(shop.yanked()) == sorted([shop.sdist.filename, shop.later.filename])
    assert shop.upload(shop.wheel) == 409
    assert command.done(*words) == [f"already  {shop.wheel.filename}", "deleted: 0, already so: 1"]
    assert "was deleted" in command.refused("yank", "local", shop.project, "--file", shop.wheel.filename)


def test_a_status_is_shown_and_set(shop: Shop, command: Command) -> None:
    assert command.done("status", "local", shop.project) == [f"{shop.project} is active"]
    assert command.done("status", "local", shop.project, "archived", "--reason", "use other") == [
        f"{shop.project} is archived: use other (it was active)"
    ]
    assert shop.upload(make_wheel(shop.project, "3.0")) == 403
    assert command.done("status", "local", shop.project, "archived", "--reason", "use other") == [
        f"{shop.project} is archived: use other (it was so already)"
    ]
    assert command.done("status", "local", shop.project) == [f"{shop.project} is archived: use other"]
    assert shop.page()["project-status"] == {"status": "archived", "reason": "use other"}
    assert command.done("status", "local", shop.project, "active") == [f"{shop.project} is active (it was archived)"]


def test_the_audit_tells_with_which_right_it_was_done(shop: Shop, command: Command) -> None:
    command.done("yank", "local", shop.project, "1.0", "--reason", "broken")
    told = shop.audited()
    assert (told["what"], told["project"], told["reason"]) == ("yank", shop.project, "broken")
    assert (told["label"], bool(told["key_id"]), told["address"]) == (
        ("ci", True, "127.0.0.1") if command.way == "url" else ("", False, "")
    )

    command.done("unyank", "local", shop.project, "1.0", secret=WRITER)
    assert (shop.audited()["what"], shop.audited()["label"]) == ("unyank", "ci")


# --- what they refuse ------------------------------------------------------------------------------------------------


def test_a_secret_that_may_only_read_shows_a_status_and_changes_nothing(shop: Shop, command: Command) -> None:
    assert command.done("status", "local", shop.project, secret=READER) == [f"{shop.project} is active"]
    for words in (("yank", "local", shop.project, "1.0"), ("status", "local", shop.project, "archived")):
        assert "The secret does not allow to write" in command.refused(*words, secret=READER)
    assert "The secret does not allow to write" in command.refused("delete", "local", shop.project, "1.0", "--yes", secret=READER)
    assert set(shop.yanked().values()) == {False}


def test_a_wrong_secret_does_nothing(shop: Shop, command: Command) -> None:
    told = command.refused("yank", "local", shop.project, "1.0", secret="guessed-0123456789")

    assert ("is not one of its secrets" if command.way == "url" else "The secret does not allow to read") in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("yank", "local", "{project}", "9.9"), "Project {project} has no release 9.9"),
        (("yank", "local", "{project}", "one"), "version: 'one' is no version"),
        (("yank", "local", "{project}", "1.0", "--reason", "two\nlines"), "reason: holds U+000A"),
        (("yank", "local", "{project}", "1.0", "--reason", "x" * 501), "reason: has 501 characters"),
        (("unyank", "local", "{project}", "--file", "other-1.0.tar.gz"), "filename: other-1.0.tar.gz is a file of project other"),
        (("delete", "local", "{project}", "--file", "x.exe", "--yes"), "filename: 'x.exe'"),
        (("delete", "local", "absent-{project}", "1.0", "--yes"), "There is no project absent-{project} in repository local"),
        (("status", "local", "absent-{project}"), "no project absent-{project} in repository local"),
        (("status", "local", "a b"), "'a b': a project's name has"),
        (("status", "lo/cal", "{project}"), "'lo/cal': a repository's name has"),
        (("status", "local", "{project}", "closed"), "status: 'closed' is none of active, archived, quarantined, deprecated"),
        (("status", "local", "{project}", "active", "--reason", "a\x07b"), "reason: holds U+0007"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(shop: Shop, command: Command, words: tuple[str, ...], told: str) -> None:
    line = command.refused(*(word.format(project=shop.project) for word in words))

    assert line.startswith("pywharf: error: ")
    assert told.format(project=shop.project) in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("delete", "local", "demo", "1.0"), "there is no terminal to ask on whether to delete for good: give --yes"),
        (("yank", "local", "demo"), "VERSION is missing, or --file FILENAME"),
        (("yank", "local"), "PROJECT is missing"),
        (("yank", "local", "demo", "2.0", "--file", "demo-1.0.tar.gz"), "demo-1.0.tar.gz is no file of release 2.0"),
        (("status", "local", "demo", "--reason", "why"), "--reason is for a new STATUS"),
    ],
)
def test_a_command_line_that_says_too_little_changes_nothing(command: Command, words: tuple[str, ...], told: str) -> None:
    assert told in command.refused(*words, code=2)
