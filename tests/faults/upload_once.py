"""One upload into ROOT, in one thread, with marks that a tracer can see: run by test_every_step_of_an_upload.py.

python upload_once.py ROOT FILE; prints BEGIN, then one of ACK, REFUSED reason, UNKNOWN reason.
Without FILE it only makes ROOT ready, so that the traced run does nothing but the upload.
"""

from __future__ import annotations

import hashlib
import os
import sys
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


def main(root: str, *files: str) -> None:
    repository = open_repository(Path(root))
    for file in files:
        os.write(1, b"BEGIN\n")
        outcome = upload(repository, Path(file))
        os.write(1, outcome.encode() + b"\n")
    os._exit(0)  # what happens at the end of a process is not the upload


if __name__ == "__main__":
    main(*sys.argv[1:])
