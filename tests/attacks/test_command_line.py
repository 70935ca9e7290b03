"""What `python -m tests.attacks` understands."""

from __future__ import annotations

import pytest

from .__main__ import read_options

pytestmark = pytest.mark.any_python


@pytest.mark.parametrize(
    ("given", "what", "only", "words"),
    [
        ("hostile --only mute,drip_head --servers ours -- --numthreads 8", "hostile", ["mute", "drip_head"], ["--numthreads", "8"]),
        ("--only mute hostile -- --numthreads 8", "hostile", ["mute"], ["--numthreads", "8"]),
        ("--only mute -- --workers 2", "all", ["mute"], ["--workers", "2"]),
        ("framing --only mute", "framing", ["mute"], []),
    ],
)
def test_words_behind_two_dashes_are_the_servers_wherever_options_stand(given: str, what: str, only: list[str], words: list[str]) -> None:
    options = read_options(given.split())

    assert (options.what, options.only, options.words) == (what, only, words)
