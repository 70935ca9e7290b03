"""A static site, served by nothing but `python -m http.server`, and the clients that install from it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository.stocked import stocked

from pywharf.repository.static_site import write_site
from pywharf.testing.distributions import make_sdist, make_wheel

from .workplace import Workplace, versions_in

DEPENDENCY = make_wheel("Needed.Pkg", "2!1.0+acme.1")
WHEEL = make_wheel("demo", "1.0", requires_dist=["needed-pkg>=2!1.0"])
NEWER = make_wheel("demo", "2.0", requires_python=">=3.99")
SDIST = make_sdist("only-sdist", "0.5", metadata_version="2.2")
GONE = make_wheel("gone", "1.0")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As two runs leave it, with a project deleted in between."""
    folder = tmp_path_factory.mktemp("static")
    with stocked(folder / "root", DEPENDENCY, WHEEL, NEWER, SDIST, GONE) as made:
        write_site(made.repository, folder / "site")
        made.delete(GONE)
        write_site(made.repository, folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def index(site: Path) -> Iterator[str]:
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(site), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"port (\d+)", server.stdout.readline())
        assert found
        try:
            yield f"http://127.0.0.1:{found[1]}/simple/"
        finally:
            server.terminate()


@pytest.mark.parametrize("installer", ["pip", "pip-oldest", "uv"])
def test_a_project_installs_with_what_it_needs_and_by_any_spelling_of_its_name(index: str, workplace: Workplace, installer: str) -> None:
    installed = workplace.pip_install(installer, "Demo", index=index)

    assert versions_in(installed) == {"demo": "1.0", "needed-pkg": "2!1.0+acme.1"}


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_an_sdist_installs(index: str, workplace: Workplace, installer: str) -> None:
    installed = workplace.pip_install(installer, "only_sdist", "--no-binary", "only-sdist", index=index)

    assert versions_in(installed) == {"only-sdist": "0.5"}


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_hashes_are_checked(index: str, workplace: Workplace, installer: str) -> None:
    (workplace.folder / "right.txt").write_text(f"needed-pkg==2!1.0+acme.1 --hash=sha256:{DEPENDENCY.sha256}\n")
    (workplace.folder / "wrong.txt").write_text(f"needed-pkg==2!1.0+acme.1 --hash=sha256:{WHEEL.sha256}\n")

    workplace.pip_install(installer, "--require-hashes", "-r", workplace.folder / "right.txt", index=index)
    refused = workplace.try_to_install(
        installer, "--require-hashes", "--no-cache", "--reinstall" if installer == "uv" else "--force-reinstall",
        "-r", workplace.folder / "wrong.txt", index=index,
    )  # fmt: skip

    assert refused.code != 0
    assert "hash" in refused.output.lower()


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_what_was_deleted_cannot_be_installed(index: str, workplace: Workplace, installer: str) -> None:
    assert "gone" in workplace.try_to_install(installer, "gone", index=index).fails().lower()


def test_core_metadata_alone_are_enough_to_resolve(index: str, site: Path, workplace: Workplace) -> None:
    """pip asks for `<file>.metadata` before a file: what it would install is known although no wheel was fetched."""
    out = workplace.tool("pip", "install", "-vvv", "--dry-run", "--ignore-installed", "demo", "--index-url", index).check().output

    assert f"{WHEEL.filename}.metadata" in out
    assert "Would install Needed.Pkg-2!1.0+acme.1 demo-1.0\n" in out
