"""The life of a release in a folder that two servers share."""

from __future__ import annotations

from pathlib import Path

from plugins.release_life import WHEEL, live_and_let_die, two_servers
from pywharf_file_system import plugin


def test_two_servers_see_the_life_of_a_release(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    config = plugin.config_model.model_validate(
        {"read_secret": "reader", "write_secret": {"raw": "writer", "label": "ci"}, "path": storage}
    )

    with two_servers(tmp_path, plugin, config, None) as (here, there):
        live_and_let_die(here, there, "writer", "reader")

    assert not [path.name for path in storage.rglob("*") if path.name.startswith(WHEEL.filename)]  # nor a link for people
    audits = [(tmp_path / name / "audit" / "wheels.jsonl").read_text() for name in ("here", "there")]
    assert [text.count("\n") for text in audits] == [7, 3]  # each server tells of its own changes
    assert '"label":"ci"' in audits[0]
