"""Attestations as real tools send them: twine where it is told to, uv wherever they are among what it is given."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from urllib.error import HTTPError

import pytest
from attested.making import Json, attestation

from pywharf.testing.live_server import LiveServer

from .projects import STABLE, Built, Project
from .test_upload import by_twine, by_uv
from .workplace import Ran, Workplace, fetched, served_files

PUBLIC = "https://wharf.example/"


@pytest.fixture
def live_server_options() -> list[str]:
    return ["--public_url", PUBLIC]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def dist(workplace: Workplace, built: Built, sha256_said: str = "") -> list[Path]:
    """A project's files, each with an attestation beside it, as a publishing workflow leaves them."""
    folder = workplace.folder / "dist"
    folder.mkdir()
    files = [Path(shutil.copy(file, folder)) for file in built.files]
    for file in files:
        beside = file.with_name(f"{file.name}.publish.attestation")
        beside.write_text(json.dumps(attestation(file.name, sha256_said or sha256(file))), encoding="utf-8")
    return files


def publish(tool: str, workplace: Workplace, server: LiveServer, files: list[Path]) -> Ran:
    everything = sorted(files[0].parent.iterdir())  # as by dist/*, attestations too
    if tool == "uv":
        return by_uv(workplace, server, *everything)
    return by_twine(workplace, server, *everything, tool=tool, more=["--attestations"])


def provenance(server: LiveServer, file: Path) -> Json:
    ours = server.generated
    page = json.loads(fetched(server, f"simple/{STABLE.normalized}/", ours.name, ours.read_secret))
    link = next(entry["provenance"] for entry in page["files"] if entry["filename"] == file.name)
    assert link.startswith(f"{PUBLIC}integrity/")
    found: Json = json.loads(fetched(server, link.removeprefix(PUBLIC), ours.name, ours.read_secret, accept="*/*"))
    return found


@pytest.mark.parametrize("tool", ["twine", "twine-6", "uv"])
def test_attestations_beside_the_files_are_sent_and_served(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], tool: str
) -> None:
    files = dist(workplace, built[STABLE])

    publish(tool, workplace, live_server, files).check()

    for file in files:
        (bundle,) = provenance(live_server, file)["attestation_bundles"]
        assert bundle["attestations"] == [attestation(file.name, sha256(file))]


@pytest.mark.parametrize("tool", ["twine", "uv"])
def test_an_attestation_of_other_bytes_is_refused_in_words_and_nothing_is_stored(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], tool: str
) -> None:
    files = dist(workplace, built[STABLE], sha256_said="0" * 64)

    said = publish(tool, workplace, live_server, files).fails()

    assert "its subject's sha256 is not that of the file" in said
    with pytest.raises(HTTPError):
        served_files(live_server, STABLE.name)


def test_attestations_can_follow_the_files(live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]) -> None:
    by_twine(workplace, live_server, *built[STABLE].files).check()
    files = dist(workplace, built[STABLE])

    publish("twine", workplace, live_server, files).check()

    for file in files:
        assert provenance(live_server, file)["attestation_bundles"][0]["attestations"] == [attestation(file.name, sha256(file))]
