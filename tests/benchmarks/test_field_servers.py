"""The servers that are compared, and what is read of their processes: fsyncs, and how late another one shows an upload."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.field.columns import Effort
from benchmarks.field.comparison import Comparison
from benchmarks.field.corpora import make_corpus
from benchmarks.field.fsyncs import fsyncs_while
from benchmarks.field.hosted import NAME, GitHost, fill_git
from benchmarks.field.kinds import chosen
from benchmarks.field.processes import Failed
from benchmarks.field.results import Results
from benchmarks.field.tools import find_tools
from pywharf import stored_config
from pywharf.config import ServerSettings, parse
from pywharf.layout import Layout
from pywharf.repository.repository import Repository

pytestmark = pytest.mark.any_python

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

WRITES = """
import os, sys, threading
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
print("ready", flush=True)
sys.stdin.readline()
os.fsync(file)
thread = threading.Thread(target=os.fdatasync, args=(file,))
thread.start()
thread.join()
os.fsync(file)
print("done", flush=True)
sys.stdin.readline()
"""


@needs_strace
def test_fsyncs_of_a_running_process_and_its_threads_are_counted_and_it_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITES, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        def act() -> None:
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        try:
            counted = fsyncs_while(process.pid, act, tmp_path)
        except Failed as error:
            process.kill()
            pytest.skip(f"may trace nobody here: {error}")

        process.stdin.close()
        assert process.wait(30) == 0
    assert counted == 3


@needs_strace
def test_fsyncs_of_a_process_that_cannot_be_traced_are_told_as_a_failure(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    with pytest.raises(Failed, match="strace"):
        fsyncs_while(process.pid, lambda: None, tmp_path)


@needs_git
def test_a_repository_in_git_holds_the_corpus_and_its_token_is_nobody_elses_to_read(
    tmp_path: Path, check_holds: Callable[..., None]
) -> None:
    small = make_corpus("S", tmp_path / "corpus")
    (tmp_path / "filled").mkdir()
    fill_git(small, tmp_path / "filled")

    host = GitHost(tmp_path / "filled", tmp_path)
    try:
        server = host.server("root")
        layout = Layout(tmp_path / "root")
        stored = stored_config.read(layout)
        assert stored is not None
        assert server.reader
        assert server.reader[1] not in " ".join(server.command(0))
        assert layout.admin_secret.stat().st_mode & 0o077 == 0
        repository = Repository(parse(stored.config, stored.admin_secret)[NAME], layout, ServerSettings())
        try:
            repository.sync()
            check_holds(repository, small, list(small.files())[::20])
        finally:
            repository.close()
    finally:
        host.stop()


@pytest.mark.live
@needs_git
def test_a_small_run_measures_both_backends_at_one_server_and_at_another_on_the_same_storage(tmp_path: Path) -> None:
    make_corpus("S", tmp_path / "cache" / "S" / "corpus")  # without the large wheel, which takes its time
    (tmp_path / "work").mkdir()
    results = Results("S")
    effort = Effort(rounds=1, slow=1, peers=0, installs=0, pip=0, uv=0, large=0, colds=1, stale=1, seconds=0)

    kinds, tools = chosen("fresh,stale"), find_tools(tmp_path / "venvs")
    Comparison("S", kinds, effort, tmp_path / "cache", tmp_path / "work", tools, results, alone=True).run()

    assert set(results.measured) == {(kind, server) for kind in ("fresh", "stale") for server in ("pywharf", "pywharf-git")}
    assert all(one.value > 0 for measures in results.measured.values() for one in measures)
