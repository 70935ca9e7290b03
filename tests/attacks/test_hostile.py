"""Our server, as a real process, under hostile clients: its team is answered, and all of them are gone by their deadline.

Small numbers and short deadlines; `python -m tests.attacks` has the large ones, and the plain server beside ours.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import upload_form

from . import once, servers
from .campaign import attacking
from .deadlines import QUICK, deadline, threads, words_of
from .hostile import Tally
from .probe import NormalClient
from .talks import KINDS
from .target import FILE_BYTES, Target, held

WORDS = [*words_of(QUICK), "--numthreads", "8"]
LATE = 20.0  # seconds after its deadline in which a connection may still end: this is no measurement
MB = 1_000_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, LiveServer]]:
    with servers.ours(tmp_path_factory.mktemp("attacked") / "root", WORDS) as running:
        yield running


@pytest.fixture
def target(running: tuple[Target, LiveServer]) -> Target:
    return running[0]


def ask(target: Target, times: int = 15, patience: float = 30) -> None:
    """Two normal clients, one that keeps its connection, one that does not. Raises OSError where one is not answered."""
    clients = [NormalClient(target, lasting=lasting, patience=patience) for lasting in (True, False)]
    for _ in range(times):
        for client in clients:
            client.ask()
        time.sleep(0.02)
    for client in clients:
        client.close()


def attack(target: Target, counts: Iterable[tuple[str, int]]) -> dict[str, Tally]:
    """All of these at once, with normal clients beside them; what became of the hostile ones."""
    ask(target, 2)
    before = held(target.pid)
    with ExitStack() as stack:
        attacks = {kind: stack.enter_context(attacking(kind, target, count)) for kind, count in counts}
        ask(target)
        for kind, one in attacks.items():
            one.stop(deadline(KINDS[kind].deadline, WORDS) + LATE)
        tallies = {kind: one.tally() for kind, one in attacks.items()}
    ask(target, 2)
    assert held(target.pid).rss - before.rss < 100 * MB
    wait_until_released(target, before.sockets)
    return tallies


def wait_until_released(target: Target, sockets: int) -> None:
    """Until the server holds no more of them than before; one for each worker is a client's that has just been answered."""
    end = time.monotonic() + LATE
    while held(target.pid).sockets > sockets + 1:
        assert time.monotonic() < end, "the server holds connections that have ended"
        time.sleep(0.1)


def late(tallies: dict[str, Tally]) -> dict[str, object]:
    """Those that the server was not rid of in time."""
    by = {kind: deadline(KINDS[kind].deadline, WORDS) + LATE for kind in tallies}
    return {kind: tally for kind, tally in tallies.items() if tally.left or not tally.lives or max(tally.lives) > by[kind]}


@pytest.mark.live
def test_a_team_is_answered_while_hundreds_are_slow_and_all_those_are_gone_by_their_deadline(target: Target) -> None:
    slow = [("mute", 100), ("drip_head", 100), ("idle", 100), ("drip_body", 50)]
    busy = [("drip_upload", threads(WORDS) - 1), ("slow_readers", 20), ("deaf_readers", 20)]

    tallies = attack(target, [*slow, *busy])

    assert late(tallies) == {}


@pytest.mark.live
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_team_is_answered_over_tls_while_others_do_not_shake_hands(tmp_path: Path) -> None:
    certificate = servers.make_certificate(tmp_path)
    with servers.ours(tmp_path / "root", WORDS, certificate) as (target, _):
        tallies = attack(target, [(kind, 30) for kind in KINDS if KINDS[kind].tls])

    assert late(tallies) == {}


@pytest.mark.live
def test_forms_that_anybody_may_send_hold_no_thread(tmp_path: Path) -> None:
    with servers.ours(tmp_path / "root", ["--numthreads", "4"]) as (target, _), attacking("drip_login", target, 40):
        ask(target, 5, patience=15)  # less than one of them may last


@pytest.mark.live
def test_a_plain_server_does_not_stand_that() -> None:
    """The attack is one."""
    with servers.plain() as target:
        ask(target, 2)
        with attacking("drip_head", target, 30), pytest.raises(TimeoutError):
            ask(target, patience=3)


@pytest.mark.live
def test_too_much_of_a_head_is_refused_and_not_kept(target: Target) -> None:
    begin = b"GET /simple/probe/ HTTP/1.1\r\nHost: localhost\r\n"

    field = once.push(target, begin + b"X-A: " + b"b" * 50_000_000 + b"\r\n\r\n")
    fields = once.push(target, begin + b"X-A: b\r\n" * 10_000 + b"\r\n")
    address = once.push(target, b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert [outcome.answer[:12] for outcome in (field, fields, address)] == ["HTTP/1.1 431", "HTTP/1.1 431", "HTTP/1.1 414"]
    assert max(field.growth, fields.growth, address.growth) < 20 * MB


@pytest.mark.live
@pytest.mark.parametrize("waits", [True, False], ids=["waits to be told", "sends at once"])
def test_a_gigabyte_without_a_secret_is_refused_before_a_byte_of_it_is_read(target: Target, waits: bool) -> None:
    size = 1_000_000_000

    outcome = once.push(target, target.post(size, expect=waits), 0 if waits else size)

    assert outcome.answer.startswith("HTTP/1.1 401")
    assert outcome.written < 10_000  # a line of the log
    assert outcome.growth < 20 * MB
    ask(target, 2)


@pytest.mark.live
def test_an_upload_that_is_broken_off_leaves_nothing_wherever_that_was(running: tuple[Target, LiveServer]) -> None:
    target, server = running
    wheel = make_wheel("broken-off", "1.0", files={"data.bin": bytes(range(256)) * 400})
    before = held(target.pid).sockets
    assert stored(server.root)

    acknowledged = once.break_off(target, *upload_form(wheel))

    assert acknowledged == 0
    wait_until_released(target, before)
    end = time.monotonic() + LATE
    while incoming(server.root):
        assert time.monotonic() < end, "parts of broken uploads are left"
        time.sleep(0.1)
    assert not [path for path in stored(server.root) if "broken" in path.name]
    ask(target, 2)


def incoming(root: Path) -> list[Path]:
    """What is on its way in, but for the locks of those who receive it."""
    return [path for folder in root.rglob("incoming") for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


def stored(root: Path) -> list[Path]:
    return [path for path in root.rglob("*.whl") if path.is_file()]


@pytest.mark.live
def test_many_at_the_same_moment_are_all_answered(target: Target) -> None:
    assert once.burst(target, 200)[0] == 0
    assert once.pipeline(target, 1000) == 1000


@pytest.mark.live
def test_who_has_said_that_it_will_send_no_more_is_answered(target: Target) -> None:
    with socket.create_connection(target.address, timeout=30) as client:
        client.sendall(target.get(lasting=False))
        client.shutdown(socket.SHUT_WR)

        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.live
def test_who_reads_slowly_but_steadily_gets_the_whole_file(target: Target) -> None:
    """What the kernel holds for a client must not pass for what the client has not taken."""
    with socket.socket() as client:
        client.settimeout(30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.connect(target.address)
        client.sendall(target.get(target.file, lasting=False))
        received, end = 0, time.monotonic() + 2 * QUICK["timeout"]
        while time.monotonic() < end:
            received += len(client.recv(10_000))
            time.sleep(0.05)  # two hundred times the least rate
        while piece := client.recv(1 << 20):
            received += len(piece)

    assert received > FILE_BYTES


@pytest.mark.slow
def test_ten_thousand_idle_connections_cost_little(tmp_path: Path) -> None:
    """Half a minute: `tox -e slow -- tests/attacks`."""
    with servers.ours(tmp_path / "root") as (target, _):
        ask(target)
        before = held(target.pid)
        with attacking("mute", target, 10_000) as attack:
            assert held(target.pid).sockets - before.sockets > 9_000
            ask(target, 100)
            assert held(target.pid).rss - before.rss < 100 * MB
            attack.stop(deadline("head") + 60)
            tally = attack.tally()
        assert (tally.left, tally.refused) == ([], 0)
        ask(target)
