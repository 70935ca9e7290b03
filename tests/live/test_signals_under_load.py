"""SIGTERM, SIGHUP and `kill -9` while eight upload and eight read: what was acknowledged is there, half a body is never a whole one.

The uploads are large, and half of them are sent slowly, so that several are in progress at any moment. Beside them lie half uploads: forms that
are whole in requests that are not, which is how a body that was cut off would pass for one that came to its end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from history.checker import check
from history.recording import Event, tally
from history.stage import children, wait_for_workers
from live.load import Load

from pywharf.testing.live_server import LiveServer

pytestmark = pytest.mark.live

READ, WRITE = "the-secret-that-reads", "the-secret-that-writes"
CONFIG = f'[local]\ntype = "file_system"\nread_secret = "{READ}"\nwrite_secret = "{WRITE}"\n'
SHUTDOWN = 6.0  # seconds: --shutdown_timeout. The half uploads need all of it; the slow ones need two
WORKERS = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    with LiveServer(
        tmp_path / "root", options=["--config", str(config), "--shutdown_timeout", str(SHUTDOWN), "--workers", str(WORKERS)]
    ) as running:
        yield running


@pytest.fixture
def load(server: LiveServer) -> Iterator[Load]:
    load = Load(server.url, "local", READ, WRITE)
    load.start()
    time.sleep(2)
    yield load
    load.stop()


def finish(load: Load, server: LiveServer, capsys: pytest.CaptureFixture[str], what: str) -> list[Event]:
    """The load ends; then everything is read once more, and the history is checked."""
    events = load.stop()
    load.read_all()
    events += load.recorder.take()
    violations = check(events, delay=0)
    shown = {filename for event in events for filename in event.files}
    with capsys.disabled():
        counted = ", ".join(f"{count} {what}" for what, count in sorted(tally(events).items()))
        print(
            f"\n{what}: {counted}; repeated on a new connection {load.repeated}, nobody listened {load.unreachable} times; "
            f"failures {len(load.failures)}, violations {len(violations)}; half uploads {len(load.half)}, taken {len(shown & load.half)}"
        )
        for failure in load.failures[:10]:
            print(f"  {failure.what}")
    assert not violations
    assert load.half
    assert not shown & load.half
    assert "Traceback" not in server.output
    return events


def test_sigterm_lets_uploads_come_to_their_end_and_takes_no_half_one(
    server: LiveServer, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    promised = set(load.promised)  # told to go on
    began = time.monotonic()
    assert server.stop(timeout=SHUTDOWN + 30) == 0
    took = time.monotonic() - began
    server.start()
    time.sleep(1)

    finish(load, server, capsys, f"SIGTERM, {took:.1f} s until the end")
    assert promised
    assert promised <= load.kept


def test_sighup_is_noticed_by_no_reader_and_no_uploader(server: LiveServer, load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    before = children(server.pid)
    for _ in range(3):
        os.kill(server.pid, signal.SIGHUP)
        time.sleep(2)

    wait_until(lambda: not set(before) & set(children(server.pid)))
    finish(load, server, capsys, "SIGHUP three times")
    assert not load.failures
    assert not load.unreachable
    assert set(load.promised) == load.kept


def test_kill_9_of_a_worker_costs_its_own_requests_and_nothing_that_was_acknowledged(
    server: LiveServer, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        victim, *others = children(server.pid)
        os.kill(victim, signal.SIGKILL)
        wait_for_workers(server, WORKERS)
        assert set(others) <= set(children(server.pid))
        time.sleep(1)

    finish(load, server, capsys, "kill -9 of a worker three times")
    assert not load.unreachable


def wait_until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not look():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)
