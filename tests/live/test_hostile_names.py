"""A name that leads elsewhere, in any field of the upload form or as the file's name: nothing outside the repository's folder changes.

A real server process, with files all around its folders that nobody may touch: where names lead that climb, in its home, in its folder for
temporary files, in the folder it was started in, and in a second repository beside the one that is uploaded to. `tox -e slow` sends each name
in each field.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fuzzing.hostile_names import hostile_names

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

pytestmark = pytest.mark.live

CONFIG = "\n".join(
    f'[{name}]\ntype = "file_system"\nread_secret = "read {name}"\nwrite_secret = "write {name}"\n' for name in ("local", "other")
)
WRITER, READER = basic_auth("local", "write local"), basic_auth("local", "read local")

# What the server reads; and what tools send that nobody reads.
READ = (
    ":action protocol_version filetype pyversion metadata_version name version requires_python requires_dist attestations"
    " md5_digest sha256_digest blake2_256_digest"
).split()
PASSING = (
    "summary description description_content_type keywords author author_email maintainer maintainer_email home_page download_url license"
    " license_expression license_files platform supported_platform classifiers project_urls requires requires_external provides"
    " provides_dist provides_extra obsoletes obsoletes_dist dynamic import_names import_namespaces comment gpg_signature distrib package"
    " path filename root"
).split()

# What belongs to the repository that is uploaded to, and what the server writes for itself; all in ROOT.
OURS = re.compile(r"cache/local(/.*)?|(index|names|audit|log|lock)(/.*)?|sessions\.sqlite.*")


@pytest.fixture
def around(tmp_path: Path) -> Path:
    """The folder that holds everything."""
    outer = tmp_path / "outer"
    for folder in ("", "srv", "srv/deep", "srv/deep/home", "srv/deep/temporary", "srv/deep/home/.ssh"):
        (outer / folder).mkdir(exist_ok=True)
        (outer / folder / "victim").write_text("nobody may touch this")
    return outer


@pytest.fixture
def server(around: Path) -> Iterator[LiveServer]:
    deep = around / "srv/deep"
    environ = {**os.environ, "HOME": str(deep / "home"), "TMPDIR": str(deep / "temporary")}
    options = ["--config", CONFIG, "--config_or_admin_secret_can_be_text"]
    with LiveServer(deep / "root", options=options, environ=environ) as running:
        connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
        assert send_upload(connection, basic_auth("other", "write other"), make_wheel("witness", "1.0"))[0] == 200
        assert send_upload(connection, WRITER, make_wheel("demo", "0.1"))[0] == 200
        connection.close()
        yield running


def inodes(around: Path) -> dict[str, tuple[int, ...]]:
    """Everything but what may change: what the system says of each file and folder, by its path."""
    root = around / "srv/deep/root"
    found = {}
    for path in [around, *around.rglob("*")]:
        if path == root or (path.is_relative_to(root) and OURS.fullmatch(path.relative_to(root).as_posix())):
            continue
        status = path.lstat()
        found[str(path)] = (
            status.st_ino,
            status.st_mode,
            status.st_uid,
            status.st_nlink,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
    return found


def places(root: Path) -> set[str]:
    """The paths that are the server's own, with what is counted or random in them left out."""
    found = (path.relative_to(root).as_posix() for path in root.rglob("*"))
    own = {path for path in found if OURS.fullmatch(path)}
    own = {re.sub(r"objects/[0-9a-f]{2}(/[0-9a-f]{64}\.[0-9a-f]{16})?$", "objects/*", path) for path in own}
    own = {re.sub(r"packages/demo/demo-[0-9.]+-py3-none-any\.whl(\.metadata)?$", "packages/demo/*", path) for path in own}
    return {re.sub(r"log/pywharf\.log\.\d+$", "log/pywharf.log", path) for path in own}


class Client:
    """Sends uploads, each of a file that is new."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._numbers = itertools.count(2)
        self.statuses: Counter[int] = Counter()

    def send(self, hostile: dict[str, str], *, filename: str | None = None, extended: str = "", part: str = "") -> int:
        """One upload that is right but for what is hostile. extended: of the file's part, as `filename*`; part: a part of this name too."""
        wheel = make_wheel("demo", f"1.{next(self._numbers)}")
        boundary = b"boundary-1f6c20e7"
        pieces = [
            b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (boundary, name.encode(), value.encode())
            for name, value in {**self._form(wheel), **hostile, **({part: "x"} if part else {})}.items()
        ]
        named = f'filename="{wheel.filename if filename is None else filename}"'
        if extended:
            named += f"; filename*=UTF-8''{extended}"
        head = f'Content-Disposition: form-data; name="content"; {named}'.encode()
        pieces.append(b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (boundary, head, wheel.data, boundary))
        headers = {"Authorization": WRITER, "Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
        self._connection.request("POST", "/legacy/", b"".join(pieces), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 400, 409), (answer.status, text, hostile, filename)
        assert b"victim" not in b"".join(name.encode() + value.encode() for name, value in answer.getheaders() if name == "Set-Cookie")
        self.statuses[answer.status] += 1
        return answer.status

    def _form(self, wheel: Distribution) -> dict[str, str]:
        return {
            ":action": "file_upload",
            "protocol_version": "1",
            "metadata_version": "2.1",
            "name": "demo",
            "version": wheel.filename.split("-")[1],
            "filetype": "bdist_wheel",
            "sha256_digest": hashlib.sha256(wheel.data).hexdigest(),
        }


DECIDING = {"name", "version"}  # where a file is kept; these are sent each name
# Names that climb come in fives, one way to five depths: with three more fields for each name, each five still meets every field.
SOME = range(0, len(READ) - 1, 4)


@pytest.mark.parametrize(
    "fields",
    [pytest.param(SOME, id="each-kind-in-each-field"), pytest.param(range(len(READ)), id="each-in-each-field", marks=pytest.mark.slow)],
)
def test_no_name_leads_out_of_the_repository(server: LiveServer, around: Path, fields: range, capsys: pytest.CaptureFixture[str]) -> None:
    assert {(number + field) % len(READ) for number in range(5) for field in fields} == {*range(len(READ))}
    root = around / "srv/deep/root"
    witness = next((root / "cache/other/storage/packages").rglob("*.whl"))
    targets = [around / "victim", around / "srv/victim", root / "config.toml", root / "keys/secrets", witness]
    names = hostile_names(targets, root / "cache/local/storage/packages/demo")
    assert len(names) >= 200
    before, own = inodes(around), places(root)
    client = Client(server.url)

    for number, name in enumerate(names):
        for field in DECIDING | {READ[(number + field) % len(READ)] for field in fields}:
            client.send({field: name})
        client.send(dict.fromkeys(PASSING, name))
        client.send({}, part=name)
        assert client.send({}, filename=name) == 400, f"taken as a file's name: {name!r}"
        assert client.send({}, filename=f"{name}-1.0-py3-none-any.whl") == 400, f"taken in a file's name: {name!r}"
        client.send({}, extended=name)
    for field, name in itertools.product(PASSING, names[::40]):
        client.send({field: name})

    after = inodes(around)
    assert {path: after.get(path) for path in before} == before
    assert not after.keys() - before.keys()
    assert places(root) <= own | {"cache/local/storage/packages/demo/*"}, places(root) - own
    assert set(client.statuses) <= {200, 400, 409}
    with capsys.disabled():
        print(
            f"\n{len(names)} names, {client.statuses.total()} uploads: {dict(client.statuses)}; {len(before)} inodes around, none changed"
        )
