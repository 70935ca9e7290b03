"""Where a secret may stand after a test, and which texts are no needles; each with its reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

# Texts that are configured or shown somewhere, and cannot be told from what is no secret.
NO_NEEDLES = {
    "another": "a word that messages have, too",
    "wheels": "the name of a repository, which some tests show as the secret, the other way round",
}

# Files, by pattern of their names, that are where a secret is given or kept.
GIVEN_IN = {
    "*.toml": "a configuration: what a test gives, or what ROOT keeps, for its owner alone (other tests look at that)",
    "initialize_token": "the token itself, for its owner alone",
}

# Files of some tests: patterns of the test, as pytest names it without its parameters, and of the file.
OF_TESTS = {
    ("tests/cli/test_first_start.py::test_a_strangers_that_keeps_a_secret_of_the_servers_works_as_well", "shelf_first.py"): (
        "a backend plugin that the test writes, whose source says the secret"
    ),
    ("tests/plugins/github/test_workflow_runs.py::*", "clone/.git/config"): (
        "a checkout that the test makes itself, with git, as the host's runner does before our steps"
    ),
    ("tests/cli/test_server.py::*", "stdout"): (
        "what a first start prints for the person who started it: how to use the repository that was made"
    ),
}


def may_hold(test: str, path: Path) -> bool:
    """Whether a file below a test's folder may hold its secrets. test: as pytest names it."""
    name = test.partition("[")[0]
    of_test = [pattern for tests, pattern in OF_TESTS if fnmatchcase(name, tests)]
    return any(path.match(pattern) for pattern in [*GIVEN_IN, *of_test])
