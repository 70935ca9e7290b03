"""What is attacked: where it listens and what it is asked. The same requests for both servers. And what its process holds."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

PAGE = "/simple/probe/"
FILE_BYTES = 30_000_000


@dataclass(frozen=True)
class Target:
    """A server. Goes to other processes as JSON."""

    name: str
    host: str
    port: int
    pid: int
    file: str  # path of a file of FILE_BYTES
    reader: str  # value of an Authorization header
    writer: str
    tls: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Target:
        return cls(**json.loads(text))

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def get(self, path: str = PAGE, *, lasting: bool = True) -> bytes:
        """The bytes of a GET as a reader sends it."""
        connection = "keep-alive" if lasting else "close"
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {self.reader}\r\nConnection: {connection}\r\n\r\n".encode()

    def post(self, length: int, *, writer: bool = False, expect: bool = False) -> bytes:
        """The head of an upload, and of its form what comes before the file's bytes. length: of the whole body."""
        head = "POST /simple/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=hostile\r\n"
        head += f"Content-Length: {length}\r\n" + f"Authorization: {self.writer}\r\n" * writer + "Expect: 100-continue\r\n" * expect
        return f"{head}\r\n".encode()

    @property
    def form_start(self) -> bytes:
        return (
            b'--hostile\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--hostile\r\n'
            b'Content-Disposition: form-data; name="content"; filename="slow-1.0-py3-none-any.whl"\r\n\r\n'
        )


@dataclass(frozen=True)
class Held:
    """What a server's processes hold at one moment."""

    rss: int  # bytes
    sockets: int
    cpu: float  # seconds so far


def processes(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(entry.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def held(pid: int) -> Held:
    """Of a process with its descendants. Raises nothing: one that ends meanwhile holds nothing."""
    rss, sockets, cpu = 0, 0, 0.0
    for one in processes(pid):
        try:
            rss += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            sockets += _sockets(one)
        except OSError:
            continue
    return Held(rss, sockets, cpu)


def _sockets(pid: int) -> int:
    count = 0
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("socket:")
        except OSError:
            continue
    return count
