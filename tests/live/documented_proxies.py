"""nginx and Caddy with the configurations of docs/how-to/run-behind-a-proxy.md, and a client that comes through them.

What differs from the page is only what belongs to this machine: addresses, ports, the certificate, the folder. A client's address is one
of 127.0.0.0/8, so that it can be told from the proxy's.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.ports import hold_free_port
from pywharf.testing.uploads import basic_auth, upload_form

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-behind-a-proxy.md"
NAME = "packages.example"
CLIENT = "127.0.0.5"
READER, WRITER = basic_auth("local", "read-it-please"), basic_auth("local", "write-it-please")
CONFIG = '[local]\ntype = "file_system"\nread_secret = "read-it-please"\nwrite_secret = "write-it-please"\n'
SOON = 30.0  # seconds that a proxy has to listen, and an answer to come
DEMO = make_wheel("demo", "1.0", files={"demo.py": "# " + "0123456789abcdef" * 20_000})
FILE = f"/simple/demo/{DEMO.filename}"
TAG = f'"sha256:{hashlib.sha256(DEMO.data).hexdigest()}"'
LIAR = "203.0.113.9"
FORGED = {
    "X-Forwarded-For": LIAR,
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": f"for={LIAR};proto=http;host=evil.example",
}
_FENCE = re.compile(r"(?:<!-- (\w+): (\w+) -->\n)?```(nginx|caddy)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented(language: str, part: str = "") -> str:
    """A block of the page; part: what the comment above it says, "" is the one without."""
    found = [block for _, name, kind, block in _FENCE.findall(PAGE.read_text(encoding="utf-8")) if (kind, name) == (language, part)]
    assert len(found) == 1, f"{language} {part}: {len(found)} such blocks"
    return str(found[0])


def with_lines(config: str, block: str) -> str:
    """The configuration with the lines of a block in place of those that say something of the same."""
    for line in textwrap.dedent(block).splitlines():
        words = line.split()
        same = r"[ \t]+".join(map(re.escape, words[: 2 if words[0] == "proxy_set_header" else 1]))
        config, count = re.subn(rf"^[ \t]+{same}[ \t][^;{{\n]*[;{{].*$", f"    {line}", config, flags=re.MULTILINE)
        assert count == 1, line
    return config


@dataclass
class Proxy:
    """A running proxy. trust: what its clients check its certificate with. log: what it tells."""

    port: int
    trust: ssl.SSLContext
    log: Path

    @property
    def url(self) -> str:
        """As its clients know it."""
        return f"https://{NAME}:{self.port}/"

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        auth: str | None = READER,
        client: str = CLIENT,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request over a connection of its own, from an address of the client's choice."""
        plain = socket.create_connection(("127.0.0.1", self.port), SOON, source_address=(client, 0))
        connection = http.client.HTTPSConnection(NAME, self.port, timeout=SOON, context=self.trust)
        connection.sock = self.trust.wrap_socket(plain, server_hostname=NAME)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):  # it was refused, and the answer is there
                connection.request(method, target, body, {**({"Authorization": auth} if auth else {}), **(headers or {})})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def upload(self, distribution: Distribution, prefix: str = "") -> None:
        body, content_type = upload_form(distribution)
        answer, told = self.ask("POST", f"{prefix}/simple/", {"Content-Type": content_type}, body, auth=WRITER)
        assert answer.status == 200, told


def served(root: Path, *options: str) -> LiveServer:
    """A server with one repository, to put a proxy in front of."""
    return LiveServer(root, options=["--config", CONFIG, "--config_or_admin_secret_can_be_text", *options])


def logged(upstream: LiveServer, pattern: str) -> re.Match[str]:
    """A line of the access log, once it is there: it is written a moment after the answer."""
    end = time.monotonic() + SOON
    while True:
        lines = (upstream.root / "log" / "pywharf.log").read_text(encoding="utf-8")
        found = re.search(rf"pywharf\.access: {pattern}", lines)
        if found or time.monotonic() > end:
            assert found, lines[-3000:]
            return found
        time.sleep(0.02)


@contextmanager
def nginx(folder: Path, config: str) -> Iterator[Proxy]:
    """nginx with the contents of an `http` block, in which "443 ssl" is where it listens and /etc/ssl is its certificate."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    user = "user root;\n" if os.geteuid() == 0 else ""
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with _listening(folder, config, "443 ssl", "127.0.0.1:%d ssl") as (proxy, config):
        path = folder / "nginx.conf"
        path.write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {proxy.log} info;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{places}{config}\n}}\n",
            encoding="utf-8",
        )
        with _running(proxy, [program, "-e", str(proxy.log), "-c", str(path)], {}):
            yield proxy


@contextmanager
def caddy(folder: Path, config: str) -> Iterator[Proxy]:
    """Caddy with the documented site; its certificate is given, since it can ask nobody for one here."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed")
    here = f"{NAME}:%d {{\n    bind 127.0.0.1\n    tls {folder}/{NAME}.pem {folder}/{NAME}.key"
    with _listening(folder, config, f"{NAME} {{", here) as (proxy, config):
        path = folder / "Caddyfile"
        path.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{config}", encoding="utf-8")
        environ = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
        with _running(proxy, [program, "run", "--adapter", "caddyfile", "--config", str(path)], environ):
            yield proxy


@contextmanager
def _listening(folder: Path, config: str, listens: str, here: str) -> Iterator[tuple[Proxy, str]]:
    folder.mkdir(parents=True)
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    certificate = authority.issue_cert(NAME, key_type=trustme.KeyType.ECDSA)
    (folder / f"{NAME}.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(folder / f"{NAME}.key")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    port, held = hold_free_port()
    assert listens in config
    with held:
        yield Proxy(port, trust, folder / "error.log"), config.replace(listens, here % port).replace("/etc/ssl/", f"{folder}/")


@contextmanager
def _running(proxy: Proxy, command: list[str], environ: Mapping[str, str]) -> Iterator[None]:
    with proxy.log.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environ})
    try:
        end = time.monotonic() + SOON
        while not _listens(proxy.port):
            told = proxy.log.read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(SOON)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
