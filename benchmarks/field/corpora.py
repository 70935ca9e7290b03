"""What the servers are filled with: valid tiny wheels, the same ones at each run, as a folder and a manifest.

FOLDER/files/<project>/<file>                the wheels
FOLDER/metadata/<project>/<file>.metadata    their core metadata
FOLDER/manifest.jsonl                        one line for each wheel; there once all of it is
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pywharf.testing.distributions import Distribution, make_wheel

SEED = 20261122
WORDS = "fast small typed http json data stream cache table model queue worker parser client server tools core web api image".split()
WIDE, MIDDLE = "wide-project", "middle-project"  # of 2,000 and of 350 files
LARGE = "large-file"  # one wheel of LARGE_BYTES
LARGE_BYTES = 200_000_000
SUMMARY = "A small wheel to measure with."
REQUIRES_PYTHON = ">=3.8"


@dataclass(frozen=True)
class Extent:
    """How many files, in how many projects; and how many of them in a project of its own."""

    files: int
    projects: int
    special: tuple[tuple[str, int], ...] = ()


SIZES = {
    "S": Extent(100, 10),
    "M": Extent(22_000, 2_200, ((WIDE, 2_000), (MIDDLE, 350))),
    "L": Extent(200_000, 20_000, ((WIDE, 2_000), (MIDDLE, 350))),
    "XL": Extent(1_000_000, 50_000, ((WIDE, 2_000), (MIDDLE, 350))),
}


@dataclass(frozen=True)
class Project:
    """A project with so many releases, a wheel each: 1.0, 1.1, ..."""

    name: str
    files: int

    def wheel(self, number: int) -> Distribution:
        headers = [("Summary", SUMMARY)]
        return make_wheel(self.name, f"1.{number}", requires_python=REQUIRES_PYTHON, extra_headers=headers)


@dataclass(frozen=True)
class File:
    """A line of the manifest."""

    project: str
    version: str
    filename: str
    sha256: str
    size: int
    metadata_sha256: str
    metadata_size: int


@dataclass(frozen=True)
class Corpus:
    """A corpus that lies in a folder."""

    size: str
    folder: Path

    @property
    def projects(self) -> list[Project]:
        return plan(self.size)

    @property
    def ordinary(self) -> list[Project]:
        """The projects that are neither wide nor of a large file."""
        special = {name for name, _ in SIZES[self.size].special}
        return [project for project in self.projects if project.name not in special]

    def files(self) -> Iterator[File]:
        """The small wheels, project by project, and at the end the large one."""
        with (self.folder / "manifest.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield File(**json.loads(line))

    def path(self, file: File) -> Path:
        return self.folder / "files" / file.project / file.filename

    def metadata_path(self, file: File) -> Path:
        return self.folder / "metadata" / file.project / f"{file.filename}.metadata"


def plan(size: str) -> list[Project]:
    """The projects of a size, the same ones each time, without the one of the large file."""
    extent = SIZES[size]
    rng = random.Random(f"{SEED} {size}")
    count = extent.projects - len(extent.special)
    rest = extent.files - sum(files for _, files in extent.special) - count
    dealt = Counter(rng.choices(range(count), k=rest))
    names = (f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number}" for number in range(count))
    return [Project(name, 1 + dealt[number]) for number, name in enumerate(names)] + [Project(*one) for one in extent.special]


def make_corpus(size: str, folder: Path, *, large: Path | None = None) -> Corpus:
    """Write the corpus into the folder, unless it is there. large: a folder that keeps the large wheel; None leaves it out."""
    corpus = Corpus(size, folder)
    manifest = folder / "manifest.jsonl"
    if manifest.exists():
        return corpus
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unfinished = folder / "manifest.unfinished"
    with unfinished.open("w", encoding="utf-8") as lines:
        for project in corpus.projects:
            for kind in ("files", "metadata"):
                (folder / kind / project.name).mkdir(parents=True)
            for number in range(project.files):
                wheel = project.wheel(number)
                file = _described(project.name, f"1.{number}", wheel.filename, wheel.sha256, len(wheel.data), wheel.metadata)
                corpus.path(file).write_bytes(wheel.data)
                corpus.metadata_path(file).write_bytes(wheel.metadata)
                lines.write(json.dumps(dataclasses.asdict(file)) + "\n")
        if large is not None:
            lines.write(json.dumps(dataclasses.asdict(_add_large(corpus, large))) + "\n")
    unfinished.rename(manifest)
    return corpus


def _add_large(corpus: Corpus, kept: Path) -> File:
    """Link the large wheel into the corpus, made where no corpus had it yet."""
    made = Corpus("", kept)
    if not (kept / "manifest.jsonl").exists():
        data = {"large_file/data.bin": random.Random(SEED).randbytes(LARGE_BYTES)}
        wheel = make_wheel(LARGE, "1.0", files=data, requires_python=REQUIRES_PYTHON, extra_headers=[("Summary", SUMMARY)])
        file = _described(LARGE, "1.0", wheel.filename, wheel.sha256, len(wheel.data), wheel.metadata)
        for path, content in ((made.path(file), wheel.data), (made.metadata_path(file), wheel.metadata)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (kept / "manifest.jsonl").write_text(json.dumps(dataclasses.asdict(file)) + "\n")
    file = next(made.files())
    for source, target in ((made.path(file), corpus.path(file)), (made.metadata_path(file), corpus.metadata_path(file))):
        target.parent.mkdir(parents=True)
        os.link(source, target)
    return file


def _described(project: str, version: str, filename: str, sha256: str, size: int, metadata: bytes) -> File:
    return File(project, version, filename, sha256, size, hashlib.sha256(metadata).hexdigest(), len(metadata))
