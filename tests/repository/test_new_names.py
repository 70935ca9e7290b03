"""The name of a new project is looked at once, when its first file is uploaded; what the repository has is never in question."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from pywharf.backend.settings import AdmissionRules
from pywharf.errors import UploadRejected
from pywharf.model.names import normalize_pattern, normalize_project, parse_filename
from pywharf.repository.admission import admit_file
from pywharf.repository.checks.names_confusable import LOOK_IN_SQL, look, private_pattern_like
from pywharf.repository.checks.names_standard_library import STANDARD_LIBRARY
from pywharf.repository.index_walk import names_spelled
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_sdist, make_wheel

from .making import MOMENT, World, put, upload
from .making import wheel as wheel_name


def opened(world: World, *, name: str = "local", private_names: tuple[str, ...] = (), **rules: Any) -> Repository:
    return world.open(name, admission=AdmissionRules(**rules), private_names=private_names)


def warnings_of(repository: Repository, project: str, version: str = "1.0") -> tuple[str, ...]:
    return upload(repository, make_wheel(project, version)).warnings


def refusal_of(repository: Repository, project: str) -> UploadRejected:
    with pytest.raises(UploadRejected) as caught:
        upload(repository, make_wheel(project, "1.0"))
    return caught.value


# --- the standard library ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["json", "Dataclasses", "py-compile", "annotationlib", "distutils", "cprofile"])
def test_a_new_project_is_not_called_like_a_module_of_the_standard_library(world: World, project: str) -> None:
    repository = opened(world)

    error = refusal_of(repository, project)

    assert error.field == "name"
    assert "standard_library_names" in error.reason
    assert not repository.projects().names
    assert not world.storage().bodies


@pytest.mark.parametrize(("strictness", "warned"), [("warn", True), ("allow", False)])
def test_the_configuration_may_allow_it(world: World, strictness: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    repository = opened(world, standard_library_names=strictness)

    with caplog.at_level(logging.WARNING, "pywharf"):
        warnings = warnings_of(repository, "json")

    assert ("standard_library_names" in " ".join(warnings)) == warned
    assert ("standard_library_names" in caplog.text) == warned
    assert repository.projects().names == ("json",)


def test_a_project_that_is_here_goes_on(world: World) -> None:
    warnings_of(opened(world, standard_library_names="allow"), "json")

    assert warnings_of(opened(world), "json", "1.1") == ()


def test_a_project_that_was_here_may_come_back(world: World) -> None:
    repository = opened(world)
    put(repository.backend, wheel_name("json"))
    world.storage().remove_by_hand("json", parse_filename(wheel_name("json")).key)
    repository.sync()

    assert not repository.projects().names
    assert warnings_of(repository, "json", "1.1") == ()


def test_a_project_that_another_server_has_by_now_is_not_refused(world: World) -> None:
    """Before it says no, the server asks the storage: its own index may be behind."""
    behind = opened(world)
    put(behind.backend, wheel_name("json"))

    assert not behind.index.ever_seen(normalize_project("json"))
    assert warnings_of(behind, "json", "1.1") == ()
    assert [file.filename for file in behind.project(normalize_project("json")).files] == [wheel_name("json"), wheel_name("json", "1.1")]  # type: ignore[union-attr]


def test_what_lay_in_the_storage_is_adopted_under_any_name(world: World) -> None:
    repository = opened(world)
    sdist = make_sdist("json", "1.0")
    with repository.receiving() as incoming:
        incoming.write(sdist.data)
        incoming.finish()
        repository.adopt(admit_file(incoming.path, sdist.filename, MOMENT), incoming)

    assert repository.projects().names == ("json",)


def test_the_list_has_the_modules_of_every_python_that_is_supported() -> None:
    assert {"json", "distutils", "asynchat", "tomllib", "zoneinfo", "imp", "lib2to3", "annotationlib", "compression"} <= STANDARD_LIBRARY
    assert {normalize_project(name) for name in sys.stdlib_module_names if not name.startswith("_")} <= STANDARD_LIBRARY
    assert not any(name.startswith("-") or name != name.lower() for name in STANDARD_LIBRARY)


# --- names that look alike --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["acmetools", "acme-too1s", "acme-t0ols", "a-c-m-e-tools", "Acme.T00Ls"])
def test_a_new_project_that_looks_like_one_here_is_taken_with_a_warning(world: World, project: str) -> None:
    repository = opened(world)
    warnings_of(repository, "acme-tools")

    (warning,) = warnings_of(repository, project)

    assert "'acme-tools'" in warning
    assert "confusable_names" in warning
    assert warnings_of(repository, project, "1.1") == (), "its second file is no news"


def test_a_new_project_that_looks_like_one_here_may_be_refused(world: World) -> None:
    repository = opened(world, confusable_names="refuse")
    warnings_of(repository, "acme-tools")

    assert "'acme-tools'" in refusal_of(repository, "acmetools").reason
    assert repository.projects().names == ("acme-tools",)


def test_it_may_be_passed_over_in_silence(world: World) -> None:
    repository = opened(world, confusable_names="allow", private_names=("acme-*",))
    warnings_of(repository, "acme-tools")

    assert warnings_of(repository, "acmetools") == ()


def test_other_names_look_like_nothing(world: World) -> None:
    repository = opened(world)
    warnings_of(repository, "acme-tools")

    for project in ("acme", "acme-tool", "acme-tools2", "tools-acme"):
        assert warnings_of(repository, project) == ()


@pytest.mark.parametrize(
    ("project", "patterns", "like"),
    [
        ("acme-tools", ["acme-*"], ""),
        ("acmetools", ["acme-*"], "acme-*"),
        ("acme", ["acme-*"], "acme-*"),
        ("interna1-api", ["internal-*"], "internal-*"),
        ("interna1-api", ["internal-*", "interna1-*"], ""),
        ("x0ne", ["?one"], "?one"),
        ("acne-tools", ["acme-*"], ""),
        ("anything", [], ""),
        ("anything", ["*"], ""),
    ],
)
def test_a_new_project_may_look_like_private_names(project: str, patterns: list[str], like: str) -> None:
    assert private_pattern_like(normalize_project(project), [normalize_pattern(pattern) for pattern in patterns]) == like


def test_a_new_project_that_looks_like_private_names_is_taken_with_a_warning(world: World) -> None:
    repository = opened(world, private_names=("acme-*",))

    (warning,) = warnings_of(repository, "acmetools")
    assert "'acme-*'" in warning
    assert warnings_of(repository, "acme-apple") == ()


def test_sqlite_says_the_same_of_a_look(world: World) -> None:
    repository = opened(world, confusable_names="allow", standard_library_names="allow")
    names = [normalize_project(name) for name in ("a", "l0-l1", "pillow", "oil", "x-o-i-l-0-1", "demo-pkg")]
    for name in names:
        warnings_of(repository, name)

    for name in names:
        assert name in names_spelled(repository.index, LOOK_IN_SQL, look(name))


def test_looking_for_names_that_look_alike_does_not_read_all_of_them(index: LocalIndex) -> None:
    with index.examined() as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN SELECT project FROM names WHERE {LOOK_IN_SQL} = ?", ("x",)).fetchall()

    assert "names_by_look" in str(plan)
