"""What a file_system repository may be told, and what it says to a person who told it wrongly."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pywharf_file_system import plugin
from pywharf_file_system.config import FileSystemConfig, FileSystemSecret

from pywharf.backend.interface import Access
from pywharf.backend.settings import AcceptedSecret, BackendSecret

HASHED = hashlib.sha256(b"third").hexdigest()


def rights(config: FileSystemConfig, secret: str, workdir: Path) -> Access:
    return plugin.open(config, FileSystemSecret.model_validate({"type": "file_system", "raw": secret}), workdir).access()


def test_the_plugin_is_listed_without_importing_pydantic() -> None:
    script = "import sys, pywharf_file_system; sys.exit('pydantic' in sys.modules or not pywharf_file_system.plugin.type)"

    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_one_secret_or_several_open_a_repository_each_with_its_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND", "second")
    several = ["first", {"env": "SECOND", "label": "ci"}, {"sha256": HASHED, "label": "old laptop"}]
    config = FileSystemConfig.model_validate({"type": "file_system", "read_secret": several, "write_secret": "w"})

    assert {secret: rights(config, secret, tmp_path) for secret in ("first", "second", "third", "w", "W", "firs", HASHED)} == {
        "first": Access.READ,
        "second": Access.READ,
        "third": Access.READ,
        "w": Access.WRITE,
        "W": Access.NONE,
        "firs": Access.NONE,
        HASHED: Access.NONE,
    }


def test_a_secret_that_reads_and_writes_writes(tmp_path: Path) -> None:
    config = FileSystemConfig.model_validate({"read_secret": "same", "write_secret": ["other", "same"]})

    assert rights(config, "same", tmp_path) is Access.WRITE


def test_the_server_itself_needs_no_secret(tmp_path: Path) -> None:
    config = FileSystemConfig.model_validate({"read_secret": "r"})

    assert not plugin.needs_admin_secret
    assert plugin.open(config, None, tmp_path).access() is Access.WRITE


def test_every_configured_secret_is_compared_whether_one_was_found_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = FileSystemConfig.model_validate({"read_secret": ["a", "b", "c"], "write_secret": ["d", "e"]})
    compared: list[str] = []
    matches = AcceptedSecret.matches

    def counted(self: AcceptedSecret, shown: str) -> bool:
        compared.append(shown)
        return matches(self, shown)

    monkeypatch.setattr(AcceptedSecret, "matches", counted)

    for shown in ("a", "d", "wrong"):
        compared.clear()
        rights(config, shown, tmp_path)
        assert compared == [shown] * 5


def test_the_label_of_a_secret_is_told_in_the_log_and_the_secret_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = FileSystemConfig.model_validate({"read_secret": [{"raw": "hush-hush", "label": "ci of 2026"}]})
    with caplog.at_level("DEBUG"):
        rights(config, "hush-hush", tmp_path)

    assert "ci of 2026" in caplog.text
    assert "hush" not in caplog.text
    assert "hush" not in repr(config)


def test_the_label_of_a_secret_is_told_to_who_asks(tmp_path: Path) -> None:
    config = FileSystemConfig.model_validate({"write_secret": [{"raw": "one", "label": "ci"}, "two"]})

    labels = [
        plugin.open(config, FileSystemSecret.model_validate({"raw": raw}), tmp_path).secret_label() for raw in ("one", "two", "wrong")
    ]
    assert labels == ["ci", "", ""]
    assert plugin.open(config, None, tmp_path).secret_label() == ""


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "give it a read_secret, a write_secret, or both"),
        ({"read_secret": [], "write_secret": []}, "give it a read_secret, a write_secret, or both"),
        ({"read_secret": ""}, "a secret may not be empty"),
        ({"read_secret": ["good", ""]}, "a secret may not be empty"),
        ({"write_secret": {"raw": "a", "sha256": HASHED}}, "exactly one of them"),
        ({"write_secret": {"env": "NOT_SET_ANYWHERE"}}, "NOT_SET_ANYWHERE"),
        ({"write_secret": 5}, "write_secret"),
        ({"write_secret": "w", "path": "packages"}, 'has to begin with "/"'),
        ({"write_secret": "w", "secret": "x"}, "secret"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FileSystemConfig.model_validate({"type": "file_system", **table})

    assert said in str(refused.value)


def test_text_from_the_network_names_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND", "second")
    with pytest.raises(ValidationError, match="may not name environment variables"):
        FileSystemConfig.model_validate({"read_secret": [{"env": "SECOND"}]}, context={"environ": None})


def test_the_packages_lie_in_the_workdir_or_where_path_says(tmp_path: Path) -> None:
    here = FileSystemConfig.model_validate({"write_secret": "w"})
    elsewhere = FileSystemConfig.model_validate({"write_secret": "w", "path": str(tmp_path / "elsewhere")})

    assert plugin.staging(here, tmp_path / "workdir") == tmp_path / "workdir" / "storage" / "incoming"
    assert plugin.staging(elsewhere, tmp_path / "workdir") == tmp_path / "elsewhere" / "incoming"


def test_opening_touches_nothing(tmp_path: Path) -> None:
    config = FileSystemConfig.model_validate({"write_secret": "w", "path": str(tmp_path / "elsewhere")})

    plugin.open(config, None, tmp_path / "workdir").close()

    assert list(tmp_path.iterdir()) == []


def test_the_first_configuration_has_two_long_random_secrets_and_is_another_each_time(tmp_path: Path) -> None:
    config, admin_secret = plugin.first_config()
    again, _ = plugin.first_config()
    secrets = [one.raw.get_secret_value() for one in (*config.read_secret, *config.write_secret, *again.read_secret) if one.raw]

    assert admin_secret is None
    assert len(set(secrets)) == 3
    assert all(len(secret) >= 32 for secret in secrets)
    assert [rights(config, secret, tmp_path) for secret in secrets] == [Access.READ, Access.WRITE, Access.NONE]


def test_the_secret_model_is_one_of_pywharfs() -> None:
    assert issubclass(plugin.secret_model, BackendSecret)
    assert "hush" not in repr(plugin.secret_model.model_validate({"type": "file_system", "raw": "hush"}))


def test_a_generated_secret_can_stand_anywhere_on_a_command_line() -> None:
    """One that began with "-" was taken for an option by `uv publish --password`."""
    for _ in range(300):
        config = FileSystemConfig.with_random_secrets()
        for [accepted] in (config.read_secret, config.write_secret):
            assert accepted.raw is not None
            assert accepted.raw.get_secret_value().isalnum()
