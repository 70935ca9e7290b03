"""Resolvers read `.metadata` and leave the wheels alone that they do not choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer

from .test_install import Manager, readable, with_pdm, with_poetry
from .workplace import Ran, Workplace, versions_in

RELEASES = range(1, 7)


def stock(workplace: Workplace, server: LiveServer) -> None:
    """Releases of `lib`, each of which needs `base` of its own number or above."""
    ours = server.generated
    files = []
    for number in RELEASES:
        for wheel in (
            make_wheel("lib", f"{number}.0", requires_dist=[f"base>={number}"], requires_python=">=3.8"),
            make_wheel("base", f"{number}.0", requires_python=">=3.8"),
        ):
            files.append(workplace.folder / wheel.filename)
            files[-1].write_bytes(wheel.data)
    publish = ["publish", "--publish-url", server.index_url(), "--username", ours.name, "--password", ours.write_secret]
    workplace.tool("uv", *publish, *files).check()


def by_pip(workplace: Workplace, server: LiveServer, dependencies: list[str], environment: Path) -> Ran:
    return workplace.tool("pip", "--python", environment / "bin" / "python", "install", "--index-url", readable(server), *dependencies)


def by_uv(workplace: Workplace, server: LiveServer, dependencies: list[str], environment: Path) -> Ran:
    return workplace.tool(
        "uv", "pip", "install", "--python", environment / "bin" / "python", "--index-url", readable(server), *dependencies
    )


@pytest.mark.parametrize("install", [by_pip, by_uv, with_poetry, with_pdm])
def test_a_resolver_goes_back_through_releases_by_their_metadata_and_downloads_only_the_wheels_it_chose(
    live_server: LiveServer, workplace: Workplace, install: Manager
) -> None:
    stock(workplace, live_server)
    environment = workplace.venv()

    install(workplace, live_server, ["lib", "base<2"], environment).check()

    assert versions_in(environment) == {"lib": "1.0", "base": "1.0"}
    live_server.stop()
    fetched = [request.path for request in live_server.requests() if request.method != "POST" and request.status == 200]
    assert {path for path in fetched if path.endswith(".whl")} == {
        "/simple/lib/lib-1.0-py3-none-any.whl",
        "/simple/base/base-1.0-py3-none-any.whl",
    }
    assert {path for path in fetched if path.startswith("/simple/lib/") and path.endswith(".metadata")} == {
        f"/simple/lib/lib-{number}.0-py3-none-any.whl.metadata" for number in RELEASES
    }
    assert not any(request.method == "HEAD" or request.status == 206 for request in live_server.requests())
