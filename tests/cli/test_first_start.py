"""The first start on an empty ROOT: what is generated, for whose eyes, and that its secrets are shown once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cli.running import Install

from pywharf import stored_config
from pywharf.cli import first_start
from pywharf.cli.first_start import as_table, first_secrets, generate, mark_shown, secrets_to_show, sorted_plugins
from pywharf.config import parse
from pywharf.config_text import read_tables, toml_table
from pywharf.errors import PluginUnusable
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig

FIRST = """
from pywharf.backend.interface import Access, BackendPlugin
from pywharf.backend.settings import AcceptedSecret, BackendConfig, BackendSecret

class Config(BackendConfig):
    key: AcceptedSecret
    shape: dict[str, float] = {}

class Backend:
    def __init__(self, config, secret):
        self.config, self.secret = config, secret
    def access(self):
        return Access.WRITE if self.secret.reveal() == "the-admin" else Access.NONE
    def close(self):
        pass

class Plugin(BackendPlugin):
    type = "aaa"
    config_model = Config
    secret_model = BackendSecret
    def open(self, config, secret, workdir):
        return Backend(config, secret)
    def first_config(self):
        return (Config.model_validate({"type": "aaa", "key": "opens nothing", "shape": {"round": 0.5}}),
                BackendSecret.model_validate({"type": "aaa", "raw": "the-admin"}))

plugin = Plugin()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    return layout


def test_an_empty_root_gets_a_repository_named_local_that_can_be_read_back(layout: Layout) -> None:
    generate(layout)

    stored = stored_config.read(layout)
    assert stored is not None
    assert list(parse(stored.config, stored.admin_secret)) == ["local"]


def test_its_files_are_for_their_owner_only(layout: Layout) -> None:
    generate(layout)

    for path in (layout.config, layout.admin_secret, layout.unclaimed):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_roots_have_no_secret_in_common(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        layout = Layout(tmp_path / name)
        layout.prepare()
        generate(layout)
        texts.append(layout.config.read_text())

    secrets = [set(read_tables(text, "")["local"]["write_secret"]) | set(read_tables(text, "")["local"]["read_secret"]) for text in texts]
    assert [len(found) for found in secrets] == [2, 2]
    assert secrets[0] & secrets[1] == set()


def test_what_is_there_is_kept(layout: Layout) -> None:
    stored_config.replace(layout, StoredConfig("[mine]\n", ""))

    generate(layout)

    assert layout.config.read_text() == "[mine]\n"
    assert not layout.unclaimed.exists()


def test_the_secrets_are_told_apart_by_what_they_may_do(layout: Layout) -> None:
    generate(layout)
    text = layout.config.read_text()

    shown = first_secrets(parse(text, "")["local"], layout.workdir("local"))

    table = read_tables(text, "")["local"]
    assert (shown.read, shown.write) == (table["read_secret"][0], table["write_secret"][0])


def test_they_are_to_be_shown_until_they_were_also_after_a_start_that_failed(layout: Layout) -> None:
    assert not secrets_to_show(layout)
    generate(layout)
    generate(layout)
    assert secrets_to_show(layout)

    mark_shown(layout)

    assert not secrets_to_show(layout)
    assert layout.unclaimed.exists()


def test_showing_them_does_not_give_a_claimed_server_back(layout: Layout) -> None:
    generate(layout)
    layout.unclaimed.unlink()

    mark_shown(layout)

    assert not layout.unclaimed.exists()


def test_ours_is_asked_before_a_strangers_whatever_its_name(layout: Layout, install: Install) -> None:
    install("zzz-stranger", type_="aaa", value="shelf_first:plugin", shelf_first=FIRST)

    assert next(sorted_plugins()).type != "aaa"
    generate(layout)

    assert 'type = "aaa"' not in layout.config.read_text()


def test_a_strangers_that_keeps_a_secret_of_the_servers_works_as_well(
    layout: Layout, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("zzz-stranger", type_="aaa", value="shelf_first:plugin", shelf_first=FIRST)
    monkeypatch.setattr(first_start, "OUR_DISTRIBUTION", "zzz-stranger")

    generate(layout)

    stored = stored_config.read(layout)
    assert stored is not None
    settings = parse(stored.config, stored.admin_secret)["local"]
    assert settings.plugin.type == "aaa"
    assert settings.config.model_dump()["shape"] == {"round": 0.5}
    shown = first_secrets(settings, layout.workdir("local"))
    assert (shown.read, shown.write) == ("the-admin", "the-admin")


def test_without_a_backend_that_can_start_by_itself_it_is_told_what_to_do(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "installed_plugins", lambda: iter(()))

    with pytest.raises(PluginUnusable, match="give one with --config"):
        generate(layout)
    assert stored_config.read(layout) is None


def test_a_table_is_written_as_it_was_told_with_its_secrets() -> None:
    settings = parse(
        '[local]\ntype = "file_system"\nread_secret = [{raw = "r1", label = "ci"}, {raw = "r2"}]\npath = "/srv/x"\nmax_file_bytes = 5\n', ""
    )["local"]

    table = as_table("file_system", settings.config)

    assert table == {
        "type": "file_system",
        "read_secret": [{"raw": "r1", "label": "ci"}, "r2"],
        "path": "/srv/x",
        "max_file_bytes": 5,
    }
    assert toml_table("local", {**table, "read_secret": ["r2"]})
