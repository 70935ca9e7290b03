"""Following the branch: what is fetched, what is kept, what happens when either is damaged, replaced or gone."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from plugins.github.hosted import Hosted, Server
from pywharf_github import mirror as mirror_module
from pywharf_github import object_folder

from pywharf.backend.interface import Access
from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing
from pywharf.testing.backend_suite import Reader, content
from pywharf.testing.git_faults import Truncate


@pytest.fixture
def server(hosted: Hosted, tmp_path: Path) -> Server:
    server = Server(hosted, tmp_path)
    server.publish("demo-0")
    server.publish("demo-1")
    server.sync()
    return server


@pytest.fixture
def follower(hosted: Hosted, server: Server, tmp_path: Path) -> Server:
    follower = Server(hosted, tmp_path / "follower")
    follower.sync()
    return follower


def place(server: Server) -> Path:
    (folder,) = (server.folder / "workdir").glob("*/mirror.git")
    return folder.parent


def keys(server: Server) -> set[str]:
    return {key for _, key in server.reader.documents()}


# --- cost -------------------------------------------------------------------------------------------------------------


def test_nothing_new_costs_one_small_request(hosted: Hosted, follower: Server) -> None:
    hosted.server.forget_requests()

    assert follower.sync() is False

    (request,) = hosted.server.requests
    assert request.sent < 1000


def test_one_upload_elsewhere_costs_three_requests(hosted: Hosted, server: Server, follower: Server) -> None:
    server.publish("demo-2", os.urandom(100_000))
    hosted.server.forget_requests()
    follower.sync()

    assert keys(follower) == {"demo-0", "demo-1", "demo-2"}
    assert len(hosted.server.requests) <= 4
    assert sum(one.sent for one in hosted.server.requests) < 20_000


def test_bodies_are_fetched_only_when_they_are_asked_for_and_once(hosted: Hosted, server: Server, follower: Server) -> None:
    body = os.urandom(300_000)
    file = server.publish("demo-2", body)
    follower.sync()
    hosted.server.forget_requests()

    assert content(follower.backend, file) == content(follower.backend, file) == body
    assert [one.sent > 300_000 for one in hosted.server.requests] == [True]


def test_neither_descriptors_nor_packs_pile_up(hosted: Hosted, server: Server, follower: Server) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0

    follower.sync()
    before = descriptors()
    for number in range(2, 30):
        server.publish(f"demo-{number}")
        follower.sync()

    assert len(keys(follower)) == 30
    assert len(list(place(follower).glob("mirror.git/objects/pack/*.pack"))) <= 1
    assert not list(place(server).glob("mirror.git/objects/pack/*.pack"))
    assert descriptors() <= before + 6


def test_a_mirror_that_has_grown_is_fetched_anew_and_nobody_notices(
    hosted: Hosted, server: Server, follower: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_folder, "MANY_LOOSE", 20)
    monkeypatch.setattr(mirror_module, "LOOK_AGAIN", 10)
    another = Reader(hosted.open(follower.folder / "workdir"))
    another.sync()
    for number in range(2, 12):
        server.publish(f"demo-{number}")
        assert follower.sync() is False
        assert follower.sync() is False  # in step: the moment to fetch it anew
        assert another.sync().reset in (True, False)
        assert another.newest == follower.reader.newest
    assert len(list(place(follower).glob("mirror.git/objects/??/*"))) < 40
    assert sorted(one.name for one in place(follower).iterdir()) == ["mirror.git", "mirror.lock", "mirror.tip"]


# --- another history --------------------------------------------------------------------------------------------------


def test_a_rewritten_history_is_followed_with_a_reset_and_a_notice(hosted: Hosted, server: Server, follower: Server) -> None:
    before = hosted.tip()
    hosted.rewrite(lambda path: "demo-1" not in path)

    changes = follower.reader.sync()

    assert changes.reset
    assert keys(follower) == {"demo-0"}
    assert changes.notice == (
        f"the history of the branch was replaced: main was at commit {before[:12]} and is at {hosted.tip()[:12]}, which does not come after it"
    )
    assert follower.reader.sync().notice == ""
    assert follower.sync() is False
    server.publish("demo-2")
    assert keys(server) == keys(follower) == {"demo-0", "demo-2"}
    hosted.check()


def test_a_branch_that_was_set_back_is_followed_with_a_reset_and_a_notice(hosted: Hosted, server: Server, follower: Server) -> None:
    hosted.git("update-ref", "refs/heads/main", "main~1")

    changes = follower.reader.sync()

    assert changes.reset
    assert keys(follower) == {"demo-0"}
    assert "the branch was set back to an older commit: main was at" in changes.notice
    assert follower.sync() is False


def test_a_server_that_starts_after_it_notices_too(hosted: Hosted, server: Server, follower: Server) -> None:
    """Its mirror knows where the branch was."""
    follower.backend.close()
    hosted.rewrite(lambda path: "demo-1" not in path)
    restarted = Server(hosted, follower.folder)
    restarted.reader.cursor = follower.reader.cursor

    assert "history of the branch was replaced" in restarted.reader.sync().notice


def test_a_mirror_that_was_lost_is_no_notice(hosted: Hosted, server: Server, follower: Server) -> None:
    follower.backend.close()
    shutil.rmtree(place(follower))
    server.publish("demo-2")
    restarted = Server(hosted, follower.folder)
    restarted.reader.cursor = follower.reader.cursor

    changes = restarted.reader.sync()

    assert (changes.reset, changes.notice) == (True, "")


def test_a_branch_that_is_gone_is_unavailable_and_works_again_when_it_is_back(hosted: Hosted, server: Server, follower: Server) -> None:
    tip = hosted.tip()
    file = server.publish("demo-2")
    assert content(follower.backend, file)
    hosted.git("update-ref", "-d", "refs/heads/main")

    for one in (server, follower):
        with pytest.raises(BackendUnavailable, match="branch is gone"):
            one.sync()
        with pytest.raises(BackendUnavailable, match="branch is gone"):
            one.backend.open_file(file)
        with pytest.raises(BackendUnavailable, match="branch is gone"):
            one.publish("demo-3")
    hosted.git("update-ref", "refs/heads/main", tip)
    assert keys(follower) == {"demo-0", "demo-1"}


def test_a_branch_without_packages_any_more_is_unavailable(hosted: Hosted, server: Server, follower: Server) -> None:
    before = hosted.tip()
    hosted.put("README", b"Hello")
    hosted.remove(*[path for path in hosted.paths() if path.startswith("packages/")])

    for _ in range(2):
        with pytest.raises(BackendUnavailable, match="all packages were removed"):
            follower.sync()
    hosted.git("update-ref", "refs/heads/main", before)
    assert follower.sync() is False


def test_another_branch_under_the_same_name_of_repository_is_another_storage(hosted: Hosted, server: Server, tmp_path: Path) -> None:
    other = hosted.open(tmp_path / "workdir", branch="other")

    assert list(other.read_changes(None).entries) == []


def test_a_merge_by_hand_is_a_past_like_any_other(hosted: Hosted, server: Server, follower: Server) -> None:
    side = hosted.server.commit(hosted.repository, {"README": b"Hello"}, branch="side")
    merged = hosted.git("commit-tree", "main^{tree}", "-p", "main", "-p", side, "-m", "Merge").strip()
    hosted.git("update-ref", "refs/heads/main", merged)
    server.publish("demo-2")

    assert follower.sync() is False
    assert keys(follower) == {"demo-0", "demo-1", "demo-2"}


# --- damage -----------------------------------------------------------------------------------------------------------


def spoil(server: Server, what: str) -> None:
    folder = place(server) / "mirror.git"
    if what == "gone":
        shutil.rmtree(folder)
    elif what == "no repository":
        shutil.rmtree(folder)
        folder.mkdir()
    elif what == "torn objects":
        for path in [*folder.glob("objects/??/*"), *folder.glob("objects/pack/*.pack")]:
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:20])
    else:
        for path in sorted(folder.glob("objects/??/*"))[::2]:
            path.unlink()
        for path in folder.glob("objects/pack/*"):
            path.unlink()


@pytest.mark.parametrize("what", ["gone", "no repository", "torn objects", "missing objects"])
@pytest.mark.parametrize("which", ["loose", "pack"])
def test_a_damaged_mirror_is_fetched_again(hosted: Hosted, server: Server, follower: Server, tmp_path: Path, what: str, which: str) -> None:
    damaged = server if which == "loose" else follower
    damaged.backend.close()
    spoil(damaged, what)
    reopened = Server(hosted, damaged.folder)
    reopened.reader.cursor = damaged.reader.cursor
    reopened.reader.newest = damaged.reader.newest
    for _ in range(4):
        with contextlib.suppress(BackendUnavailable):  # told to come again, a few times at most
            reopened.publish("demo-2")
            break
    reopened.sync()

    assert keys(reopened) == {"demo-0", "demo-1", "demo-2"}
    assert content(reopened.backend, server.publish("demo-3")) == b"body"
    hosted.check()


def test_what_a_crash_left_in_the_mirror_is_in_nobodys_way(hosted: Hosted, server: Server, follower: Server) -> None:
    folder = place(follower) / "mirror.git"
    for leftover in ("shallow.lock", "objects/pack/tmp123.pack", "objects/pack/pack-1.idx.lock", "objects/tmp_obj_12"):
        (folder / leftover).write_bytes(b"half")
    (folder.parent / "mirror.git.new-").mkdir()
    (folder.parent / "mirror.git.old-1").mkdir()
    server.publish("demo-2")

    assert keys(follower) == {"demo-0", "demo-1", "demo-2"}
    assert not [path for path in folder.rglob("*") if path.suffix == ".lock" or "tmp" in path.name]


def test_a_fetch_that_breaks_off_changes_nothing(hosted: Hosted, server: Server, follower: Server) -> None:
    server.publish("demo-2")
    for after in (0, 50, 400):
        hosted.server.fail(Truncate(after), service="git-upload-pack", method="POST", times=2)
        with pytest.raises(BackendUnavailable):
            follower.sync()
        hosted.server.mend()

    assert keys(follower) == {"demo-0", "demo-1", "demo-2"}


# --- while the host is down -------------------------------------------------------------------------------------------


def test_files_that_are_here_are_read_while_the_host_is_down(hosted: Hosted, server: Server, follower: Server) -> None:
    cached, other = server.publish("demo-2", b"two"), server.publish("demo-3", b"three")
    follower.sync()
    assert content(follower.backend, cached) == b"two"
    hosted.server.stop()
    try:
        for one in (server, follower):
            assert content(one.backend, cached) == b"two"
            with pytest.raises(BackendUnavailable):
                one.sync()
            with pytest.raises(BackendUnavailable):
                one.backend.access()
        assert content(server.backend, other) == b"three"  # uploaded here
        with pytest.raises(BackendUnavailable):
            follower.backend.open_file(other)
        newly_opened = hosted.open(follower.folder / "workdir")
        with pytest.raises(BackendUnavailable):  # nobody knows whether it may
            newly_opened.open_file(cached)
    finally:
        hosted.server.start()
    assert follower.sync() is False
    assert content(follower.backend, other) == b"three"


def test_a_token_that_was_revoked_fetches_no_longer(hosted: Hosted, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from pywharf_github import proof

    token = hosted.server.grant(hosted.repository, Access.READ)
    backend = hosted.open(server.folder / "workdir", token=token)
    file = server.publish("demo-2")
    assert content(backend, file) == b"body"
    hosted.server.revoke(token)
    monkeypatch.setattr(proof, "GOOD_FOR", 0.0)

    with pytest.raises(AccessDenied):
        backend.open_file(file)
    copy = backend.open_copy(file)  # who may see it is asked with the caller's own token
    assert copy is not None
    assert copy.read() == b"body"
    copy.close()


def test_a_file_deleted_elsewhere_is_missing_here_after_the_next_sync(hosted: Hosted, server: Server, follower: Server) -> None:
    from pywharf.backend.interface import Change
    from pywharf.testing.backend_suite import commit

    file = server.publish("demo-2")
    assert content(follower.backend, file) == b"body"
    commit(server.backend, Change("demo", {"demo-2": b"deleted"}, drop=[file]))
    follower.sync()

    with pytest.raises(FileMissing):
        follower.backend.open_file(file)
