"""What a git host that goes wrong looks like from here: nothing lost, nothing guessed, nothing hangs, and no token told to anybody."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from dulwich.repo import Repo
from plugins.github.remotes import Made, Place, make_commit, place, random_bytes, shared_host
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import HostUnavailable, PushRefused, PushUnanswered, TooMuchSent

from pywharf.backend.interface import Access
from pywharf.errors import AccessDenied, BackendUnavailable, WharfError
from pywharf.testing.git_faults import Before, Damage, Drip, Fault, Hangup, LoseAnswer, Respond, Stall, Truncate

__all__ = ["place", "shared_host"]

READ, WRITE = "git-upload-pack", "git-receive-pack"
LOGIN_PAGE = Respond(200, {"Content-Type": "text/html"}, "<html>Log in")
NEEDLE = "ghp_needle0123456789"

Operation = Callable[[GitRemote, Repo, bytes, bytes], Any]

READS: dict[str, Operation] = {
    "access": lambda remote, mirror, tip, blob: remote.access(),
    "tip": lambda remote, mirror, tip, blob: remote.tip(),
    "mirror": lambda remote, mirror, tip, blob: remote.fetch_mirror(mirror, tip),
    "file": lambda remote, mirror, tip, blob: remote.fetch_blob_to(blob, lambda piece: None),
    "files": lambda remote, mirror, tip, blob: remote.fetch_blobs([blob], lambda sha, content: None),
}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Repo]:
    repo = Repo.init_bare(str(tmp_path / "mirror"), mkdir=True)
    yield repo
    repo.close()


@pytest.fixture
def filled(place: Place) -> tuple[bytes, bytes]:
    """The tip, and a file of it."""
    tip = place.commit({"a": random_bytes(20_000)})
    return tip, place.git("rev-parse", "main:a").strip().encode()


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    ("fault", "said", "retry_after"),
    [
        (Respond(429, {"Retry-After": "7"}), "slow down", 7),
        (Respond(403, {"Retry-After": "90"}), "slow down", 90),
        (Respond(429, {"Retry-After": "99999999"}), "slow down", 3600),
        (Respond(503, {"Retry-After": "soon"}), "status 503", 5),
        (Respond(503, {"Retry-After": "-3"}), "status 503", 5),
        (Respond(408), "status 408", 5),
        (Respond(500), "status 500", 5),
        (Respond(407), "HTTPS_PROXY", 5),
        (Respond(302, {"Location": "https://login.example/"}), "another place", 5),
        (LOGIN_PAGE, "no git host", 5),
        (Respond(200, {"Content-Type": "application/x-git-upload-pack-result", "Content-Encoding": "gzip"}), "no git host", 5),
        (Hangup(), "broke off", 5),
        (Truncate(0), "broke off", 5),
    ],
    ids=str,
)
def test_a_host_that_cannot_answer_is_unavailable_and_is_asked_again_as_before(
    place: Place, filled: tuple[bytes, bytes], mirror: Repo, operation: str, fault: Fault, said: str, retry_after: int
) -> None:
    remote = place.remote()
    place.server.fail(fault, times=None)
    with pytest.raises(BackendUnavailable, match=said) as unavailable:
        READS[operation](remote, mirror, *filled)
    assert unavailable.value.retry_after == retry_after

    place.server.mend()
    READS[operation](remote, mirror, *filled)


def test_a_date_says_when_to_come_back_too(place: Place) -> None:
    place.server.fail(Respond(503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)}))
    with pytest.raises(BackendUnavailable) as unavailable:
        place.remote().access()
    assert 25 <= unavailable.value.retry_after <= 30

    place.server.fail(Respond(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 40)}))
    with pytest.raises(BackendUnavailable) as unavailable:
        place.remote().access()
    assert 35 <= unavailable.value.retry_after <= 40


def test_limits_are_never_taken_for_a_denial(place: Place) -> None:
    place.server.fail(Respond(403), times=None)
    assert place.remote().access() is Access.NONE
    place.server.mend()
    place.server.fail(Respond(403), service=WRITE)
    place.server.fail(Respond(503), service=READ)
    with pytest.raises(BackendUnavailable):
        place.remote().access()


@pytest.mark.parametrize("operation", ["mirror", "file", "files"])
@pytest.mark.parametrize("fault", [Truncate(120), Truncate(25), *(Damage(at) for at in (2, 6, 12, 30, 38, 45, 100, 180))], ids=str)
def test_a_pack_that_breaks_off_or_is_damaged_is_never_taken_for_whole(
    place: Place, filled: tuple[bytes, bytes], mirror: Repo, operation: str, fault: Fault
) -> None:
    remote = place.remote()
    remote.tip()
    place.server.fail(fault, service=READ, method="POST", times=None)
    with pytest.raises(WharfError):
        READS[operation](remote, mirror, *filled)
    assert list((Path(mirror.path) / "objects" / "pack").iterdir()) == []

    place.server.mend()
    READS[operation](remote, mirror, *filled)


@pytest.mark.parametrize("after", [0, 10])
def test_a_host_that_keeps_silent_is_waited_for_once(place: Place, filled: tuple[bytes, bytes], after: int) -> None:
    stall = Stall(after, seconds=60)
    place.server.fail(stall, times=None)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="kept silent"):
        place.remote(timeout=0.3).tip()
    assert time.monotonic() - began < 20
    stall.released.set()


def test_a_host_that_sends_a_byte_now_and_then_is_given_up(place: Place, filled: tuple[bytes, bytes]) -> None:
    remote = place.remote(timeout=0.4)
    place.server.fail(Drip(size=1, pause=0.02), service=READ, method="POST", times=1)
    began = time.monotonic()
    with pytest.raises(HostUnavailable, match="too slowly"):
        remote.fetch_blob_to(filled[1], lambda piece: None)
    assert time.monotonic() - began < 20


def test_a_slow_line_is_no_reason_to_give_up(place: Place, filled: tuple[bytes, bytes]) -> None:
    """Ten kilobytes a second: the whole takes longer than the host may keep silent, and no single wait does."""
    remote = place.remote(timeout=0.5)
    place.server.fail(Drip(size=1000, pause=0.1), service=READ, method="POST", times=1)
    pieces: list[bytes] = []
    began = time.monotonic()
    remote.fetch_blob_to(filled[1], pieces.append)

    assert len(b"".join(pieces)) == 20_000
    assert time.monotonic() - began > 0.5


def test_more_than_was_asked_for_is_not_taken(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        place.git("update-ref", f"refs/heads/{number}", place.commit().decode())
    monkeypatch.setattr("pywharf_github.upload_pack.MAX_REFS", 1000)
    with pytest.raises(TooMuchSent):
        place.remote().refs(b"refs/")


def test_a_kept_connection_that_the_host_has_closed_meanwhile_is_replaced(place: Place, filled: tuple[bytes, bytes]) -> None:
    remote = place.remote()
    remote.tip()
    place.server.stop()
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        remote.tip()
    place.server.start()
    assert remote.tip() == filled[0]

    place.server.fail(Hangup(), times=1)
    assert remote.tip() == filled[0]


def test_a_host_that_changes_its_version_of_the_protocol_is_understood_at_once(place: Place, filled: tuple[bytes, bytes]) -> None:
    remote = place.remote()
    remote.tip()
    for spoken in (False, True):
        place.server.protocol_v2(place.repository, spoken)
        assert remote.tip() == filled[0]


def test_a_repository_that_names_objects_by_sha256_is_refused_with_words(place: Place) -> None:
    path = place.server.folder / f"{place.repository}.git"
    place.git("config", "core.repositoryformatversion", "1")
    place.git("config", "extensions.objectformat", "sha256")
    assert path.exists()
    with pytest.raises(HostUnavailable, match="sha256"):
        place.remote().tip()


# --- redirects -----------------------------------------------------------------------------------------------------


def renamed(place: Place, old: str) -> Respond:
    return Respond(301, {"Location": f"/{place.repository}.git/info/refs?service={old}"})


def test_a_repository_that_was_renamed_is_followed_and_pushed_to(place: Place) -> None:
    owner = place.repository.split("/")[0]
    elsewhere = GitRemote(place.remote()._config.model_copy(update={"owner": owner, "repo": f"old-{place.repository[5:]}"}), place.token())
    place.server.fail(renamed(place, WRITE), service=WRITE, method="GET")
    made = make_commit({"a": random_bytes(2_000_000)})
    elsewhere.push(None, made.id, made.packed)

    assert place.remote().tip() == made.id
    assert elsewhere.tip() == made.id, "and remembered"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:1/acme/x.git",
        "//login.example/acme/x.git",
        "http://x:y@127.0.0.1/acme/x.git",
        "http://[",
        "/login",
        "http://127.0.0.1:1/a.git",
    ],
)
def test_no_redirect_takes_a_token_to_another_place(place: Place, location: str) -> None:
    tail = f"/info/refs?service={WRITE}" if location.endswith(".git") else ""
    place.server.fail(Respond(302, {"Location": location + tail}))
    with pytest.raises(HostUnavailable, match="another place"):
        place.remote().access()


def test_a_circle_of_redirects_ends(place: Place) -> None:
    place.server.fail(renamed(place, WRITE), service=WRITE, times=None)
    with pytest.raises(HostUnavailable, match="circles"):
        place.remote().access()
    assert len(place.server.requests) == 4


# --- pushing -------------------------------------------------------------------------------------------------------


def pushed(place: Place, made: Made, fault: Fault) -> None:
    """Patience is short only where the host is silent on purpose: git may be slow."""
    place.remote(timeout=1 if isinstance(fault, Stall) else 20).push(None, made.id, made.packed)


@pytest.mark.parametrize("size", [10, 2_000_000])
@pytest.mark.parametrize("fault", [LoseAnswer(), Truncate(0), Truncate(20), Stall(0, seconds=2), Damage(3), Damage(8), Damage(13)], ids=str)
def test_a_push_whose_answer_was_lost_may_have_happened(place: Place, fault: Fault, size: int) -> None:
    made = make_commit({"a": random_bytes(size)})
    place.server.fail(fault, service=WRITE, method="POST")
    with pytest.raises(PushUnanswered):
        pushed(place, made, fault)

    # On a busy machine git is not done when the client has lost its patience.
    end = time.monotonic() + 30
    while place.remote().tip() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert place.remote().tip() == made.id


@pytest.mark.parametrize("fault", [Respond(500), Respond(502), Respond(408), Hangup(), LOGIN_PAGE], ids=str)
def test_a_push_with_an_answer_that_says_nothing_may_have_happened(place: Place, fault: Fault) -> None:
    made = make_commit({"a": b"1"})
    place.server.fail(fault, service=WRITE, method="POST")
    with pytest.raises(PushUnanswered):
        pushed(place, made, fault)

    assert place.remote().tip() is None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", [Respond(429, {"Retry-After": "7"}), Respond(403, {"Retry-After": "7"}), Respond(411)], ids=str)
def test_a_push_that_was_turned_away_has_not_happened(place: Place, fault: Fault, method: str) -> None:
    made = make_commit({"a": b"1"})
    place.server.fail(fault, service=WRITE, method=method)
    with pytest.raises(HostUnavailable) as unavailable:
        pushed(place, made, fault)

    assert not isinstance(unavailable.value, PushUnanswered)


@pytest.mark.parametrize("fault", [Respond(500), Hangup(), LOGIN_PAGE, Truncate(5), Stall(0, seconds=2)], ids=str)
def test_a_push_that_could_not_begin_has_not_happened(place: Place, fault: Fault) -> None:
    made = make_commit({"a": b"1"})
    place.server.fail(fault, service=WRITE, method="GET", times=2)
    with pytest.raises(HostUnavailable) as unavailable:
        pushed(place, made, fault)

    assert not isinstance(unavailable.value, PushUnanswered)
    assert [request.method for request in place.server.requests if request.method == "POST"] == []


def test_a_push_that_breaks_off_half_sent_has_not_happened(place: Place) -> None:
    class Halves(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            yield from list.__iter__(self)
            raise OSError("the disk is gone")

    made = make_commit({"a": random_bytes(3_000_000)})
    with pytest.raises(HostUnavailable) as unavailable:
        place.remote().push(None, made.id, Halves(made.packed))

    assert not isinstance(unavailable.value, PushUnanswered)
    assert place.remote().tip() is None


def test_a_right_that_ends_between_look_and_push_is_a_denial(place: Place) -> None:
    made, token = make_commit({"a": b"1"}), place.token()
    place.server.fail(Before(lambda: place.server.revoke(token)), service=WRITE, method="POST")
    with pytest.raises(AccessDenied, match="write"):
        place.remote(token).push(None, made.id, made.packed)


def test_a_push_too_large_for_the_web_server_is_refused_for_good(place: Place) -> None:
    made = make_commit({"a": random_bytes(2_000_000)})
    too_large = Respond(413)
    place.server.fail(too_large, service=WRITE, method="POST")
    with pytest.raises(PushRefused) as refused:
        pushed(place, made, too_large)

    assert refused.value.too_large


# --- the token -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [NEEDLE, f"anna:{NEEDLE}", f"{NEEDLE}/+ü"])
def test_a_token_is_in_no_message_no_log_and_no_repr(
    place: Place, filled: tuple[bytes, bytes], mirror: Repo, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.token(token=secret.split(":")[-1])
    remote = place.remote(secret)
    quoting = "#!/bin/sh\necho 'you are " + secret + "' >&2\nexit 1\n"
    told = [repr(remote), str(vars(remote).get("_config"))]
    faults: list[Fault | None] = [None, Hangup(), Truncate(5), LOGIN_PAGE]
    faults += [Respond(status, {"Location": f"http://{secret}@x/"}, f"hello {secret}") for status in (301, 400, 403, 404, 407, 429, 500)]
    made = make_commit({"a": b"1"}, parent=filled[0])
    place.server.hook(place.repository, "pre-receive", quoting)
    operations: dict[str, Operation] = {**READS, "push": lambda remote, mirror, tip, blob: remote.push(tip, made.id, made.packed)}
    for fault in faults:
        place.server.mend()
        if fault is not None:
            place.server.fail(fault, times=None)
        for operation in operations.values():
            try:
                operation(remote, mirror, *filled)
            except WharfError as error:
                told += traceback.format_exception(error)
                told += [repr(error), str(vars(error))]

    assert "you are ***" in "".join(told)
    assert len(told) > 100
    everything = "".join(told) + caplog.text
    assert "needle" not in everything
    assert remote._transport._authorization.split()[1] not in everything
