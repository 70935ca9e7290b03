"""Uploads into one ROOT each, in one thread, with marks that a tracer can see: run by test_every_step_of_an_upload.py.

Each line of standard input is a JSON list [ROOT, FILE, OUTPUT]. For it a process is forked, which stops itself until somebody continues it;
then it writes BEGIN into OUTPUT, uploads FILE, and writes one of ACK, REFUSED reason, UNKNOWN reason. Its number is printed
when it has stopped, and again when it has ended. Forked, because to import the repository takes many times as long as to upload.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from pywharf.api.upload import UploadForm
from pywharf.config import ServerSettings, parse
from pywharf.errors import IndexBehind, NotRecorded, WharfError
from pywharf.layout import Layout
from pywharf.repository.repository import Repository

CONFIG = '[local]\ntype = "file_system"\nread_secret = "r"\nwrite_secret = "w"\n'


def open_repository(root: Path) -> Repository:
    layout = Layout(root)
    layout.prepare()
    repository = Repository(parse(CONFIG, "")["local"], layout, ServerSettings())
    repository.sync()
    return repository


def upload(repository: Repository, path: Path, secret: str = "w") -> str:
    """Upload the wheel at `path` as a client would; "ACK", "REFUSED ..." or "UNKNOWN ..."."""
    data = path.read_bytes()
    name, version = path.name.split("-")[:2]
    form = UploadForm(
        fields={
            ":action": ("file_upload",),
            "name": (name,),
            "version": (version,),
            "filetype": ("bdist_wheel",),
            "metadata_version": ("2.1",),
            "sha256_digest": (hashlib.sha256(data).hexdigest(),),
        },
        filename=path.name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data).hexdigest(),
        blake2b_256=hashlib.blake2b(data, digest_size=32).hexdigest(),
    )
    try:
        with repository.receiving() as incoming:
            incoming.write(data)
            repository.upload(secret, form, incoming)
    except (IndexBehind, NotRecorded) as error:
        return f"UNKNOWN {error}"
    except WharfError as error:
        return f"REFUSED {error}"
    return "ACK"


PR_SET_PTRACER, ANYBODY = 0x59616D61, -1  # from <linux/prctl.h>; where the kernel does not know it, nobody need be let


def upload_when_continued(root: str, file: str, output: str) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_long(ANYBODY), 0, 0, 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), 1)
    os.kill(os.getpid(), signal.SIGSTOP)
    repository = open_repository(Path(root))
    os.write(1, b"BEGIN\n")
    os.write(1, upload(repository, Path(file)).encode() + b"\n")


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                upload_when_continued(*json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)  # what happens at the end of a process is not the upload
        for until in (os.WUNTRACED, 0):
            os.waitpid(pid, until)
            print(pid, flush=True)


if __name__ == "__main__":
    main()
