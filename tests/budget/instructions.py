"""How many instructions of the processor one request of each kind takes, counted by valgrind's callgrind, and how many the bare stack takes.

Bottle on Cheroot with a constant page of the same size, without authentication, goes the same way in the same process: what is compared is
how many times its instructions a request takes, so that another build of Python changes little. What the kernel does is not among them,
nor what it costs to hand a request to another thread, which the bare stack does with each.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bottle
import cheroot.server
import cheroot.wsgi

from pywharf import log_gathering, logs
from pywharf.web.server.connection import Connection
from pywharf.web.server.run import Server

ROOT = Path(__file__).parents[2]
BARE = "bare"
WARM = 10  # requests before those that are counted
COUNTED = 20
READY = "ready\n"
TAKES = 600  # seconds at most; a program runs some thirty times slower so

Once = Callable[[], object]


class CannotCount(Exception):
    """There is no valgrind here, or it cannot run this Python; the message says which."""


def measure() -> dict[str, dict[str, float]]:
    """How many times the bare stack's instructions a request of each kind takes. Raises CannotCount."""
    found = count()
    bare = found.pop(BARE)
    return {kind: {"of_bare": instructions / bare} for kind, instructions in found.items()}


def count() -> dict[str, float]:
    """Instructions of one request of each kind, and of the bare stack's. Raises CannotCount."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotCount("there is no valgrind")
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={told}", "--dump-before=getloadavg", "--instr-atstart=no"]
        try:
            kinds = _run([*command, sys.executable, "-m", "budget.instructions"], Path(folder))
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotCount(f"valgrind: {getattr(error, 'stderr', '') or error}"[-2000:]) from error
        parts = [total(told.with_name(f"told.{part}").read_text(encoding="utf-8")) for part in range(1, 2 * len(kinds) + 1)]
    return dict(zip(kinds, [instructions / COUNTED for instructions in parts[1::2]], strict=True))


def _run(command: list[str], folder: Path) -> list[str]:
    """Run `main` below; the kinds that it counted. Until it is ready nothing is counted: that would take most of the time."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    child = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "said").open("w+", encoding="utf-8") as said:
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=folder, env=child, stdin=pipe, stdout=pipe, stderr=said, text=True) as running:
            try:
                assert running.stdout is not None
                if running.stdout.readline() == READY:
                    subprocess.run(["callgrind_control", "--instr=on", str(running.pid)], capture_output=True, timeout=TAKES, check=True)
                    told, _ = running.communicate(READY, timeout=TAKES)
                    if running.returncode == 0:
                        return told.split()
            finally:
                running.kill()
        said.seek(0)
        raise CannotCount(f"valgrind: {said.read()[-2000:]}")


def total(text: str) -> int:
    """The instructions of one part of what callgrind wrote. Raises CannotCount."""
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if found is None:
        raise CannotCount("callgrind did not tell a total")
    return int(found[1])


# --- within valgrind --------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests of each kind; before and behind those that are counted callgrind is made to begin a new part."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - the log goes there until the end
    log_gathering.MOMENT = TAKES  # its lines are written when a kind is done: how often else would depend on how fast this machine is
    from budget.counting import load_read_path

    read_path = load_read_path()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log").mkdir()
        logs.set_up(Path(folder) / "log", debug=False)
        with read_path.served(Path(folder) / "root", names=5) as served:
            kinds = _kinds(served)
            print(READY, end="", flush=True)
            input()
            for kind, once in kinds.items():
                for _ in range(WARM):
                    once()
                gc.collect()
                _flush_log()
                os.getloadavg()
                for _ in range(COUNTED):
                    once()
                _flush_log()
                os.getloadavg()
                print(kind)


def _flush_log() -> None:
    for handler in logging.getLogger().handlers:
        handler.flush()


def _kinds(served: Any) -> dict[str, Once]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(served.app, listener, {})
    server._connections = _Idle()  # type: ignore[assignment]
    server.ready = True
    client, ours = _pair()
    ours.setblocking(False)
    connection = Connection(server, ours, "127.0.0.1", 1)

    def ask(heads: list[bytes]) -> Once:
        asked = 0

        def once() -> bytes:
            nonlocal asked
            asked += 1
            client.send(heads[asked % len(heads)])
            connection.receive()
            assert connection.communicate(patience=0)
            return client.recv(1 << 20)

        return once

    requests = served.requests
    kinds: dict[str, Once] = {kind: ask([_head(environ)]) for kind, environ in requests.items()}
    # Each with another tag before the one that it is about, as a client asks for one page after the other.
    tags = [f'"{number}", {requests["304"]["HTTP_IF_NONE_MATCH"]}' for number in range(10, 20)]
    kinds["304"] = ask([_head({**requests["304"], "HTTP_IF_NONE_MATCH": tag}) for tag in tags])
    versions = iter(range(WARM + COUNTED))
    kinds["upload"] = lambda: served.call(served.upload("demo", f"2.{next(versions)}"))
    answer = kinds["page"]()
    assert isinstance(answer, bytes)
    kinds[BARE] = _bare(_head(requests["page"]), answer.partition(b"\r\n\r\n")[2])
    return kinds


def _bare(head: bytes, body: bytes) -> Once:
    app = bottle.Bottle()

    @app.get("/simple/<name>/")  # type: ignore[untyped-decorator]
    def page(name: str) -> bytes:
        bottle.response.content_type = "text/html"
        return body

    server: Any = cheroot.wsgi.Server(("127.0.0.1", 0), app)
    server._connections = _Idle()
    server.ready = True
    client, ours = _pair()
    connection: Any = cheroot.server.HTTPConnection(server, ours)  # type: ignore[no-untyped-call]
    connection.remote_addr, connection.remote_port = "127.0.0.1", 1

    def once() -> None:
        client.send(head)
        assert connection.communicate()
        answer = b""
        while not answer.endswith(body):
            answer += client.recv(1 << 20)

    return once


class _Idle:
    """What a server asks its table of connections: another one may be kept open."""

    can_add_keepalive_connection = True

    class waiting:  # noqa: N801 - an attribute there
        idle = 0


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def _head(environ: dict[str, Any]) -> bytes:
    fields = {name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")}
    lines = [f"GET {environ['PATH_INFO']} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("ascii")


if __name__ == "__main__":
    main()
