"""Downloads, uploads and installers: what wrk is no measure for."""

from __future__ import annotations

import functools
import http.client
import itertools
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.field.corpora import LARGE_BYTES, SEED, File
from benchmarks.field.kinds import Measure
from benchmarks.field.processes import OFTEN, Failed
from benchmarks.field.servers import PLAIN, Live
from benchmarks.field.tools import Tools
from benchmarks.field.wrk import Request
from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.uploads import upload_form

WHEEL = 10_000  # bytes of data in an uploaded wheel
AT_MOST = 400  # uploads in one measurement
DOWNLOADS, DOWNLOADING = 3, 1.0  # downloads in one measurement, or as many as begin within so many seconds
LONGEST = 120.0  # seconds until a page has to show an upload, by any server
SETTLES = 0.2  # seconds in which a server ends what it does after an answer
_numbers = itertools.count()  # no two uploads of a run are of the same file
_names = f"new-{os.getpid()}-{int(time.time())}"


# --- downloads --------------------------------------------------------------------------------------------------------


def download(live: Live, file: File, clients: int) -> dict[str, Measure]:
    """Fetch the large wheel, by so many clients at a time; MB/s of all together, and by how much the server grew.

    Several times, of which the median counts: a connection within one machine stands still for some tenths of a second now and
    then, whoever serves, until the kernel sends again.
    """
    request = (
        Request(live.file(file.project, file.filename), {**PLAIN, **live.server.reading, "Connection": "close"}).raw(live.port).encode()
    )
    live.running.forget_peak()
    before = live.running.rss()
    times: list[float] = []
    cpus: list[float] = []
    while len(times) < DOWNLOADS and sum(times) < DOWNLOADING:
        cpu = live.running.cpu()
        took, received = _together([lambda: _received(live.port, request)] * clients)
        if any(got < file.size for got in received):
            raise Failed(f"{live.server.name} sent {min(received)} bytes of {file.size}")
        times.append(took)
        cpus.append((live.running.cpu() - cpu) / clients)
    speed = clients * file.size / 1e6 / statistics.median(times)
    measured = {f"download_{clients}": Measure(speed, statistics.median(cpus), file.size)}
    if clients == 1:
        measured["download_rss"] = Measure(max(0.0, live.running.peak() - before))
    return measured


def _received(port: int, request: bytes) -> int:
    """Bytes of the answer, its head included. They are looked at no further: that would be this client's speed."""
    buffer, got = bytearray(1 << 20), 0
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(request)
        while size := connection.recv_into(buffer):
            got += size
    return got


# --- uploads ----------------------------------------------------------------------------------------------------------


def upload(live: Live, clients: int, seconds: float, *, into: str = "") -> Measure:
    """Upload wheels of 10 kB for so long, each of a new project, or all into one. CPU is the server's for one of them.

    A server that lets some time pass between two groups is measured from the end of one group to that of the next.
    """
    forms = new_forms(into)
    began = time.perf_counter()
    if live.server.pace:
        upload_for(live, 1, 0.0, forms)
        seconds, began = 0.0, time.perf_counter()
        time.sleep(SETTLES)
    cpu = live.running.cpu()
    done = upload_for(live, clients, seconds, forms)
    took = time.perf_counter() - began
    time.sleep(SETTLES)
    return Measure(done / took, (live.running.cpu() - cpu) / done)


def new_forms(into: str = "") -> Iterator[tuple[bytes, str]]:
    """As many as are ever uploaded at a time; made now, not while something is timed."""
    return iter([upload_form(_new_wheel(into)) for _ in range(AT_MOST)])


def upload_for(live: Live, clients: int, seconds: float, forms: Iterator[tuple[bytes, str]]) -> int:
    """Upload for so long, and at least one by each client; how many there were when all were answered."""
    lock, until = threading.Lock(), time.perf_counter() + seconds

    def work() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=300)
        done = 0
        while time.perf_counter() < until or not done:
            with lock:
                form = next(forms, None)
            if form is None:
                break
            _send(connection, live, *form)
            done += 1
        connection.close()
        return done

    return sum(_together([work] * clients)[1])


@functools.lru_cache(maxsize=1)
def _large_form(number: int) -> tuple[bytes, str]:
    name = f"{_names}-large-{number}"
    return upload_form(make_wheel(name, "1.0", files={"data.bin": random.Random(name).randbytes(LARGE_BYTES)}))


def upload_large(live: Live, number: int) -> dict[str, Measure]:
    """Upload a wheel of 200 MB that this server has not seen. number: of the round; in each all servers get the same wheel."""
    body, content_type = _large_form(number)
    live.running.forget_peak()
    before, cpu = live.running.rss(), live.running.cpu()
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=300)
    began = time.perf_counter()
    _send(connection, live, body, content_type)
    took = time.perf_counter() - began
    connection.close()
    speed = Measure(len(body) / 1e6 / took, live.running.cpu() - cpu)
    return {"upload_large": speed, "upload_rss": Measure(max(0.0, live.running.peak() - before))}


def freshness(live: Live) -> Measure:
    """From the answer to an upload until the project's page has the file; ms."""
    return Measure(seconds_until_shown(live, upload_one(live)) * 1000)


@dataclass(frozen=True)
class Uploaded:
    """A file whose upload was answered."""

    project: str
    filename: str
    at: float  # by time.perf_counter()


def upload_one(live: Live, *, into: str = "") -> Uploaded:
    """Upload a wheel of 10 kB, of a new project or into one."""
    wheel = _new_wheel(into)
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=300)
    _send(connection, live, *upload_form(wheel))
    answered = time.perf_counter()
    connection.close()
    return Uploaded(wheel.filename.partition("-")[0].replace("_", "-"), wheel.filename, answered)


def seconds_until_shown(live: Live, uploaded: Uploaded, *, patient: bool = False) -> float:
    """Seconds from the upload's answer until a server has answered with a page that has the file.

    patient: ask less often the longer it takes, so that asking is no work worth mentioning. Raises Failed after two minutes.
    """
    while uploaded.filename.encode() not in live.get(live.page(uploaded.project))[2]:
        waited = time.perf_counter() - uploaded.at
        if waited > LONGEST:
            raise Failed(f"{live.server.name} does not show an upload after {LONGEST:.0f} s")
        if patient:
            time.sleep(max(0.005, OFTEN * waited))
    return time.perf_counter() - uploaded.at


def _new_wheel(into: str) -> Distribution:
    number = next(_numbers)
    data = {"data.bin": random.Random(f"{SEED} {number}").randbytes(WHEEL)}
    return make_wheel(into, f"2.{int(time.time())}.{number}", files=data) if into else make_wheel(f"{_names}-{number}", "1.0", files=data)


def _send(connection: http.client.HTTPConnection, live: Live, body: bytes, content_type: str) -> None:
    connection.request("POST", live.server.upload, body, {**live.writing, "Content-Type": content_type})
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise Failed(f"{live.server.name}: {answer.status} to an upload: {told[:200]!r}")


# --- installers -------------------------------------------------------------------------------------------------------


def install(live: Live, tools: Tools, program: str, projects: Sequence[str], work: Path, *, times: int) -> Measure:
    """Let pip or uv install the projects into an empty folder, with no cache of its own. CPU is the server's for all of it.

    They are told by their environment where to look: the address holds the secret, and everybody may see a command line.
    """
    measured = [_install(live, tools, program, projects, work) for _ in range(times)]
    return Measure(statistics.median(took for took, _ in measured), statistics.median(cpu for _, cpu in measured))


def _install(live: Live, tools: Tools, program: str, projects: Sequence[str], work: Path) -> tuple[float, float]:
    """Seconds that one installation takes, and the server's CPU."""
    target = work / f"{program}-target"
    shutil.rmtree(target, ignore_errors=True)
    words = ["install", "--quiet", "--no-deps", "--target", str(target)]
    if program == "pip":
        command = [tools.client("pip"), *words, "--no-cache-dir", "--no-input", "--no-compile", "--disable-pip-version-check"]
    else:
        command = [tools.client("uv"), "pip", *words, "--no-cache", "--no-config", "--python", sys.executable]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": live.index_url(), "UV_DEFAULT_INDEX": live.index_url()}
    cpu, began = live.running.cpu(), time.perf_counter()
    done = subprocess.run([*command, *projects], env=environ, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode or len(list(target.glob("*.dist-info"))) != len(projects):
        raise Failed(f"{program} from {live.server.name}: {done.stderr[-500:]}")
    return took, live.running.cpu() - cpu


def _together(works: Sequence[Callable[[], int]]) -> tuple[float, list[int]]:
    """Do all at the same time; seconds until the last was done, and what each returned. Raises what one of them raised."""
    results: list[int] = []
    errors: list[BaseException] = []

    def caught(work: Callable[[], int]) -> None:
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=caught, args=(work,)) for work in works]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.perf_counter() - began, results
