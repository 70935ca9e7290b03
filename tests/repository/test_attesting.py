"""Attestations in a repository: stored with the file in one commit, added later, found again, and never beside a refused file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from attested.making import Json, attestation_of, field

from pywharf.api.provenance import UNVERIFIED, Bundle
from pywharf.errors import BackendUnavailable, FileConflict, ProjectClosed, UploadRejected
from pywharf.model.names import ProjectName, parse_filename
from pywharf.repository.adoption import update_index
from pywharf.repository.audit import ON_THIS_MACHINE
from pywharf.repository.changes import Uploaded
from pywharf.repository.repository import Repository
from pywharf.repository.static_site import write_site
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel

from .making import DEMO, World, form_of, upload

WHEEL = make_wheel("demo", "1.0")


def attest(repository: Repository, distribution: Distribution, *attestations: Json) -> Uploaded:
    """Upload a file with attestations."""
    form = form_of(distribution)
    with repository.receiving() as incoming:
        incoming.write(distribution.data)
        return repository.upload("writer", replace(form, fields={**form.fields, "attestations": (field(*attestations),)}), incoming)


def provenance(repository: Repository, distribution: Distribution, version: str = "1.0") -> Json | None:
    """What is served of a file's attestations."""
    file = repository.find_provenance(parse_filename(distribution.filename).project, version, distribution.filename)
    if file is None:
        return None
    with repository.open_file(file) as body:
        document: Json = json.loads(body.read())
    return document


def attested(repository: Repository, distribution: Distribution = WHEEL) -> list[Json]:
    document = provenance(repository, distribution)
    return [] if document is None else [one for bundle in document["attestation_bundles"] for one in bundle["attestations"]]


def bodies(world: World) -> list[str]:
    return sorted(file.name for file in world.storage().bodies)


FIRST = attestation_of(WHEEL)
SECOND = attestation_of(WHEEL, predicateType="https://slsa.dev/provenance/v1", predicate={"x": 1})


def test_attestations_are_kept_with_the_file_and_the_record_names_them(world: World) -> None:
    repository = world.open()

    uploaded = attest(repository, WHEEL, FIRST, SECOND)

    side = uploaded.record.provenance
    assert uploaded.created
    assert side is not None
    assert side.name == f"{WHEEL.filename}.{side.sha256[:16]}.provenance"
    assert provenance(repository, WHEEL) == {
        "version": 1,
        "attestation_bundles": [{"publisher": {"kind": "unverified", "claims": {}}, "attestations": [FIRST, SECOND]}],
    }
    detail = repository.project(DEMO)
    assert detail is not None
    assert [record.provenance for record in detail.files] == [side]
    assert len(bodies(world)) == 3


def test_the_file_and_its_attestations_are_one_commit(world: World) -> None:
    attest(world.open(), WHEEL, FIRST)

    assert len(world.storage().log) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        attestation_of(make_wheel("other", "1.0")),
        attestation_of(replace(WHEEL, data=b"other")),
        attestation_of(WHEEL, subject=[]),
        {"version": 2},
    ],
    ids=["another file", "another digest", "no subject", "another version"],
)
def test_one_attestation_that_is_not_right_refuses_the_upload_and_nothing_is_stored(world: World, wrong: Json) -> None:
    repository = world.open()

    with pytest.raises(UploadRejected) as caught:
        attest(repository, WHEEL, FIRST, wrong)

    assert caught.value.field == "attestations"
    assert repository.project(DEMO) is None
    assert bodies(world) == []


def test_the_same_upload_again_changes_nothing(world: World) -> None:
    repository = world.open()
    first = attest(repository, WHEEL, FIRST)
    stored = bodies(world)

    again, without = attest(repository, WHEEL, FIRST), upload(repository, WHEEL)

    assert not again.created
    assert not without.created
    assert again.record == without.record == first.record
    assert bodies(world) == stored


def test_attestations_can_be_added_with_the_same_bytes_and_the_earlier_ones_stay(world: World) -> None:
    repository = world.open()
    first = upload(repository, WHEEL)
    revision = repository.project_revision(DEMO)
    assert provenance(repository, WHEEL) is None

    second = attest(repository, WHEEL, FIRST)
    third = attest(repository, WHEEL, SECOND, FIRST)

    assert attested(repository) == [FIRST, SECOND]
    assert not second.created
    assert not third.created
    assert replace(third.record, provenance=None) == first.record
    assert repository.project_revision(DEMO) != revision
    assert third.record.provenance is not None
    assert [name for name in bodies(world) if name.endswith(".provenance")] == [third.record.provenance.name], "the replaced one is gone"


def test_a_yank_outlives_attestations_that_are_added(world: World) -> None:
    repository = world.open()
    upload(repository, WHEEL)
    repository.releases.yank(None, "demo", version="1.0", reason="broken")

    assert attest(repository, WHEEL, FIRST).record.yanked == "broken"


def test_two_servers_that_add_attestations_at_once_lose_none(world: World) -> None:
    ours = world.open(sync_index_interval=3600)
    world.plugin._storages[world.layout.workdir("other")] = world.storage()
    other = world.open("other", sync_index_interval=3600)
    upload(ours, WHEEL)
    other.sync()

    attest(ours, WHEEL, FIRST)
    attest(other, WHEEL, SECOND)  # its index does not know of the first yet

    assert attested(other) == [FIRST, SECOND]
    ours.sync()
    assert attested(ours) == [FIRST, SECOND]


def test_other_bytes_with_attestations_are_a_conflict_as_ever(world: World) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)
    changed = make_wheel("demo", "1.0", description="changed")

    with pytest.raises(FileConflict):
        attest(repository, changed, attestation_of(changed))

    assert attested(repository) == [FIRST]


def test_an_archived_project_takes_no_attestations(world: World) -> None:
    repository = world.open()
    upload(repository, WHEEL)
    repository.releases.set_status(None, "demo", "archived")

    with pytest.raises(ProjectClosed):
        attest(repository, WHEEL, FIRST)


@pytest.mark.parametrize(("change", "refusal"), [("archive", ProjectClosed), ("delete", FileConflict)])
def test_what_happens_between_the_upload_and_its_attestations_is_heeded(world: World, change: str, refusal: type[Exception]) -> None:
    repository = world.open()
    upload(repository, WHEEL)
    if change == "archive":
        repository.releases.set_status(None, "demo", "archived")
    else:
        repository.releases.delete(None, "demo", version="1.0")

    with pytest.raises(refusal):
        repository._attesting.add(
            repository.backend, ON_THIS_MACHINE, parse_filename(WHEEL.filename), WHEEL.sha256, [Bundle(UNVERIFIED, (FIRST,))]
        )


def test_a_quarantined_project_shows_no_provenance(world: World) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)

    repository.releases.set_status(None, "demo", "quarantined")

    assert provenance(repository, WHEEL) is None


def test_a_deleted_file_takes_its_provenance_with_it(world: World) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)

    repository.releases.delete(None, "demo", version="1.0")

    assert provenance(repository, WHEEL) is None
    assert bodies(world) == []
    with pytest.raises(FileConflict):
        attest(repository, WHEEL, FIRST)


@pytest.mark.parametrize(
    ("project", "version", "filename"),
    [
        ("demo", "1.1", WHEEL.filename),
        ("demo", "x", WHEEL.filename),
        ("other", "1.0", WHEEL.filename),
        ("demo", "1.0", "demo-1.0.tar.gz"),
        ("demo", "1.0", "Demo-1.0-py3-none-any.whl"),
        ("demo", "1.0", "demo"),
        ("demo", "1.0", f"{WHEEL.filename}.metadata"),
    ],
)
def test_provenance_is_found_under_the_file_s_own_name_only(world: World, project: str, version: str, filename: str) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)

    assert repository.find_provenance(DEMO, "1.0.0", WHEEL.filename) is not None
    assert repository.find_provenance(ProjectName(project), version, filename) is None


def test_attestations_of_an_sdist_are_kept_as_well(world: World) -> None:
    repository = world.open()
    sdist = make_sdist("demo", "1.0")

    attest(repository, sdist, attestation_of(sdist))

    assert attested(repository, sdist) == [attestation_of(sdist)]


@pytest.mark.parametrize("content", [b"{}", b"x" * 1000])
def test_stored_attestations_that_were_altered_are_not_built_upon(world: World, content: bytes) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)
    (stored,) = [file for file in world.storage().bodies if file.name.endswith(".provenance")]
    world.storage().bodies[stored] = replace(world.storage().bodies[stored], data=content)

    with pytest.raises(BackendUnavailable, match="damaged"):
        attest(repository, WHEEL, SECOND)


def test_stored_attestations_that_are_lost_do_not_keep_others_from_being_added(world: World) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)
    for lost in [file for file in world.storage().bodies if file.name.endswith(".provenance")]:
        del world.storage().bodies[lost]

    attest(repository, WHEEL, SECOND)

    assert attested(repository) == [SECOND]


def test_more_attestations_than_are_kept_of_one_file_are_refused(world: World) -> None:
    repository = world.open()
    every = [attestation_of(WHEEL, predicate={"number": number}) for number in range(17)]
    attest(repository, WHEEL, *every[:8])
    attest(repository, WHEEL, *every[8:16])

    with pytest.raises(UploadRejected) as caught:
        attest(repository, WHEEL, every[16])

    assert caught.value.field == "attestations"
    assert attested(repository) == every[:16]


def test_a_static_site_links_no_provenance_since_it_knows_no_full_address(world: World, tmp_path: Path) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)

    write_site(repository, tmp_path / "site")

    written = {path.name: path for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert WHEEL.filename in written
    assert not any("provenance" in name or b"provenance" in path.read_bytes() for name, path in written.items() if ".whl" not in name)
    assert not any(name.endswith(".provenance") for name in written)


def test_update_index_neither_adopts_nor_misses_a_provenance_object(world: World) -> None:
    repository = world.open()
    attest(repository, WHEEL, FIRST)

    report = update_index(repository)

    assert (report.known, report.adopted, report.skipped, report.missing, report.swept) == (1, (), (), (), 0)
    assert attested(repository) == [FIRST]
