"""What is measured, in which unit, and what it must reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A row of the table."""

    name: str
    title: str
    unit: str  # of the value: "/s" (requests or uploads), "MB/s", "s", "ms", "MB", or "" of a number
    cpu: str = ""  # unit of the server's CPU for one of them: "us", "ms", "s"; "" where it is not counted

    @property
    def more_is_better(self) -> bool:
        return self.unit.endswith("/s")

    def seconds(self, measure: Measure) -> float:
        """How long a client waited for one answer; 0.0 where that is not what is measured."""
        if self.unit == "ms":
            return measure.value / 1000
        if not self.more_is_better or not measure.value:
            return 0.0
        return self.clients / measure.value if self.unit == "/s" else self.clients * (measure.size or 0) / 1e6 / measure.value

    @property
    def clients(self) -> int:
        """That wait at the same time."""
        return int(self.name[-1]) if self.name[-1].isdigit() else 1


@dataclass(frozen=True)
class Measure:
    """One measurement: the value in the kind's unit, the server's CPU for one request in seconds, the bytes of one answer's body."""

    value: float
    cpu: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class Target:
    """How much better `server` has to be at a kind than another, or than itself at another kind; or a limit for the value itself.

    at_least: ratio of the values, the better way round, so that 1.0 is equal; with neither `than` nor `than_kind` it is a limit,
    which is met when the value is not worse. cpu: of the server's CPU for one request, in the kind's unit, not of the value.
    sizes: of the corpus, that it holds for; empty for all.
    """

    kind: str
    server: str
    than: str
    at_least: float
    than_kind: str = ""
    cpu: bool = False
    sizes: Sequence[str] = ()


KINDS = (
    Kind("project", "project page", "/s", "us"),
    Kind("project_m", "project page in a repository of 22,000 files", "/s", "us"),
    Kind("root", "list of projects", "/s", "us"),
    Kind("wide", "page of 2,000 files", "/s", "us"),
    Kind("metadata", "`.metadata`", "/s", "us"),
    Kind("not_modified", "project page, not modified (304)", "/s", "us"),
    Kind("wheel", "small wheel", "/s", "us"),
    Kind("search", "search for a project, as people do", "/s", "us"),
    Kind("download_1", "200 MB wheel, 1 client", "MB/s", "ms"),
    Kind("download_4", "200 MB wheel, 4 clients", "MB/s", "ms"),
    Kind("download_rss", "200 MB wheel down: memory grows by", "MB"),
    Kind("upload_1", "upload of 10 kB, 1 client", "/s", "ms"),
    Kind("upload_8", "upload of 10 kB, 8 clients", "/s", "ms"),
    Kind("upload_wide", "upload into the project of 2,000 files", "/s", "ms"),
    Kind("upload_small", "upload into a repository of 100 files", "/s", "ms"),
    Kind("upload_large", "200 MB wheel up", "MB/s", "ms"),
    Kind("upload_rss", "200 MB wheel up: memory grows by", "MB"),
    Kind("fsyncs_1", "upload of 10 kB, 1 client: fsyncs for each", ""),
    Kind("fsyncs_8", "upload of 10 kB, 8 clients: fsyncs for each", ""),
    Kind("fresh", "from an upload's answer to a page that shows it", "ms"),
    Kind("stale", "the same, a page of another server on the same storage, new project", "s"),
    Kind("stale_known", "the same at worst, a further file of a project that the other server has", "s"),
    Kind("start", "start to the first answer", "s", "s"),
    Kind("cold", "the same with the local index gone", "s", "s"),
    Kind("rss", "memory of a process, idle", "MB"),
    Kind("disk", "local index and what is searched, on the disk", "MB"),
    Kind("pip", "pip installs 30 packages", "s", "ms"),
    Kind("uv", "uv installs 30 packages", "s", "ms"),
)
BY_NAME = {kind.name: kind for kind in KINDS}

# By wrk, one after the other of these; each has a constant answer on the bare stack to be compared with.
PAGES = ("project", "root", "wide", "metadata", "not_modified", "wheel")
OURS = ("search",)  # by wrk, too, of pages that nobody else has
# Compared with each other at one server.
COMPARED = (("project", "project_m", "not_modified"), ("upload_1", "upload_wide", "upload_small"))
# In the rounds, of packages in git.
HOSTED = ("project", "root", "metadata", "not_modified", "wheel", "search", "upload_1", "upload_8", "fresh", "pip", "uv")
# Beside the rounds: at a start, with something else that is measured, or after all of them.
APART = ("start", "cold", "rss", "disk", "download_rss", "upload_rss", "stale", "stale_known", "fsyncs_1", "fsyncs_8")

TITLES = {
    "pywharf": "pywharf",
    "pywharf-2": "pywharf, 2 workers",
    "pywharf-git": "pywharf, packages in git",
    "bottle": "bare Bottle on Cheroot",
    "bottle-auth": "the same with Basic auth and ETag",
    "nginx": "nginx, static files",
    "devpi": "devpi-server",
    "simple-repository-server": "simple-repository-server",
    "pypiserver": "pypiserver",
}

TARGETS = (
    Target("project", "pywharf", "bottle", 1.0),
    Target("project", "pywharf", "devpi", 8.0),
    Target("project", "pywharf", "simple-repository-server", 5.0),
    Target("project", "pywharf-2", "pywharf", 1.6),
    Target("project", "pywharf", "pywharf", 0.9, than_kind="project_m"),
    Target("root", "pywharf", "devpi", 5.0),
    Target("root", "pywharf", "devpi", 50.0, sizes=("L",)),
    Target("root", "pywharf", "simple-repository-server", 50.0, sizes=("L",)),
    Target("root", "pywharf", "pypiserver", 50.0, sizes=("L",)),
    Target("not_modified", "pywharf", "pywharf", 1.0, than_kind="project"),
    Target("wheel", "pywharf", "bottle", 0.7),
    Target("download_1", "pywharf", "nginx", 0.8),
    Target("download_rss", "pywharf", "", 10.0),
    Target("upload_1", "pywharf", "", 4.0, cpu=True),
    Target("upload_1", "pywharf", "pywharf", 1 / 1.3, than_kind="upload_small", cpu=True),
    Target("upload_wide", "pywharf", "pywharf", 1 / 1.3, than_kind="upload_1", cpu=True),
    Target("upload_rss", "pywharf", "", 20.0),
    Target("upload_large", "pywharf", "", 200.0),
    Target("start", "pywharf", "", 0.5, sizes=("S", "M", "L")),
    Target("start", "pywharf", "", 1.0, sizes=("XL",)),
    Target("cold", "pywharf", "", 4.0, sizes=("L",)),
    Target("cold", "pywharf", "", 15.0, sizes=("XL",)),
    Target("rss", "pywharf", "", 60.0),
    Target("pip", "pywharf", "nginx", 1 / 1.10),
    Target("uv", "pywharf", "nginx", 1 / 1.15),
)


def chosen(words: str | None) -> Sequence[Kind]:
    """The kinds that --only names, or all. Raises ValueError for a name that is none."""
    if not words:
        return KINDS
    names = [word.strip() for word in words.split(",") if word.strip()]
    if unknown := [name for name in names if name not in BY_NAME]:
        raise ValueError(f"no such kind: {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return [kind for kind in KINDS if kind.name in names]
