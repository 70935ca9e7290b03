"""The life of a release on a git host: each change is a commit that says what and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins.github.hosted import Hosted
from plugins.release_life import WHEEL, live_and_let_die, two_servers
from pywharf_github import plugin
from repository.making import upload

from pywharf.backend.interface import Access
from pywharf.testing.distributions import make_wheel


def test_two_servers_see_the_life_of_a_release_and_the_history_tells_it(hosted: Hosted, tmp_path: Path) -> None:
    writer, reader = hosted.tokens[Access.WRITE], hosted.tokens[Access.READ]
    secret = plugin.secret_model.model_validate({"raw": writer})

    with two_servers(tmp_path, plugin, hosted.config(), secret) as (here, there):
        live_and_let_die(here, there, writer, reader)

    assert hosted.subjects()[-7:] == [
        "Yank demo 1.0: broken on 3.12, größer als gedacht",
        f"Unyank demo 1.0 ({WHEEL.filename})",
        "Mark demo as quarantined: looked into",
        "Mark demo as archived",
        "Mark demo as active",
        "Delete demo 1.0: holds a password",
        "Delete demo 2.0 (demo-2.0-py3-none-any.whl)",
    ]
    assert not [path for path in hosted.paths() if path.endswith((".whl", ".tar.gz", ".metadata"))]
    hosted.check()


@pytest.mark.parametrize("reason", ["x" * 500, "名" * 500, "Serial: 9", "--amend", '"; rm -rf "', "fixes #1 @everyone"])
def test_any_reason_is_one_line_of_the_history_and_disturbs_nothing(hosted: Hosted, tmp_path: Path, reason: str) -> None:
    writer = hosted.tokens[Access.WRITE]

    with two_servers(tmp_path, plugin, hosted.config(), plugin.secret_model.model_validate({"raw": writer})) as (here, there):
        upload(here, make_wheel("demo", "1.0"), writer)
        here.releases.yank(writer, "demo", version="1.0", reason=reason)
        there.sync()

        assert there.releases.yank(writer, "demo", version="1.0", reason=reason).changed == ()
    assert hosted.subjects()[-1] == f"Yank demo 1.0: {reason}"
    assert hosted.git("log", "-1", "--format=%b", "main").strip() == "Serial: 2"
    hosted.check()
