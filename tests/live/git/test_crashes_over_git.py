"""kill -9 of a server at each request that an upload or a sync makes to the git host: before it is answered, and after.

Whatever the moment, the branch is whole, the next start heals, what was acknowledged is there, and nothing is half there.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from live.git.served import Client, Served, by_name, eventually, expect

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.git_faults import Fault, Hangup
from pywharf.testing.live_server import LiveServer, LiveServerFailed

pytestmark = pytest.mark.live

MOST_REQUESTS = 20  # of a start; it has six
LARGE = {"large.bin": bytes(range(256)) * 20_000}  # 5 MB, and stored in the wheel as it is: it goes to the host ahead of its commit


@dataclass(frozen=True)
class KillBefore(Hangup):
    """The server dies as the request comes in: git never sees it."""

    kill: Callable[[], object]

    def before(self) -> None:
        self.kill()


@dataclass(frozen=True)
class KillAfter(Fault):
    """Git does what was asked, and the server dies before it hears of it."""

    kill: Callable[[], object]

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        answer = list(chunks)
        self.kill()
        yield from answer


def upload(client: Client, wheel: Distribution) -> bool:
    """Whether it was acknowledged."""
    try:
        return client.upload(wheel).status == 200
    except (OSError, http.client.HTTPException):
        return False


class Dying:
    """A server that dies again and again on one ROOT."""

    def __init__(self, served: Served, server: LiveServer) -> None:
        self.served, self.server = served, server
        self.client, self.known = served.client(server), dict[str, Distribution]()

    def upload_and_die_at(self, step: int, after: bool, wheel: Distribution, *, service: str = "", method: str = "") -> bool:
        """Die at the host's request number `step` of an upload. False where it makes fewer, and so is acknowledged.

        service, method: counts only such requests.
        """
        death = KillAfter(self.server.kill) if after else KillBefore(self.server.kill)
        self.served.host.fail(death, service=service, method=method, spared=step)
        acknowledged = upload(self.client, wheel)
        if not acknowledged:
            eventually(lambda: not self.server.running)
        self.served.host.mend()
        self.served.check_history()
        if acknowledged:
            self.known[wheel.filename] = wheel
        return not acknowledged

    def check_healed(self, doubtful: Distribution) -> None:
        """After a new start: all that is known is listed, the doubtful upload is there whole or not at all, and uploads go on."""
        self.client.close()
        self.server.start()
        files = self.client.files()
        assert files.items() >= {(name, one.sha256) for name, one in self.known.items()}
        visible = doubtful.filename in files
        assert visible == (doubtful.filename in self.served.names())
        if visible:
            self.client.check_file(doubtful)
        expect(200, self.client.upload(doubtful))  # the client's next try
        self.client.check_file(doubtful)
        another = make_wheel("after", f"1.{len(self.known)}")  # and so each life has written once before it ends
        expect(200, self.client.upload(another))
        self.known |= {doubtful.filename: doubtful, another.filename: another}
        assert self.client.files().keys() == self.served.names() == self.known.keys()


@pytest.fixture
def dying(served: Served) -> Iterator[Dying]:
    with served.server() as server:
        yield Dying(served, server)


def numbered(at: int, after: bool, *, large: bool = False) -> Distribution:
    return make_wheel("demo", f"{at}.{int(after)}", files={**(LARGE if large else {}), "demo.py": f"x = {at}"})


@pytest.mark.parametrize("large", [False, True], ids=["small-file", "large-file"])
def test_a_server_killed_at_any_request_of_an_upload_leaves_all_or_nothing_of_it(
    served: Served, dying: Dying, large: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    first = numbered(1000, False)
    expect(200, dying.client.upload(first))
    dying.known[first.filename] = first

    moves = 1 if large else 0  # which push moves the branch: large contents go ahead, in one of their own
    for step, after in [*((before, False) for before in range(moves + 1)), (moves, True)]:
        wheel = numbered(500 + step, after, large=large)
        assert dying.upload_and_die_at(step, after, wheel, service="git-receive-pack", method="POST")
        assert (wheel.filename in served.names()) == after  # the push that moves the branch, and no other, makes it visible
        dying.check_healed(wheel)

    moments, deaths = [(0, False)], 0
    for step, after in moments:  # grows, until an upload makes no further request; how many it makes depends on what the last poll saw
        wheel = numbered(step, after, large=large)
        if dying.upload_and_die_at(step, after, wheel):
            request = served.host.requests[-1]
            if not after:
                changes = (request.method, request.service) == ("POST", "git-receive-pack")  # after others is like before the next
                moments += [(step, True), (step + 1, False)] if changes else [(step + 1, False)]
            deaths += 1
            dying.check_healed(wheel)
    assert dying.client.files() == served.files() == by_name(dying.known.values())
    with capsys.disabled():
        print(f"\nkilled at its pushes, and at {deaths} moments of an upload one after the other")
    assert deaths >= 2


@pytest.mark.parametrize("cold", [False, True], ids=["on-its-old-root", "on-an-empty-root"])
def test_a_server_killed_at_any_request_of_a_sync_has_everything_after_its_next_start(
    served: Served, cold: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = itertools.count()
    with served.server("other") as other, contextlib.ExitStack() as stack:

        def ready() -> LiveServer:
            """A server that is down, and has something to fetch when it starts."""
            expect(200, served.client(other).upload(make_wheel(f"theirs{next(numbers)}", "1.0")))
            if cold or not servers:
                servers.append(served.server(f"root{len(servers)}"))
                stack.callback(servers[-1].__exit__, None, None, None)
            return servers[-1]

        servers: list[LiveServer] = []
        ready().start()  # so that there is an old ROOT
        servers[0].stop()
        deaths = 0
        for step in range(MOST_REQUESTS):  # until a start has no more of them; the other server may ask the host something meanwhile
            server = ready()
            served.host.fail(KillBefore(server.kill), spared=step)
            with contextlib.suppress(LiveServerFailed):
                server.start()
            served.host.mend()
            died = not server.running
            if died:
                deaths += 1
                server.start()
            client = served.client(server)
            assert client.files() == served.files()
            mine = make_wheel("mine", f"{step}")
            expect(200, client.upload(mine))
            client.check_file(mine)
            client.close()
            server.stop()
            if not died:
                break
        assert 3 <= deaths < MOST_REQUESTS
    served.check_history()
    with capsys.disabled():
        print(f"\nkilled at {deaths} requests of a sync")
