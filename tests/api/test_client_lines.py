from __future__ import annotations

import shlex
import subprocess

import pytest

from pywharf.api.client_lines import PageLines

LINES = PageLines("https://wheels.example/pypi/", "acme.team")


def run_by_a_shell(line: str, secret: str) -> list[str]:
    """The variable in front of a line, and its words, as a shell hands them to the command."""
    command = line.partition(" ")[2]
    variable = line.partition("=")[0]
    words = subprocess.run(
        ["sh", "-c", f'{line.partition(" ")[0]}\nfor word in "${variable}" {command}; do printf "%s\\n" "$word"; done'],
        env={"PYWHARF_SECRET": secret},
        capture_output=True,
        text=True,
        check=True,
    )
    return words.stdout.splitlines()


@pytest.mark.parametrize("secret", ["5ec2e7", "a%20b", "a-b_c.d~e"])
def test_a_shell_makes_the_address_with_the_secret_of_a_line(secret: str) -> None:
    for tool, line in LINES.install("demo==1!2.0+local.1")[:2]:
        variable, *words = run_by_a_shell(line, secret)
        assert variable == f"https://acme.team:{secret}@wheels.example/pypi/simple/"
        assert words[-1] == "demo==1!2.0+local.1"
        assert words[0] in (tool, "uv")


def test_lines_that_upload_hold_no_secret_and_name_the_repository() -> None:
    for _, line in LINES.upload()[:2]:
        variable, *words = run_by_a_shell(line, "it's $HOME `id`")
        assert variable == "it's $HOME `id`"
        assert "acme.team" in words
        assert "https://wheels.example/pypi/simple/" in words


@pytest.mark.parametrize("base", ['https://a"b/', "https://$(id)/", "https://`id`/", "https://a\\b/", "https://$HOME/"])
def test_an_address_is_never_more_than_an_address(base: str) -> None:
    line = PageLines(base, "acme").install("demo")[0][1]

    assert run_by_a_shell(line, "x")[0] == base.replace("https://", "https://acme:x@") + "simple/"


def test_poetry_is_told_its_source_under_a_name_that_its_configuration_takes() -> None:
    assert LINES.poetry_setup() == [
        "poetry source add acme-team https://wheels.example/pypi/simple/",
        "poetry config repositories.acme-team https://wheels.example/pypi/simple/",
        "poetry config http-basic.acme-team acme.team",
    ]
    assert shlex.split(LINES.install("demo")[2][1]) == ["poetry", "add", "--source", "acme-team", "demo"]
