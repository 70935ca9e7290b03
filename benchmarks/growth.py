"""Does the cost grow with the repository? Start, upload, memory, at 200 files and at 200,000.

    python benchmarks/growth.py [--small 200] [--large 200000] [--uploads 200]

Fills two repositories through the backend (many files to a commit, which is quick), serves each by a real server process,
uploads over HTTP, and prints one table. Sizes are counted by the kernel: CPU from /proc/PID/stat, bytes from /proc/PID/io.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pywharf.backend.interface import Change, Changes, Cursor, FileRef, StagedFile
from pywharf.config import ServerSettings, parse
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, Sha256, SideFile, to_json
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import basic_auth, send_upload

CONFIG = '[local]\ntype = "file_system"\nread_secret = "r"\nwrite_secret = "w"\n'
FILES_PER_PROJECT = 100


@dataclass(frozen=True)
class Row:
    files: int
    warm: float  # seconds from exec to the first answered page
    cold: float  # the same without the local index
    cpu: float  # ms of server CPU per upload
    upload: float  # ms per upload as the client sees it, median
    written: float  # KiB the server's file system calls made dirty per upload
    rss: float  # MiB, idle after the warm start
    disk: float  # MiB of local index


def fill(root: Path, files: int) -> None:
    """Put `files` tiny files in, 100 to a project, straight through the backend."""
    layout = Layout(root)
    layout.prepare()
    layout.config.write_text(CONFIG)
    layout.config.chmod(0o600)
    repository = Repository(parse(CONFIG, "")["local"], layout, ServerSettings())
    backend = repository.backend
    cursor: Cursor | None = None
    with tempfile.TemporaryDirectory(dir=root) as folder:
        for at in range(0, files, FILES_PER_PROJECT):
            project = f"project{at // FILES_PER_PROJECT:05}"
            documents, staged = {}, []
            for number in range(min(FILES_PER_PROJECT, files - at)):
                name = parse_filename(f"{project}-1.{number}-py3-none-any.whl")
                body = f"{name.filename}\n".encode()
                digest = Sha256(hashlib.sha256(body).hexdigest())
                path = Path(folder) / f"{number}"
                path.write_bytes(body)
                staged.append(StagedFile(FileRef(project, name.filename, digest, len(body)), path))
                record = DistributionRecord(
                    name.filename, name.kind, project, str(name.version), digest, len(body), datetime.now(timezone.utc),
                    requires_python=">=3.8", metadata=SideFile(f"{name.filename}.metadata", digest, len(body)), summary="A tiny file.",
                )  # fmt: skip
                documents[name.key] = to_json(record)
            cursor = drained(backend.read_changes(cursor))
            backend.commit(Change(project, documents, staged), cursor)
    repository.close()


def drained(changes: Changes) -> Cursor:
    for _ in changes.entries:
        pass
    return changes.cursor


class Server:
    """A server process on ROOT, up when this returns."""

    def __init__(self, root: Path) -> None:
        began = time.perf_counter()
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pywharf", "server", str(root), "--host", "127.0.0.1", "--port", "0", "--workers", "1"],
            stdout=self.log,
            stderr=self.log,
        )
        self.port = 0
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended")
            if not self.port:
                self.log.seek(0)
                found = re.search(r"http://127\.0\.0\.1:(\d+)", self.log.read())
                self.port = int(found[1]) if found else 0
            if self.port and self.get("/simple/project00000/") == 200:
                break
            time.sleep(0.005)
        self.started = time.perf_counter() - began

    def get(self, path: str) -> int:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request("GET", path, headers={"Authorization": basic_auth("local", "r")})
            return connection.getresponse().status
        except OSError:
            return 0

    @property
    def worker(self) -> int:
        """The process that answers requests: the child of the one that supervises."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def written(self) -> int:
        return int(re.search(r"^write_bytes: (\d+)", Path(f"/proc/{self.worker}/io").read_text(), re.M)[1])  # type: ignore[index]

    def rss(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.worker}/status").read_text())[1]) / 1024  # type: ignore[index]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def upload_some(port: int, count: int, batch: str) -> list[float]:
    """Upload `count` tiny wheels of as many new projects over one connection; seconds each."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    for number in range(count):
        wheel = make_wheel(f"new-{batch}-{number}", "1.0")
        began = time.perf_counter()
        status, text = send_upload(connection, basic_auth("local", "w"), wheel)
        if status != 200:
            raise RuntimeError(f"{status} {text}")
        took.append(time.perf_counter() - began)
    return took


def measure(root: Path, files: int, uploads: int) -> Row:
    server = Server(root)  # makes the local index
    server.stop()
    server = Server(root)
    warm = server.started
    time.sleep(3)
    rss = server.rss()
    upload_some(server.port, 20, "warm")
    cpu, written = server.cpu(), server.written()
    took = upload_some(server.port, uploads, "run")
    cpu, written = (server.cpu() - cpu) / uploads, (server.written() - written) / uploads
    server.stop()
    index = sum(path.stat().st_size for path in (root / "index").glob("local@*"))
    for path in (root / "index").iterdir():
        path.unlink()
    server = Server(root)
    cold = server.started
    server.stop()
    return Row(files, warm, cold, cpu * 1000, statistics.median(took) * 1000, written / 1024, rss, index / 2**20)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--small", type=int, default=200)
    arguments.add_argument("--large", type=int, default=200_000)
    arguments.add_argument("--uploads", type=int, default=200)
    arguments.add_argument("--folder", type=Path, default=None, help="where to work (default: a temporary folder)")
    chosen = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pywharf-growth-", dir=chosen.folder))
    try:
        rows = []
        for files in (chosen.small, chosen.large):
            began = time.perf_counter()
            fill(folder / str(files), files)
            print(f"filled {files} files in {time.perf_counter() - began:.1f} s", file=sys.stderr)
            rows.append(measure(folder / str(files), files, chosen.uploads))
        print("| files | warm start s | cold start s | upload CPU ms | upload ms | written per upload KiB | idle RSS MiB | index MiB |")
        print("|---|---|---|---|---|---|---|---|")
        for row in rows:
            print(
                f"| {row.files} | {row.warm:.2f} | {row.cold:.2f} | {row.cpu:.2f} | {row.upload:.2f} | {row.written:.0f} | {row.rss:.0f} | {row.disk:.1f} |"
            )
        small, large = rows
        print(f"ratio large/small: upload CPU {large.cpu / small.cpu:.2f}, bytes written {large.written / small.written:.2f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
