"""What a person reads who shows the wrong secret, and where clients look for the right one."""

from __future__ import annotations

import pytest

from pywharf.testing.live_server import LiveServer

from .projects import STABLE, Built, Project
from .test_upload import by_twine
from .workplace import Workplace, served_files, versions_in

WRONG = "wr0ng-Secret.42"


def test_a_wrong_secret_ends_an_installation_and_the_message_names_the_401(stocked: LiveServer, workplace: Workplace) -> None:
    index = stocked.index_url("local", WRONG)

    by_pip = workplace.try_to_install("pip", STABLE.name, index=index).fails()
    by_oldest = workplace.try_to_install("pip-oldest", STABLE.name, index=index).fails()
    by_uv = workplace.try_to_install("uv", STABLE.name, index=index).fails()

    assert "401 Error, Credentials not correct" in by_pip
    assert "No matching distribution found for poetry-demo" in by_pip
    assert "No matching distribution found for poetry-demo" in by_oldest
    assert "401 Unauthorized" in by_uv


@pytest.mark.parametrize("tool", ["twine", "twine-6"])
def test_twine_tells_a_wrong_secret_and_stores_nothing(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], tool: str
) -> None:
    words = ["upload", "--non-interactive", "--repository-url", live_server.index_url(), "--username", "local"]

    refused = workplace.tool(tool, *words, built[STABLE].wheel, environ={"TWINE_PASSWORD": WRONG})

    assert refused.code != 0
    assert "401" in refused.output
    assert WRONG not in refused.output
    by_twine(workplace, live_server, built[STABLE].sdist).check()
    assert set(served_files(live_server, STABLE.name)) == {built[STABLE].sdist.name}


def test_uv_publish_tells_a_wrong_secret(live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]) -> None:
    words = ["publish", "--publish-url", live_server.index_url(), "--username", "local", "--password", WRONG]

    refused = workplace.tool("uv", *words, built[STABLE].wheel).fails()

    assert "401" in refused


@pytest.mark.parametrize("tool", ["twine", "twine-6", "uv"])
def test_the_read_secret_does_not_upload_and_the_tool_says_so(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], tool: str
) -> None:
    ours = live_server.generated
    words = {
        "uv": ["publish", "--publish-url", live_server.index_url(), "--password", ours.read_secret],
    }.get(tool, ["upload", "--non-interactive", "--repository-url", live_server.index_url(), "--password", ours.read_secret])

    refused = workplace.tool(tool, *words, "--username", ours.name, built[STABLE].wheel)

    assert refused.code != 0
    assert "403" in refused.output
    assert "write" in refused.output


@pytest.mark.parametrize("installer", ["pip-oldest", "pip", "uv"])
def test_a_netrc_holds_the_secret_for_pip_and_uv(stocked: LiveServer, workplace: Workplace, installer: str) -> None:
    netrc = workplace.home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login local password {stocked.generated.read_secret}\n")
    netrc.chmod(0o600)

    installed = workplace.pip_install(installer, STABLE.name, index=stocked.index_url())

    assert versions_in(installed) == {STABLE.normalized: STABLE.version}
