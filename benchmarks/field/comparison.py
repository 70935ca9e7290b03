"""One run: fill, start all servers, measure each kind at all of them in turn, again and again, stop them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.field import clients, servers
from benchmarks.field.corpora import WIDE, Corpus, File, make_corpus
from benchmarks.field.filling import examples, fill_devpi, fill_flat, fill_folders, fill_pywharf, fill_site, filled, large_file, work_copy
from benchmarks.field.kinds import KINDS, OURS, PAGES, TITLES, Kind, Measure
from benchmarks.field.pages import Pages
from benchmarks.field.processes import Failed
from benchmarks.field.results import Results
from benchmarks.field.servers import Live, Server
from benchmarks.field.tools import Tools
from benchmarks.field.wrk import WrkFailed

EXAMPLES = 100  # projects whose pages and wheels are asked for in turn
INSTALLED = 30  # projects that pip and uv install
SMALL, MIDDLE = "pywharf-S", "pywharf-M"  # a second pywharf, with 100 files, and a third, with 22,000
BESIDE = {SMALL: "upload_small", MIDDLE: "project_m"}  # what each of them is there for, and nothing else
IDLE = 1.0  # seconds after the first answer until memory is read

Made = TypeVar("Made")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Effort:
    """How much is measured. seconds: of wrk, and of uploads, each time."""

    rounds: int
    installs: int  # rounds with pip and uv
    large: int  # rounds with uploads of 200 MB
    starts: int
    seconds: int


QUICK = Effort(rounds=3, installs=3, large=1, starts=1, seconds=1)
WHOLE = Effort(rounds=7, installs=5, large=3, starts=3, seconds=4)


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
        self._alone = alone or size == "XL"
        self._size, self._effort, self._work, self._tools, self._results = size, effort, work, tools, results
        self._cache = cache / size
        self._names = {kind.name for kind in kinds}
        self._stack = contextlib.ExitStack()
        self._lives: dict[str, Live] = {}
        self._beside: dict[str, Sequence[File]] = {}  # of those with another corpus, some files

    def run(self) -> None:
        """Raises CalledProcessError where a peer cannot be installed or filled, Failed where pywharf does not do what is measured."""
        corpus = self._make_corpus()
        if self._wants("pip", "uv"):
            self._tools.client("pip")  # installed now, not while it is measured
        if "wrk" in self._tools.missing:
            self._names -= {*PAGES, *OURS, "project_m"}
        with self._stack:
            self._start_all(corpus)
            _say("measuring")
            self._measure(corpus)

    # --- start ------------------------------------------------------------------------------------------------------

    def _make_corpus(self) -> Corpus:
        large = None if self._size == "XL" else self._cache.parent / "large"
        return self._filled("corpus", lambda: make_corpus(self._size, self._cache / "corpus", large=large))

    def _start_all(self, corpus: Corpus) -> None:
        files = examples(corpus, EXAMPLES)
        root = filled("pywharf", self._cache, lambda root: self._filled("pywharf", lambda: fill_pywharf(corpus, root)))
        first = files[0].project
        if self._wants("cold"):
            self._start_cold(root, first)
        self._start(servers.pywharf("pywharf", self._copy(root, "pywharf"), 1), first)
        if self._wants("disk"):
            size = sum(path.stat().st_size for path in (root / "index").iterdir() if not path.is_symlink())
            self._keep("disk", self._lives["pywharf"], Measure(size / 1e6))
        if self._wants(*PAGES, "upload_8") and self._size != "XL":  # whose one ROOT is in use
            self._start(servers.pywharf("pywharf-2", self._copy(root, "pywharf-2"), 2), first)
        if self._wants("upload_small") and self._size != "S":
            self._start_beside(SMALL, "S")
        if self._wants("project_m") and self._size in ("L", "XL"):
            self._start_beside(MIDDLE, "M")
        if self._wants(*PAGES):
            self._start_bare(files)
        if not self._alone:
            self._start_others(corpus, root, first)

    def _start_cold(self, root: Path, first: str) -> None:
        """Start pywharf where it has to make its local index from the storage."""
        for number in range(self._effort.starts):
            copy = self._copy(root, f"pywharf-cold-{number}")
            for path in (copy / "index").iterdir():
                path.unlink()
            live = servers.start(servers.pywharf("pywharf", copy, 1), self._work, first)
            self._keep("cold", live, Measure(live.running.started, live.running.cpu()))
            live.running.stop()

    def _start_bare(self, files: Sequence[File]) -> None:
        """With answers as long as those of pywharf."""
        kinds = [kind for kind in PAGES if kind != "not_modified" and (kind != "wide" or self._size != "S")]
        pages = Pages(files, self._work, self._effort.seconds)
        sizes = {kind: pages.size(self._lives["pywharf"], kind) for kind in kinds}
        for auth in (False, True):
            self._start(servers.bottle(sizes, auth=auth), "")

    def _start_others(self, corpus: Corpus, root: Path, first: str) -> None:
        if "nginx" not in self._tools.missing:
            site = filled("site", self._cache, lambda site: self._filled("site", lambda: fill_site(corpus, root, site)))
            self._start(servers.nginx(site, self._work), first)
        peers: dict[str, tuple[Callable[[Path], None], Callable[[Path], Server], bool]] = {
            "devpi": (lambda to: fill_devpi(corpus, self._tools, to), lambda at: servers.devpi(self._tools, at), True),
            "folders": (lambda to: fill_folders(corpus, to), lambda at: servers.simple_repository_server(self._tools, at), False),
            "flat": (lambda to: fill_flat(corpus, to), lambda at: servers.pypiserver(self._tools, at), True),
        }
        for name, (fill, server, written) in peers.items():
            try:
                folder = filled(name, self._cache, lambda to, name=name, fill=fill: self._filled(name, lambda: fill(to)))  # type: ignore[misc]
                self._start(server(self._copy(folder, name) if written else folder), first)
            except (Failed, OSError, subprocess.CalledProcessError) as error:
                print(f"left out: {name}: {error}", file=sys.stderr)

    def _start_beside(self, name: str, size: str) -> None:
        """A pywharf with another corpus, to be compared with."""
        cache = self._cache.parent / size
        corpus = make_corpus(size, cache / "corpus", large=self._cache.parent / "large")
        root = filled("pywharf", cache, lambda root: fill_pywharf(corpus, root))
        self._beside[name] = examples(corpus, EXAMPLES)
        self._start(servers.pywharf(name, self._copy(root, name), 1), self._beside[name][0].project)

    def _start(self, server: Server, first: str) -> None:
        """Start it as often as starts are measured, and leave it running."""
        _say(f"starting {server.name}")
        for _ in range(self._effort.starts - 1 if self._wants("start") else 0):
            live = servers.start(server, self._work, first)
            self._keep("start", live, Measure(live.running.started, live.running.cpu()))
            live.running.stop()
        live = servers.start(server, self._work, first)
        self._stack.callback(live.running.stop)
        self._lives[server.name] = live
        self._keep("start", live, Measure(live.running.started, live.running.cpu()))
        if self._wants("rss"):
            time.sleep(IDLE)
            self._keep("rss", live, Measure(live.running.rss()))

    # --- measure ----------------------------------------------------------------------------------------------------

    def _measure(self, corpus: Corpus) -> None:
        """Round after round, kind after kind, one server after the other: what disturbs the machine for a while disturbs them all.

        Each round begins with another server: the first may find the disk at work with what the kind before wrote.
        """
        self._pages = Pages(examples(corpus, EXAMPLES), self._work, self._effort.seconds)
        self._pages_beside = Pages(self._beside.get(MIDDLE, ()), self._work, self._effort.seconds)
        self._projects = [file.project for file in examples(corpus, INSTALLED)]
        self._large = large_file(corpus) if self._wants("download_1", "download_4") else None
        for number in range(self._effort.rounds):
            for kind in self._in_round(number):
                _say(f"round {number + 1} of {self._effort.rounds}: {kind}")
                for live in turned(list(self._lives.values()), number):
                    self._act(kind, live)

    def _in_round(self, number: int) -> list[str]:
        """The kinds of a round: some are not in every one, some need what a corpus does not have."""
        left_out: set[str] = {"start", "cold", "rss", "disk", "download_rss", "upload_rss"}  # measured beside others
        if self._size == "S":
            left_out |= {"wide", "upload_wide", "upload_small"}
        if self._large is None:
            left_out |= {"download_1", "download_4"}
        if number >= self._effort.large:
            left_out.add("upload_large")
        if number >= self._effort.installs or len(self._projects) < INSTALLED:
            left_out |= {"pip", "uv"}
        return [kind.name for kind in KINDS if kind.name in self._names - left_out]

    def _measured(self, kind: str, live: Live) -> Mapping[str, Measure | None]:
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
        if kind in OURS:
            return {kind: self._pages.measure(live, kind)} if server.name.startswith("pywharf") else {}
        if kind in PAGES:
            return {kind: self._pages.measure(live, kind)}
        if kind == "upload_8" and server.upload:
            return {kind: clients.upload(live, 8, self._effort.seconds)}
        if not server.simple or server.name == "pywharf-2":
            return {}
        if kind in ("pip", "uv"):
            return {kind: clients.install(live, self._tools, kind, self._projects, self._work)} if server.pip else {}
        if kind in ("download_1", "download_4") and self._large is not None:
            return clients.download(live, self._large, int(kind[-1]))
        if not server.upload:
            return {}
        if kind == "fresh":
            return {kind: clients.freshness(live)}
        if kind == "upload_large":
            return clients.upload_large(live)
        return {kind: clients.upload(live, 1, self._effort.seconds, into=WIDE if kind == "upload_wide" else "")}

    def _act(self, kind: str, live: Live) -> None:
        try:
            measured = self._measured(kind, live)
        except (Failed, WrkFailed, OSError) as error:
            if live.server.name.startswith("pywharf"):
                raise Failed(f"{kind}: {error}") from error
            print(f"left out: {kind}: {error}", file=sys.stderr)
            return
        for name, measure in measured.items():
            if measure is not None:
                self._keep(name, live, measure)

    def _keep(self, kind: str, live: Live, measure: Measure) -> None:
        name = live.server.name
        if name in TITLES:
            self._results.add(kind, name, measure)
        elif kind in BESIDE.values():  # the row says how large the repository is
            self._results.add(kind, "pywharf", measure)

    # --- little ones ------------------------------------------------------------------------------------------------

    def _wants(self, *kinds: str) -> bool:
        return bool(self._names & set(kinds))

    def _copy(self, source: Path, name: str) -> Path:
        """What a run may write to; of a million files there is no copy."""
        return source if self._size == "XL" and name not in BESIDE else work_copy(source, self._work / f"{name}-work")

    def _filled(self, what: str, act: Callable[[], Made]) -> Made:
        began = time.perf_counter()
        made = act()
        if (took := time.perf_counter() - began) > 1:
            _say(f"{what} of size {self._size} made in {took:.0f} s")
        return made


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
