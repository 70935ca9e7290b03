"""A server's process that uploads: what to do is JSON in the variable JOB; it prints the name of each file that was acknowledged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pywharf_github import committer, mirror, object_folder, plugin, staging

from pywharf.backend.interface import Change, FileRef, StagedFile
from pywharf.testing.backend_suite import commit

# Where a process can be told to die: a function, and whether before or after it was called for the second time or so.
STEPS: dict[str, tuple[Any, str, bool]] = {
    "stage": (staging.Staging, "put", True),
    "draft": (committer.Draft, "add", True),
    "before the push": (committer.GitRemote, "push", False),
    "after the push": (committer.GitRemote, "push", True),
    "trees in the mirror": (object_folder.ObjectFolder, "put", True),
    "mirror": (mirror.Mirror, "take", True),
    "tip": (mirror.Mirror, "_note", False),
    "fetch": (mirror.GitRemote, "fetch_mirror", True),
}


def die_at(step: str) -> None:
    owner, name, after = STEPS[step]
    whole: Callable[..., Any] = getattr(owner, name)

    def mortal(*given: Any, **named: Any) -> Any:
        result = whole(*given, **named) if after else None
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, mortal)


def main() -> None:
    job = json.loads(os.environ["JOB"])
    if job.get("die"):
        die_at(job["die"])
    folder, config = Path(job["folder"]), plugin.config_model.model_validate(job["config"])
    workdir = folder / "workdir"
    workdir.mkdir(exist_ok=True)
    backends = [plugin.open(config, plugin.secret_model.model_validate({"raw": token}), workdir) for token in job["tokens"]]
    guard = threading.Lock()

    def write(which: int) -> None:
        for number in range(job["files"]):
            name = f"demo-{job['name']}-{which}-{number}"
            body = os.urandom(staging.LARGE + 1 if job.get("large") else 500)
            path = folder / name
            path.write_bytes(body)
            staged = StagedFile(FileRef("demo", name, hashlib.sha256(body).hexdigest(), len(body)), path)
            commit(backends[which % len(backends)], Change("demo", {name: b'{"kind":"file"}'}, [staged], message=f"Publish {name}"))
            path.unlink()
            with guard:
                print(name, flush=True)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(job["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for backend in backends:
        backend.close()


if __name__ == "__main__":
    sys.exit(main())
