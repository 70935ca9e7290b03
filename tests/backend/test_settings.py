"""What every backend's configuration and secret have in common: exactly one source, no unknown key, nothing shown."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pywharf.backend.settings import AcceptedSecret, BackendConfig, BackendSecret

SECRET = "correct horse battery staple"
SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()
FORBIDDEN: dict[str, Any] = {"environ": None}


def environ(**variables: str) -> dict[str, Any]:
    return {"environ": variables}


class ShelfConfig(BackendConfig):
    """A plugin's configuration, as its author writes it."""

    type: str = "shelf"
    read_secret: tuple[AcceptedSecret, ...] = ()


# --- configuration -------------------------------------------------------------------------------------------------


def test_a_repository_needs_no_more_than_its_type() -> None:
    config = BackendConfig(type="shelf")

    assert (config.max_file_bytes, config.sync_index_interval, config.private_names) == (1024**3, 1.0, ())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_file_bytes", 0),
        ("max_file_bytes", -1),
        ("max_file_bytes", "many"),
        ("sync_index_interval", 0),
        ("sync_index_interval", -1),
        ("sync_index_interval", 86401),
        ("sync_index_interval", float("nan")),
        ("sync_index_interval", float("inf")),
        ("private_names", "acme"),
        ("private_names", ["acme [x]"]),
        ("private_names", [""]),
        ("private_names", [1]),
        ("max_file_byte", 1),
    ],
)
def test_a_key_that_is_unknown_or_out_of_range_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        BackendConfig.model_validate({"type": "shelf", key: value})

    assert caught.value.errors()[0]["loc"][0] == key


def test_private_names_are_compared_as_project_names_are() -> None:
    assert BackendConfig(type="shelf", private_names=("Acme_*", "Secret.Tool")).private_names == ("acme-*", "secret-tool")


def test_a_configuration_cannot_be_changed_once_it_is_checked() -> None:
    with pytest.raises(ValidationError):
        setattr(BackendConfig(type="shelf"), "max_file_bytes", 1)  # noqa: B010 - type checkers know that it cannot be


# --- a repository's own secret -------------------------------------------------------------------------------------


def test_a_secret_is_given_as_it_is() -> None:
    assert BackendSecret.model_validate({"type": "shelf", "raw": SECRET}, context=FORBIDDEN).reveal() == SECRET


def test_a_secret_is_read_from_the_named_variable() -> None:
    secret = BackendSecret.model_validate({"type": "shelf", "env": "SHELF"}, context=environ(SHELF=SECRET))

    assert secret.reveal() == SECRET


def test_without_a_context_variables_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYWHARF_TEST_SHELF", SECRET)

    assert BackendSecret.model_validate({"type": "shelf", "env": "PYWHARF_TEST_SHELF"}).reveal() == SECRET


@pytest.mark.parametrize(
    ("data", "context", "says"),
    [
        ({}, FORBIDDEN, "exactly one of raw"),
        ({"raw": ""}, FORBIDDEN, "may not be empty"),
        ({"raw": None}, FORBIDDEN, "exactly one of raw"),
        ({"raw": SECRET, "env": "SHELF"}, environ(SHELF=SECRET), "both raw and env"),
        ({"raw": "", "env": "SHELF"}, environ(SHELF=SECRET), "both raw and env"),
        ({"env": "SHELF"}, environ(), "'SHELF' is not set, or empty"),
        ({"env": "SHELF"}, environ(SHELF=""), "'SHELF' is not set, or empty"),
        ({"env": ""}, environ(), "is not set, or empty"),
        ({"env": 7}, environ(), "is not set, or empty"),
        ({"env": "HOME"}, FORBIDDEN, "may not name environment variables"),
        ({"env": ""}, FORBIDDEN, "may not name environment variables"),
        ({"raw": SECRET, "user": "me"}, FORBIDDEN, "Extra inputs are not permitted"),
        ({"raw": 7}, FORBIDDEN, "valid string"),
    ],
)
def test_a_secret_has_exactly_one_source(data: dict[str, Any], context: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        BackendSecret.model_validate({"type": "shelf", **data}, context=context)


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = BackendSecret.model_validate({"type": "shelf", "env": "SHELF"}, context=environ(SHELF=SECRET))
    accepted = AcceptedSecret.model_validate(SECRET)
    hashed = AcceptedSecret.model_validate({"sha256": SHA256})
    config = ShelfConfig(read_secret=(accepted, hashed))

    shown = (
        f"{secret!r} {secret} {secret.model_dump()} {secret.model_dump_json()} {accepted!r} {hashed!r} {config} {config.model_dump_json()}"
    )

    assert SECRET not in shown
    assert SHA256 not in f"{hashed!r} {config}"


@pytest.mark.parametrize(
    "data",
    [
        {"raw": SECRET, "env": "SHELF"},
        {"raw": SECRET, "user": "me"},
        {"raw": [SECRET]},
        {"user": SECRET},
        {"sha256": SECRET},
    ],
)
def test_a_refusal_never_shows_the_secret(data: dict[str, Any]) -> None:
    for model in (BackendSecret, AcceptedSecret):
        with pytest.raises(ValidationError) as caught:
            model.model_validate({"type": "shelf", **data} if model is BackendSecret else data, context=environ(SHELF=SECRET))
        assert SECRET not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        ShelfConfig.model_validate({"type": "shelf", "read_secret": [data]}, context=environ(SHELF=SECRET))
    assert SECRET not in str(caught.value)


# --- secrets that a configuration accepts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [SECRET, {"raw": SECRET}, {"env": "SHELF"}, {"sha256": SHA256}, {"sha256": SHA256.upper(), "label": "ci 2026"}],
    ids=["text", "raw", "env", "sha256", "sha256 with a label"],
)
def test_every_way_to_write_an_accepted_secret_matches_that_secret_and_no_other(data: object) -> None:
    accepted = AcceptedSecret.model_validate(data, context=environ(SHELF=SECRET))

    assert accepted.matches(SECRET)
    assert accepted.digest() == bytes.fromhex(SHA256)
    for other in ("", SECRET[:-1], SECRET + " ", SECRET.upper(), SHA256, "\udcff", SECRET * 1000):
        assert not accepted.matches(other)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text), st.text())
def test_two_secrets_match_only_where_they_are_equal(one: str, two: str) -> None:
    try:
        accepted = AcceptedSecret.model_validate(one)
    except ValidationError:
        return
    assert accepted.matches(one)
    assert accepted.matches(two) is (one == two)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "may not be empty"),
        ({"raw": ""}, "may not be empty"),
        ({}, "exactly one of them"),
        ({"raw": SECRET, "sha256": SHA256}, "exactly one of them"),
        ({"env": "SHELF", "sha256": SHA256}, "exactly one of them"),
        ({"raw": SECRET, "env": "SHELF"}, "both raw and env"),
        ({"sha256": SHA256[:-1]}, "pattern"),
        ({"sha256": SHA256 + "\n"}, "pattern"),
        ({"sha256": "g" * 64}, "pattern"),
        ({"raw": SECRET, "label": "a\nb"}, "pattern"),
        ({"raw": SECRET, "label": "a" * 65}, "at most 64"),
        ({"raw": SECRET, "expires": "never"}, "Extra inputs"),
        (7, "exactly one of them"),
        (None, "exactly one of them"),
        ([SECRET], "exactly one of them"),
        ("\ud800", "Unicode"),
    ],
)
def test_an_accepted_secret_that_is_not_one_is_refused(data: object, says: str) -> None:
    with pytest.raises(ValidationError, match=f"(?i){says}"):
        AcceptedSecret.model_validate(data, context=environ(SHELF=SECRET))


def test_a_hash_of_nothing_is_refused_as_an_empty_secret_is() -> None:
    with pytest.raises(ValidationError, match="may not be empty"):
        AcceptedSecret.model_validate({"sha256": hashlib.sha256(b"").hexdigest()})


def test_text_from_the_network_names_no_variable_of_the_server() -> None:
    with pytest.raises(ValidationError, match="may not name environment variables"):
        ShelfConfig.model_validate({"type": "shelf", "read_secret": [{"env": "HOME"}]}, context=FORBIDDEN)
