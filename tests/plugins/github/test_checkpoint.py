from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugins.github.hosted import DOCUMENT, Hosted, Server
from pywharf_github import checkpoint, feed

from pywharf.backend.interface import Change
from pywharf.testing.backend_suite import commit

HEAD = checkpoint.Head("c" * 40, "a" * 40, 7)


@given(st.lists(st.tuples(st.tuples(st.text(), st.text()), st.text().map(str.encode))))
def test_what_is_written_comes_back_with_its_ids(sidecars: list[tuple[tuple[str, str], bytes]]) -> None:
    file = io.BytesIO()
    checkpoint.write(file, HEAD, sidecars)
    file.seek(0)

    assert [(key, raw) for key, raw, _ in checkpoint.read(file)] == sidecars
    file.seek(0)
    assert checkpoint.read_head(file.readline()) == HEAD


@given(st.binary())
def test_whatever_the_index_file_holds_can_be_read(content: bytes) -> None:
    list(checkpoint.read(io.BytesIO(content)))
    list(checkpoint.read(io.BytesIO(json.dumps(HEAD.__dict__).encode() + b"\n" + content)))


def test_an_index_file_never_grows_beyond_what_a_host_takes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 1000)
    file = io.BytesIO()
    checkpoint.write(file, HEAD, [(("demo", f"demo-{n}"), b"x" * 100) for n in range(50)])

    assert 800 < file.tell() <= 1000
    assert "no room" in caplog.text


@pytest.fixture
def server(hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(feed, "BATCH", 10)  # so that forty sidecars are many
    server = Server(hosted, tmp_path / "server")
    commit(server.backend, Change("demo", {f"demo-{number}": DOCUMENT + b"%d" % number for number in range(40)}))
    server.sync()
    return server


def write(server: Server) -> None:
    cursor = server.cursor()
    server.backend.write_checkpoint(iter(list(server.reader.newest.values())), cursor)


def cold_start(hosted: Hosted, server: Server) -> int:
    """How many requests a server takes that starts empty; what it reads is what the other one has."""
    folder = server.folder / f"cold-{len(list(server.folder.iterdir()))}"
    hosted.server.forget_requests()
    cold = Server(hosted, folder)
    cold.sync()
    requests = len(hosted.server.requests)
    server.sync()
    assert cold.reader.newest == server.reader.newest
    return requests


def test_a_cold_start_takes_a_few_requests_with_a_checkpoint(hosted: Hosted, server: Server) -> None:
    without = cold_start(hosted, server)
    write(server)

    assert without >= 6
    assert cold_start(hosted, server) <= 4
    assert hosted.subjects()[-1] == "Update index.jsonl"
    hosted.check()


def test_writing_it_again_makes_no_commit(hosted: Hosted, server: Server) -> None:
    write(server)
    tip = hosted.tip()
    write(server)
    server.sync()
    write(server)

    assert hosted.tip() == tip


def test_it_stands_for_what_it_says_and_is_followed_by_what_came_later(hosted: Hosted, server: Server) -> None:
    write(server)
    server.publish("demo-late")
    commit(server.backend, Change("demo", {"demo-3": b"changed"}))

    assert cold_start(hosted, server) <= 5
    write(server)
    assert cold_start(hosted, server) <= 4
    assert hosted.subjects().count("Update index.jsonl") == 2


def test_an_older_one_never_replaces_a_newer_one(hosted: Hosted, server: Server) -> None:
    old = server.cursor()
    server.publish("demo-late")
    write(server)
    tip = hosted.tip()
    server.backend.write_checkpoint(iter(()), old)

    assert hosted.tip() == tip


def test_one_that_stands_for_a_history_that_is_no_more_is_replaced(hosted: Hosted, server: Server) -> None:
    early = hosted.tip()
    server.publish("demo-late")
    write(server)
    index = hosted.read("index.jsonl")
    hosted.git("update-ref", "refs/heads/main", early)
    hosted.put("index.jsonl", index)
    server.reader.cursor = None
    server.sync()
    write(server)

    assert json.loads(hosted.read("index.jsonl").splitlines()[0])["serial"] == 1


@pytest.mark.parametrize("spoil", ["emptied", "cut", "lies", "nonsense", "another version", "not text"])
def test_a_damaged_one_costs_time_and_never_correctness(hosted: Hosted, server: Server, spoil: str) -> None:
    write(server)
    content = hosted.read("index.jsonl")
    hosted.put(
        "index.jsonl",
        {
            "emptied": b"",
            "cut": content[: len(content) // 2],
            "lies": content.replace(b"file", b"note"),
            "nonsense": b"nonsense\n" * 100,
            "another version": content.replace(b'"format": 1', b'"format": 2'),
            "not text": b"\xff\xfe" * 1000,
        }[spoil],
    )

    cold_start(hosted, server)
    tip = hosted.tip()
    write(server)
    assert (hosted.tip() == tip) == (spoil in ("cut", "lies"))  # of which it is known only line by line


def test_uploads_meanwhile_do_not_disturb_it(hosted: Hosted, server: Server) -> None:
    cursor = server.cursor()
    server.publish("demo-late")
    server.backend.write_checkpoint(iter(()), cursor)

    assert hosted.subjects()[-2:] == ["Publish demo-late", "Update index.jsonl"]
    assert json.loads(hosted.read("index.jsonl").splitlines()[0])["serial"] == 1
    cold_start(hosted, server)


def test_an_empty_branch_has_none(hosted: Hosted, tmp_path: Path) -> None:
    server = Server(hosted, tmp_path / "empty")
    write(server)

    assert hosted.git("for-each-ref") == ""
