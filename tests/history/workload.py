"""What the clients upload: small files that keep all rules, names that several want at once, and files that break a rule."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

PROJECT_FILES = 24  # names in one project; then the next project begins
MET = 3  # projects at a time, so that clients meet
DISPUTED = 0.1  # of the names are given to several clients at about the same time, each with bytes of its own

Kind = Literal["wheel", "sdist", "refused"]


@dataclass(frozen=True)
class Recipe:
    """Which file: the same recipe makes the same bytes."""

    seed: int
    project: str
    version: str
    kind: Kind
    variant: int = 0  # of the bytes under this name

    @property
    def filename(self) -> str:
        stem = f"{self.project}-{self.version}"
        return f"{stem}.tar.gz" if self.kind == "sdist" else f"{stem}-py3-none-any.whl"

    def make(self) -> Distribution:
        return _made(self)


@cache
def _filler(seed: int) -> bytes:
    return random.Random(seed).randbytes(512 * 1024)


def _made(recipe: Recipe) -> Distribution:
    chance = random.Random(repr(recipe))
    size = chance.choice((10, 1_000, 20_000, 20_000, 300_000))
    start = chance.randrange(512 * 1024 - size)
    files = {"module.py": repr(recipe), "data.bin": _filler(recipe.seed)[start : start + size]}
    if recipe.kind == "sdist":
        return make_sdist(recipe.project, recipe.version, files=files, metadata_version="2.2")
    wheel = make_wheel(recipe.project, recipe.version, files=files, requires_python=">=3.9")
    if recipe.kind == "refused":
        return chance.choice(_BREAK)(wheel)
    return wheel


def _of_another_project(wheel: Distribution) -> Distribution:
    inside = make_wheel("somebody-else", "1.0")
    return replace(wheel, data=inside.data, metadata=inside.metadata)


# The first kind looks whole and is refused for what is inside; the others for their last bytes.
_BREAK = (
    _of_another_project,
    lambda wheel: replace(wheel, data=wheel.data[:-10]),
    lambda wheel: replace(wheel, data=wheel.data + b"more"),
)


class Board:
    """What was given out so far: names are used up in order by all clients, and anybody may come back to an earlier one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._guard = threading.Lock()
        self._count = 0
        self._variants = 0
        self._given: list[Recipe] = []
        self._disputed: list[Recipe] = []

    def new(self, chance: random.Random, kind: Kind | None = None) -> Recipe:
        """A name that nobody has been given, or one that others have just been given as well."""
        with self._guard:
            if kind is None and self._disputed:
                return self._keep(self._varied(self._disputed.pop()))
            at = self._count
            self._count += 1
            group, place = divmod(at, PROJECT_FILES * MET)
            project = f"project{group * MET + place % MET}"
            chosen = kind or chance.choice(("wheel", "wheel", "wheel", "sdist"))
            recipe = Recipe(self._seed, project, f"1.{at}", chosen)
            if kind is None and chance.random() < DISPUTED:
                self._disputed = [recipe] * chance.randint(1, 3)
            return self._keep(recipe)

    def earlier(self, chance: random.Random) -> Recipe | None:
        """One that was given out, mostly lately; None where there is none."""
        with self._guard:
            if not self._given:
                return None
            return chance.choice(self._given[-200:] if chance.random() < 0.8 else self._given)

    def rival(self, chance: random.Random) -> Recipe | None:
        """Other bytes under a name that was given out."""
        recipe = self.earlier(chance)
        if recipe is None or recipe.kind == "refused":
            return None
        with self._guard:
            return self._varied(recipe)

    def given(self) -> list[Recipe]:
        with self._guard:
            return list(self._given)

    def _varied(self, recipe: Recipe) -> Recipe:
        self._variants += 1
        return replace(recipe, variant=self._variants)

    def _keep(self, recipe: Recipe) -> Recipe:
        self._given.append(recipe)
        return recipe
