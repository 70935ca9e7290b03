"""The server is initialised anew again and again while others upload and read: each answer is one configuration's, whole."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import JSON, KNOWN, Place
from web.client import Answer, Client, basic

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.uploads import upload_form

pytestmark = pytest.mark.any_python

TIMES = 12
UPLOADERS, READERS = 4, 8
# By the secrets' first letter: what a name that is not here is answered with, which is the one configuration's or the other's.
UNKNOWN = {"a": 404, "b": 302}


def config(which: str) -> str:
    private = '["acme-*"]' if which == "a" else "[]"
    return f'[local]\ntype = "file_system"\nread_secret = "{which}-read"\nwrite_secret = "{which}-write"\nprivate_names = {private}\n'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path / "root") as place:
        place.fill()
        assert place.initialize(config("a")).status == 200
        yield place


@pytest.mark.live
def test_every_answer_is_one_configurations_and_no_acknowledged_upload_is_lost(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()
    guard = threading.Lock()
    wrong: list[str] = []
    statuses: Counter[str] = Counter()
    acknowledged: list[Distribution] = []
    peers = itertools.count()

    def client(which: str, right: str) -> Client:
        number = next(peers)  # another address each time: a secret of the other configuration is a guess, and counted
        return Client(place.app, basic("local", f"{which}-{right}"), f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")

    def note(what: str, answer: Answer, allowed: set[int]) -> int:
        with guard:
            statuses[f"{what} {answer.status}"] += 1
            if answer.status not in allowed:
                wrong.append(f"{what}: {answer.status} {answer.text[:200]}")
        return answer.status

    def read() -> None:
        for which in itertools.cycle("ab"):
            if over.is_set():
                return
            note(f"unknown {which}", client(which, "read").get("/simple/acme-x/", {"Accept": JSON}), {UNKNOWN[which], 401})
            page = client(which, "read").get("/simple/known/", {"Accept": JSON})
            if note("page", page, {200, 401}) == 200 and KNOWN.filename not in page.text:
                wrong.append(page.text)
            body = client(which, "read").get(f"/simple/known/{KNOWN.filename}")
            if note("file", body, {200, 401}) == 200 and body.body != KNOWN.data:
                wrong.append("other bytes")

    def upload(number: int) -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            wheel = make_wheel(f"project{number}", f"1.{turn}")
            body, content_type = upload_form(wheel)
            answer = client("ab"[turn % 2], "write").send("POST", "/legacy/", {"Content-Type": content_type}, body=body)
            if note("upload", answer, {200, 401, 503}) == 200:
                with guard:
                    acknowledged.append(wheel)

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    threads += [threading.Thread(target=upload, args=(number,)) for number in range(UPLOADERS)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(TIMES):
            assert place.initialize(config("ba"[turn % 2])).status == 200
    finally:
        over.set()
        for thread in threads:
            thread.join()

    with capsys.disabled():
        print(f"\n{TIMES} times initialised; {dict(sorted(statuses.items()))}; {len(acknowledged)} files acknowledged")
    assert not wrong, wrong[:5]
    assert acknowledged
    last = "ba"[(TIMES - 1) % 2]
    for wheel in acknowledged:
        project = wheel.filename.split("-")[0]
        answer = client(last, "read").get(f"/simple/{project}/{wheel.filename}")
        assert (answer.status, answer.body) == (200, wheel.data)
