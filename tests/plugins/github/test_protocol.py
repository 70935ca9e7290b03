"""One branch on a git host, over the real `git http-backend`: read, fetched, pushed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo
from plugins.github.remotes import Place, make_commit, place, random_bytes, shared_host
from pywharf_github import blobs
from pywharf_github.pack_objects import blob_from_file, blob_id, from_object
from pywharf_github.refusals import HostUnavailable, ObjectsMissing, PushMoved, PushRefused, TooMuchSent

from pywharf.backend.interface import Access
from pywharf.errors import AccessDenied
from pywharf.testing.git_faults import Before

__all__ = ["place", "shared_host"]

READ, WRITE = "git-upload-pack", "git-receive-pack"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Repo]:
    repo = Repo.init_bare(str(tmp_path / "mirror"), mkdir=True)
    yield repo
    repo.close()


@pytest.fixture(params=[True, False], ids=["protocol 2", "protocol 0"])
def either(request: pytest.FixtureRequest, place: Place) -> Place:
    place.server.protocol_v2(place.repository, request.param)
    return place


# --- access and refs -----------------------------------------------------------------------------------------------


def test_access_is_what_the_host_lets_a_token_do(either: Place) -> None:
    tokens = {access: either.token(access) for access in Access}

    assert {either.remote(token).access() for token in ("guess", "a:b", "ü\udcff")} == {Access.NONE}
    assert [either.remote(tokens[access]).access() for access in Access] == list(Access)
    either.server.without_right(403)
    assert either.remote(tokens[Access.NONE]).access() is Access.NONE


def test_a_public_repository_is_read_without_a_token(place: Place) -> None:
    place.server.create("acme/open", public=True)

    assert Place(place.server, "acme/open").remote("").access() is Access.READ
    assert place.remote("").access() is Access.NONE


def test_a_user_and_a_password_are_a_secret_too(place: Place) -> None:
    place.token(Access.READ, token="pass:word")

    assert place.remote("anna:pass:word").access() is Access.READ


def test_a_writer_costs_one_request_and_a_tip_too(place: Place) -> None:
    writer = place.remote()
    place.commit()
    writer.tip()
    place.server.forget_requests()

    writer.access()
    writer.tip()
    assert [(request.method, request.service) for request in place.server.requests] == [("GET", WRITE), ("POST", READ)]


def test_connections_are_kept_for_all_who_ask_the_same_host(place: Place) -> None:
    for token in (place.token(), place.token()):
        for _ in range(5):
            place.remote(token).access()
            place.remote(token).tip()

    assert len({request.connection for request in place.server.requests}) <= 2
    assert all(request.user_agent.startswith("git/pywharf-") for request in place.server.requests)


def test_the_tip_is_the_branch_and_no_other(either: Place) -> None:
    remote = either.remote()
    assert remote.tip() is None

    other = either.server.commit(either.repository, branch="main-2").encode()
    assert remote.tip() is None
    tip = either.commit()
    assert remote.tip() == tip
    assert remote.refs(b"refs/heads/") == {b"refs/heads/main": tip, b"refs/heads/main-2": other}
    assert remote.refs(b"refs/pywharf/") == {}


# --- fetching ------------------------------------------------------------------------------------------------------


def test_a_mirror_gets_the_newest_commit_and_its_trees_without_contents(either: Place, mirror: Repo) -> None:
    either.commit({"a": b"old"})
    tip = either.commit({"folder/b": b"new"})
    either.remote().fetch_mirror(mirror, tip)

    commit = mirror[tip]
    assert isinstance(commit, Commit)
    tree = mirror[commit.tree]
    assert isinstance(tree, Tree)
    assert {entry.path: (entry.sha in mirror.object_store) for entry in tree.items()} == {b"a": False, b"folder": True}
    assert set(mirror.get_shallow()) == {tip}
    assert set(commit.parents).isdisjoint(mirror.object_store)


def test_a_mirror_gets_what_is_new_since_its_tip_with_every_commit_in_between(either: Place, mirror: Repo) -> None:
    remote = either.remote()
    old = either.commit({f"f{number}": b"content" for number in range(300)})
    remote.fetch_mirror(mirror, old)
    between, tip = either.commit({"b": b"1"}), either.commit({"c": b"2"})
    either.server.forget_requests()
    remote.fetch_mirror(mirror, tip, have=old)

    assert {old, between, tip} <= set(mirror.object_store)
    assert set(mirror.get_shallow()) == {old}
    assert [request.method for request in either.server.requests][-1:] == ["POST"]
    remote.fetch_mirror(mirror, tip, have=tip)
    assert len(list((Path(mirror.path) / "objects" / "pack").glob("*.pack"))) == 2


def test_a_mirror_of_another_past_gets_the_new_one(either: Place, mirror: Repo) -> None:
    remote = either.remote()
    old = either.commit({"a": b"1"})
    remote.fetch_mirror(mirror, old)
    either.git("update-ref", "-d", "refs/heads/main")
    first, tip = either.commit({"b": b"1"}), either.commit({"b": b"2"})
    remote.fetch_mirror(mirror, tip, have=old)

    assert {first, tip} <= set(mirror.object_store)


def test_a_host_that_cannot_leave_contents_out_serves_a_small_repository_and_not_a_large_one(
    either: Place, mirror: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    either.server.allow_filter(either.repository, False)
    remote = either.remote()
    tip = either.commit({"a": random_bytes(50_000)})
    remote.fetch_mirror(mirror, tip)
    assert Blob.from_string(b"").id not in mirror.object_store

    monkeypatch.setattr("pywharf_github.mirror_pack.MOST_WITH_BODIES", 40_000)
    new = either.commit({"b": random_bytes(50_000)})
    with pytest.raises(TooMuchSent, match="partial clone"):
        remote.fetch_mirror(mirror, new, have=tip)
    assert new not in mirror.object_store
    assert len(list((Path(mirror.path) / "objects" / "pack").iterdir())) == 2, "nothing half is left"


@pytest.mark.parametrize("size", [0, 1, 65535, 300_000])
def test_a_file_is_streamed_and_verified(either: Place, size: int) -> None:
    content = random_bytes(size)
    either.commit({"a": content})
    sha = either.git("rev-parse", "main:a").strip().encode()
    pieces: list[bytes] = []

    assert either.remote().fetch_blob_to(sha, pieces.append, size=size) == size
    assert b"".join(pieces) == content
    assert max(map(len, pieces), default=0) <= 65536


def test_a_file_of_another_size_is_refused_before_its_first_byte(place: Place) -> None:
    place.commit({"a": b"x" * 1000})
    sha = place.git("rev-parse", "main:a").strip().encode()
    pieces: list[bytes] = []
    remote = place.remote(max_file_bytes=900)

    with pytest.raises(TooMuchSent):
        remote.fetch_blob_to(sha, pieces.append)
    with pytest.raises(TooMuchSent):
        remote.fetch_blob_to(sha, pieces.append, size=999, max_bytes=2000)
    with pytest.raises(HostUnavailable):
        remote.fetch_blob_to(sha, pieces.append, size=1001, max_bytes=2000)
    assert pieces == []
    assert remote.fetch_blob_to(sha, pieces.append, max_bytes=1000) == 1000


def test_what_is_no_file_is_not_handed_over(place: Place) -> None:
    tip = place.commit({"a": b"1"})
    with pytest.raises(HostUnavailable):
        place.remote().fetch_blob_to(tip, lambda piece: pytest.fail("handed over"))


@pytest.mark.parametrize("kind", ["file", "files", "mirror"])
def test_what_the_host_does_not_hold_is_missing(either: Place, mirror: Repo, kind: str) -> None:
    either.commit()
    remote, unknown = either.remote(), b"1" * 40
    asking = {
        "file": lambda: remote.fetch_blob_to(unknown, lambda piece: None),
        "files": lambda: remote.fetch_blobs([unknown], lambda sha, content: None),
        "mirror": lambda: remote.fetch_mirror(mirror, unknown),
    }
    with pytest.raises(ObjectsMissing):
        asking[kind]()
    assert either.remote().tip(), "and the host is asked as before"


def test_many_small_files_come_together_large_ones_as_none_and_deltas_are_resolved(either: Place) -> None:
    alike = b"".join(b"line %d\n" % number for number in range(300))
    contents = {f"alike-{number}": alike + b"%d" % number for number in range(40)}
    contents |= {f"small-{number}": b"%d" % number for number in range(600)}
    contents |= {"large": random_bytes(30_000), "huge": b"\0" * 3_000_000, "huger": random_bytes(3_000_000)}
    either.commit(contents)
    either.git("repack", "-adfq", "--window=50", "--depth=50")
    wanted = {Blob.from_string(content).id: content for content in contents.values()}
    found: dict[bytes, bytes | None] = {}

    either.remote().fetch_blobs([*wanted, *wanted], found.__setitem__, max_bytes=20_000)

    assert found == {sha: content if len(content) <= 20_000 else None for sha, content in wanted.items()}
    assert len([request for request in either.server.requests if request.method == "POST"]) < 40


def test_small_files_that_are_large_together_come_in_parts(either: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MOST_TOGETHER", 100_000)
    common = random_bytes(4000)
    contents = {f"alike-{number}": common + b"%d" % number for number in range(40)}
    contents |= {f"other-{number}": random_bytes(10_000) for number in range(20)}
    contents |= {f"flat-{number}": bytes([number]) * 20_000 for number in range(20)}  # little on its way, much in memory
    either.commit(contents)
    either.git("repack", "-adfq", "--window=50", "--depth=50")
    wanted = {Blob.from_string(content).id: content for content in contents.values()}
    found: dict[bytes, bytes | None] = {}

    either.remote().fetch_blobs(wanted, found.__setitem__)

    assert found == wanted
    asked = [request for request in either.server.requests if request.method == "POST" and request.service == "git-upload-pack"]
    assert len(asked) > 6, "760 kB, and 100 kB at most are held"


# --- pushing -------------------------------------------------------------------------------------------------------


def test_a_push_makes_the_branch_and_moves_it(either: Place, tmp_path: Path) -> None:
    remote = either.remote()
    first = make_commit({"a": b"1"})
    remote.push(None, first.id, first.packed)
    path = tmp_path / "large"
    path.write_bytes(random_bytes(3_000_000))
    sha, size = blob_id(path)
    second = make_commit({"large": path.read_bytes()}, parent=first.id)
    light = [from_object(one) for one in second.objects if one.id != sha]
    remote.push(first.id, second.id, [*light, blob_from_file(path, sha, size)])

    assert either.git("rev-list", "main").split() == [second.id.decode(), first.id.decode()]
    assert either.git("fsck", "--strict", "--full") == ""
    got = bytearray()
    remote.fetch_blob_to(sha, got.extend, size=size)
    assert got == path.read_bytes()


def test_only_what_the_host_lacks_is_sent(place: Place) -> None:
    remote = place.remote()
    first = make_commit({"a": random_bytes(100_000)})
    remote.push(None, first.id, first.packed)
    again = make_commit({"a": first.objects[0].as_raw_string()}, parent=first.id)
    place.server.forget_requests()
    remote.push(first.id, again.id, [from_object(one) for one in again.objects if not isinstance(one, Blob)])

    assert remote.tip() == again.id
    assert max(request.received for request in place.server.requests) < 2000


@pytest.mark.parametrize("there", [True, False])
def test_a_push_from_anywhere_but_the_tip_changes_nothing_and_says_where_it_is(either: Place, there: bool) -> None:
    tip = either.commit() if there else None
    made = make_commit({"a": random_bytes(100_000)}, parent=b"2" * 40 if there else None)
    either.server.forget_requests()
    with pytest.raises(PushMoved) as moved:
        either.remote().push(None if there else b"2" * 40, made.id, made.packed)

    assert moved.value.tip == tip
    assert sum(request.received for request in either.server.requests) == 0
    assert either.remote().tip() == tip


def test_a_push_that_is_overtaken_between_its_look_and_its_word_changes_nothing(either: Place) -> None:
    tip = either.commit({"a": b"1"})
    made = make_commit({"b": b"2"}, parent=tip)
    others: list[bytes] = []
    either.server.fail(Before(lambda: others.append(either.commit({"c": b"3"}))), service=WRITE, method="POST")
    with pytest.raises(PushMoved) as moved:
        either.remote().push(tip, made.id, made.packed)

    assert [moved.value.tip] == others
    assert either.remote().tip() == others[0]


def test_of_many_pushes_from_one_tip_one_wins(place: Place) -> None:
    tip = place.commit({"a": b"1"})
    remote = place.remote()
    won: list[bytes] = []
    errors: list[Exception] = []

    def push(number: int) -> None:
        made = make_commit({"b": b"%d" % number}, parent=tip)
        try:
            remote.push(tip, made.id, made.packed)
            won.append(made.id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert {type(error) for error in errors} == {PushMoved}
    assert remote.tip() == won[0]


def test_a_staged_object_is_pushed_ahead_and_its_ref_goes_with_the_commit(place: Place) -> None:
    remote, content, staging = place.remote(), random_bytes(50_000), b"refs/pywharf/staging/1"
    made = make_commit({"a": content})
    blob = made.blob(content)
    remote.push_ref(staging, blob, made.packed[:1])
    assert remote.refs(b"refs/pywharf/") == {staging: blob}
    with pytest.raises(PushMoved):
        remote.push_ref(staging, made.id, made.packed)

    place.server.forget_requests()
    remote.push(None, made.id, made.packed[1:], delete=[staging, b"refs/pywharf/staging/gone"])
    assert (remote.tip(), remote.refs(b"refs/pywharf/")) == (made.id, {})
    assert max(request.received for request in place.server.requests) < 2000


def test_refs_are_removed_those_that_are_there(place: Place) -> None:
    remote, tip = place.remote(), place.commit()
    remote.push_ref(b"refs/pywharf/1", tip, [])
    remote.delete_refs([b"refs/pywharf/1", b"refs/pywharf/2"])
    remote.delete_refs([b"refs/pywharf/1"])

    assert remote.refs(b"refs/") == {b"refs/heads/main": tip}


@pytest.mark.parametrize("checked", ["true", "false"])
def test_a_commit_whose_objects_are_nowhere_is_refused(place: Place, checked: str) -> None:
    place.git("config", "receive.fsckObjects", checked)
    made = make_commit({"a": b"missing"})
    with pytest.raises(PushRefused, match=r"missing necessary objects|unpack"):
        place.remote().push(None, made.id, made.packed[1:])

    assert place.remote().tip() is None


def test_what_a_hook_says_is_told(place: Place) -> None:
    place.server.refuse_large_blobs(place.repository, 1000)
    made = make_commit({"a": b"x" * 1001})
    with pytest.raises(PushRefused) as refused:
        place.remote().push(None, made.id, made.packed)
    assert refused.value.too_large
    assert "GH001" in str(refused.value)

    place.server.hook(place.repository, "pre-receive", "#!/bin/sh\nprintf '\\033[2Jnot on a Friday\\n' >&2\nexit 1\n")
    with pytest.raises(PushRefused, match="not on a Friday") as refused:
        place.remote().push(None, made.id, made.packed)
    assert not refused.value.too_large
    assert "\033" not in str(refused.value)


def test_a_branch_that_is_protected_against_this_push_says_so(place: Place) -> None:
    tip = place.commit()
    place.server.hook(place.repository, "update", "#!/bin/sh\necho protected >&2\nexit 1\n")
    made = make_commit({"a": b"1"}, parent=tip)
    with pytest.raises(PushRefused, match="hook declined"):
        place.remote().push(tip, made.id, made.packed)


@pytest.mark.parametrize("access", [Access.READ, Access.NONE])
def test_who_may_not_is_told_which_right_is_missing_and_no_more(place: Place, access: Access) -> None:
    remote, made = place.remote(place.token(access)), make_commit({"a": b"1"})
    with pytest.raises(AccessDenied, match="write"):
        remote.push(None, made.id, made.packed)
    if access is Access.NONE:
        with pytest.raises(AccessDenied, match="read"):
            remote.tip()
