"""How long do the pages for people take, with 10,000 projects? Home, list, search, project, release, feed.

    python benchmarks/pages.py [--projects 10000] [--requests 200]

Fills a repository through the backend, and asks the application for pages as a browser would, without a socket in between. Nothing is
asked for twice: each project page is of another project, so that its README is rendered, and each list of another part of the list. Prints
one table: milliseconds by the clock, and of this process's own work (the README's renderer is another process).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import io
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pywharf.backend.interface import Change, Cursor, FileRef, StagedFile
from pywharf.config import ServerSettings, parse
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, Sha256, SideFile, to_json
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import basic_auth
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

CONFIG = '[local]\ntype = "file_system"\nread_secret = "r"\nwrite_secret = "w"\n'
WORDS = "fast small typed http json data stream cache table model queue worker parser client server tools core web api image".split()
NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
VERSIONS = ("0.9", "1.0", "1.1")
README = (
    """# {name}

A package that does **one** thing, number {number}, and [tells](https://docs.example/{name}) of it.

```python
from {module} import Client

with Client(retries=3) as client:
    print(client.get("{number}"))
```

| Option | Default |
|---|---|
| `retries` | 3 |
| `timeout` | 2.5 |

"""
    + "It has been in use for a while, and there is more to be said about it than fits on one screen.\n\n" * 30
)


@dataclass(frozen=True)
class Row:
    page: str
    clock: list[float]  # ms
    own: list[float]  # ms of CPU

    def line(self) -> str:
        return f"| {self.page:<34} | {_part(self.clock, 50):>8.1f} | {_part(self.clock, 95):>8.1f} | {_part(self.own, 50):>8.1f} |"


def fill(root: Path, projects: int) -> list[str]:
    """Put projects in, each with three releases of one wheel; of the newest the core metadata are there to be read. Returns their names."""
    layout = Layout(root)
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    repository = Repository(parse(CONFIG, "")["local"], layout, ServerSettings())
    rng = random.Random(1)
    names = [f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number}" for number in range(projects)]
    cursor: Cursor | None = None
    with contextlib.closing(repository), tempfile.TemporaryDirectory(dir=root) as folder:
        for number, name in enumerate(names):
            changes = repository.backend.read_changes(cursor)
            for _ in changes.entries:
                pass
            cursor = changes.cursor
            repository.backend.commit(_change(Path(folder), number, name, names, rng), cursor)
    return names


def _change(folder: Path, number: int, name: str, names: list[str], rng: random.Random) -> Change:
    documents: dict[str, bytes] = {}
    staged: list[StagedFile] = []
    summary = " ".join(rng.choice(WORDS) for _ in range(8))
    requires = tuple(sorted(rng.sample(names, min(3, len(names)))))
    description = README.format(name=name, module=name.replace("-", "_"), number=number)
    headers = [("Summary", summary), ("Description-Content-Type", "text/markdown"), ("License-Expression", "MIT")]
    for age, version in enumerate(reversed(VERSIONS)):
        made = make_wheel(name, version, extra_headers=headers, requires_dist=requires, description=description)
        parsed = parse_filename(made.filename)
        side = SideFile(f"{made.filename}.metadata", Sha256(hashlib.sha256(made.metadata).hexdigest()), len(made.metadata))
        uploaded = NOW - timedelta(minutes=number + age * 50_000)
        record = DistributionRecord(made.filename, "bdist_wheel", name, version, Sha256(made.sha256), len(made.data), uploaded)
        documents[parsed.key] = to_json(
            dataclasses.replace(record, metadata=side, summary=summary, keywords=",".join(rng.sample(WORDS, 3)), requires=requires)
        )
        if age == 0:
            path = folder / str(number)
            path.write_bytes(made.metadata)
            staged.append(StagedFile(FileRef(parsed.project, side.name, side.sha256, side.size), path))
    return Change(name, documents, staged, message=f"Upload {name}")


def ask(app: App, target: str) -> tuple[float, float]:
    """Ask for a page. Returns ms by the clock, and ms of CPU."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "localhost:8888",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_AUTHORIZATION": basic_auth("local", "r"),
        "wsgi.input": io.BytesIO(),
    }
    statuses: list[str] = []
    clock, own = time.perf_counter(), time.process_time()
    pieces = app(environ, lambda status, headers, exc_info=None: statuses.append(status) or (lambda data: None))  # type: ignore[func-returns-value]
    size = sum(map(len, pieces))
    pieces.close()
    spent = (time.perf_counter() - clock) * 1000, (time.process_time() - own) * 1000
    if not statuses[0].startswith("200") or not size:
        raise RuntimeError(f"{target}: {statuses[0]}")
    return spent


def measure(app: App, page: str, targets: Iterable[str]) -> Row:
    spent = [ask(app, target) for target in targets]
    return Row(page, [clock for clock, _ in spent], [own for _, own in spent])


def _part(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=200, help="of each page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        began = time.perf_counter()
        names = fill(root, options.projects)
        print(f"{options.projects:,} projects were put in within {time.perf_counter() - began:.0f} s", file=sys.stderr)
        layout, settings = Layout(root), ServerSettings()
        wharf = Wharf(layout, settings)
        wharf.start()
        app = make_app(wharf, settings)
        try:
            began = time.perf_counter()
            with wharf.hold() as generation:
                repository = generation.repositories["local"]
            while not repository.wait_until_ready(60) or repository.catalogue.is_behind():
                time.sleep(0.05)
            print(f"the catalogue was made within {time.perf_counter() - began:.1f} s", file=sys.stderr)
            rng = random.Random(2)
            some = rng.sample(names, min(2 * options.requests, len(names)))
            first, second = some[: len(some) // 2], some[len(some) // 2 :]
            count, last = options.requests, max(1, options.projects // 50)
            ask(app, f"/projects/{names[0]}/")  # starts the process that renders
            rows = [
                measure(app, "/", ["/"] * count),
                measure(app, "/projects/ (any page)", [f"/projects/?page={rng.randint(1, last)}" for _ in range(count)]),
                measure(app, "/projects/?q= (two words)", [f"/projects/?q={rng.choice(WORDS)}+{rng.choice(WORDS)}" for _ in range(count)]),
                measure(app, "/projects/?q= (one letter)", [f"/projects/?q={rng.choice(WORDS)[0]}" for _ in range(count)]),
                measure(app, "/projects/<project>/, first time", [f"/projects/{name}/" for name in first]),
                measure(app, "/projects/<project>/, again", [f"/projects/{name}/" for name in first]),
                measure(app, "/projects/<project>/<version>/", [f"/projects/{name}/1.1/" for name in second]),
                measure(app, "/projects/<project>/<version>/why/", [f"/projects/{name}/1.0/why/" for name in second]),
                measure(app, "/feeds/latest.atom", ["/feeds/latest.atom"] * count),
            ]
        finally:
            app.close()
            wharf.close()
    print(f"| {'page':<34} | p50 (ms) | p95 (ms) | CPU (ms) |\n|{'-' * 36}|{'-' * 10}|{'-' * 10}|{'-' * 10}|")
    for row in rows:
        print(row.line())


if __name__ == "__main__":
    main()
