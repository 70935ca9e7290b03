from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from plugins.github.hosted import DOCUMENT, Hosted, Server
from pywharf_github import committer, staging, turn
from repository.making import settle

from pywharf.backend.interface import Access, Change
from pywharf.errors import AccessDenied, BackendUnavailable, ChangeRefused, Moved, StorageTakesLess
from pywharf.testing.backend_suite import Reader, commit, content
from pywharf.testing.git_faults import Before, Hangup, LoseAnswer, Respond

PUSH = "git-receive-pack"
LARGE = os.urandom(staging.LARGE + 1)


@pytest.fixture
def server(hosted: Hosted, tmp_path: Path) -> Server:
    return Server(hosted, tmp_path)


def pushes(hosted: Hosted) -> int:
    return len([one for one in hosted.server.requests if one.method == "POST" and one.service == PUSH])


# --- what a commit is -------------------------------------------------------------------------------------------------


def test_an_upload_is_one_commit_that_a_person_can_read(server: Server, hosted: Hosted) -> None:
    change = server.change("demo-1.0-py3-none-any.whl")
    side = server.stage("demo-1.0-py3-none-any.whl.metadata", b"Metadata-Version: 2.1\n")
    message = "Publish demo 1.0: demo-1.0-py3-none-any.whl"
    commit(server.backend, Change("demo", {"demo-1-py3-none-any.whl": DOCUMENT}, [*change.files, side], message=message))

    assert hosted.git("log", "--format=%s|%an|%b", "main").strip() == f"{message}|pywharf|Serial: 1"
    folder = {Path(path).parent.name for path in hosted.paths() if path.startswith("packages/")}
    assert folder == {"demo"}
    assert sorted(Path(path).name for path in hosted.paths()) == [
        "demo-1-py3-none-any.whl.pywharf.jsonl", "demo-1.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl.metadata", "serial",
    ]  # fmt: skip
    hosted.check()


def test_the_first_commit_makes_the_branch_and_leaves_others_alone(
    hosted: Hosted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(hosted, tmp_path)
    server.sync()
    assert caplog.text == ""

    hosted.server.commit(hosted.repository, {"README": b"Hello"}, branch="other")
    server = Server(hosted, tmp_path)
    server.sync()
    server.sync()
    assert caplog.text.count("has no branch main") == 1  # a misspelled one would look like an empty repository
    assert "it has other: is `branch` right?" in caplog.text
    for _ in range(2):
        assert "it has other: is `branch` right?" in server.backend.read_changes(server.reader.cursor).doubt
    server.publish("demo-1")
    assert server.backend.read_changes(None).doubt == ""

    assert hosted.subjects() == ["Publish demo-1"]
    assert hosted.git("ls-tree", "--name-only", "other").split() == ["README"]


def test_what_else_lies_on_the_branch_is_left_alone(hosted: Hosted, server: Server) -> None:
    hosted.put("README.md", b"Hello")
    hosted.put(".github/workflows/index.yml", b"on: push")
    server.publish("demo-1")

    assert {"README.md", ".github/workflows/index.yml"} < set(hosted.paths())


def test_a_message_cannot_make_lines_of_its_own(hosted: Hosted, server: Server) -> None:
    commit(server.backend, Change("demo", {"demo-1": DOCUMENT}, message="One\n\nSerial: 99\x00"))

    assert hosted.subjects() == ["One Serial: 99"]


def test_a_deleted_file_keeps_its_sidecar_and_drops_its_bodies(hosted: Hosted, server: Server) -> None:
    change, side = server.change("demo-1"), server.stage("demo-1.metadata", b"Name: demo")
    commit(server.backend, Change("demo", {"demo-1": DOCUMENT}, [*change.files, side]))
    commit(server.backend, Change("demo", {"demo-1": b"gone"}, drop=[change.files[0].ref, side.ref]))

    assert [Path(path).name for path in hosted.paths() if path.startswith("packages/")] == ["demo-1.pywharf.jsonl"]


def test_an_upload_costs_three_requests_with_the_sync_after_it(hosted: Hosted, server: Server) -> None:
    server.publish("demo-1")
    server.sync()
    hosted.server.forget_requests()
    assert server.reader.cursor
    server.backend.commit(server.change("demo-2"), server.reader.cursor)
    server.sync()

    assert ("demo", "demo-2") in server.reader.newest
    assert len(hosted.server.requests) == 3


def test_the_cost_of_an_upload_does_not_grow_with_the_files_of_its_project(hosted: Hosted, server: Server) -> None:
    def received() -> int:
        hosted.server.forget_requests()
        server.publish(f"demo-{time.monotonic_ns()}", os.urandom(16))
        return sum(one.received for one in hosted.server.requests if one.service == PUSH)

    received()
    few = received()
    name = f"demo-{'x' * 80}"
    commit(server.backend, Change("demo", {f"{name}-{number}": DOCUMENT for number in range(400)}))

    assert received() < few + 12_000  # one folder for all would be 40,000 already


# --- together ---------------------------------------------------------------------------------------------------------


def at_once(tasks: list[partial[None]]) -> list[BaseException | None]:
    start = threading.Barrier(len(tasks))

    def run(task: partial[None]) -> BaseException | None:
        start.wait(30)
        try:
            task()
        except Exception as error:
            return error
        return None

    with ThreadPoolExecutor(len(tasks)) as threads:
        return list(threads.map(run, tasks))


def outcomes_of_one_push(server: Server, changes: list[Change]) -> list[BaseException | None]:
    """Of changes that all wait, or have been refused, before the first of them is pushed: however busy the machine is."""
    cursor = server.cursor()
    with ThreadPoolExecutor(len(changes)) as threads:
        with server.turn_held():
            running = [threads.submit(server.backend.commit, change, cursor) for change in changes]
            settle(lambda: server.waiting() + sum(one.done() for one in running) == len(running))
        return [one.exception(60) for one in running]


def test_changes_that_wait_share_a_push_and_keep_a_commit_each(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.forget_requests()

    outcomes = outcomes_of_one_push(server, [server.change(f"demo-{number}") for number in range(1, 7)])

    assert outcomes == [None] * 6
    assert pushes(hosted) == 1
    assert len(hosted.subjects()) == 7
    assert sorted(server.serials().values()) == list(range(1, 8))
    hosted.check()


def test_of_changes_in_one_push_that_disturb_each_other_one_wins(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")

    outcomes = outcomes_of_one_push(server, [server.change("demo-1", b"%d" % number) for number in range(4)])

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Moved"] * 3 + ["NoneType"]
    assert len(hosted.subjects()) == 2


def test_changes_of_different_tokens_never_share_a_push(hosted: Hosted, tmp_path: Path) -> None:
    server = Server(hosted, tmp_path, {"min_push_interval": 0.3})
    server.publish("demo-0")
    cursor = server.cursor()
    hosted.server.forget_requests()
    tokens = [hosted.server.grant(hosted.repository, Access.WRITE) for _ in range(3)]
    others = [hosted.open(tmp_path / "workdir", token=token, min_push_interval=0.3) for token in tokens]

    began = time.monotonic()
    outcomes = at_once([partial(one.commit, server.change(f"demo-{number}"), cursor) for number, one in enumerate(others, 1)])

    assert outcomes == [None] * 3
    assert pushes(hosted) == 3
    assert time.monotonic() - began >= 0.5  # all of a ROOT take turns, with a pause between pushes


def test_a_change_that_the_host_refuses_does_not_take_the_others_with_it(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.refuse_large_blobs(hosted.repository, 10_000)

    bodies = [b"small", os.urandom(20_000), b"small too"]
    outcomes = outcomes_of_one_push(server, [server.change(f"demo-{n}", body) for n, body in enumerate(bodies, 1)])

    assert (outcomes[0], outcomes[2]) == (None, None)
    assert isinstance(outcomes[1], StorageTakesLess)
    assert "GH001" in outcomes[1].reason
    assert set(server.serials()) == {"demo-0", "demo-1", "demo-3"}


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_only_so_many_uploads_may_wait(hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "MOST_WAITING", 2)
    server = Server(hosted, tmp_path)
    server.publish("demo-0")

    outcomes = outcomes_of_one_push(server, [server.change(f"demo-{number}") for number in range(1, 6)])

    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [type(one) for one in refused] == [BackendUnavailable] * 3
    assert all(one.retry_after >= 1 for one in refused if isinstance(one, BackendUnavailable))
    assert set(server.serials()) == {"demo-0", *(f"demo-{n}" for n, outcome in enumerate(outcomes, 1) if outcome is None)}


def test_nobody_waits_for_ever_for_the_turn(hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "PATIENCE", 0.3)
    server = Server(hosted, tmp_path, {"min_push_interval": 30.0})
    hosted.put("README", b"")
    server.cursor()
    (lock,) = (tmp_path / "workdir").glob("*/")
    (lock / "push.lock").touch()  # somebody has just pushed

    began = time.monotonic()
    with pytest.raises(BackendUnavailable) as caught:
        server.backend.commit(server.change("demo-1"), server.cursor())
    assert caught.value.retry_after >= 25
    assert time.monotonic() - began < 20


def test_who_waits_in_vain_while_the_push_with_his_change_goes_on_is_told_how_it_ends(
    hosted: Hosted, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish("demo-0")
    cursor = server.cursor()
    patience = 3.0
    hosted.server.fail(Before(lambda: time.sleep(patience + 1)), service=PUSH, method="POST")

    with ThreadPoolExecutor(3) as threads:
        with server.turn_held():
            running = [threads.submit(server.backend.commit, server.change("demo-1"), cursor)]
            settle(server.is_led)
            monkeypatch.setattr(committer, "PATIENCE", patience)  # of those who come later
            running += [threads.submit(server.backend.commit, server.change(f"demo-{number}"), cursor) for number in (2, 3)]
            settle(lambda: server.waiting() == 3)
        outcomes = [one.exception(60) for one in running]

    assert outcomes == [None] * 3
    assert set(server.serials()) == {f"demo-{number}" for number in range(4)}


def test_a_push_that_is_overtaken_is_built_anew(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.fail(Before(lambda: hosted.put("README", b"%d" % time.monotonic_ns())), service=PUSH, times=3)

    server.publish("demo-1")

    assert set(server.serials()) == {"demo-0", "demo-1"}
    hosted.check()


def test_a_change_whose_key_was_taken_while_it_was_being_pushed_is_moved(hosted: Hosted, server: Server, tmp_path: Path) -> None:
    server.publish("demo-0")
    other = Server(hosted, tmp_path / "other")
    cursor = server.cursor()
    hosted.server.fail(Before(lambda: other.publish("demo-1", b"theirs")), service=PUSH, method="POST")

    with pytest.raises(Moved):
        server.backend.commit(server.change("demo-1", b"ours"), cursor)
    assert hosted.subjects() == ["Publish demo-0", "Publish demo-1"]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_push_whose_answer_was_lost_is_looked_up(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.fail(LoseAnswer(), service=PUSH, method="POST")

    server.publish("demo-1")

    assert hosted.subjects() == ["Publish demo-0", "Publish demo-1"]
    assert content(server.backend, server.publish("demo-2")) == b"body"


def test_a_push_that_was_lost_on_its_way_is_sent_again(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.fail(Hangup(), service=PUSH, method="POST")

    server.publish("demo-1")

    assert hosted.subjects() == ["Publish demo-0", "Publish demo-1"]


def test_a_lost_answer_that_cannot_be_looked_up_is_unavailable_and_sending_it_again_is_safe(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    cursor = server.cursor()
    hosted.server.fail(LoseAnswer(), service=PUSH, method="POST")
    hosted.server.fail(Respond(503, {"Retry-After": "7"}), service="git-upload-pack", times=None)

    with pytest.raises(BackendUnavailable) as caught:
        server.backend.commit(server.change("demo-1"), cursor)
    hosted.server.mend()
    assert caught.value.retry_after == 7
    with pytest.raises(Moved):  # whoever decides again finds the very same file, and answers that all is well
        server.backend.commit(server.change("demo-1"), cursor)
    assert hosted.subjects() == ["Publish demo-0", "Publish demo-1"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_host_that_says_later_is_believed(hosted: Hosted, server: Server, method: str) -> None:
    server.publish("demo-0")
    cursor = server.cursor()
    hosted.server.fail(Respond(429, {"Retry-After": "33"}), service=PUSH, method=method, times=None)

    with pytest.raises(BackendUnavailable) as caught:
        server.backend.commit(server.change("demo-1"), cursor)
    assert caught.value.retry_after == 33
    assert hosted.subjects() == ["Publish demo-0"]


def test_a_token_that_was_revoked_cannot_write(hosted: Hosted, server: Server, tmp_path: Path) -> None:
    server.publish("demo-0")
    token = hosted.server.grant(hosted.repository, Access.WRITE)
    backend = hosted.open(tmp_path / "workdir", token=token)
    hosted.server.revoke(token)

    with pytest.raises(AccessDenied) as denied:
        backend.commit(server.change("demo-1"), server.cursor())
    assert denied.value.needed == "write"


def test_a_refused_push_is_told_with_the_hosts_words(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.hook(hosted.repository, "pre-receive", "#!/bin/sh\necho 'only on weekdays'\nexit 1\n")

    with pytest.raises(ChangeRefused, match="only on weekdays"):
        server.publish("demo-1")


def test_a_hook_that_is_in_trouble_itself_is_no_rule(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.hook(hosted.repository, "pre-receive", "#!/bin/sh\necho 'Internal API unreachable'\nexit 1\n")

    with pytest.raises(BackendUnavailable, match="Internal API unreachable"):
        server.publish("demo-1")


@pytest.mark.parametrize("size", [10, len(LARGE)], ids=["in the push", "ahead of it"])
def test_a_push_that_is_too_large_for_what_stands_before_the_host_is_a_file_too_large(hosted: Hosted, server: Server, size: int) -> None:
    server.publish("demo-0")
    hosted.server.fail(Respond(413), service=PUSH, method="POST", times=None)

    with pytest.raises(StorageTakesLess, match="takes no request this large"):
        server.publish("demo-1", os.urandom(size))


# --- large files ------------------------------------------------------------------------------------------------------


def staged_refs(hosted: Hosted) -> list[str]:
    return [line for line in hosted.git("for-each-ref", "--format=%(refname)").split() if "staging" in line]


def test_a_large_file_is_sent_ahead_so_that_being_overtaken_costs_little(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.forget_requests()
    seen: list[list[str]] = []

    def overtake() -> None:
        seen.append(staged_refs(hosted))
        if len(seen) in (2, 3):
            hosted.put("README", b"%d" % len(seen))

    hosted.server.fail(Before(overtake), service=PUSH, method="GET", times=6)
    file = server.publish("demo-1", LARGE)

    assert len([one for one in hosted.server.requests if one.received > len(LARGE)]) == 1
    assert seen[0] == []
    assert len(seen[1]) == 1
    assert seen[1][0].startswith("refs/pywharf/staging/")
    assert staged_refs(hosted) == []
    assert content(server.backend, file) == LARGE
    hosted.check()


def test_a_host_that_takes_branches_only_is_given_a_branch(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    hosted.server.hook(hosted.repository, "update", '#!/bin/sh\ncase $1 in refs/heads/*) exit 0 ;; esac\necho "only branches"\nexit 1\n')
    server.publish("demo-1", LARGE)

    assert staged_refs(hosted) == []
    assert set(server.serials()) == {"demo-0", "demo-1"}


def test_what_was_staged_for_a_change_that_fails_is_taken_back(hosted: Hosted, server: Server, tmp_path: Path) -> None:
    server.publish("demo-0")
    cursor = server.cursor()
    other = Server(hosted, tmp_path / "other")
    seen: list[list[str]] = []

    def overtake() -> None:
        seen.append(staged_refs(hosted))
        if len(seen) == 2:
            other.publish("demo-1", b"theirs")

    hosted.server.fail(Before(overtake), service=PUSH, method="GET", times=3)
    with pytest.raises(Moved):
        server.backend.commit(server.change("demo-1", LARGE), cursor)
    assert len(seen[1]) == 1
    assert staged_refs(hosted) == []


def test_a_large_file_that_cannot_win_is_not_even_sent(hosted: Hosted, server: Server) -> None:
    server.publish("demo-0")
    cursor = server.cursor()
    server.publish("demo-1")
    hosted.server.forget_requests()

    with pytest.raises(Moved):
        server.backend.commit(server.change("demo-1", LARGE), cursor)
    assert pushes(hosted) == 0


def test_what_waits_for_more_than_a_day_is_swept(hosted: Hosted, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.publish("demo-0")
    tip = hosted.tip()
    for ref in ("refs/pywharf/staging/1000-" + "0" * 32, "refs/heads/pywharf-staging/1000-" + "1" * 32):
        hosted.git("update-ref", ref, tip)
    young = f"refs/pywharf/staging/{int(time.time()) - 86_000}-{'2' * 32}"
    foreign = "refs/heads/pywharf-staging/mine"
    hosted.git("update-ref", young, tip)
    hosted.git("update-ref", foreign, tip)

    assert server.backend.sweep(lambda sha256: False) == 2
    assert sorted(staged_refs(hosted)) == sorted([young, foreign])
    assert server.backend.sweep(lambda sha256: False) == 0


def test_another_reader_sees_all_of_it(hosted: Hosted, server: Server, tmp_path: Path) -> None:
    files = [server.publish(f"demo-{number}", os.urandom(1000)) for number in range(3)]
    elsewhere = hosted.open(tmp_path / "elsewhere", Access.READ)

    assert {key for _, key in Reader(elsewhere).documents()} == {"demo-0", "demo-1", "demo-2"}
    assert all(len(content(elsewhere, file)) == 1000 for file in files)
