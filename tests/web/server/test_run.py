from __future__ import annotations

import gc
import http.client
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pywharf.web.server import run, threads
from pywharf.web.server.listening import listen
from pywharf.web.server.options import OPTIONS
from pywharf.web.server.run import running

from .conftest import Raw, SmallApp, Starting, started, wait_until

pytestmark = pytest.mark.any_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def get(address: str, path: str = "/") -> int:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def in_background(address: str, path: str) -> tuple[threading.Thread, list[object]]:
    found: list[object] = []

    def work() -> None:
        try:
            found.append(get(address, path))
        except (OSError, http.client.HTTPException) as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, found


# --- starting -------------------------------------------------------------------------------------------------------


def test_several_servers_find_a_port_each(start: Starting) -> None:
    with start() as one, start() as another:
        assert one != another
        assert [get(one), get(another)] == [200, 200]


def test_a_port_that_is_taken_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match=r"in use.*give another --host or --port"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_ipv6_address_is_told_in_brackets(small_app: SmallApp) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with running(small_app, listen("::1", 0), options={"numthreads": 1}) as address:
        assert address.startswith("[::1]:")
        assert get(address) == 200


def test_options_are_checked(small_app: SmallApp) -> None:
    with pytest.raises(ValueError, match="numthread is no option"), running(small_app, listen("127.0.0.1", 0), options={"numthread": 1}):
        pass
    with pytest.raises(ValueError), running(small_app, listen("127.0.0.1", 0), options={"numthreads": "many"}):
        pass
    with pytest.raises(ValueError, match="numthreads: at least 1"), running(small_app, listen("127.0.0.1", 0), options={"numthreads": 0}):
        pass


def test_every_option_is_one_that_the_server_has() -> None:
    with listen("127.0.0.1", 0) as listener:
        server = run.Server(SmallApp(), listener, {})

    # Those that are no attribute of the server go to its threads.
    assert {name for name in OPTIONS if not hasattr(server, name)} == {"accepted_queue_size"}


def test_options_arrive(start: Starting) -> None:
    with start(numthreads=2, head_timeout=0.2) as address:
        raw = Raw(address)
        began = time.monotonic()
        raw.send(b"GET / HT")
        assert raw.rest().startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 8


def test_who_finds_no_place_in_the_queue_is_told_to_come_again(small_app: SmallApp) -> None:
    with started(small_app, numthreads=1, accepted_queue_size=1) as server:
        working = []
        for number in (1, 2):  # at one of them is a thread that looked after the connections before, at the other the one for requests
            working.append(in_background(server.address, "/wait")[0])
            wait_until(lambda: len(small_app.asked) == number)  # noqa: B023
        waiting = Raw(server.address)
        waiting.send(GET)
        wait_until(lambda: server.requests.waiting == 1)

        assert get(server.address) == 503

        small_app.go_on.set()
        for thread in working:
            thread.join()
        assert waiting.head().startswith(b"HTTP/1.1 200")


# --- stopping -------------------------------------------------------------------------------------------------------


def test_requests_in_flight_finish_and_nobody_new_is_let_in(start: Starting, small_app: SmallApp) -> None:
    with start() as address:
        thread, found = in_background(address, "/wait")
        small_app.entered.wait(30)
        threading.Timer(0.4, small_app.go_on.set).start()
        began = time.monotonic()
    took = time.monotonic() - began
    thread.join()

    assert found == [200]
    assert 0.3 < took < 20
    with pytest.raises(OSError):
        get(address)


def test_connections_without_a_request_do_not_hold_it_up(start: Starting) -> None:
    with start(numthreads=4, shutdown_timeout=60) as address:
        mute = [Raw(address) for _ in range(3)]
        kept = Raw(address)
        kept.send(GET)
        kept.head()
        time.sleep(0.1)
        began = time.monotonic()

    assert time.monotonic() - began < 20
    for raw in mute:
        assert not raw.rest().startswith(b"HTTP/1.1 200")


def test_accepted_connections_that_wait_for_a_thread_are_still_served(start: Starting, small_app: SmallApp) -> None:
    with start(numthreads=1) as address:
        working, found = in_background(address, "/wait")
        small_app.entered.wait(30)
        waiting = Raw(address)
        waiting.send(GET)
        time.sleep(0.2)
        threading.Timer(0.2, small_app.go_on.set).start()
    working.join()

    assert found == [200]
    assert waiting.rest().endswith(b"hello")


def test_a_body_still_on_its_way_at_the_end_is_cut_off_and_never_taken_for_whole(start: Starting, small_app: SmallApp) -> None:
    with start(shutdown_timeout=0.3) as address:
        raw = Raw(address)
        raw.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        small_app.entered.wait(30)
        began = time.monotonic()

    assert time.monotonic() - began < 20
    assert (small_app.read, small_app.cut_short) == ([], 1)


def test_a_body_that_arrives_in_time_counts(start: Starting, small_app: SmallApp) -> None:
    with start(shutdown_timeout=60) as address:
        raw = Raw(address)
        raw.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        small_app.entered.wait(30)
        threading.Timer(0.3, raw.send, [b"67890"]).start()

    assert small_app.read == [b"1234567890"]
    assert raw.rest().startswith(b"HTTP/1.1 200")


def test_a_request_that_is_stuck_is_abandoned_also_with_a_full_queue_behind_it(
    start: Starting, small_app: SmallApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "CUT_OFF", 0.2)
    monkeypatch.setattr(run, "CUT_OFF", 0.2)
    with start(shutdown_timeout=0.2, numthreads=1, accepted_queue_size=1) as address:
        thread, found = in_background(address, "/wait")
        small_app.entered.wait(30)
        Raw(address).send(GET)
        time.sleep(0.2)
        began = time.monotonic()

    assert time.monotonic() - began < 20
    thread.join()
    assert isinstance(found[0], Exception)


SERVE = """
import sys, time
from pywharf.web.server.run import serve
from pywharf.web.server.listening import listen

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        print("slow", flush=True)
        time.sleep(0.5)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

serve(app, listen("127.0.0.1", 0), options={"numthreads": 4}, on_ready=lambda address: print(address, flush=True))
print("closed", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order_and_the_process_ends_well(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        thread, found = in_background(address, "/slow")
        assert process.stdout.readline() == "slow\n"

        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
        thread.join()

    assert (process.returncode, output, found) == (0, "closed\n", [200])


def test_a_signal_that_another_thread_receives_stops_the_server_as_well() -> None:
    """As one does that comes just before the main thread goes to sleep: no Python handler runs."""
    blocked = "(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}), print(address, flush=True))"
    code = "import signal\n" + SERVE.replace("print(address, flush=True)", blocked)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()

        process.terminate()
        try:
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()

    assert (process.returncode, output) == (0, "closed\n")


def test_a_stuck_request_does_not_keep_the_process_from_ending() -> None:
    stuck = SERVE.replace("sleep(0.5)", "sleep(60)").replace('{"numthreads": 4}', '{"numthreads": 4, "shutdown_timeout": 0.1}')
    stuck = "from pywharf.web.server import threads; threads.CUT_OFF = 0.1\n" + stuck
    with subprocess.Popen([sys.executable, "-c", stuck], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        thread, _ = in_background(address, "/slow")
        assert process.stdout.readline() == "slow\n"

        process.terminate()
        output, _ = process.communicate(timeout=30)
        thread.join()

    assert (process.returncode, output) == (0, "closed\n")


def test_a_second_signal_does_not_wait() -> None:
    logged = "import logging; logging.basicConfig(level=logging.INFO)\n"
    slow = logged + SERVE.replace("sleep(0.5)", "sleep(60)")
    with subprocess.Popen([sys.executable, "-c", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        address = process.stdout.readline().strip()
        thread, _ = in_background(address, "/slow")
        assert process.stdout.readline() == "slow\n"

        process.terminate()
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
        process.wait(timeout=30)
        thread.join()

    assert process.returncode == -signal.SIGTERM


FEW_DESCRIPTORS = """
import resource, threading, logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
from pywharf.web.server import run
from pywharf.web.server.listening import listen
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (60, min(hard, 90)))
run._allow_descriptors()
print("limit", resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)
files = [open("/dev/null") for _ in range(60)]
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
run.serve(app, listen("127.0.0.1", 0), options={"numthreads": 2, "timeout": 1.0}, on_ready=lambda address: print("ready", address, flush=True))
"""


def test_without_descriptors_the_log_is_not_flooded_and_the_server_recovers() -> None:
    with subprocess.Popen([sys.executable, "-c", FEW_DESCRIPTORS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "limit 90\n"  # raised as far as may be
        assert "max_connections is lowered: connections=45" in server.stdout.readline()
        port = int(server.stdout.readline().rpartition(":")[2])
        idle = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(120)]
        time.sleep(1.5)
        for connection in idle:
            connection.close()
        time.sleep(0.5)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"
        connection.close()
        server.send_signal(signal.SIGTERM)
        told = server.stdout.read()

    assert server.returncode == 0
    assert told.count("no new connection can be accepted") == 1
    assert len(told) < 5000


def test_a_client_that_goes_away_in_the_middle_of_an_answer_leaves_no_traceback_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    left: list[int] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(1000):
                yield b"x" * 100_000
        finally:
            left.append(1)

    with running(app, listen("127.0.0.1", 0)) as address:
        client = Raw(address)
        client.send(GET)
        client.head()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        client.close()
        end = time.monotonic() + 20
        while not left:
            assert time.monotonic() < end, "the server goes on sending to nobody"
            time.sleep(0.01)
    gc.collect()
    assert told == []
