"""What clients of a server see while its git host is in trouble, and that nothing is lost by it.

`pytest -s` prints the rows of the table in docs/reference/when-the-git-host-fails.md, which is compared with what is seen here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from faults.upload_once import upload
from live.git.one_step import open_repository
from live.git.served import LINEAR, Answer, Client, Served, eventually, expect

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.git_faults import Before, Damage, Fault, Hangup, LoseAnswer, Respond, Stall, Truncate
from pywharf.testing.git_server import GitServer

pytestmark = pytest.mark.live

PAGE = Path(__file__).parents[3] / "docs/reference/when-the-git-host-fails.md"
PUSH = {"service": "git-receive-pack", "method": "POST"}
REFUSES = '#!/bin/sh\necho "error: GH006: Protected branch update failed for refs/heads/main."\nexit 1\n'

Break = Callable[[Served], object]


def always(fault: Fault) -> Break:
    """Every request goes wrong."""
    return lambda served: served.host.fail(fault, times=None)


def once(fault: Fault, **which: object) -> Break:
    return lambda served: served.host.fail(fault, **which)  # type: ignore[arg-type]


def with_hook(script: str) -> Break:
    return lambda served: served.host.hook(served.hosted.repository, "pre-receive", script)


def moved_meanwhile(served: Served) -> None:
    served.host.fail(Before(lambda: served.host.commit(served.hosted.repository, {"README.md": b"By hand"})), **PUSH)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the host; in the words of the documentation."""

    words: str
    begin: Break


TROUBLES = [
    Trouble("hangs up", always(Hangup())),
    Trouble("keeps silent (here `timeout = 2`)", always(Stall())),
    Trouble("429, `Retry-After: 7`", always(Respond(429, headers={"Retry-After": "7"}))),
    Trouble("403, `Retry-After: 7`", always(Respond(403, headers={"Retry-After": "7"}))),
    Trouble("408", always(Respond(408))),
    Trouble("500", always(Respond(500))),
    Trouble("503, `Retry-After: 7`", always(Respond(503, headers={"Retry-After": "7"}))),
    Trouble("200 with a web page", always(Respond(200, headers={"Content-Type": "text/html"}, text="<html>Sign in</html>"))),
    Trouble("cuts its answers off", always(Truncate(after=10))),
    Trouble("401: knows the tokens no longer", always(Respond(401))),
    Trouble("403: the tokens may no longer", always(Respond(403))),
    Trouble("404: the repository is gone, or hidden", always(Respond(404))),
    Trouble("does a push, and loses the answer", once(LoseAnswer(), **PUSH)),
    Trouble("does a push, and answers 500", once(Respond(500), **PUSH)),
    Trouble("a push meets 429, `Retry-After: 7`", once(Respond(429, headers={"Retry-After": "7"}), **PUSH)),
    Trouble("another push comes first", moved_meanwhile),
    Trouble("a rule of the branch refuses the push", with_hook(REFUSES)),
    Trouble("takes no files as large", lambda served: served.host.refuse_large_blobs(served.hosted.repository, 10)),
    Trouble("offers partial clone no longer", lambda served: served.host.allow_filter(served.hosted.repository, False)),
    Trouble("speaks protocol version 2 no longer", lambda served: served.host.protocol_v2(served.hosted.repository, False)),
    Trouble("sends a damaged file", once(Damage(at=300), service="git-upload-pack", method="POST", times=None)),
]


def file_for(number: int) -> Distribution:
    """One that the server lists and has never fetched, for each trouble."""
    return make_wheel("far", f"1.{number}")


class Scene:
    """A server with a file in its cache, and others that it has never fetched."""

    def __init__(self, served: Served, client: Client, near: Distribution) -> None:
        self.served, self.client, self.near = served, client, near

    def mend(self) -> None:
        host, repository = self.served.host, self.served.hosted.repository
        host.mend()
        host.hook(repository, "pre-receive", LINEAR)
        host.allow_filter(repository, True)
        host.protocol_v2(repository, True)


@pytest.fixture(scope="module")
def scene(host: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    served = Served(host, tmp_path_factory.mktemp("scene"), {"timeout": 2.0})
    others = open_repository(served.folder / "others", served.config(), served.admin_secret())
    others.sync()
    for number in range(len(TROUBLES)):
        path = served.folder / file_for(number).filename
        path.write_bytes(file_for(number).data)
        assert upload(others, path, served.writer) == "ACK"
    others.close()
    with served.server() as server:
        near = make_wheel("near", "1.0")
        client = served.client(server, keep=False)
        expect(200, client.upload(near))
        client.check_file(near)
        yield Scene(served, client, near)


def told(answer: Answer) -> str:
    """A cell of the table: the status, and after how long to come again."""
    return str(answer.status) + (f", again after {answer.retry_after} s" if answer.retry_after is not None else "")


@pytest.mark.parametrize("number", range(len(TROUBLES)), ids=[trouble.words for trouble in TROUBLES])
def test_what_is_seen_in_this_trouble_is_what_the_reference_says_and_nothing_is_lost(
    scene: Scene, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble, served, client = TROUBLES[number], scene.served, scene.client
    mine, far = make_wheel("mine", f"1.{number}"), file_for(number)
    before = served.files()
    trouble.begin(served)
    try:
        uploaded = client.upload(mine)
        cached = client.get(f"near/{scene.near.filename}")
        pages = [client.get("").status, client.get("near/").status, client.get("far/").status]
        fetched = client.get(f"far/{far.filename}")
        unknown = client.get("nobody/")
        newcomer = Client(client.url, served.grant_writers(1)[0], keep=False).get("near/")
    finally:
        scene.mend()

    there = served.files()
    assert uploaded.status in (200, 403, 413, 503)
    assert (mine.filename in there) is (uploaded.status == 200), "acknowledged and not there, or refused and there"
    assert there.items() >= before.items()
    assert pages == [200, 200, 200]
    assert cached.body == scene.near.data
    assert fetched.status != 200 or fetched.body == far.data
    assert unknown.status == 404
    # And after it, everything goes on; the same upload is taken, or was there already.
    expect(200, client.upload(mine))
    client.check_file(mine)
    client.check_file(far)
    assert served.files()[mine.filename] == mine.sha256
    served.check_history()

    cells = [trouble.words, told(uploaded), told(fetched), told(newcomer)]
    said = {200: "", 503: uploaded.text.partition(": ")[2]}.get(uploaded.status, uploaded.text)
    said = re.sub("File [0-9a-f]{40} is [0-9]+ bytes", "File ... is ... bytes", said)
    row = " | ".join(["", *cells, f"{said} |"]).strip().replace("  |", " |")
    with capsys.disabled():
        print(f"\n{row}")
    assert row in PAGE.read_text(encoding="utf-8").splitlines()


def test_a_host_that_is_down_takes_nothing_away_but_what_only_it_can_tell(served: Served) -> None:
    """design: an unknown project is answered from the last sync while that is young, and not at all afterwards."""
    near, far = make_wheel("near", "1.0"), make_wheel("far", "1.0")
    away = ["--extra_index_url", "https://index.example/simple/"]
    with served.server("other") as other:
        expect(200, served.client(other).upload(far))
    with (
        served.server("one", options=away) as one,
        served.server("strict", options=[*away, "--redirect_max_staleness", "0"]) as strict,
    ):
        clients = [served.client(server, keep=False) for server in (one, strict)]
        for client in clients:
            expect(200, client.upload(near))
            client.check_file(near)
            expect(302, client.get("nobody/"))
        served.host.stop()
        try:
            for client in clients:
                expect(200, client.get(""))
                expect(200, client.get("far/"))
                client.check_file(near)
                assert expect(503, client.get(f"far/{far.filename}")).retry_after is not None
                assert expect(503, client.upload(make_wheel("near", "2.0"))).retry_after is not None
            expect(302, clients[0].get("nobody/"))
            eventually(lambda: clients[1].get("nobody/").status == 503)
            for server, client in zip((one, strict), clients, strict=True):
                server.restart()
                assert expect(503, client.get("near/")).retry_after is not None  # nobody can say whose secret that is
                assert urlopen(f"{server.url}health/").status == 200
        finally:
            served.host.start()
        for client in clients:
            eventually(lambda client=client: client.get("nobody/").status == 302)  # type: ignore[misc]
            expect(200, client.upload(make_wheel("near", "2.0")))
            client.check_file(far)
    served.check_history()
