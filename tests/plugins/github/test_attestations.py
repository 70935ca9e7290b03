"""Attestations on a git host: beside the file on the branch, seen by another server, replaced in one commit when there are more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from attested.making import Json, attestation_of, field
from plugins.github.hosted import Hosted
from plugins.release_life import two_servers
from pywharf_github import plugin
from repository.making import form_of

from pywharf.backend.interface import Access
from pywharf.model.names import ProjectName
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel

WHEEL = make_wheel("demo", "1.0")
FIRST, SECOND = attestation_of(WHEEL), attestation_of(WHEEL, predicate={"second": True})


def attest(repository: Repository, secret: str, *attestations: Json) -> None:
    form = form_of(WHEEL)
    with repository.receiving() as incoming:
        incoming.write(WHEEL.data)
        repository.upload(secret, replace(form, fields={**form.fields, "attestations": (field(*attestations),)}), incoming)


def attested(repository: Repository) -> list[Json]:
    file = repository.find_provenance(ProjectName("demo"), "1.0", WHEEL.filename)
    assert file is not None
    with repository.open_file(file) as body:
        return [one for bundle in json.loads(body.read())["attestation_bundles"] for one in bundle["attestations"]]


def test_two_servers_keep_each_other_s_attestations(hosted: Hosted, tmp_path: Path) -> None:
    writer = hosted.tokens[Access.WRITE]

    with two_servers(tmp_path, plugin, hosted.config(), plugin.secret_model.model_validate({"raw": writer})) as (here, there):
        attest(here, writer, FIRST)
        attest(there, writer, SECOND)  # it has not heard of the first yet
        here.sync()

        assert attested(there) == attested(here) == [FIRST, SECOND]
    assert hosted.subjects()[-2:] == [f"Publish demo 1.0: {WHEEL.filename}", f"Attest demo 1.0: {WHEEL.filename}"]
    assert len([path for path in hosted.paths() if path.endswith(".provenance")]) == 1, "the replaced one is gone"
    hosted.check()
