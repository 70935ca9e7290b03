"""Packages in git: the corpus in a repository of a git host on this machine, the real `git http-backend`, and ROOTs that serve it.

The host answers within this process, and its git in processes of its own: CPU of the server is counted without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.field.corpora import Corpus
from benchmarks.field.filling import work_copy
from benchmarks.field.servers import Server, pywharf
from benchmarks.git_content import fill
from pywharf.backend.interface import Access
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.git_server import GitServer

NAME = "wheels"
OWNER, REPO = "acme", "wheels"
PUSHES = 2.0  # seconds between two pushes by default: min_push_interval
SIZES: Sequence[str] = ("S", "M")  # of the corpus, that a repository in git is compared with


def fill_git(corpus: Corpus, folder: Path) -> None:
    """Make the folder a host's with all of the small wheels; the large one no host would take."""
    with GitServer(folder) as host:
        host.create(f"{OWNER}/{REPO}")
        fill(host, f"{OWNER}/{REPO}", corpus.projects)


class GitHost:
    """A git host on a copy of what fill_git() made, listening."""

    def __init__(self, filled: Path, work: Path) -> None:
        """work: where the host's folder and the ROOTs are made."""
        self._work = work
        self._host = GitServer(work / "git-host")
        self._host.start()
        repository = f"{OWNER}/{REPO}"
        work_copy(filled / f"{repository}.git", self._host.create(repository))
        self._reading, self._writing = (self._host.grant(repository, access) for access in (Access.READ, Access.WRITE))

    def server(self, name: str) -> Server:
        """A pywharf on a ROOT of its own that holds its configuration and nothing else. Default settings."""
        layout = Layout(self._work / name)
        layout.prepare()
        config = f'[{NAME}]\ntype = "github"\nowner = "{OWNER}"\nrepo = "{REPO}"\ngit_url = "{self._host.url_template}"\n'
        replace(layout, StoredConfig(config, f'[{NAME}]\ntype = "github"\nraw = "{self._reading}"\n'))
        return pywharf(name, layout.root, 1, reader=(NAME, self._reading), writer=(NAME, self._writing), pace=PUSHES)

    def stop(self) -> None:
        self._host.stop()
