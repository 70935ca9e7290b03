"""The benchmarks are no part of the installed package: they are found in the checkout, behind everything that is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pywharf.model.names import parse_filename
from pywharf.repository.repository import Repository

if TYPE_CHECKING:
    from benchmarks.field.corpora import Corpus, File

ROOT = str(Path(__file__).parent.parent.parent)

if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture
def check_holds() -> Callable[[Repository, Corpus, Iterable[File]], None]:
    """Whether a repository that is in step has the corpus' projects, and these of its files."""

    def check(repository: Repository, corpus: Corpus, files: Iterable[File]) -> None:
        assert sorted(repository.projects().names) == sorted(project.name for project in corpus.projects)
        for file in files:
            found = repository.find_file(parse_filename(file.filename).project, file.filename)
            assert found is not None
            with repository.open_file(found) as body:
                assert body.read() == corpus.path(file).read_bytes()

    return check
