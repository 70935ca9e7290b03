"""The table `[NAME.attestations]`: what is taken, what is refused, and that what verifies signatures is there before anything starts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from pywharf.backend.settings import AttestationRules
from pywharf.config import parse
from pywharf.errors import ConfigInvalid
from pywharf.model.publisher import TrustedPublisher

LOCAL = '[local]\ntype = "file_system"\nwrite_secret = "w"\n'
GITHUB = '"github:acme/wheels/release.yml"'


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that verifies signatures is found, whether it is installed here or not."""
    spec = importlib.util.find_spec("json")
    monkeypatch.setattr("pywharf.config.find_spec", lambda name: spec if name == "pypi_attestations" else importlib.util.find_spec(name))


def rules(table: str, **more: Any) -> AttestationRules:
    return parse(f"{LOCAL}\n[local.attestations]\n{table}\n", "", **more)["local"].config.attestations


def refusal(table: str, **more: Any) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        rules(table, **more)
    assert (caught.value.source, caught.value.table) == ("config", "local")
    return caught.value


def test_without_the_table_nothing_is_required_and_nobody_trusted() -> None:
    assert parse(LOCAL, "")["local"].config.attestations == AttestationRules()
    assert AttestationRules().publishers == ()


@pytest.mark.usefixtures("library")
def test_publishers_are_a_list_of_texts_on_one_line_or_several() -> None:
    taken = rules(
        f'require = true\ntrusted_publishers = [\n  {GITHUB}, # ours\n  "gitlab:acme/wheels//.gitlab-ci.yml",\n]\ntrusted_root = "/etc/root.json"'
    )

    assert taken.require
    assert taken.trusted_root == Path("/etc/root.json")
    assert taken.publishers == (
        TrustedPublisher("GitHub", "acme/wheels", "release.yml"),
        TrustedPublisher("GitLab", "acme/wheels", ".gitlab-ci.yml"),
    )


@pytest.mark.usefixtures("library")
def test_the_table_can_be_written_in_one_line_and_below_a_name_with_a_dot() -> None:
    text = f'["team.x"]\ntype = "file_system"\nwrite_secret = "w"\n["team.x".attestations]\ntrusted_publishers = [{GITHUB}]\n'
    inline = f"{LOCAL}attestations = {{trusted_publishers = [{GITHUB}], require = true}}\n"

    assert parse(text, "")["team.x"].config.attestations.trusted_publishers == ("github:acme/wheels/release.yml",)
    assert parse(inline, "")["local"].config.attestations.require


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("table", "key", "reason"),
    [
        ("require = true", "attestations", "without trusted_publishers"),
        ('trusted_root = "/etc/root.json"', "attestations", "without trusted_publishers"),
        (f"trusted_publishers = {GITHUB}", "attestations.trusted_publishers", "list"),
        ('trusted_publishers = ["acme/wheels"]', "attestations.trusted_publishers", "github:OWNER/REPOSITORY"),
        (f'trusted_publishers = [{GITHUB}]\ntrusted_root = "root.json"', "attestations.trusted_root", "begin with"),
        (f"trusted_publishers = [{GITHUB}]\nrequired = true", "attestations.required", "not a key"),
    ],
)
def test_a_mistake_is_told_with_its_place(table: str, key: str, reason: str) -> None:
    error = refusal(table)

    assert error.key == key
    assert reason in error.reason


@pytest.mark.usefixtures("library")
def test_over_the_network_everything_but_a_path_of_the_server_can_be_set() -> None:
    assert rules(f"trusted_publishers = [{GITHUB}]\nrequire = true", allow_paths=False).require

    error = refusal(f'trusted_publishers = [{GITHUB}]\ntrusted_root = "/etc/root.json"', allow_paths=False)

    assert error.key == "attestations.trusted_root"
    assert "path of the server" in error.reason


def test_without_the_library_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)

    error = refusal(f"trusted_publishers = [{GITHUB}]")

    assert error.key == "attestations.trusted_publishers"
    assert "pip install 'pywharf[attestations]'" in error.reason
    assert not rules("require = false").trusted_publishers, "where nobody is trusted nothing is needed"
