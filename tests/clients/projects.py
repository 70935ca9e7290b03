"""Small projects, one or more for each real build backend, and the wheels and sdists these backends make of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from pywharf.files import locked

from .toolbox import Toolbox

AUTHOR = "Jürgen Łukasz 北京"
SUMMARY = "Größe, naïveté & 数: ünïcode in a summary"
LONG_README = "# Lang\n\n" + "Zeile für Zeile, über fünf Megabyte.\n" * 140_000  # 5.3 MB

_SETUPTOOLS = ("setuptools.build_meta", "setuptools>=77")
_HATCHLING = ("hatchling.build", "hatchling")
_FLIT = ("flit_core.buildapi", "flit_core>=3.11,<5")
_POETRY = ("poetry.core.masonry.api", "poetry-core>=2")
_PDM = ("pdm.backend", "pdm-backend")


@dataclass(frozen=True, eq=False)
class Project:
    """A project's source: what is in its pyproject.toml and README."""

    backend: tuple[str, str]  # the build backend's module, and what provides it
    name: str  # as the author writes it
    version: str
    module: str
    requires_python: str = ">=3.9"
    dependencies: tuple[str, ...] = ()
    readme: str = f"# Lies mich\n\n{SUMMARY}\n"
    wheel_settings: tuple[str, ...] = ()  # for `build --wheel`; then the wheel is built beside the sdist and not from it
    tables: str = ""  # further tables of pyproject.toml

    @property
    def normalized(self) -> str:
        return canonicalize_name(self.name)

    def write(self, folder: Path) -> Path:
        """Write the source into a folder of its own below `folder`, and return that."""
        place = folder / f"{self.normalized}-{self.version}"
        place.mkdir(parents=True)
        (place / "pyproject.toml").write_text(self.pyproject(), encoding="utf-8")
        (place / "README.md").write_text(self.readme, encoding="utf-8")
        (place / f"{self.module}.py").write_text(f'"""{SUMMARY}"""\n\n__version__ = "{self.version}"\n', encoding="utf-8")
        return place

    def pyproject(self) -> str:
        return (
            f'[build-system]\nrequires = ["{self.backend[1]}"]\nbuild-backend = "{self.backend[0]}"\n\n'
            f'[project]\nname = "{self.name}"\nversion = "{self.version}"\ndescription = "{SUMMARY}"\nreadme = "README.md"\n'
            f'authors = [{{name = "{AUTHOR}", email = "j@example.com"}}]\nrequires-python = "{self.requires_python}"\n'
            f"dependencies = {list(self.dependencies)!r}\n"
            'classifiers = ["Private :: Do Not Upload"]\n'
            f'\n[project.urls]\nHomepage = "https://example.com/{self.normalized}"\n{self.tables}'
        )


NEEDS_NORMALIZING = Project(
    _SETUPTOOLS, "Demo.Under_Score", "1.0", "demo_under_score", tables='[tool.setuptools]\npy-modules = ["demo_under_score"]\n'
)
LONG = Project(
    _SETUPTOOLS, "long-readme", "1.0", "long_readme", readme=LONG_README, tables='[tool.setuptools]\npy-modules = ["long_readme"]\n'
)
EPOCH = Project(_HATCHLING, "epoch-demo", "1!2.0", "epoch_demo", dependencies=("demo.under-score>=1",))
LOCAL_VERSION = Project(_HATCHLING, "local-demo", "1.0+acme.1", "local_demo")
ANY_PYTHON = Project(_HATCHLING, "future-demo", "1.0", "future_demo")
FUTURE_PYTHON = Project(_HATCHLING, "future-demo", "2.0", "future_demo", requires_python=">=3.99")
FLIT = Project(_FLIT, "flit-demo", "1.0.post2", "flit_demo")
STABLE = Project(_POETRY, "poetry-demo", "1.0", "poetry_demo")
PRE_RELEASE = Project(_POETRY, "poetry-demo", "2.0rc1", "poetry_demo")
BUILD_TAG = Project(_PDM, "pdm-demo", "1.0", "pdm_demo", wheel_settings=("-C--build-number=7",))
DEV_RELEASE = Project(_PDM, "pdm-demo", "1.1.dev3", "pdm_demo")
PROJECTS = (NEEDS_NORMALIZING, LONG, EPOCH, LOCAL_VERSION, ANY_PYTHON, FUTURE_PYTHON, FLIT, STABLE, PRE_RELEASE, BUILD_TAG, DEV_RELEASE)


@dataclass(frozen=True)
class Built:
    """What a build backend made of a project."""

    project: Project
    wheel: Path
    sdist: Path

    @property
    def files(self) -> tuple[Path, Path]:
        return self.wheel, self.sdist


def build_all(toolbox: Toolbox) -> dict[Project, Built]:
    """Build the projects by their backends, or take what an earlier run of the tests has built with the same tools."""
    builders = toolbox.python("builders")
    recipe = hashlib.sha256(f"{PROJECTS!r} {(toolbox.folder / 'builders.stamp').stat().st_mtime_ns}".encode()).hexdigest()[:16]
    folder = toolbox.folder / f"built-{recipe}"
    with locked(toolbox.folder / ".built.lock"):
        if not folder.exists():
            unfinished = toolbox.folder / f"building-{os.getpid()}"
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda numbered: _build(builders, numbered[1], unfinished / str(numbered[0])), enumerate(PROJECTS)))
            unfinished.rename(folder)
    return {project: _found(project, folder / str(number)) for number, project in enumerate(PROJECTS)}


def _build(python: Path, project: Project, folder: Path) -> None:
    source = project.write(folder)
    steps: Sequence[Sequence[str]] = [["--sdist"], ["--wheel", *project.wheel_settings]] if project.wheel_settings else [[]]
    for step in steps:
        done = subprocess.run(
            [str(python), "-m", "build", "--no-isolation", *step, "--outdir", str(folder / "dist"), str(source)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _found(project: Project, folder: Path) -> Built:
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    return Built(project, wheel, sdist)
