"""Keys are made once, kept private, and refused where somebody else could have read them."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.errors import LayoutUnusable
from pywharf.keys import fingerprint, initialize_token, key_id, load_key


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_key_has_32_bytes_and_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    key = load_key(tmp_path / "sessions")

    assert len(key) == 32
    assert load_key(tmp_path / "sessions") == key


def test_two_keys_have_nothing_in_common(tmp_path: Path) -> None:
    assert load_key(tmp_path / "one") != load_key(tmp_path / "two")


def _load(path: str) -> bytes:
    return load_key(Path(path))


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(8) as pool:
        keys = pool.map(_load, [str(tmp_path / "key")] * 32)

    assert len(set(keys)) == 1


@pytest.mark.usefixtures("no_umask")
def test_keys_and_token_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    load_key(tmp_path / "key")
    initialize_token(tmp_path / "token", {})

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    load_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)

    with pytest.raises(LayoutUnusable, match="chmod 600"):
        load_key(tmp_path / "key")


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)

    with pytest.raises(LayoutUnusable, match="remove it"):
        load_key(tmp_path / "key")


def test_a_key_is_not_read_through_a_symbolic_link(tmp_path: Path) -> None:
    load_key(tmp_path / "real")
    (tmp_path / "key").symlink_to(tmp_path / "real")

    with pytest.raises(LayoutUnusable):
        load_key(tmp_path / "key")


def test_a_key_that_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)

    with pytest.raises(LayoutUnusable, match="not a file"):
        load_key(tmp_path / "key")


def test_the_token_is_made_once(tmp_path: Path) -> None:
    token = initialize_token(tmp_path / "token", {})

    assert len(token) >= 32
    assert initialize_token(tmp_path / "token", {}) == token


def test_the_variable_takes_the_place_of_the_kept_token_and_is_not_written_down(tmp_path: Path) -> None:
    assert initialize_token(tmp_path / "token", {"PYWHARF_INITIALIZE_TOKEN": "mine"}) == "mine"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    (tmp_path / "token").chmod(0o600)

    with pytest.raises(LayoutUnusable, match="remove it"):
        initialize_token(tmp_path / "token", {})


def test_a_fingerprint_depends_on_key_and_text_and_shows_neither() -> None:
    one = fingerprint(b"k" * 32, "secret")

    assert len(one) == 32
    assert one == fingerprint(b"k" * 32, "secret")
    assert one != fingerprint(b"l" * 32, "secret")
    assert one != fingerprint(b"k" * 32, "secrets")


def test_a_key_id_is_short_and_the_same_for_the_same_secret_only() -> None:
    one = key_id(b"k" * 32, "secret")

    assert len(one) == 12
    assert one == key_id(b"k" * 32, "secret")
    assert one != key_id(b"l" * 32, "secret")
    assert one != key_id(b"k" * 32, "secrets")
    assert not fingerprint(b"k" * 32, "secret").hex().startswith(one)  # what grants are remembered by is another thing


def test_a_fingerprint_takes_any_text() -> None:
    assert fingerprint(b"k", "\udcff") != fingerprint(b"k", "")
