"""Configuration and admin secrets: what is taken, what is refused, and that no message shows a value."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from pywharf import config, logs
from pywharf.backend.interface import Backend, BackendPlugin
from pywharf.backend.settings import AcceptedSecret, BackendConfig, BackendSecret
from pywharf.config import ServerSettings, mentions, parse, secret_texts
from pywharf.errors import ConfigInvalid, PluginUnusable


class ShelfConfig(BackendConfig):
    place: Path | None = None
    read_secret: tuple[AcceptedSecret, ...] = ()
    count: int | list[int] = 3


class ShelfPlugin(BackendPlugin):
    type = "shelf"
    needs_admin_secret = False
    config_model = ShelfConfig
    secret_model = BackendSecret

    def open(self, config: Any, secret: BackendSecret | None, workdir: Path) -> Backend:
        raise AssertionError("reading a configuration opens nothing")


class RemotePlugin(ShelfPlugin):
    type = "remote"
    needs_admin_secret = True


@pytest.fixture(autouse=True)
def two_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = {plugin.type: plugin for plugin in (ShelfPlugin(), RemotePlugin())}

    def find(type_: str) -> BackendPlugin:
        if type_ not in plugins:
            raise PluginUnusable(type_, "no installed distribution offers it (installed: remote, shelf)")
        return plugins[type_]

    monkeypatch.setattr(config, "find_plugin", find)
    monkeypatch.setattr(logs, "_spellings", set())
    monkeypatch.setattr(logs, "_remembered", None)


SHELF = '[local]\ntype = "shelf"\n'
REMOTE = '[far]\ntype = "remote"\n'


def refusal(config_text: str, admin_secret_text: str = "", **more: Any) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        parse(
            config_text, admin_secret_text, config_source="config.toml", admin_secret_source="admin_secret.toml", **{"environ": {}, **more}
        )
    assert caught.value.__cause__ is None or "hunter" not in str(caught.value.__cause__)
    assert caught.value.__context__ is None or "hunter" not in str(caught.value.__context__)
    assert "hunter" not in str(caught.value)
    return str(caught.value)


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_several_repositories_of_several_types_in_the_order_written() -> None:
    found = parse(REMOTE + SHELF, '[far]\ntype = "remote"\nraw = "token"\n')

    assert list(found) == ["far", "local"]
    assert found["far"].plugin.type == "remote"
    assert found["far"].admin_secret is not None
    assert found["far"].admin_secret.reveal() == "token"
    assert found["local"].admin_secret is None


def test_names_are_compared_in_lower_case_in_both_files() -> None:
    found = parse('[Far]\ntype = "remote"\n', '[fAR]\ntype = "remote"\nraw = "token"\n')

    assert list(found) == ["far"]
    assert found["far"].name == "far"
    assert found["far"].admin_secret is not None


def test_a_secret_may_come_from_the_environment() -> None:
    found = parse(
        '[far]\ntype = "remote"\nread_secret = [{env = "READ"}]',
        '[far]\ntype = "remote"\nenv = "TOKEN"',
        environ={"TOKEN": "t", "READ": "r"},
    )

    assert found["far"].admin_secret is not None
    assert found["far"].admin_secret.reveal() == "t"
    assert list(secret_texts(found["far"].config)) == ["r"]


def test_the_default_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t")

    assert parse(REMOTE, '[far]\ntype = "remote"\nenv = "TOKEN"')["far"].admin_secret


def test_a_name_with_a_dot_stands_in_quotes() -> None:
    assert list(parse('["my.repo"]\ntype = "shelf"', "")) == ["my.repo"]


# --- what is refused, and how it is told -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "x" * 300, "a\\u0000b", "-a", ".hidden", "a b", "ä"])
def test_names_that_are_no_folder_of_ours_are_refused(name: str) -> None:
    assert "a repository's name has" in refusal(f'["{name}"]\ntype = "shelf"')


@pytest.mark.parametrize(
    ("config_text", "told"),
    [
        ("", "config.toml: names no repository"),
        ("# nothing\n", "config.toml: names no repository"),
        ('type = "shelf"', "config.toml, type: stands outside of a table"),
        ("[local]\n", "config.toml, [local], type: is missing"),
        ("[local]\ntype = 3", "config.toml, [local], type: has to be a text"),
        ('[local]\ntype = ""', "config.toml, [local], type: "),
        ('[my.repo]\ntype = "shelf"', 'config.toml, [my]: has no type; a repository\'s name with a dot stands in quotes, e.g. ["my.x"]'),
        ('[local]\ntype = "paper"', "config.toml, [local], type: 'paper': no installed distribution offers it (installed: remote, shelf)"),
        ('[local]\ntype = "shelf"\n[LOCAL]\ntype = "shelf"', "config.toml, [local]: is there twice"),
        (SHELF + 'cuont = "hunter22"', "config.toml, [local], cuont: is not a key that this type knows: did you mean count?"),
        (SHELF + "[local.admission]\nrecrod = 1", "[local], admission.recrod: is not a key that this type knows: did you mean record?"),
        (SHELF + "[local.admission]\nx = 1", "[local], admission.x: is not a key that this type knows: remove it, or look for a"),
        (SHELF + '[local.admission]\nrecord = "hunter22"', "[local], admission.record: input should be 'refuse', 'warn' or 'allow'"),
        (SHELF + "[local.admission]\nmax_members = 0", "[local], admission.max_members: input should be greater than 0"),
        (SHELF + 'admission = "hunter22"', "[local], admission: has to be a table: [local.admission]"),
        (SHELF + 'zzz = "hunter22"', "config.toml, [local], zzz: is not a key that this type knows: remove it"),
        (SHELF + 'count = "hunter22"', "config.toml, [local], count: input should be a valid integer"),
        (SHELF + "max_file_bytes = 0", "config.toml, [local], max_file_bytes: input should be greater than 0"),
        (SHELF + "sync_index_interval = nan", "config.toml, [local], sync_index_interval: "),
        (SHELF + "sync_index_interval = 1e300", "config.toml, [local], sync_index_interval: "),
        (SHELF + 'private_names = ["a/b"]', "config.toml, [local], private_names: "),
        (SHELF + 'private_names = "hunter22"', "config.toml, [local], private_names: has to be a list, also where it holds one item: "),
        (SHELF + "read_secret = [5]", 'config.toml, [local], read_secret[0]: a secret is "text", {env = "VARIABLE"} or '),
        (SHELF + 'read_secret = [{raw = "hunter22", count = "x"}]', "read_secret[0].count: is not a key that this type knows: remove it"),
        (SHELF + 'read_secret = [{raw = "hunter22", env = "X"}]', "config.toml, [local], read_secret[0]: has both raw and env"),
        (SHELF + 'read_secret = [{raw = "hunter22"}, {raw = ""}]', "config.toml, [local], read_secret[1]: a secret may not be empty"),
        (SHELF + 'read_secret = [{raw = "hunter22", lable = "x"}]', "config.toml, [local], read_secret[0].lable: is not a key"),
        (SHELF + 'read_secret = [{raw = "hunter22", label = "!"}]', "config.toml, [local], read_secret[0].label: "),
        (SHELF + 'read_secret = [{sha256 = "hunter22"}]', "config.toml, [local], read_secret[0].sha256: "),
        (SHELF + 'read_secret = [{env = "NOWHERE"}]', "read_secret[0]: the environment variable 'NOWHERE' is not set, or empty"),
    ],
)
def test_a_wrong_configuration_is_told_by_file_table_and_key(config_text: str, told: str) -> None:
    assert told in refusal(config_text)


@pytest.mark.parametrize(
    ("admin_secret_text", "told"),
    [
        ("", "admin_secret.toml, [far]: a repository of type 'remote' needs an admin secret"),
        ('[far]\nraw = "hunter22"', "admin_secret.toml, [far], type: is missing"),
        ('[far]\ntype = "shelf"\nraw = "hunter22"', "admin_secret.toml, [far], type: differs from the type in config.toml, 'remote'"),
        ('[far]\ntype = "remote"', "admin_secret.toml, [far]: needs the secret: exactly one of raw"),
        ('[far]\ntype = "remote"\nraw = ""', "admin_secret.toml, [far]: needs the secret"),
        ('[far]\ntype = "remote"\nraw = 12', "admin_secret.toml, [far], raw: input should be a valid string"),
        ('[far]\ntype = "remote"\nraw = "hunter22"\nenv = "X"', "admin_secret.toml, [far]: has both raw and env"),
        ('[far]\ntype = "remote"\nenv = "X"', "admin_secret.toml, [far]: the environment variable 'X' is not set"),
        ('[far]\ntype = "remote"\nraw = "hunter22"\nroot = 1', "admin_secret.toml, [far], root: is not a key"),
        (
            '[far]\ntype = "remote"\nraw = "hunter22"\n[near]\ntype = "remote"\nraw = "hunter22"',
            "admin_secret.toml, [near]: there is no such",
        ),
        ('[far]\ntype = "remote"\nraw = hunter22', "admin_secret.toml, [far]: line 3 is not valid TOML"),
    ],
)
def test_a_wrong_admin_secret_is_told_and_never_shown(admin_secret_text: str, told: str) -> None:
    assert told in refusal(REMOTE, admin_secret_text)


def test_a_table_within_the_table_of_a_repository_is_read() -> None:
    rules = parse(SHELF + '[local.admission]\nrecord = "warn"\nmax_members = 7', "")["local"].config.admission

    assert (rules.record, rules.max_members, rules.max_ratio) == ("warn", 7, 50)


def test_text_from_the_network_may_name_no_variable_and_no_path() -> None:
    secret = '[far]\ntype = "remote"\nenv = "TOKEN"'

    assert "may not name environment variables" in refusal(REMOTE, secret, environ=None)
    assert "[local], place: may not name a path of the server" in refusal(SHELF + 'place = "/etc"', allow_paths=False)
    assert parse(SHELF + 'place = "/etc"', "")["local"].config
    assert parse(SHELF, "", environ=None, allow_paths=False)


@settings(deadline=None)
@given(st.text(), st.text())
def test_no_text_raises_anything_but_config_invalid(config_text: str, admin_secret_text: str) -> None:
    for text, secret in ((config_text, admin_secret_text), (SHELF, admin_secret_text), (SHELF + config_text, "")):
        try:
            parse(text, secret, environ={})
        except ConfigInvalid:
            continue


JSON = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["place", "read_secret", "count", "max_file_bytes", "private_names", "raw", "env"]), JSON))
def test_no_value_of_any_shape_raises_anything_but_config_invalid(table: dict[str, Any]) -> None:
    for name in ("local", "far"):
        try:
            config.repository_settings(
                name,
                {**table, "type": "shelf"},
                {**table, "type": "shelf"},
                config_reading=config.Reading("config"),
                secret_reading=config.Reading("admin_secret"),
            )
        except ConfigInvalid:
            continue


# --- around it -------------------------------------------------------------------------------------------------------


def test_secrets_met_in_a_configuration_stay_out_of_the_log() -> None:
    parse('[far]\ntype = "remote"\nread_secret = ["opens-sesame", "second-one"]', '[far]\ntype = "remote"\nraw = "the-admin-token"')

    line = logs.OneLine().format(logging.LogRecord("x", logging.INFO, "", 1, "opens-sesame second-one the-admin-token", (), None))
    assert line.endswith("*** *** ***")


def test_settings_do_not_show_their_secrets() -> None:
    settings = parse('[far]\ntype = "remote"\nread_secret = ["opens-sesame"]', '[far]\ntype = "remote"\nraw = "the-admin-token"')

    assert "opens-sesame" not in repr(settings)
    assert "the-admin-token" not in repr(settings)


def test_secrets_are_found_however_deep() -> None:
    assert list(secret_texts({"a": [SecretStr("1"), {"b": (SecretStr("2"),)}], "c": AcceptedSecret(raw=SecretStr("3"))})) == ["1", "2", "3"]


def test_a_type_is_found_in_unions_containers_and_models() -> None:
    assert mentions(dict[str, list[Path | None]], Path)
    assert mentions(tuple[AcceptedSecret, ...], SecretStr)
    assert not mentions(tuple[str, ...] | None, Path)


def test_the_extra_index_is_on_by_default_and_over_https() -> None:
    assert ServerSettings().extra_index_url.startswith("https://")
    assert ServerSettings().extra_index_url.endswith("/simple/")
