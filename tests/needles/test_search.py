"""A search that cannot find is no search: what is planted is found, in every spelling, and what is near to it is not."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from .search import Search

pytestmark = pytest.mark.any_python

SECRET = "a needle/+9=ü"
RAW = SECRET.encode()
TESTS = Path(__file__).parent.parent

PLANTED: dict[str, bytes] = {
    "as it is": b"secret=" + RAW,
    "percent-encoded": f"http://local:{quote(SECRET, safe='')}@host".encode(),
    "percent-encoded in lower case": quote(SECRET, safe="").lower().encode(),
    "as in a form": f"raw={quote_plus(SECRET)}&x=1".encode(),
    "hex": RAW.hex().encode(),
    "hex in upper case": RAW.hex().upper().encode(),
    "escaped": ascii(SECRET).encode(),
    "Basic": b"Authorization: Basic " + base64.b64encode(b"local:" + RAW),
    "Basic of somebody else": base64.b64encode(b"a.user-of_any-name:" + RAW),
    "base64 alone": base64.urlsafe_b64encode(RAW),
    "base64 in the middle": base64.b64encode(b"....." + RAW + b"....."),
}


@pytest.mark.parametrize("how", PLANTED)
def test_a_secret_is_found_however_it_is_written(how: str) -> None:
    search = Search("another", SECRET, users=["local"])
    search.look("a log", b"line\n" * 100 + PLANTED[how] + b"\nline")
    assert search.hits == ["a log"]


def test_what_is_no_secret_is_not_found_and_without_secrets_nothing_is() -> None:
    search = Search(SECRET, users=["local"])
    search.look("a log", b"a needl, needle/+9, " + base64.b64encode(b"local:another") + RAW[:-1])
    nothing = Search()
    nothing.look("a log", RAW)
    assert not search.hits + nothing.hits


@pytest.mark.parametrize("plant", ["name", "content", "git"])
def test_a_secret_is_found_in_names_in_files_and_in_objects_of_git(plant: str, tmp_path: Path) -> None:
    secret = "0123-needle-4567"
    (tmp_path / "below").mkdir()
    if plant == "git":
        git = ["git", "-C", str(tmp_path / "below")]
        subprocess.run([*git, "init", "-q", "--bare"], check=True)
        subprocess.run([*git, "hash-object", "-w", "--stdin"], input=f"told {secret}".encode(), check=True, capture_output=True)
    else:
        (tmp_path / "below" / (secret if plant == "name" else "log")).write_text(secret if plant == "content" else "")
    search = Search(secret)
    search.look_below(tmp_path)
    assert len(search.hits) == 1


PLANTS: dict[str, tuple[str, bool]] = {
    "tells nothing": ("pass", True),
    "writes it into a log": ("(tmp_path / 'pywharf.log').write_text('x ' + SECRET)", False),
    "keeps it where it may": ("(tmp_path / 'config.toml').write_text(SECRET)", True),
    "prints it": ("print(SECRET)", False),
    "logs it": ("logging.getLogger('x').warning('got %s', SECRET)", False),
    "prints what a client shows": ("print(base64.b64encode(b'local:shown-by-somebody'))", False),
}


def test_a_run_with_needles_fails_the_tests_that_leave_one_behind(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    bodies = "".join(
        f"def test_{at}(tmp_path):\n    AcceptedSecret(raw=SECRET); show()\n    {body}\n" for at, (body, _) in enumerate(PLANTS.values())
    )
    (tmp_path / "test_planted.py").write_text(
        "import base64, http.client, logging\nfrom pywharf.backend.settings import AcceptedSecret\nSECRET = 'a-planted-needle'\n"
        "def show():\n    connection = http.client.HTTPConnection('localhost'); connection._HTTPConnection__state = 'Request-started'\n"
        "    connection.putheader('Authorization', 'Basic ' + base64.b64encode(b'local:shown-by-somebody').decode())\n" + bodies
    )
    words = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--needles",
        "-rA",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        f"--basetemp={tmp_path / 'base'}",
    ]
    command = [sys.executable, "-m", "pytest", *words, str(tmp_path / "test_planted.py")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    failed = {at for at in range(len(PLANTS)) if f"ERROR test_planted.py::test_{at} " in done.stdout}
    assert failed == {at for at, (_, is_clean) in enumerate(PLANTS.values()) if not is_clean}, done.stdout + done.stderr
    assert "needles: 12 looked for after 6 tests" in done.stdout
