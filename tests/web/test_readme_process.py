"""The process that renders READMEs: what it may take, what it has, when it ends, and that none of it is felt by who asks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.web.readme import Readmes

from .hostile_readmes import GREEDY
from .readme_findings import findings

pytestmark = pytest.mark.any_python

SLOW_TEXT = next(text for kind, text in GREEDY if "boom" in text)
WAIT = 30.0
PATIENT = {"patience": 60.0, "start_patience": 60.0}  # for machines that are busy with other things


# --- time and memory --------------------------------------------------------------------------------------------------


def test_a_greedy_readme_is_given_up_and_the_next_one_is_rendered() -> None:
    readmes = Readmes(patience=0.3, start_patience=60.0)
    try:
        for kind, text in GREEDY:
            html = readmes.html(text, kind)
            assert findings(html).wrong == []
            assert len(html) < 8 * 1024 * 1024
        assert readmes.html(SLOW_TEXT, "text/x-rst").startswith("<pre>")
        readmes._patience = 60.0
        assert "<h1" in readmes.html("# after all that", "text/markdown")
    finally:
        readmes.close()


@pytest.mark.parametrize("peak", [0, 1])
def test_the_process_may_use_little_memory(peak: int) -> None:
    """And what it may not have is no trouble for whoever asked."""
    hog = (
        f"import pywharf.web.readme_process as p; p._confine(); x = bytearray(p.MOST_MEMORY {'-' if peak == 0 else '+'} 300 * 1024 * 1024)"
    )

    run = subprocess.run([sys.executable, "-c", hog], env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True)

    assert ("MemoryError" in run.stderr) == (peak == 1)


@pytest.fixture
def strange_renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readmes]:
    """A renderer that does what the text says; everything around it is the real thing."""
    package = tmp_path / "readme_renderer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "rst.py").write_text("def render(text): return None")
    (package / "markdown.py").write_text(
        """
import os, signal, sys, time
def render(text):
    if text == "crash": os.kill(os.getpid(), signal.SIGSEGV)
    if text == "exit": sys.exit(0)
    if text == "raise": raise RuntimeError("no")
    if text == "recursion": return render(text)
    if text == "sleep": time.sleep(1000)
    if text == "spin":
        while True: pass
    if text == "large": return "<p>" + "x" * 10_000_000
    if text == "memory": x = [bytearray(1 << 20) for _ in range(10_000)]
    if text == "hungry": x = bytearray(300 << 20)
    if text == "print": print("{}", flush=True); os.write(2, b"x" * 1_000_000)
    if text == "environ": return "<p>" + repr(sorted(os.environ))
    if text == "files": return "<p>" + repr(sorted(os.listdir("/proc/self/fd")))
    if text.startswith("write "):
        with open(text[6:], "w") as file: file.write("x")
    if text == "process": return f"<p>{os.getpid()} {os.getsid(0)} {os.getcwd()}"
    return "<p>" + text
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    readmes = Readmes(patience=2.0, start_patience=60.0)
    yield readmes
    readmes.close()


def words(html: str) -> str:
    return findings(html).text


@pytest.mark.parametrize("what", ["crash", "exit", "raise", "recursion", "sleep", "spin", "large", "memory", "hungry"])
def test_whatever_happens_to_the_renderer_the_text_is_shown_and_the_next_one_is_rendered(strange_renderer: Readmes, what: str) -> None:
    readmes = strange_renderer
    if what == "spin":
        readmes._patience = 0.5
    shown = readmes.html(what, "text/markdown")
    readmes._patience = WAIT

    assert shown in (f"<pre>{what}</pre>", "<p>hungry</p>")
    assert readmes.html("next", "text/markdown") == "<p>next</p>"


def test_the_process_has_no_secrets_no_files_and_no_terminal(
    strange_renderer: Readmes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYWHARF_COMMAND_ADMIN_SECRET", "a very secret secret")
    monkeypatch.setenv("GITHUB_TOKEN", "another")
    readmes = strange_renderer
    readmes._patience = WAIT
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)

        environ = words(readmes.html("environ", "text/markdown"))
        files = words(readmes.html("files", "text/markdown"))
    pid, session, folder = words(readmes.html("process", "text/markdown")).split()

    allowed = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "DOCUTILSCONFIG", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LC_CTYPE"}
    assert set(re.findall(r"'(\w+)'", environ)) <= allowed
    assert set(re.findall(r"'(\d+)'", files)) <= {"0", "1", "2", "3"}  # 3: the listing itself
    assert (session, folder) == (pid, "/")  # a Ctrl-C at the server's terminal is not for it
    assert int(pid) != os.getpid()


def test_the_process_writes_no_file(strange_renderer: Readmes, tmp_path: Path) -> None:
    strange_renderer._patience = WAIT
    text = f"write {tmp_path / 'file'}"

    assert strange_renderer.html(text, "text/markdown") == f"<pre>{text}</pre>"
    assert (tmp_path / "file").read_bytes() == b""


def test_a_process_that_needed_much_memory_is_replaced(strange_renderer: Readmes) -> None:
    readmes = strange_renderer
    readmes._patience = WAIT
    before = words(readmes.html("process", "text/markdown")).split()[0]

    assert readmes.html("hungry", "text/markdown") == "<p>hungry</p>"
    readmes._kept.clear()

    assert words(readmes.html("process", "text/markdown")).split()[0] != before


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> bool:
    end = time.monotonic() + WAIT
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGALRM])
def test_a_process_that_was_ended_is_started_again_unnoticed(number: int) -> None:
    readmes = Readmes(**PATIENT)
    try:
        for round_ in range(3):
            assert f"round-{round_}" in readmes.html(f"# round {round_}", "text/markdown")
            assert readmes._process is not None
            pid = readmes._process.pid
            os.kill(pid, number)
            assert wait_until_gone(pid)
    finally:
        readmes.close()


def test_closing_ends_the_process_and_another_question_starts_another() -> None:
    readmes = Readmes(**PATIENT)
    readmes.close()
    readmes.html("# x", "text/markdown")
    assert readmes._process is not None
    pid = readmes._process.pid

    readmes.close()
    assert wait_until_gone(pid)

    assert "<h1" in readmes.html("# y", "text/markdown")
    readmes.close()


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """Also one that was killed, and in the middle of its work."""
    program = """
import os, sys, threading, time
from pywharf.web.readme import Readmes
readmes = Readmes(patience=60, start_patience=60)
readmes.html("# x", "text/markdown")
print(readmes._process.pid, flush=True)
time.sleep(1000)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_alive(pid)
        process.kill()

    assert wait_until_gone(pid)


def test_a_process_that_nobody_ends_ends_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that ends it in the middle of a text, and while nobody asks, shortened."""
    program = "import pywharf.web.readme_process as p; p.IDLE = {idle}; p.LONGEST = {longest}; p.main()"
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    slow = SLOW_TEXT.replace("\n", "\\n").encode()
    for idle, longest, question in [(1, 100, b""), (100, 1, b'{"kind": "rst", "text": "%s"}\n' % slow)]:
        words_ = [sys.executable, "-c", program.format(idle=idle, longest=longest)]
        with subprocess.Popen(words_, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
            assert process.stdin is not None
            process.stdin.write(question)
            process.stdin.flush()
            assert process.wait(WAIT * 2) == -signal.SIGALRM


# --- many at once -----------------------------------------------------------------------------------------------------


def test_threads_get_each_their_own_answer(readmes: Readmes) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        for round_ in range(10):
            html = readmes.html(f"# heading {number} {round_}", "text/markdown")
            if html != f'<h1 id="user-content-heading-{number}-{round_}">heading {number} {round_}</h1>':
                wrong.append(html)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT * 4)

    assert wrong == []


def test_who_waits_for_a_slow_one_too_long_sees_the_text_now_and_the_page_later(strange_renderer: Readmes) -> None:
    readmes = strange_renderer
    readmes._patience = WAIT
    readmes.html("warm", "text/markdown")
    slow = threading.Thread(target=readmes.html, args=("sleep", "text/markdown"))
    slow.start()
    while not readmes._turn.locked():
        time.sleep(0.01)
    readmes._patience = 0.1
    assert readmes.html("innocent", "text/markdown") == "<pre>innocent</pre>"

    assert readmes._process is not None
    readmes._process.kill()
    slow.join(WAIT)
    readmes._patience = WAIT

    assert readmes.html("innocent", "text/markdown") == "<p>innocent</p>"


def test_a_forked_process_has_a_renderer_of_its_own(readmes: Readmes) -> None:
    readmes.html("# before", "text/markdown")
    assert readmes._process is not None
    ours = readmes._process.pid
    process = os.fork()
    if process == 0:
        try:
            html = readmes.html("# in the fork", "text/markdown")
            theirs = readmes._process.pid
            readmes.close()
            os._exit(0 if "in-the-fork" in html and theirs != ours else 1)
        finally:
            os._exit(2)

    _, status = os.waitpid(process, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert is_alive(ours)
    assert "after" in readmes.html("# after", "text/markdown")
    assert readmes._process.pid == ours
