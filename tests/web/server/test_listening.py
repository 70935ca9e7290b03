"""Where a server listens: a unix socket is its user's alone, and never taken from a server that lives."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from pywharf.web.server.listening import UnixListener, shown
from pywharf.web.server.run import running

from .conftest import SmallApp

pytestmark = pytest.mark.any_python


def get(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nRemote-User: admin\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(4096):
            received += piece
        return received


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Short enough for the address of a socket."""
    folder = tmp_path if len(str(tmp_path)) < 80 else Path(os.path.relpath(tmp_path))
    return folder / "wharf.sock"


def test_it_is_for_its_user_alone_whatever_the_umask_and_is_gone_at_the_end(path: Path) -> None:
    before = os.umask(0)
    try:
        listener = UnixListener(path)
        assert os.umask(0) == 0
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shown(listener.socket) == str(path.absolute())
    listener.close()
    assert not path.exists()


def test_requests_are_answered_and_their_peer_has_no_address_and_no_name(path: Path, small_app: SmallApp) -> None:
    with running(small_app, UnixListener(path).socket, options={"numthreads": 1}) as address:
        assert get(path).endswith(b"hello")

    assert address == str(path.absolute())
    assert small_app.environs[0]["REMOTE_ADDR"] == "unix"
    assert "REMOTE_USER" not in small_app.environs[0]


def test_what_a_killed_server_left_is_replaced(path: Path) -> None:
    left = UnixListener(path)
    left.socket.close()  # and the file stays

    again = UnixListener(path)

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    again.close()
    assert not path.exists()


def test_a_server_that_lives_keeps_its_socket(path: Path) -> None:
    first = UnixListener(path)
    try:
        with pytest.raises(OSError, match="a server listens there already") as raised:
            UnixListener(path)
        assert raised.value.filename == str(path.absolute())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    finally:
        first.close()


def test_a_server_that_was_replaced_leaves_the_socket_of_the_next_one(path: Path) -> None:
    first = UnixListener(path)
    path.unlink()
    second = UnixListener(path)

    first.close()

    assert path.exists()
    second.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")

    with pytest.raises(OSError, match="is no socket, and is left alone"):
        UnixListener(path)

    assert path.is_symlink() or path.is_dir() or path.read_text() == "precious"


@pytest.mark.parametrize(("name", "told"), [("none/wharf.sock", "No such file"), ("x" * 120, "too long")])
def test_where_it_cannot_be_is_told_with_the_path(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(OSError, match=f"cannot listen there .*{told}.*give --unix_socket another path") as raised:
        UnixListener(tmp_path / name)

    assert raised.value.filename == str(tmp_path / name)
