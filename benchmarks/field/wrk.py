"""Load by wrk: the requests as a Lua script, and what wrk says at its end."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 8

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}


class WrkFailed(Exception):
    """wrk did not run, or what it measured were errors; the message says which."""


@dataclass(frozen=True)
class Request:
    """One request to be sent again and again."""

    path: str
    headers: Mapping[str, str]

    def raw(self, port: int) -> str:
        lines = [f"GET {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, "", ""])


@dataclass(frozen=True)
class Load:
    """What a run of wrk came to. Times in seconds."""

    requests: int
    seconds: float
    received: float  # bytes, heads included
    median: float
    worst: float  # 99 of 100 answers were there by then
    errors: int  # of the socket, and statuses from 400 on

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def script(requests: Sequence[Request], port: int) -> str:
    """A Lua script that sends the requests in turn. Their bytes are made beforehand, so that wrk has little to do."""
    raw = ",\n".join(json.dumps(request.raw(port)) for request in requests)  # ASCII: then JSON's strings are Lua's too
    return f"local requests = {{\n{raw}\n}}\nlocal at = 0\n\nfunction request()\n  at = at % #requests + 1\n  return requests[at]\nend\n"


def run(requests: Sequence[Request], port: int, seconds: int, work: Path) -> Load:
    """Ask a server on 127.0.0.1 for `seconds`, over 8 connections. Raises WrkFailed."""
    path = work / "requests.lua"
    path.touch(mode=0o600)  # secrets are in it
    path.write_text(script(requests, port))
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "--latency",
        "-s",
        str(path),
        f"http://127.0.0.1:{port}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrkFailed(f"wrk ended with {done.returncode}: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(text: str) -> Load:
    """What wrk printed, with --latency. Raises WrkFailed where it is something else."""
    counted = re.search(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h), ([\d.]+)(B|KB|MB|GB) read", text, re.MULTILINE)
    if not counted:
        raise WrkFailed(f"not what wrk prints: {text[:500]!r}")
    within = {
        percent: float(value) * _UNITS[unit] for percent, value, unit in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s|m|h)\s*$", text, re.M)
    }
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = sum(map(int, sockets.groups())) if sockets else 0
    return Load(
        int(counted[1]),
        float(counted[2]) * _UNITS[counted[3]],
        float(counted[4]) * _SIZES[counted[5]],
        within.get("50", 0.0),
        within.get("99", 0.0),
        errors + (int(refused[1]) if refused else 0),
    )
