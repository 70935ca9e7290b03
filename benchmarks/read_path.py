"""What one request of an installer costs the application: microseconds of CPU, without a socket and without the HTTP server.

    python benchmarks/read_path.py [--requests 3000] [--rounds 5] [--profile page] [--quiet-log]

Fills a repository of 40 files in one project and some hundred other names, and asks the application in-process for what pip and uv ask
for. Prints the best round of each kind by `time.process_time`, so that other work on the machine counts little. stderr gets the access
log as a server's does: send it to a file. --profile prints where the time of one kind goes. --quiet-log leaves the log out.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import logging
import pstats
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pywharf import logs
from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import basic_auth, upload_form
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

# No look at the storage but at need: how many there are would depend on how long it all takes.
CONFIG = '[local]\ntype = "file_system"\nread_secret = "read-it"\nwrite_secret = "write-it"\nsync_index_interval = 86400.0\n'
FILES = 40
NAMES = 300
WHEEL = f"demo-1.{FILES - 1}-py3-none-any.whl"
PIP = {
    "HTTP_HOST": "127.0.0.1:8888",
    "HTTP_AUTHORIZATION": basic_auth("local", "read-it"),
    "HTTP_ACCEPT": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_CACHE_CONTROL": "max-age=0",
    "HTTP_USER_AGENT": 'pip/25.0 {"ci":null,"cpu":"x86_64","implementation":{"name":"CPython","version":"3.11.7"}}',
}
PATHS = {
    "page": "/simple/demo/",
    "304": "/simple/demo/",
    "root": "/simple/",
    "wheel": f"/simple/demo/{WHEEL}",
    "metadata": f"/simple/demo/{WHEEL}.metadata",
}

Environ = dict[str, Any]


class Served:
    """An application over a repository of its own. requests: one environ for each kind."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.requests = {kind: environ("GET", path, **PIP) for kind, path in PATHS.items()}

    def call(self, asked: Environ) -> tuple[str, dict[str, str], int]:
        """Ask as a server does: status, headers, bytes of the body."""
        told: list[Any] = []
        answer = self.app(dict(asked), lambda status, headers, error=None: told.extend((status, headers)))  # type: ignore[arg-type,return-value]
        size = sum(map(len, answer))
        answer.close()
        return told[0], dict(told[1]), size

    def upload(self, name: str, version: str) -> Environ:
        """The environ of an upload of a small wheel; it can be sent once."""
        body, content_type = upload_form(make_wheel(name, version))
        asked = environ("POST", "/simple/", body, HTTP_HOST="127.0.0.1", HTTP_AUTHORIZATION=basic_auth("local", "write-it"))
        return {**asked, "CONTENT_TYPE": content_type}


@contextlib.contextmanager
def served(root: Path, names: int = NAMES) -> Iterator[Served]:
    """A filled repository in a folder, each kind asked for once. names: of other projects."""
    layout = Layout(root)
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    wharf = Wharf(layout, ServerSettings())
    wharf.start()
    app = make_app(wharf, ServerSettings())
    try:
        found = Served(app)
        for number in range(FILES):
            expect(found.call(found.upload("demo", f"1.{number}"))[0], "200")
        for number in range(names):
            expect(found.call(found.upload(f"other-{number}", "1.0"))[0], "200")
        _, headers, _ = found.call(found.requests["page"])
        found.requests["304"]["HTTP_IF_NONE_MATCH"] = headers["ETag"]
        for kind, asked in found.requests.items():
            expect(found.call(asked)[0], "304" if kind == "304" else "200")
        yield found
    finally:
        app.close()
        wharf.close()


def expect(status: str, begin: str) -> None:
    if not status.startswith(begin):
        raise SystemExit(f"the application answers {status} and not {begin}")


def environ(method: str, path: str, body: bytes = b"", **headers: str) -> Environ:
    """A request as the HTTP server hands it on."""
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8888",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **headers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", choices=sorted(PATHS))
    parser.add_argument("--quiet-log", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log").mkdir()
        logs.set_up(Path(folder) / "log", debug=False)
        if options.quiet_log:
            logging.getLogger("pywharf").setLevel(logging.WARNING)
        with served(Path(folder) / "root") as found:
            if options.profile:
                profile = cProfile.Profile()
                profile.enable()
                for _ in range(options.requests):
                    found.call(found.requests[options.profile])
                profile.disable()
                pstats.Stats(profile).sort_stats("tottime").print_stats(40)
                return
            for kind, asked in found.requests.items():
                rounds = []
                for _ in range(options.rounds):
                    began = time.process_time()
                    for _ in range(options.requests):
                        found.call(asked)
                    rounds.append((time.process_time() - began) / options.requests)
                print(f"{kind:10} {min(rounds) * 1e6:8.1f} us of CPU")


if __name__ == "__main__":
    main()
