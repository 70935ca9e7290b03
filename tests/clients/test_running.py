"""A server over its life: stopped and started, killed, with several repositories, configured on the fly."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from pywharf.testing.live_server import LiveServer

from .projects import EPOCH, FLIT, LOCAL_VERSION, NEEDS_NORMALIZING, STABLE, Built, Project
from .test_upload import by_twine
from .workplace import Ran, Workplace, fetched, versions_in

CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed: the issue's two examples cannot be run as they are")

CONFIG = """
[team-a]
type = "file_system"
read_secret = "a reads"
write_secret = "a/writes?"

[Team_B]
type = "file_system"
read_secret = "b-reads"
write_secret = [{raw = "b-writes", label = "ci"}, {env = "TEAM_B_WRITES"}]
"""
ADMIN_SECRET = """
[team-a]
type = "file_system"
raw = "a reads"
"""
DEBUG = '[debug]\ntype = "file_system"\nread_secret = "foo"\nwrite_secret = "bar"\n'
DEBUG_SECRET = '[debug]\ntype = "file_system"\nraw = "foo"\n'


def test_what_was_uploaded_is_installable_after_a_stop_and_after_a_crash(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]
) -> None:
    projects = (NEEDS_NORMALIZING, EPOCH, LOCAL_VERSION)
    by_twine(workplace, live_server, *(file for project in projects for file in built[project].files)).check()
    index = live_server.index_url("local", live_server.generated.read_secret)
    names = [project.name for project in projects]
    everything = {project.normalized: project.version for project in projects}

    assert live_server.stop() == 0
    live_server.start()
    after_stop = versions_in(workplace.pip_install("pip", *names, index=index))
    live_server.kill()
    live_server.start()
    after_crash = versions_in(workplace.pip_install("uv", "--reinstall", "--no-cache", *names, index=index))

    assert after_stop == everything
    assert after_crash == everything


def test_one_server_has_several_repositories_that_do_not_mix(tmp_path: Path, workplace: Workplace, built: dict[Project, Built]) -> None:
    config, admin_secret = tmp_path / "config.toml", tmp_path / "admin_secret.toml"
    config.write_text(CONFIG)
    admin_secret.write_text(ADMIN_SECRET)
    options = ["--config", str(config), "--admin_secret", str(admin_secret)]

    with LiveServer(tmp_path / "root", options=options, environ={**os.environ, "TEAM_B_WRITES": "b-deploys"}) as server:
        upload = ["upload", "--non-interactive", "--repository-url", server.index_url()]
        for user, secret, project in (
            ("team-a", "a/writes?", STABLE),
            ("team_b", "b-deploys", FLIT),
            ("TEAM_B", "b-writes", NEEDS_NORMALIZING),
        ):
            workplace.tool("twine", *upload, "--username", user, *built[project].files, environ={"TWINE_PASSWORD": secret}).check()

        of_a = versions_in(workplace.pip_install("pip", STABLE.name, index=server.index_url("TEAM-A", "a reads")))
        shutil.rmtree(workplace.folder / "installed")
        of_b = versions_in(workplace.pip_install("uv", FLIT.name, NEEDS_NORMALIZING.name, index=server.index_url("team_b", "b-reads")))
        of_the_other = workplace.try_to_install("pip", FLIT.name, index=server.index_url("team-a", "a reads")).fails()
        by_the_others_secret = workplace.try_to_install("pip", FLIT.name, index=server.index_url("team_b", "a reads")).fails()

    assert of_a == {STABLE.normalized: STABLE.version}
    assert of_b == {FLIT.normalized: FLIT.version, NEEDS_NORMALIZING.normalized: NEEDS_NORMALIZING.version}
    assert "No matching distribution found" in of_the_other
    assert "401" in by_the_others_secret


def curl(workplace: Workplace, server: LiveServer, line: str, **environ: str) -> Ran:
    """A line as people write it, in a shell; PORT stands for the server's."""
    port = server.url.rstrip("/").rpartition(":")[2]
    return workplace.run("sh", "-c", line.replace("PORT", port), environ=environ)


@needs_curl
def test_curl_initializes_a_new_server_with_text_and_later_only_with_the_token(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]
) -> None:
    """The first example of the issue, as it stands there."""
    line = 'curl -sS -w "\\n%{http_code}\\n" -d "config=${CONFIG}&admin_secret=${ADMIN_SECRET}" -X POST http://localhost:PORT/initialize/'
    local = live_server.generated
    given = {"CONFIG": DEBUG, "ADMIN_SECRET": DEBUG_SECRET}

    first = curl(workplace, live_server, line, **given).check().output
    again = curl(workplace, live_server, line, **given).check().output
    token = (live_server.root / "initialize_token").read_text().strip()
    more = DEBUG + DEBUG.replace("[debug]", "[second]")
    with_token = (
        curl(workplace, live_server, f'{line} -H "Authorization: Bearer $TOKEN"', **{**given, "CONFIG": more, "TOKEN": token})
        .check()
        .output
    )

    assert first.splitlines()[-1] == "200"
    assert again.splitlines()[-1] == "401"
    assert with_token.splitlines()[-1] == "200"
    words = ["upload", "--non-interactive", "--repository-url", live_server.index_url(), "--username"]
    for name in ("debug", "second"):
        workplace.tool("twine", *words, name, built[STABLE].wheel, environ={"TWINE_PASSWORD": "bar"}).check()
        assert versions_in(workplace.pip_install("pip", "--upgrade", STABLE.name, index=live_server.index_url(name, "foo")))
    workplace.try_to_install("pip", STABLE.name, index=live_server.index_url("local", local.read_secret)).fails()
    live_server.restart()
    assert fetched(live_server, "simple/poetry-demo/", "second", "foo")


@needs_curl
def test_curl_initializes_a_new_server_with_files_and_reads_when_the_index_was_last_in_step(
    live_server: LiveServer, workplace: Workplace
) -> None:
    """The second and the third example of the issue."""
    (workplace.folder / "config.toml").write_text(DEBUG)
    (workplace.folder / "admin_secret.toml").write_text(DEBUG_SECRET)
    line = "curl -sS --fail-with-body -F 'config=@config.toml' -F 'admin_secret=@admin_secret.toml' http://localhost:PORT/initialize/"

    curl(workplace, live_server, line).check()
    told = curl(workplace, live_server, "curl -sS --fail http://debug:foo@localhost:PORT/index_mtime/").check().output

    assert abs(int(told) - time.time()) < 60


@needs_curl
def test_a_configuration_that_is_wrong_leaves_the_running_one(live_server: LiveServer, workplace: Workplace) -> None:
    ours = live_server.generated
    line = "curl -sS -w '\\n%{http_code}\\n' -d \"config=[x]\ntype = 'none_such'\n&admin_secret=\" http://localhost:PORT/initialize/"

    said = curl(workplace, live_server, line).check().output

    assert said.splitlines()[-1] == "400"
    assert "config, [x], type" in said
    assert fetched(live_server, "simple/", ours.name, ours.read_secret)
