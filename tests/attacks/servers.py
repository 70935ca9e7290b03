"""Starts the servers that are attacked, each in a process of its own, and gives both the same to serve."""

from __future__ import annotations

import http.client
import secrets
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

from .plain import SECRET
from .target import FILE_BYTES, Target

TESTS = Path(__file__).parent.parent  # from where the other processes are started: `python -m attacks...`
CONFIG = f'[local]\ntype = "file_system"\nread_secret = "read-it"\nwrite_secret = "{SECRET}"\n'
READER, WRITER = basic_auth("local", "read-it"), basic_auth("local", SECRET)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key, self-signed. Raises OSError, CalledProcessError where openssl is missing or fails."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(["openssl", "req", "-x509", *made, *subject], check=True, capture_output=True)
    return certificate, key


@contextmanager
def plain(certificate: tuple[Path, Path] | None = None) -> Iterator[Target]:
    """Bottle on Cheroot with default settings."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "big.bin").write_bytes(secrets.token_bytes(FILE_BYTES))
        command = [sys.executable, "-m", "attacks.plain", folder, *map(str, certificate or ())]
        with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout
                port = int(process.stdout.readline())
                yield Target("plain", "127.0.0.1", port, process.pid, "/simple/big/big.bin", READER, WRITER, bool(certificate))
            finally:
                process.kill()


@contextmanager
def ours(root: Path, options: Sequence[str] = (), certificate: tuple[Path, Path] | None = None) -> Iterator[tuple[Target, LiveServer]]:
    """`pywharf server`. root: an empty folder. options: further words of the command line."""
    words = ["--config", CONFIG, "--config_or_admin_secret_can_be_text", *options]
    if certificate:
        words += ["--tls_cert", str(certificate[0]), "--tls_key", str(certificate[1])]
    with LiveServer(root, options=words) as server:
        port = urlsplit(server.url).port
        assert port
        big = make_wheel("big", "1.0", files={"big.bin": secrets.token_bytes(FILE_BYTES)})
        connection = _connection(port, certificate)
        for distribution in (make_wheel("probe", "1.0"), big):
            status, text = send_upload(connection, WRITER, distribution)
            assert status == 200, text
        connection.close()
        yield Target("ours", "127.0.0.1", port, server.pid, f"/simple/big/{big.filename}", READER, WRITER, bool(certificate)), server


def _connection(port: int, certificate: tuple[Path, Path] | None) -> http.client.HTTPConnection:
    if not certificate:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    context = ssl.create_default_context(cafile=str(certificate[0]))
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
