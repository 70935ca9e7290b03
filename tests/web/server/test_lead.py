"""Two threads, of which one leads and answers short requests itself: nobody waits behind a long one, and nothing is lost between the two."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from pywharf.nap import Nap
from pywharf.web.server import connections, lead, run, threads
from pywharf.web.server.lead import Lead
from pywharf.web.server.listening import listen

from .conftest import SOON, Raw, SmallApp, started, wait_until

pytestmark = pytest.mark.any_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
WAIT = GET.replace(b"/ ", b"/wait ")


def named(name: str) -> Callable[[], bool]:
    """Whether a thread of this name lives."""
    return lambda: any(thread.name.startswith(name) for thread in threading.enumerate())


# --- the lead alone ---------------------------------------------------------------------------------------------------


class Held:
    """Stands for a connection."""

    def __init__(self) -> None:
        self.is_shut_down = threading.Event()

    def shut_down(self) -> None:
        self.is_shut_down.set()


class Two:
    """Two threads that do what they are given, each when it leads."""

    def __init__(self) -> None:
        self.let_go: list[object] = []
        self.lead = Lead(self.let_go.append)  # type: ignore[arg-type]
        self.to_do: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.leading: list[int] = []
        self.threads = [threading.Thread(target=self.lead.lead_in_turn, args=(self.look_after,), daemon=True) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def look_after(self) -> None:
        while self.lead.is_mine():
            self.to_do.get()()
            if self.lead._is_over:
                return

    def do(self, what: Callable[[], Any]) -> Any:
        """Let the leader do it; what came of it."""
        found: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.to_do.put(lambda: found.put(what()))
        return found.get(timeout=SOON)

    def begin_and_stay(self, held: Any, until: threading.Event) -> queue.SimpleQueue[bool]:
        """The leader begins a request and is at it until then. What `end` says comes later."""
        ended: queue.SimpleQueue[bool] = queue.SimpleQueue()
        begun = threading.Event()

        def stay() -> None:
            assert self.lead.begin(held)
            begun.set()
            until.wait(SOON)
            ended.put(self.lead.end(held))

        self.to_do.put(stay)
        assert begun.wait(SOON)
        return ended


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    monkeypatch.setattr(lead, "REST", 0.0)
    two = Two()
    wait_until(lambda: two.lead._stands_by)
    yield two
    two.to_do.put(two.lead.finish)
    for thread in two.threads:
        thread.join(SOON)
        assert not thread.is_alive()


def test_a_leader_that_is_done_with_its_request_leads_on(two: Two) -> None:
    held: Any = Held()
    leader = two.do(threading.get_ident)

    assert two.do(lambda: (two.lead.begin(held), two.lead.at_work, two.lead.end(held), two.lead.at_work)) == (True, 1, True, 0)
    assert two.do(threading.get_ident) == leader
    assert two.let_go == []


def test_a_leader_that_is_at_its_request_for_long_loses_the_lead_and_the_connection_is_its_own(two: Two) -> None:
    held, until = Held(), threading.Event()
    leader = two.do(threading.get_ident)
    ended = two.begin_and_stay(held, until)

    assert two.do(threading.get_ident) != leader
    assert two.let_go == [held]
    assert two.lead.at_work == 1
    until.set()
    assert ended.get(timeout=SOON) is False
    wait_until(lambda: two.lead.at_work == 0)


def test_nothing_is_begun_that_nobody_could_take_over(two: Two) -> None:
    held: Any = Held()
    other, until = Held(), threading.Event()
    ended = two.begin_and_stay(other, until)

    assert [two.do(lambda: two.lead.begin(held)) for _ in range(3)] == [False] * 3
    until.set()
    ended.get(timeout=SOON)
    wait_until(lambda: two.lead._stands_by)
    assert two.do(lambda: two.lead.begin(held) and two.lead.end(held)) is True


def test_after_two_changes_in_a_row_nothing_is_begun_for_a_while(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each of many requests that take long, one after the other, would hold up the rest for a look or two."""
    monkeypatch.setattr(lead, "REST", 2 * SOON)
    held: Any = Held()
    change_once(two)

    assert two.do(lambda: two.lead.begin(held) and two.lead.end(held)) is True  # one alone is no sign of many
    change_once(two)
    assert two.do(lambda: two.lead.begin(held)) is False
    two.lead._rests_until = 0.0
    assert two.do(lambda: two.lead.begin(held) and two.lead.end(held)) is True


def test_changes_that_are_far_apart_keep_nothing_from_being_begun(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "REST", 2 * SOON)
    held: Any = Held()
    for _ in range(3):
        change_once(two)
        two.lead._taken_at -= 5 * SOON

        assert two.do(lambda: two.lead.begin(held) and two.lead.end(held)) is True


def change_once(two: Two) -> None:
    held, until, before = Held(), threading.Event(), len(two.let_go)
    ended = two.begin_and_stay(held, until)
    wait_until(lambda: len(two.let_go) > before)
    until.set()
    ended.get(timeout=SOON)
    wait_until(lambda: two.lead._stands_by)


def test_who_stands_by_sleeps_while_there_is_nothing_and_is_woken(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "STILL", 1)
    for _ in range(20):
        held, until = Held(), threading.Event()
        wait_until(lambda: two.lead._nap._sleeps)
        leader = two.do(threading.get_ident)
        ended = two.begin_and_stay(held, until)

        assert two.do(threading.get_ident) != leader
        until.set()
        assert ended.get(timeout=SOON) is False
        wait_until(lambda: two.lead._stands_by)


def test_no_wake_up_is_lost_and_each_connection_is_in_one_threads_hands(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests about as long as a look takes, behind rests of which many end just when the other goes to sleep."""
    monkeypatch.setattr(lead, "STILL", 1)
    monkeypatch.setattr(lead, "TICK", 0.0002)
    chance = random.Random(3)
    kept: list[object] = []
    lost: list[object] = []
    at_it: list[int] = []

    def one(held: Any, long: float, rest: float) -> None:
        at_it.append(threading.get_ident())
        time.sleep(rest)
        if two.lead.begin(held):
            at_it.pop()
            time.sleep(long)
            (kept if two.lead.end(held) else lost).append(held)
        else:
            at_it.pop()

    for _ in range(1500):
        two.to_do.put(lambda: one(Held(), chance.choice((0, 0.0001, 0.0002, 0.0004)), chance.choice((0, 0.0001, 0.0004))))
    two.do(lambda: None)
    wait_until(lambda: two.lead.at_work == 0 and two.lead._stands_by)

    assert sorted(map(id, lost)) == sorted(map(id, two.let_go))
    assert kept
    assert lost
    assert at_it == []
    held, until = Held(), threading.Event()
    leader = two.do(threading.get_ident)
    ended = two.begin_and_stay(held, until)
    assert two.do(threading.get_ident) != leader
    until.set()
    ended.get(timeout=SOON)


def test_who_is_still_at_a_request_when_all_is_over_is_waited_for_and_cut_off(two: Two) -> None:
    held, until = Held(), threading.Event()
    ended = two.begin_and_stay(held, until)
    two.do(two.lead.finish)
    wait_until(lambda: sum(thread.is_alive() for thread in two.threads) == 1)

    assert not two.lead.let_end(0.05)
    two.lead.cut_off()
    assert held.is_shut_down.is_set()
    until.set()
    assert two.lead.let_end(SOON)
    assert ended.get(timeout=SOON) is False


def test_where_one_of_the_two_ended_by_an_error_nothing_is_begun() -> None:
    failing = Lead(lambda connection: None)
    held: Any = Held()

    def fails() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        failing.lead_in_turn(fails)

    assert not failing.begin(held)


# --- a server ---------------------------------------------------------------------------------------------------------


class Named(SmallApp):
    """Remembers which thread answered each request; /wait waits, /fail fails, then or at once."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.error = error
        self.threads: list[str] = []
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.threads.append(threading.current_thread().name)
        answer = super().__call__(environ, start_response)
        if environ["QUERY_STRING"] == "fail" and self.error is not None:
            raise self.error
        return Closing(self, answer) if environ["QUERY_STRING"] == "close" else answer


class Closing(list[bytes]):
    """An answer whose end fails."""

    def __init__(self, app: Named, pieces: Iterable[bytes]) -> None:
        super().__init__(pieces)
        self._app = app

    def close(self) -> None:
        self._app.closed += 1
        if self._app.error is not None:
            raise self._app.error


def answer(server: run.Server, request: bytes = LAST) -> bytes:
    raw = Raw(server.address)
    raw.send(request)
    found = raw.rest()
    raw.close()
    return found


def answered_by_leader(server: run.Server, app: Named) -> bool:
    """Whether a request is answered now by a thread that looks after connections."""
    assert answer(server).endswith(b"hello")
    return app.threads[-1].startswith("connections")


@pytest.fixture
def app() -> Iterator[Named]:
    app = Named()
    yield app
    app.go_on.set()


def wait_in_leader(server: run.Server, app: Named) -> Raw:
    """A request that a thread which led is at."""
    wait_until(lambda: answered_by_leader(server, app))
    app.entered.clear()
    raw = Raw(server.address)
    raw.send(WAIT)
    assert app.entered.wait(SOON)
    assert app.threads[-1].startswith("connections")
    return raw


def test_short_requests_are_answered_by_who_leads_and_long_ones_hold_up_nobody(app: Named) -> None:
    with started(app) as server:
        waiting = wait_in_leader(server, app)
        app.threads.clear()

        for _ in range(5):
            assert answer(server).endswith(b"hello")
        assert all(name.startswith("worker") for name in app.threads)
        app.go_on.set()
        assert waiting.head().startswith(b"HTTP/1.1 200")
        wait_until(lambda: answered_by_leader(server, app))


def test_a_connection_whose_request_took_long_is_kept_as_any_other(app: Named) -> None:
    with started(app) as server:
        raw = wait_in_leader(server, app)
        raw.send(GET + LAST)  # ahead of the answer
        app.go_on.set()

        assert raw.rest().count(b"HTTP/1.1 200") == 3


def test_a_leader_that_never_comes_back_leaves_a_server_that_answers(app: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that ends, with the log telling."""
    monkeypatch.setattr(threads, "CUT_OFF", 0.2)
    monkeypatch.setattr(run, "CUT_OFF", 0.2)
    with started(app, shutdown_timeout=0.5) as server:
        wait_in_leader(server, app)
        for _ in range(50):
            assert answer(server).endswith(b"hello")


def test_a_request_that_who_leads_is_at_is_let_end_when_the_server_stops(app: Named) -> None:
    with started(app, shutdown_timeout=SOON) as server:
        waiting = wait_in_leader(server, app)
        threading.Timer(0.3, app.go_on.set).start()

    assert waiting.rest().endswith(b"hello")


def test_a_request_that_who_leads_is_at_is_cut_off_when_its_time_is_over(
    app: Named, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threads, "CUT_OFF", 0.2)
    monkeypatch.setattr(run, "CUT_OFF", 0.2)
    with started(app, shutdown_timeout=0.3) as server:
        waiting = wait_in_leader(server, app)

    assert waiting.rest() == b""
    assert not app.go_on.is_set()
    assert "a request did not end and is abandoned" in caplog.text


def test_a_body_that_who_leads_reads_is_cut_off_and_never_taken_for_whole(app: Named) -> None:
    with started(app, shutdown_timeout=0.3) as server:
        wait_until(lambda: answered_by_leader(server, app))
        app.entered.clear()
        raw = Raw(server.address)
        raw.send(b"GET /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        assert app.entered.wait(SOON)

    assert (app.read, app.cut_short) == ([], 1)


def test_a_get_with_a_body_that_comes_late_holds_up_nobody_and_gets_it(app: Named) -> None:
    with started(app) as server:
        wait_until(lambda: answered_by_leader(server, app))
        app.entered.clear()
        raw = Raw(server.address)
        raw.send(b"GET /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12")
        assert app.entered.wait(SOON)

        assert answer(server).endswith(b"hello")
        raw.send(b"345" + LAST)
        assert raw.rest().count(b"HTTP/1.1 200") == 2
    assert app.read == [b"12345"]


ERRORS = [RuntimeError("x"), OSError("x"), MemoryError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("path", [b"/", b"/wait"], ids=["at once", "when another leads"])
def test_whatever_an_application_raises_is_a_500_and_both_threads_go_on(error: BaseException, path: bytes) -> None:
    app = Named(error)
    with started(app, shutdown_timeout=1) as server:
        for _ in range(3):
            wait_until(lambda: answered_by_leader(server, app))
            raw = Raw(server.address)
            app.entered.clear()
            app.go_on.clear()
            raw.send(GET.replace(b"/ ", path + b"?fail "))
            assert app.entered.wait(SOON)
            assert answer(server).endswith(b"hello")  # by whoever leads now
            app.go_on.set()
            assert raw.rest().startswith(b"HTTP/1.1 500")
            raw.close()
        wait_until(lambda: answered_by_leader(server, app))
        wait_until(lambda: server.counts().threads_busy == 0)  # the last answer may be with its client before its end is told


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_the_end_of_an_answer_raises_the_answer_is_whole_and_both_threads_go_on(error: BaseException) -> None:
    app = Named(error)
    with started(app, shutdown_timeout=1) as server:
        for count in (1, 2, 3):
            wait_until(lambda: answered_by_leader(server, app))
            assert answer(server, LAST.replace(b"/ ", b"/?close ")).endswith(b"hello")
            wait_until(lambda: app.closed == count)  # noqa: B023
        wait_until(lambda: answered_by_leader(server, app))


class FailingLog(logging.Logger):
    def exception(self, *args: Any, **kwargs: Any) -> None:
        raise MemoryError


def test_where_not_even_the_log_can_be_told_one_thread_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Named(RuntimeError("x"))
    with started(app, shutdown_timeout=1) as server:
        wait_until(lambda: answered_by_leader(server, app))
        monkeypatch.setattr(connections, "log", FailingLog("x"))
        answer(server, LAST.replace(b"/ ", b"/?fail "))
        monkeypatch.undo()

        wait_until(lambda: server.counts().threads_busy == 0)
        wait_until(lambda: answered_by_leader(server, app))
        wait_until(lambda: not server.open_connections)


@pytest.mark.parametrize("changes", [0, 1], ids=["the first to lead", "the second"])
def test_a_server_that_ends_by_itself_says_so_also_while_a_thread_is_at_a_request(
    app: Named, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    monkeypatch.setattr(connections, "PAUSE", 0.001)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(threads, "CUT_OFF", 0.2)
    monkeypatch.setattr(run, "CUT_OFF", 0.2)
    ended = threading.Event()

    def fails(self: object) -> None:
        raise ValueError("broken")

    with run.running(app, listen("127.0.0.1", 0), options={"shutdown_timeout": 0.2}, on_end=ended.set) as address:
        wait_until(named("connections, too"))
        for number in range(1 + changes):
            app.entered.clear()
            app.go_on.clear()
            raw = Raw(address)
            raw.send(WAIT)
            assert app.entered.wait(SOON)
            last = Raw(address)
            last.send(LAST)
            assert last.rest().endswith(b"hello")  # by whoever leads now
            if number < changes:
                app.go_on.set()
                assert raw.head().startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(connections.Connections, "_turn", fails)
        Raw(address).close()  # wakes who leads

        assert ended.wait(SOON)


def test_a_thread_that_ends_ends_the_server(app: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is left would be alone with a request that takes long."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    ended = threading.Event()

    def fails(self: object, sleeping: object) -> None:
        raise MemoryError

    monkeypatch.setattr(lead, "STILL", 1)
    monkeypatch.setattr(Nap, "until_woken", fails)
    with run.running(app, listen("127.0.0.1", 0), options={"shutdown_timeout": 1}, on_end=ended.set):
        assert ended.wait(SOON)


def test_one_that_is_answered_is_not_closed_to_make_room_for_another(app: Named) -> None:
    with started(app) as server:
        raw = wait_in_leader(server, app)
        wait_until(lambda: len(server.open_connections) == 1)
        server.max_connections = 2
        kept = Raw(server.address)
        kept.send(GET)
        kept.head()
        wait_until(lambda: server._connections.waiting.idle == 1)

        assert answer(server).endswith(b"hello")  # the idle one had to go
        app.go_on.set()
        assert raw.head().startswith(b"HTTP/1.1 200")
        wait_until(lambda: len(server._connections.waiting) == 1)


def test_a_kept_connection_that_is_idle_too_long_is_closed_also_after_it_was_answered_at_once(app: Named) -> None:
    with started(app, timeout=0.3) as server:
        raw = Raw(server.address)
        for _ in range(5):
            raw.send(GET)
            assert raw.head().startswith(b"HTTP/1.1 200")
            assert raw.socket.recv(5) == b"hello"

        assert raw.rest() == b""
        wait_until(lambda: not server.open_connections and not len(server._connections.waiting))


def test_every_answer_goes_to_its_own_request_however_often_the_lead_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of a few looks each, one by one and ahead of each other, with bodies and without."""
    monkeypatch.setattr(lead, "REST", 0.0)
    monkeypatch.setattr(lead, "TICK", 0.0005)
    names: set[str] = set()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        names.add(threading.current_thread().name)
        time.sleep(float(environ["QUERY_STRING"]))
        told = environ["PATH_INFO"].encode() + b" " + environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(told)))])
        return [told]

    wrong: list[object] = []

    def client(number: int) -> None:
        chance = random.Random(number)
        raw = Raw(server.address)
        for turn in range(60):
            sent = []
            for more in range(chance.choice((1, 1, 1, 4))):
                path = b"/%d/%d/%d" % (number, turn, more)
                body = chance.choice((b"", b"", b"12345"))
                head = b"%b %b?%f HTTP/1.1\r\nHost: a\r\n" % (
                    b"POST" if body else b"GET",
                    path,
                    chance.choice((0, 0, 0.0004, 0.001, 0.003)),
                )
                sent.append((head + b"Content-Length: %d\r\n\r\n" % len(body) + body, path + b" " + body))
            raw.send(b"".join(request for request, _ in sent))
            for _, expected in sent:
                head, told = raw.head(), b""
                while len(told) < len(expected) and (piece := raw.socket.recv(len(expected) - len(told))):
                    told += piece
                if not head.startswith(b"HTTP/1.1 200") or told != expected:
                    wrong.append((expected, head, told))
        raw.close()

    with started(app, numthreads=4) as server:
        clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(4 * SOON)
        wait_until(lambda: not server.open_connections and server.counts().threads_busy == 0)

    assert not wrong
    assert {"connections", "connections, too"} <= names
