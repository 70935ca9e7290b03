"""The lines that are pasted into a shell: right for every host and every secret, with no secret among a command's words."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywharf.cli.client_lines import client_host, initialize_line, install_lines, is_loopback, upload_lines


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::1", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("box.example", "box.example"),
    ],
)
def test_the_host_is_one_that_a_client_can_reach(host: str, shown: str) -> None:
    assert client_host(host) == shown


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("box", False),
    ],
)
def test_who_else_can_reach_an_address_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_lines_as_they_are_shown() -> None:
    assert upload_lines("http://127.0.0.1:8888/", "local", "Wr_ite-1") == [
        "UV_PUBLISH_PASSWORD=Wr_ite-1 uv publish --publish-url http://127.0.0.1:8888/simple/ --username local dist/*",
        "TWINE_PASSWORD=Wr_ite-1 twine upload --repository-url http://127.0.0.1:8888/simple/ --username local dist/*",
    ]
    projects = "$(basename -a dist/*.whl | cut -d- -f1 | sort -u)"
    assert install_lines("http://127.0.0.1:8888/", "local", "Re_ad-1") == [
        f"PIP_INDEX_URL=http://local:Re_ad-1@127.0.0.1:8888/simple/ pip install {projects}",
        f"UV_DEFAULT_INDEX=http://local:Re_ad-1@127.0.0.1:8888/simple/ uv pip install {projects}",
    ]


def test_pip_is_told_to_trust_a_host_that_is_not_this_machine() -> None:
    pip, uv = install_lines("http://10.0.0.1:8888/", "local", "s")

    assert " --trusted-host 10.0.0.1:8888 " in pip
    assert "--trusted-host" not in uv
    assert "--trusted-host" not in install_lines("http://127.0.0.1:8888/", "local", "s")[0]
    assert "--trusted-host" not in install_lines("http://[::1]:8888/", "local", "s")[0]


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_secret_survives_the_shell_and_stands_in_no_commands_words(secret: str) -> None:
    for line in upload_lines("http://127.0.0.1:1/", "local", secret):
        variable, *words = shlex.split(line)
        assert variable.partition("=")[2] == secret
        assert words == shlex.split(upload_lines("http://127.0.0.1:1/", "local", "other")[0 if "uv" in words else 1])[1:]
    for line in install_lines("http://127.0.0.1:1/", "local", secret):
        variable = shlex.split(line.partition(" $(")[0])[0]
        parts = urlsplit(variable.partition("=")[2])
        assert parts.hostname == "127.0.0.1"
        assert parts.username == "local"


def test_the_initialise_line_carries_the_token_in_a_header() -> None:
    words = shlex.split(initialize_line("http://127.0.0.1:8888/", "to-ken"))

    assert "Authorization: Bearer to-ken" in words
    assert words[-1] == "http://127.0.0.1:8888/initialize/"
