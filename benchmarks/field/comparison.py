"""One run: fill, start all servers, measure each kind at all of them in turn, again and again, stop them.

Packages in git are compared at sizes S and M alone; of more, benchmarks/git_repository.py tells what they cost (--files).
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.field import clients, fsyncs
from benchmarks.field.columns import BESIDE, EXAMPLES, IN_GIT, MIDDLE, Columns, Effort
from benchmarks.field.corpora import WIDE, Corpus
from benchmarks.field.filling import examples, large_file
from benchmarks.field.kinds import APART, BY_NAME, COMPARED, HOSTED, KINDS, OURS, PAGES, TITLES, Kind, Measure
from benchmarks.field.pages import LONG, Pages
from benchmarks.field.processes import Failed
from benchmarks.field.results import Results
from benchmarks.field.servers import Live
from benchmarks.field.tools import PEERS, Tools
from benchmarks.field.wrk import WrkFailed

INSTALLED = 30  # projects that pip and uv install

Item = TypeVar("Item")


class Comparison:
    """All servers of one size, running."""

    def __init__(
        self,
        size: str,
        kinds: Sequence[Kind],
        effort: Effort,
        cache: Path,
        work: Path,
        tools: Tools,
        results: Results,
        *,
        alone: bool = False,
    ) -> None:
        """alone: without the other package servers and nginx. They were not made for size XL."""
        self._size, self._effort, self._work, self._tools = size, effort, work, tools
        self._names = {kind.name for kind in kinds}
        if "wrk" in tools.missing:
            self._names -= {*PAGES, *OURS, "project_m"}
        if "strace" in tools.missing:
            self._names -= {"fsyncs_1", "fsyncs_8"}
        self._columns = Columns(size, self._names, effort, cache, work, tools, results, alone=alone or size == "XL")
        self._slow: set[tuple[str, str]] = set()  # kinds and servers

    def run(self) -> None:
        """Raises CalledProcessError where a peer cannot be installed or filled, Failed where pywharf does not do what is measured."""
        if self._names & {"pip", "uv"}:
            self._tools.client("pip")  # installed now, not while it is measured
        with self._columns:
            corpus = self._columns.start()
            _say("measuring")
            self._measure(corpus)
            self._measure_apart(corpus)

    # --- measure ----------------------------------------------------------------------------------------------------

    def _measure(self, corpus: Corpus) -> None:
        """Round after round, kind after kind, one server after the other: what disturbs the machine for a while disturbs them all.

        Each round begins with another server: the first may find the disk at work with what the kind before wrote.
        """
        self._pages = Pages(examples(corpus, EXAMPLES), self._work, self._effort.seconds)
        self._pages_beside = Pages(self._columns.beside.get(MIDDLE, ()), self._work, self._effort.seconds)
        self._projects = [file.project for file in examples(corpus, INSTALLED)]
        self._large = large_file(corpus) if self._names & {"download_1", "download_4"} else None
        for number in range(self._effort.rounds):
            for kinds in together(self._in_round(number)):
                began = time.perf_counter()
                for live in turned(list(self._columns.lives.values()), number):
                    for kind in kinds:
                        if number < self._rounds(kind, live.server.name):
                            self._act(kind, live, number)
                _say(f"round {number + 1} of {self._effort.rounds}: {', '.join(kinds)}, {time.perf_counter() - began:.1f} s")

    def _rounds(self, kind: str, server: str) -> int:
        """How many of them a server takes part in."""
        if (kind, server) in self._slow:
            return self._effort.slow
        return self._effort.peers if TITLES.get(server) in PEERS else self._effort.rounds

    def _in_round(self, number: int) -> list[str]:
        """The kinds of a round: some are not in every one, some need what a corpus does not have."""
        left_out = set(APART)
        if self._size == "S":
            left_out |= {"wide", "upload_wide", "upload_small"}
        if self._large is None:
            left_out |= {"download_1", "download_4"}
        if number >= self._effort.large:
            left_out.add("upload_large")
        if number >= self._effort.installs or len(self._projects) < INSTALLED:
            left_out |= {"pip", "uv"}
        return [kind.name for kind in KINDS if kind.name in self._names - left_out]

    def _measured(self, kind: str, live: Live, number: int) -> Mapping[str, Measure | None]:
        """Measure a kind at a server; empty where the server is not there for that."""
        server = live.server
        if server.name in BESIDE or kind in BESIDE.values():
            if BESIDE.get(server.name) != kind:
                return {}
            return {
                kind: self._pages_beside.measure(live, "project")
                if server.name == MIDDLE
                else clients.upload(live, 1, self._effort.seconds)
            }
        if server.name == IN_GIT and kind not in HOSTED:
            return {}
        if kind in OURS:
            return {kind: self._pages.measure(live, kind)} if server.name.startswith("pywharf") else {}
        if kind in PAGES:
            return {kind: self._pages.measure(live, kind)}
        if kind == "upload_8" and server.upload:
            return {kind: clients.upload(live, 8, self._effort.seconds)}
        if not server.simple or server.name == "pywharf-2":
            return {}
        if kind in ("pip", "uv"):
            times = self._effort.pip if kind == "pip" else self._effort.uv
            return {kind: clients.install(live, self._tools, kind, self._projects, self._work, times=times)} if server.pip else {}
        if kind in ("download_1", "download_4") and self._large is not None:
            return clients.download(live, self._large, int(kind[-1]))
        if not server.upload:
            return {}
        if kind == "fresh":
            return {kind: clients.freshness(live)}
        if kind == "upload_large":
            return clients.upload_large(live, number)
        return {kind: clients.upload(live, 1, self._effort.seconds, into=WIDE if kind == "upload_wide" else "")}

    def _act(self, kind: str, live: Live, number: int) -> None:
        try:
            measured = self._measured(kind, live, number)
        except (Failed, WrkFailed, OSError, http.client.HTTPException) as error:
            if live.server.name.startswith("pywharf"):
                raise Failed(f"{kind}: {error}") from error
            print(f"left out: {kind}: {error}", file=sys.stderr)
            return
        for name, measure in measured.items():
            if measure is not None:
                self._columns.keep(name, live, measure)
                if BY_NAME[name].seconds(measure) > LONG:
                    self._slow.add((name, live.server.name))

    # --- after the rounds -------------------------------------------------------------------------------------------

    def _measure_apart(self, corpus: Corpus) -> None:
        """What would disturb what is timed: a server that follows all uploads to another one, and strace."""
        if self._names & {"stale", "stale_known"}:
            try:
                self._measure_staleness(examples(corpus, EXAMPLES)[-1].project)
            except (OSError, http.client.HTTPException) as error:
                raise Failed(f"staleness: {error}") from error
        for kind, count in (("fsyncs_1", 1), ("fsyncs_8", 8)):
            if kind not in self._names:
                continue
            _say(kind)
            for name, live in self._columns.lives.items():
                if not live.server.upload or live.server.pace or name in BESIDE or (count > 1 and not name.startswith("pywharf")):
                    continue
                try:
                    self._columns.keep(kind, live, fsyncs.fsyncs_of_uploads(live, count, self._work))
                except (Failed, OSError, http.client.HTTPException) as error:  # not allowed to, or gone: nothing that a server does wrong
                    print(f"left out: {kind}: {live.server.name}: {error}", file=sys.stderr)

    def _measure_staleness(self, project: str) -> None:
        _say("staleness")
        in_git = self._columns.in_git
        if in_git is not None and "stale_known" in self._names:
            self._columns.keep("stale_known", in_git.live, in_git.watched())
        on_disk = None if self._size == "XL" else self._columns.start_second(project)  # which has one ROOT, and would read for long
        if on_disk is not None:
            on_disk.known_project()  # by now it has just looked
        for number in range(self._effort.stale):
            if on_disk is not None and "stale_known" in self._names:
                self._columns.keep("stale_known", on_disk.live, on_disk.known_project())
            if on_disk is not None and "stale" in self._names:
                self._columns.keep("stale", on_disk.live, on_disk.new_project((number + 0.5) / self._effort.stale))
        if in_git is not None and "stale" in self._names:
            for _ in range(self._effort.slow):
                self._columns.keep("stale", in_git.live, in_git.new_project(0.0))


def together(kinds: Sequence[str]) -> list[list[str]]:
    """Each kind by itself, but those that are compared with each other in a row: a machine can be half as fast a minute later."""
    groups: dict[object, list[str]] = {}
    for kind in kinds:
        groups.setdefault(next((group for group in COMPARED if kind in group), kind), []).append(kind)
    return list(groups.values())


def turned(servers: Sequence[Item], number: int) -> list[Item]:
    """The same ones, from another on."""
    at = number % max(1, len(servers))
    return [*servers[at:], *servers[:at]]


@contextlib.contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """An empty folder for one run, below --out so that bodies can be linked into it; removed at the end."""
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _say(what: str) -> None:
    print(what, file=sys.stderr)
