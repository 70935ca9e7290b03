"""A repository with a few dozen files for verification to look at, and damage done to it bit by bit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pywharf.backend.interface import BackendPlugin
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.layout import Layout
from pywharf.model.record import now
from pywharf.repository.admission import admit_file
from pywharf.repository.findings import Finding
from pywharf.repository.repository import Repository
from pywharf.repository.verification import Summary, verify
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel


def distributions(projects: int, releases: int = 2) -> list[Distribution]:
    """A wheel and an sdist of each release."""
    made = []
    for project in range(projects):
        for release in range(releases):
            made.append(make_wheel(f"demo-{project}", f"{release}.0", extra_headers=[("Summary", f"The project number {project}.")]))
            made.append(make_sdist(f"demo-{project}", f"{release}.0", metadata_version="2.2"))
    return made


def flip(path: Path, at: int, bit: int) -> None:
    """Make one bit of a file another one, whatever its mode says."""
    mode = path.stat().st_mode
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))
    path.chmod(mode)


def flip_somewhere(path: Path, chance: random.Random) -> None:
    flip(path, chance.randrange(path.stat().st_size), chance.randrange(8))


@dataclass
class Verified:
    """A repository of one plugin, and what a verification of it says."""

    layout: Layout
    settings: RepositorySettings
    found: list[Finding] = field(default_factory=list)

    @classmethod
    def make(cls, root: Path, plugin: BackendPlugin, config: object, secret: object = None, name: str = "wheels") -> Verified:
        layout = Layout(root)
        layout.prepare()
        return cls(layout, RepositorySettings(name, plugin, config, secret))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def opened(self) -> Iterator[Repository]:
        with contextlib.closing(Repository(self.settings, self.layout, ServerSettings())) as repository:
            yield repository

    def publish(self, *made: Distribution) -> None:
        with self.opened() as repository:
            repository.sync()
            for one in made:
                with repository.receiving() as incoming:
                    incoming.write(one.data)
                    incoming.finish()
                    repository.adopt(admit_file(incoming.path, one.filename, now()), incoming)

    def verify(self, *, repair: bool = False) -> Summary:
        self.found = []
        with self.opened() as repository:
            return verify(repository, self.layout, repair=repair, on_finding=self.found.append)

    def told(self, *parts: str) -> list[Finding]:
        """The findings that say all of these parts."""
        return [one for one in self.found if all(part in f"{one.kind} {one.where} {one.what}" for part in parts)]
