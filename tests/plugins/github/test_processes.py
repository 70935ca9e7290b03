"""Servers as processes: many writers at once, and death at any step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from plugins.github.hosted import Hosted, Server

from pywharf.backend.interface import Access
from pywharf.testing.backend_suite import Reader, content

pytestmark = pytest.mark.live

FILES = 8
WRITER = Path(__file__).with_name("writing_process.py")


def start(hosted: Hosted, folder: Path, tokens: list[str], **more: Any) -> subprocess.Popen[str]:
    folder.mkdir(parents=True, exist_ok=True)
    job = {"config": json.loads(hosted.config().model_dump_json()), "tokens": tokens, "folder": str(folder), "files": FILES, **more}
    return subprocess.Popen(
        [sys.executable, str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "JOB": json.dumps(job)}
    )


@pytest.mark.parametrize("tokens", [1, 4], ids=["one-token", "a-token-each"])
@pytest.mark.parametrize("roots", [1, 2], ids=["one-root", "two-roots"])
def test_nothing_is_lost_among_eight_writers_in_two_processes(hosted: Hosted, tmp_path: Path, tokens: int, roots: int) -> None:
    granted = [hosted.server.grant(hosted.repository, Access.WRITE) for _ in range(tokens)]
    hosted.git("config", "receive.denyNonFastForwards", "true")
    began = time.monotonic()
    writers = [start(hosted, tmp_path / f"root-{which % roots}", granted, name=f"p{which}", threads=4) for which in range(2)]
    acknowledged = {name for writer in writers for name in writer.communicate(timeout=120)[0].split()}
    took = time.monotonic() - began

    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(acknowledged) == 2 * 4 * FILES
    reader = Reader(hosted.open(tmp_path / "reader", Access.READ))
    assert {key for _, key in reader.documents()} == acknowledged
    assert len(hosted.subjects()) == len(acknowledged)
    assert sorted(entry.serial for entry in reader.newest.values()) == list(range(1, len(acknowledged) + 1))
    assert {Path(path).name for path in hosted.paths()} >= acknowledged
    hosted.check()
    pushes = len([one for one in hosted.server.requests if one.method == "POST" and one.service == "git-receive-pack"])
    print(
        f"\n{len(acknowledged)} files by {tokens} token(s), {roots} ROOT(s): {took:.1f} s, {len(acknowledged) / took:.0f}/s, {pushes} pushes"
    )


STEPS = ["stage", "draft", "before the push", "after the push", "trees in the mirror", "mirror", "tip", "fetch"]


@pytest.mark.parametrize("step", STEPS)
def test_death_at_any_step_leaves_the_branch_whole_and_the_next_start_heals(hosted: Hosted, tmp_path: Path, step: str) -> None:
    server = Server(hosted, tmp_path / "root")
    known = {server.publish(f"demo-{number}", os.urandom(2000)).name for number in range(2)}
    server.sync()
    server.backend.close()

    Server(hosted, tmp_path / "other").publish("theirs")  # so that there is something to fetch
    died = start(hosted, tmp_path / "root", [hosted.tokens[Access.WRITE]], name="p0", threads=1, die=step, large=step == "stage")
    acknowledged = set(died.communicate(timeout=60)[0].split())

    assert died.returncode == -signal.SIGKILL
    hosted.check()
    again = Server(hosted, tmp_path / "root")
    again.reader.cursor, again.reader.newest = server.reader.cursor, server.reader.newest
    again.sync()
    assert {key for _, key in again.reader.newest} >= known | acknowledged | {"theirs"}
    file = again.publish("demo-after")
    assert content(again.backend, file) == b"body"
    late = Server(hosted, tmp_path / "late")
    late.sync()
    again.sync()
    assert late.reader.newest == again.reader.newest
    hosted.check()
