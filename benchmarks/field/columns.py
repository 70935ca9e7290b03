"""The servers of a run, filled and started, and what is measured while they start."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.field import hosted, servers
from benchmarks.field.corpora import Corpus, File, make_corpus
from benchmarks.field.filling import (
    CONFIG,
    bring_up_catalogue,
    examples,
    fill_devpi,
    fill_flat,
    fill_folders,
    fill_pywharf,
    fill_site,
    filled,
    work_copy,
)
from benchmarks.field.kinds import HOSTED, PAGES, TITLES, Measure
from benchmarks.field.pages import Pages
from benchmarks.field.processes import Failed
from benchmarks.field.results import Results
from benchmarks.field.servers import Live, Server
from benchmarks.field.staleness import Beside
from benchmarks.field.tools import Tools
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace

EXAMPLES = 100  # projects whose pages and wheels are asked for in turn
SMALL, MIDDLE = "pywharf-S", "pywharf-M"  # a second pywharf, with 100 files, and a third, with 22,000
BESIDE = {SMALL: "upload_small", MIDDLE: "project_m"}  # what each of them is there for, and nothing else
IN_GIT = "pywharf-git"
IDLE = 1.0  # seconds after the first answer until memory is read
STARTS, STARTING = 5, 4.0  # starts of each server, or so many seconds of them: then they are enough

Made = TypeVar("Made")


@dataclass(frozen=True)
class Effort:
    """How much is measured. seconds: of wrk, and of uploads, each time."""

    rounds: int
    slow: int  # rounds with those that are slow, or that let time pass on purpose
    peers: int  # rounds with other package servers
    installs: int  # rounds with pip and uv
    pip: int  # installations in one of these, of which the median counts; they take moments, which differ by a third of them
    uv: int
    large: int  # rounds with uploads of 200 MB
    colds: int  # starts without an index of a large corpus; of a small one there are three
    stale: int  # files that are waited for at another server
    seconds: int


QUICK = Effort(rounds=3, slow=1, peers=1, installs=2, pip=3, uv=3, large=1, colds=1, stale=2, seconds=1)
WHOLE = Effort(rounds=5, slow=2, peers=3, installs=5, pip=3, uv=5, large=3, colds=3, stale=5, seconds=3)


class Columns:
    """All servers of one size; `lives` are those that run."""

    def __init__(
        self, size: str, names: set[str], effort: Effort, cache: Path, work: Path, tools: Tools, results: Results, *, alone: bool
    ) -> None:
        """names: of the kinds that are wanted. cache: of all sizes. alone: without the other package servers and nginx."""
        self._size, self._names, self._effort, self._work, self._tools, self._results = size, names, effort, work, tools, results
        self._cache, self._alone = cache / size, alone
        self._stack = contextlib.ExitStack()
        self._timers: list[threading.Timer] = []
        self._root = Path()  # the first pywharf's
        self.lives: dict[str, Live] = {}
        self.beside: dict[str, Sequence[File]] = {}  # of those with another corpus, some files
        self.in_git: Beside | None = None

    def __enter__(self) -> Columns:
        return self

    def __exit__(self, *of_error: object) -> None:
        for timer in self._timers:  # where an error came before it
            timer.cancel()
        for live in self.lives.values():  # each takes some time to end: all at once
            live.running.ask_to_stop()
        self._stack.close()

    def start(self) -> Corpus:
        """Fill and start all. Raises CalledProcessError where a peer cannot be installed, Failed where a pywharf does not start."""
        large = None if self._size == "XL" else self._cache.parent / "large"
        corpus = self._made("corpus", lambda: make_corpus(self._size, self._cache / "corpus", large=large))
        files = examples(corpus, EXAMPLES)
        root = self._filled(corpus, self._cache)
        first = files[0].project
        self._root = self._copy(root, "pywharf")
        if self._wants("cold"):
            self._start_cold(first)
        self._start(servers.pywharf("pywharf", self._searched(self._root), 1), first)
        if self._wants("disk"):
            size = sum(path.stat().st_size for path in (self._root / "index").iterdir() if not path.is_symlink())
            self.keep("disk", self.lives["pywharf"], Measure(size / 1e6))
        if self._wants(*PAGES, "upload_8") and self._size != "XL":  # whose one ROOT is in use
            self._start(servers.pywharf("pywharf-2", self._searched(self._copy(root, "pywharf-2")), 2), first)
        if self._wants("upload_small") and self._size != "S":
            self._start_beside(SMALL, "S")
        if self._wants("project_m") and self._size in ("L", "XL"):
            self._start_beside(MIDDLE, "M")
        if (
            self._size in hosted.SIZES
            and "git" not in self._tools.missing
            and self._wants(*HOSTED, "start", "cold", "rss", "stale", "stale_known")
        ):
            self._start_in_git(corpus, first)
        if self._wants(*PAGES):
            self._start_bare(files)
        if not self._alone:
            self._start_others(corpus, root, first)
        for timer in self._timers:
            timer.join()
        return corpus

    def start_second(self, project: str) -> Beside:
        """Another pywharf on the storage of the first: started when it is needed, since it reads whatever is uploaded."""
        layout = Layout(self._work / "pywharf-second")
        layout.prepare()
        storage = Layout(self._root).workdir("local") / "storage"
        replace(layout, StoredConfig(f"{CONFIG}path = {json.dumps(str(storage.absolute()))}\n", ""))
        second = Beside(self.lives["pywharf"], servers.pywharf("pywharf-second", layout.root, 1), self._work, project)
        self._stack.callback(second.stop)
        return second

    def keep(self, kind: str, live: Live, measure: Measure) -> None:
        name = live.server.name
        if name in TITLES:
            self._results.add(kind, name, measure)
        elif kind in BESIDE.values():  # the row says how large the repository is
            self._results.add(kind, "pywharf", measure)

    # --- each of them -----------------------------------------------------------------------------------------------

    def _start_cold(self, first: str) -> None:
        """Start pywharf where it has to make its local index from the storage."""
        for _ in range(3 if self._size in ("S", "M") else self._effort.colds):
            for path in (self._root / "index").iterdir():
                path.unlink()
            self._start_once("cold", servers.pywharf("pywharf", self._root, 1), first).running.stop()

    def _start_in_git(self, corpus: Corpus, first: str) -> None:
        """Both servers on an empty ROOT; the first one again as often as starts are measured."""
        kept = filled("git", self._cache, lambda folder: self._made("git", lambda: hosted.fill_git(corpus, folder)))
        host = hosted.GitHost(kept, self._work)
        self._stack.callback(host.stop)
        server = host.server(IN_GIT)
        if self._wants("start", "cold"):
            self._start_once("cold", server, first).running.stop()
        self._start(server, first)
        if self._wants("stale", "stale_known"):
            self.in_git = Beside(self.lives[IN_GIT], host.server("pywharf-git-second"), self._work, first)
            self._stack.callback(self.in_git.stop)
            if self._wants("cold"):
                running = self.in_git.other.running
                self.keep("cold", self.lives[IN_GIT], Measure(running.started, running.cpu()))
            if self._wants("stale_known"):
                self.in_git.watch()  # for a minute

    def _start_bare(self, files: Sequence[File]) -> None:
        """With answers as long as those of pywharf."""
        kinds = [kind for kind in PAGES if kind != "not_modified" and (kind != "wide" or self._size != "S")]
        pages = Pages(files, self._work, self._effort.seconds)
        sizes = {kind: pages.size(self.lives["pywharf"], kind) for kind in kinds}
        for auth in (False, True):
            self._start(servers.bottle(sizes, auth=auth), "")

    def _start_others(self, corpus: Corpus, root: Path, first: str) -> None:
        if "nginx" not in self._tools.missing:
            site = filled("site", self._cache, lambda site: self._made("site", lambda: fill_site(corpus, root, site)))
            self._start(servers.nginx(site, self._work), first)
        peers: dict[str, tuple[Callable[[Path], None], Callable[[Path], Server], bool]] = {
            "devpi": (lambda to: fill_devpi(corpus, self._tools, to), lambda at: servers.devpi(self._tools, at), True),
            "folders": (lambda to: fill_folders(corpus, to), lambda at: servers.simple_repository_server(self._tools, at), False),
            "flat": (lambda to: fill_flat(corpus, to), lambda at: servers.pypiserver(self._tools, at), True),
        }
        for name, (fill, server, written) in peers.items():
            try:
                folder = filled(name, self._cache, lambda to, name=name, fill=fill: self._made(name, lambda: fill(to)))  # type: ignore[misc]
                self._start(server(self._copy(folder, name) if written else folder), first)
            except (Failed, OSError, subprocess.CalledProcessError) as error:
                print(f"left out: {name}: {error}", file=sys.stderr)

    def _filled(self, corpus: Corpus, cache: Path) -> Path:
        """A ROOT with a corpus in it, to be copied."""
        return filled("pywharf", cache, lambda root: self._made("pywharf", lambda: fill_pywharf(corpus, root)))

    def _searched(self, root: Path) -> Path:
        """A ROOT whose catalogue is up to date, where the run looks at it. That of a ROOT that was copied, or whose index is gone, begins anew."""
        if self._wants("search", "disk"):
            self._made("catalogue", lambda: bring_up_catalogue(root))
        return root

    def _start_beside(self, name: str, size: str) -> None:
        """A pywharf with another corpus, to be compared with."""
        cache = self._cache.parent / size
        corpus = make_corpus(size, cache / "corpus", large=self._cache.parent / "large")
        root = self._filled(corpus, cache)
        self.beside[name] = examples(corpus, EXAMPLES)
        self._start(servers.pywharf(name, self._searched(self._copy(root, name)), 1), self.beside[name][0].project)

    def _start(self, server: Server, first: str) -> None:
        """Start it as often as starts are measured, and leave it running."""
        print(f"starting {server.name}", file=sys.stderr)
        live = self._start_once("start", server, first)
        spent, starts = live.running.started, 1
        while self._wants("start") and server.name in TITLES and starts < STARTS and spent < STARTING:
            live.running.stop()
            live = self._start_once("start", server, first)
            spent, starts = spent + live.running.started, starts + 1
        self._stack.callback(live.running.stop)
        self.lives[server.name] = live
        if self._wants("rss"):  # meanwhile the next one starts
            timer = threading.Timer(IDLE, lambda: self.keep("rss", live, Measure(live.running.rss())))
            timer.start()
            self._timers.append(timer)

    def _start_once(self, kind: str, server: Server, first: str) -> Live:
        live = servers.start(server, self._work, first)
        if self._wants(kind):
            self.keep(kind, live, Measure(live.running.started, live.running.cpu()))
        return live

    # --- little ones ------------------------------------------------------------------------------------------------

    def _wants(self, *kinds: str) -> bool:
        return bool(self._names & set(kinds))

    def _copy(self, source: Path, name: str) -> Path:
        """What a run may write to; of a million files there is no copy."""
        return source if self._size == "XL" and name not in BESIDE else work_copy(source, self._work / f"{name}-work")

    def _made(self, what: str, act: Callable[[], Made]) -> Made:
        began = time.perf_counter()
        made = act()
        if (took := time.perf_counter() - began) > 1:
            print(f"{what} of size {self._size} made in {took:.0f} s", file=sys.stderr)
        return made
