"""The texts of a new repository: GitHub Actions workflows that keep the index and the Pages site in step, and the READMEs.

The workflows are a starting point that its owner may change: plain commands, no action but GitHub's own two, the least rights each
job can do with. No secret stands among a command's words: Actions prints those. Text that comes from a person is quoted twice, for
the shell and for YAML, so that none of it can become a command or an expression.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from pywharf import __version__
from pywharf_github.config import GitHubConfig

INDEX_WORKFLOW = ".github/workflows/pywharf-index.yml"
PAGES_WORKFLOW = ".github/workflows/pywharf-pages.yml"
PAGES_BRANCH = "gh-pages"
PYTHON = "3.13"

_SETUP_PYTHON = "actions/setup-python@v6"
_CHECKOUT = "actions/checkout@v6"
_TOKEN = "PYWHARF_TOKEN"  # noqa: S105 - the name of a variable
_IN_PACKAGES = ("branch", "index_filename", "max_file_bytes", "git_url")  # keys that a run on another machine has to know too
_USERINFO = re.compile(r"://[^/\s]*@")


@dataclass(frozen=True)
class Words:
    """What the texts of one repository depend on."""

    name: str  # of the repository, as pywharf's configuration calls it
    config: GitHubConfig
    pip_words: tuple[str, ...]  # what `pip install` is given to install pywharf


def pip_words(source: str | None) -> tuple[str, ...]:
    """What `pip install` is given: this very version of pywharf, or what `source` says, split as a shell does.

    Raises ValueError where the source would not arrive in the workflow as it is, or holds a password.
    """
    if source is None:
        return (f"pywharf=={__version__}",)
    if not source.isprintable() or "${{" in source:
        raise ValueError('is one line of words for `pip install`, without "${{"')
    if _USERINFO.search(source):
        raise ValueError("may not hold a user or a password: everybody who can read the repository reads the workflow")
    words = tuple(shlex.split(source))
    if not words:
        raise ValueError("is empty: leave the option out for this version of pywharf")
    return words


def index_workflow(words: Words) -> str:
    """Runs `update_index` after each push to the branch, and once a week."""
    index_filename = words.config.index_filename
    return _workflow(
        words,
        name="pywharf index",
        made_by="github.init_pkg_repo",
        purpose=f"Keeps {index_filename}, from which new servers start quickly. Nothing is lost where it does not run.",
        schedule=_WEEKLY,
        waiting="one runs, the newest waits; under a stream of uploads, cancelling would let none finish",
        job="update_index",
        minutes=30,
        writes=f"to commit {index_filename}",
        step="Update the index",
        command=_command(
            ["pywharf", "update_index", "github", words.name],
            [*_whose(), *_flags(words.config), f"--secret_env {_TOKEN}"],
        ),
    )


def pages_workflow(words: Words) -> str:
    """Writes the static site after each push to the branch, and pushes it to the branch that Pages serves."""
    return _workflow(
        words,
        name="pywharf pages",
        made_by="github.init_pkg_repo --enable_gh_pages",
        purpose=f"Keeps the branch {PAGES_BRANCH}, which GitHub Pages serves. "
        "The files in it take no room twice: git keeps equal content once.",
        waiting="one runs, the newest waits",
        job="pages",
        minutes=60,
        writes=f"to push to {PAGES_BRANCH}",
        first=_CHECKOUT_PAGES,
        step="Write the site",
        command=_command(
            ["pywharf", "github.gen_gh_pages", "--name", words.name],
            [*_whose(), *_flags(words.config), f"--token_env {_TOKEN}", "--output_folder ."],
        ),
        last=_PUBLISH,
    )


def readme(words: Words, *, with_workflow: bool) -> str:
    """What a person reads who opens the repository in a browser."""
    config = words.config
    by_whom = f"the workflow `{INDEX_WORKFLOW}`" if with_workflow else "`pywharf update_index`"
    return f"""\
# {config.repo}

Python packages, kept by pywharf: a private PyPI server whose storage is this git repository.

Each upload is a commit. Who may read this repository may install from it, and who may push to `{config.branch}` may upload:

    pip install --index-url https://{words.name}:TOKEN@YOUR-PYWHARF-SERVER/simple/ PROJECT
    twine upload --repository-url https://YOUR-PYWHARF-SERVER/simple/ --username {words.name} dist/*

`TOKEN`, and the password that twine asks for, is a token of your own for this repository.

Please change nothing below `packages/` and `.pywharf/` by hand, and do not rewrite the history of `{config.branch}`: servers follow it.
`{config.index_filename}`, from which new servers start quickly, is written by {by_whom}.
"""


def pages_index(words: Words) -> str:
    """The page at the top of the Pages site, for people."""
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{words.config.repo}</title>
</head>
<body>
<h1>{words.config.repo}</h1>
<p>Python packages: <code>pip install --index-url THIS-ADDRESS/simple/ PROJECT</code></p>
<p><a href="simple/">All projects</a></p>
</body>
</html>
"""


_WEEKLY = """\
  schedule:
    - cron: "41 4 * * 1"  # once a week, for what uploads that died half-way left behind
"""

_CHECKOUT_PAGES = f"""\
      - uses: {_CHECKOUT}
        with:
          ref: {PAGES_BRANCH}
"""

_PUBLISH = """\
      - name: Publish it
        run: |
          git add --all
          if git diff --cached --quiet; then exit 0; fi
          git config user.name "github-actions[bot]"
          git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
          git commit --quiet --message "Site of $GITHUB_SHA"
          git push --quiet
"""


def _workflow(
    words: Words,
    *,
    name: str,
    made_by: str,  # the command that makes it
    purpose: str,
    waiting: str,  # why a run is not cancelled by the next
    job: str,
    minutes: int,
    writes: str,  # what the right to write is for
    step: str,
    command: str,
    schedule: str = "",
    first: str = "",  # steps before pywharf is installed
    last: str = "",  # steps after the command
) -> str:
    """What the workflows have in common: when they run, one at a time, with which rights, pywharf installed, one command with the token."""
    config = words.config
    return f"""\
# Made by pywharf {__version__} (pywharf {made_by}); yours to change.
# {purpose}
name: {name}

on:
  push:
    branches: [{_yaml(config.branch)}]
    paths-ignore: [{_yaml(config.index_filename)}]
{schedule}\
  workflow_dispatch:

permissions: {{}}

concurrency:
  group: {name.replace(" ", "-")}
  cancel-in-progress: false  # {waiting}

jobs:
  {job}:
    runs-on: ubuntu-latest
    timeout-minutes: {minutes}
    permissions:
      contents: write  # {writes}
    steps:
{first}\
{_install(words.pip_words)}
      - name: {step}
        env:
          {_TOKEN}: ${{{{ github.token }}}}
        run: |
{textwrap.indent(command, " " * 10)}
{last}"""


def _install(words: Sequence[str]) -> str:
    return f"""\
      - uses: {_SETUP_PYTHON}
        with:
          python-version: "{PYTHON}"
      - name: Install pywharf
        run: |
          python -m pip install --disable-pip-version-check {shlex.join(words)}"""


def _whose() -> list[str]:
    # By Actions' own variables: they stay right when the repository is renamed or moved to another owner.
    return ['--owner "$GITHUB_REPOSITORY_OWNER"', '--repo "${GITHUB_REPOSITORY#*/}"']


def _flags(config: GitHubConfig) -> list[str]:
    default = {key: field.default for key, field in GitHubConfig.model_fields.items()}
    changed = {key: getattr(config, key) for key in _IN_PACKAGES if getattr(config, key) != default[key]}
    return [f"--{key} {shlex.quote(str(value))}" for key, value in changed.items()]


def _command(words: Sequence[str], options: Sequence[str]) -> str:
    return " \\\n  ".join([shlex.join(words), *options])


def _yaml(text: str) -> str:
    return json.dumps(text)  # every JSON string is one of YAML
