"""How quick is a repository in git? Starts, syncs, uploads, pages, files and memory, with as many files as a team has after years.

    python benchmarks/git_repository.py [--files 20000] [--quick] [--folder FOLDER]

Fills bare repositories with generated wheels, serves them by the real `git http-backend` on 127.0.0.1, runs real server
processes on them, and prints one table. Loopback has neither latency nor TLS: on a host far away add its round trip for each
request (the table says how many a start makes). Needs git, and Linux for /proc.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import dulwich
from git_content import Project, fill, many_projects, repack
from git_servers import NAME, OWNER, Hosted, MeasuredServer, cpu_of_children

from pywharf.testing.distributions import make_wheel
from pywharf.testing.git_server import GitServer

WIDE = 2000  # files of the project that is wide
EACH = 5  # files of every other project
SETTLES = 1.1  # seconds after which a server looks again at a git host for what it does not know
WARM = 3  # uploads before those that count: a connection is made, a right is asked for


@dataclass(frozen=True)
class Extent:
    """How much of everything."""

    files: int
    wide: int
    starts: int
    syncs: int
    uploads: int
    looks: int  # pages and files asked for
    large: int  # bytes of the large wheel
    large_runs: int


@dataclass(frozen=True)
class Row:
    """One line of the table. Times in seconds."""

    what: str
    values: Sequence[float]
    unit: str = "ms"
    cpu: float | None = None  # the server's, each time
    git: float | None = None  # the host's git, each time
    more: str = ""

    def line(self) -> str:
        median = statistics.median(self.values)
        spread = f"{self._shown(min(self.values))} - {self._shown(max(self.values))}" if len(self.values) > 1 else ""
        cells = [
            self.what,
            f"**{self._shown(median)} {self.unit}**",
            spread,
            str(len(self.values)),
            self._cpu(self.cpu),
            self._cpu(self.git),
        ]
        return f"| {' | '.join([*cells, self.more])} |"

    def _cpu(self, seconds: float | None) -> str:
        return "" if seconds is None else f"{self._shown(seconds)} {self.unit}"

    def _shown(self, value: float) -> str:
        return {"s": f"{value:.2f}", "ms": f"{value * 1000:.1f}", "MiB": f"{value:.0f}"}[self.unit]


HEAD = "| | median | from - to | runs | CPU of the server | CPU of git, at the host | |\n|---|---|---|---|---|---|---|"


# --- starts ----------------------------------------------------------------------------------------------------------


def cold_starts(what: str, hosted: Hosted, roots: Sequence[Path], page: str) -> Iterator[Row]:
    """Starts on an empty ROOT each; and what they take of memory."""
    took, cpu, git, rss, peak, asked = [], [], [], [], [], []
    for root in roots:
        hosted.host.forget_requests()
        with hosted.server(root, page) as server:
            asked = hosted.host.requests
            took.append(server.started)
            cpu.append(server.cpu_at_start)
            git.append(server.git_at_start)
            rss.append(server.rss())
            peak.append(server.peak())
    answered = f"{len(asked)} requests, answered with {sum(request.sent for request in asked) / 2**20:.1f} MiB"
    yield Row(what, took, "s", statistics.median(cpu), statistics.median(git), answered)
    yield Row(f"{what}: RSS then", rss, "MiB", more=f"{max(peak):.0f} MiB at most")


def warm_starts(hosted: Hosted, root: Path, runs: int, page: str) -> Row:
    """Starts on a ROOT that has been in step."""
    took, cpu, git = [], [], []
    for _ in range(runs):
        with hosted.server(root, page) as server:
            took.append(server.started)
            cpu.append(server.cpu_at_start)
            git.append(server.git_at_start)
    return Row("warm start", took, "s", statistics.median(cpu), statistics.median(git))


def write_checkpoint(hosted: Hosted) -> Row:
    """What the workflow on the host does after uploads, the first time."""
    words = ["update_index", "github", NAME, "--owner", OWNER, "--repo", hosted.repo, "--git_url", hosted.host.url_template]
    environ = {**os.environ, "BENCHMARK_TOKEN": hosted.writing}
    command = [sys.executable, "-m", "pywharf", *words, "--secret_env", "BENCHMARK_TOKEN", "--min_push_interval", "0"]
    began = time.perf_counter()
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    repack(hosted.host, hosted.path)
    return Row("`update_index` writes the index file", [took], "s")


# --- while it runs ---------------------------------------------------------------------------------------------------


def each(server: MeasuredServer, what: str, asked: Sequence[Callable[[], float]], more: str = "") -> Row:
    """Run each of `asked`, which says how long it took."""
    cpu, git = server.cpu(), cpu_of_children()
    took = [one() for one in asked]
    return Row(what, took, "ms", (server.cpu() - cpu) / len(took), (cpu_of_children() - git) / len(took), more)


def pages_and_files(server: MeasuredServer, projects: Sequence[Project], looks: int) -> Iterator[Row]:
    chosen = projects[1 :: max(1, len(projects) // looks)][:looks]
    pages = [f"/simple/{project.name}/" for project in chosen]
    files = [f"/simple/{project.name}/{project.wheel(0).filename}" for project in chosen]
    yield each(server, "page, first time", [lambda path=path: server.timed(path) for path in pages])
    yield each(server, "page, again", [lambda path=path: server.timed(path) for path in pages])
    yield each(server, "file, first time", [lambda path=path: server.timed(path) for path in files], "fetched from the host")
    yield each(server, "file, again", [lambda path=path: server.timed(path) for path in files])


def upload_into(server: MeasuredServer, hosted: Hosted, what: str, projects: Sequence[Project], count: int) -> Row:
    """Upload one more wheel to each of the projects in turn."""
    wheels = [project.wheel(project.files + at) for at in range(1 + (WARM + count) // len(projects)) for project in projects]
    for wheel in wheels[:WARM]:
        server.upload(wheel)
    before = len(hosted.pushed())
    row = each(server, what, [lambda wheel=wheel: server.upload(wheel) for wheel in wheels[WARM : WARM + count]])
    pushed = hosted.pushed()[before:]
    return Row(row.what, row.values, row.unit, row.cpu, row.git, f"{statistics.mean(pushed) / 1024:.1f} KiB pushed")


def syncs(uploading: MeasuredServer, hosted: Hosted, page: str, runs: int) -> Row:
    """A project that another server has just taken, asked for where nobody knows it yet: a sync, and its page."""
    with hosted.server(hosted.new_root(), page) as looking:

        def look(project: str) -> float:
            uploading.upload(make_wheel(project, "1.0"))
            time.sleep(SETTLES)
            return looking.timed(f"/simple/{project}/")

        look("unheard-of")
        asked = [lambda at=at: look(f"unheard-of-{at}") for at in range(runs)]
        row = each(looking, "sync of one upload by another server, and its page", asked)
    return Row(row.what, row.values, row.unit, row.cpu)  # git's CPU would be that of the upload too


def large_wheel(uploading: MeasuredServer, hosted: Hosted, page: str, size: int, runs: int) -> Iterator[Row]:
    """A large wheel up through one server, and down through another that has never seen it."""
    up, down, again, grown_up, grown_down, cpu_up, cpu_down = [], [], [], [], [], [], []
    with hosted.server(hosted.new_root(), page) as looking:
        uploading.upload(make_wheel("large", "0.1"))
        for number in range(runs):
            wheel = make_wheel("large", f"1.{number}", files={"large.bin": os.urandom(size)})
            took, grown, cpu = with_memory(uploading, lambda wheel=wheel: uploading.upload(wheel))
            up.append(took), grown_up.append(grown), cpu_up.append(cpu)
            time.sleep(SETTLES)
            path = f"/simple/large/{wheel.filename}"
            looking.get(f"{path}.metadata")  # so that it has heard of it
            took, grown, cpu = with_memory(looking, lambda path=path: looking.timed(path))
            down.append(took), grown_down.append(grown), cpu_down.append(cpu)
            again.append(looking.timed(path))
            if hashlib.sha256(looking.get(path)[1]).hexdigest() != wheel.sha256:
                raise RuntimeError("another wheel came back")
    megabytes = f"{size / 1e6:.0f} MB wheel"
    yield Row(f"{megabytes} up", up, "s", statistics.median(cpu_up))
    yield Row(f"{megabytes} up: RSS grows by", grown_up, "MiB")
    yield Row(f"{megabytes} down, first time", down, "s", statistics.median(cpu_down))
    yield Row(f"{megabytes} down: RSS grows by", grown_down, "MiB")
    yield Row(f"{megabytes} down, again", again, "s")


def with_memory(server: MeasuredServer, act: Callable[[], float]) -> tuple[float, float, float]:
    """How long it took, by how many MiB the server's RSS grew meanwhile, and its CPU."""
    server.forget_peak()
    before, cpu = server.rss(), server.cpu()
    took = act()
    return took, max(0.0, server.peak() - before), server.cpu() - cpu


# --- all of it -------------------------------------------------------------------------------------------------------


def measure(host: GitServer, folder: Path, extent: Extent) -> Iterator[Row]:
    projects = many_projects(extent.files, EACH)
    many, page = filled(host, folder, "many", projects), projects[0].name
    count = f"{extent.files:,} files"
    yield from cold_starts(f"cold start, {count}", many, [many.new_root() for _ in range(extent.starts)], page)
    yield write_checkpoint(many)
    roots = [many.new_root() for _ in range(extent.starts)]
    yield from cold_starts(f"cold start, {count}, with the index file", many, roots, page)
    yield warm_starts(many, roots[-1], extent.starts, page)
    with many.server(roots[-1], page) as server:
        yield syncs(server, many, page, extent.syncs)
        yield from pages_and_files(server, projects, extent.looks)
        yield upload_into(server, many, f"upload, {count}", projects, extent.uploads)
    few = Project("narrow", 10 - WARM)
    narrow = filled(host, folder, "few", [few])
    with narrow.server(narrow.new_root(), few.name) as server:
        yield upload_into(server, narrow, "upload, the 10th file of a project", [few], extent.uploads)
        large = list(large_wheel(server, narrow, few.name, extent.large, extent.large_runs))
    wide = Project("wide", extent.wide - WARM - extent.uploads)
    hosted = filled(host, folder, "wide", [wide])
    with hosted.server(hosted.new_root(), wide.name) as server:
        yield upload_into(server, hosted, f"upload, the {extent.wide:,}th file of a project", [wide], extent.uploads)
        page = f"/simple/{wide.name}/"
        yield each(server, f"page of {extent.wide:,} files, first time", [lambda: server.timed(page)])
        yield each(server, f"page of {extent.wide:,} files, again", [lambda: server.timed(page)] * extent.looks)
    yield from large


def filled(host: GitServer, folder: Path, repo: str, projects: Sequence[Project]) -> Hosted:
    began = time.perf_counter()
    hosted = Hosted(host, repo, folder)
    fill(host, hosted.path, projects)
    print(f"filled {repo} with {sum(one.files for one in projects)} files in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return hosted


def machine() -> str:
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    now = datetime.now(timezone.utc)
    dulwich_version = ".".join(map(str, dulwich.__version__))
    return (
        f"{now:%Y-%m-%d}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f} at the start), "
        f"Python {platform.python_version()}, dulwich {dulwich_version}, git {git}."
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--files", type=int, default=20_000, help="in the large repository (default: 20000)")
    arguments.add_argument("--quick", action="store_true", help="little of everything, to see that it works")
    arguments.add_argument("--folder", type=Path, default=None, help="where to work (default: a temporary folder)")
    chosen = arguments.parse_args()
    extent = Extent(chosen.files, WIDE, starts=5, syncs=10, uploads=20, looks=100, large=90_000_000, large_runs=3)
    if chosen.quick:
        extent = Extent(chosen.files, 100, starts=1, syncs=1, uploads=2, looks=3, large=5_000_000, large_runs=1)
    folder = Path(tempfile.mkdtemp(prefix="pywharf-git-", dir=chosen.folder))
    try:
        about = machine()
        with GitServer(folder / "host") as host:
            rows = []
            for row in measure(host, folder, extent):
                print(row.line(), file=sys.stderr)
                rows.append(row)
        print("\n".join([about, "", HEAD, *(row.line() for row in rows)]))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
