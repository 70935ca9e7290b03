"""Options made from a configuration's model: one for each field that a word can hold, none for a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click
import pytest
from pydantic import Field

from pywharf.backend.settings import AcceptedSecret, BackendConfig
from pywharf.cli.config_options import config_options, config_values


class Config(BackendConfig):
    owner: str = Field(description="Who owns it.")
    wood: Literal["oak", "pine"] = Field(default="oak", description="What of.")
    boards: int | None = Field(default=None, description="How many.")
    weight: float = 1.5
    varnished: bool = False
    labels: tuple[str, ...] = ()
    numbers: list[int] = Field(default_factory=list)
    place: Path | None = None
    key: AcceptedSecret | None = None
    keys: tuple[AcceptedSecret, ...] = ()
    prices: dict[str, int] = Field(default_factory=dict)
    nested: tuple[tuple[int, ...], ...] = ()
    either: int | str = 3
    name: str = "a name"


@pytest.fixture
def options() -> dict[str, click.Option]:
    return {option.opts[0]: option for option in config_options(Config, taken={"name"})}


def given(options: dict[str, click.Option], *words: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    click.Command("c", params=[*options.values()], callback=lambda **given: seen.update(given)).main([*words], standalone_mode=False)
    return config_values(seen)


def test_fields_that_a_word_can_hold_have_an_option_and_secrets_have_none(options: dict[str, click.Option]) -> None:
    assert sorted(options) == [
        "--boards", "--labels", "--max_file_bytes", "--numbers", "--owner", "--place", "--private_names", "--sync_index_interval",
        "--varnished", "--weight", "--wood",
    ]  # fmt: skip


def test_what_is_not_given_is_left_to_the_configuration(options: dict[str, click.Option]) -> None:
    assert given(options) == {}


def test_what_is_given_has_its_type(options: dict[str, click.Option], tmp_path: Path) -> None:
    words = ["--owner=me", "--boards", "3", "--weight", "0.5", "--labels", "a", "--labels=b", "--numbers=4", f"--place={tmp_path}"]

    assert given(options, *words) == {
        "owner": "me",
        "boards": 3,
        "weight": 0.5,
        "labels": ["a", "b"],
        "numbers": [4],
        "place": str(tmp_path),
    }


def test_a_switch_can_be_given_either_way(options: dict[str, click.Option]) -> None:
    assert given(options, "--varnished") == {"varnished": True}
    assert given(options, "--no_varnished") == {"varnished": False}


def test_a_path_is_taken_from_where_the_person_stands(
    options: dict[str, click.Option], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert given(options, "--place=shelf") == {"place": str(tmp_path.resolve() / "shelf")}


def test_the_help_says_what_default_and_whether_it_is_needed(options: dict[str, click.Option]) -> None:
    assert options["--owner"].help == "Who owns it. [required, here or in the configuration]"
    assert options["--wood"].help == "What of. [default: oak]"
    assert options["--boards"].help == "How many."
    assert (options["--private_names"].help or "").endswith("May be given several times.")
