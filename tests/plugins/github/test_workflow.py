"""The generated workflows, parsed as GitHub does, and held against the rules that a reviewer of a workflow would."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import click
import pytest
import yaml
from pywharf_github.config import GitHubConfig
from pywharf_github.workflow import Words, index_workflow, pages_workflow, pip_words, readme

import pywharf
from pywharf.cli.environment import TypedCommand
from pywharf.cli.main import cli

PLAIN = Words("wheels", GitHubConfig(owner="acme", repo="wheels"), pip_words(None))
UNUSUAL = Words(
    "team.wheels",
    GitHubConfig(
        owner="acme",
        repo="wheels",
        branch="release/2.x",
        index_filename="pywharf.jsonl",
        max_file_bytes=1000,
        git_url="https://git.example/{owner}/{repo}.git",
        api_url="https://git.example/api/v3",
    ),
    pip_words("--index-url https://packages.example/simple/ 'pywharf @ https://packages.example/it is; rm -rf $HOME.whl'"),
)
WORKFLOWS = [index_workflow(PLAIN), index_workflow(UNUSUAL), pages_workflow(PLAIN), pages_workflow(UNUSUAL)]
BOTH = pytest.mark.parametrize("text", WORKFLOWS, ids=["index", "index of another host", "pages", "pages of another host"])

# Of GitHub's "Workflow syntax": the keys that may stand where.
TOP = {"name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"}
JOB = {
    "name", "permissions", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env", "defaults", "steps",
    "timeout-minutes", "strategy", "continue-on-error", "container", "services", "uses", "with", "secrets",
}  # fmt: skip
STEP = {"id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env", "continue-on-error", "timeout-minutes"}
SCOPES = {
    "actions",
    "attestations",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "id-token",
    "issues",
    "packages",
    "pages",
    "pull-requests",
    "statuses",
}
TRUSTED_ACTIONS = {"actions/setup-python", "actions/checkout"}


def parsed(text: str) -> dict[str, Any]:
    workflow = yaml.safe_load(text)
    workflow["on"] = workflow.pop(True)  # YAML 1.1, which PyYAML reads, takes "on" for a truth value; GitHub does not
    return workflow


def jobs(text: str) -> Iterator[dict[str, Any]]:
    yield from parsed(text)["jobs"].values()


def steps(text: str) -> list[dict[str, Any]]:
    return [step for job in jobs(text) for step in job["steps"]]


def pywharf_words(text: str) -> list[str]:
    """The words of the one line that runs pywharf."""
    (script,) = [step["run"] for step in steps(text) if step.get("run", "").startswith("pywharf ")]
    return shlex.split(script.replace("\\\n", " "))


def pywharf_command(words: list[str]) -> click.Command:
    context = click.Context(cli)
    command = cli.get_command(context, words[1])
    assert command is not None, words[1]
    return command.for_arguments(words[2:]) if isinstance(command, TypedCommand) else command


@BOTH
def test_it_has_the_keys_that_a_workflow_has_where_they_belong(text: str) -> None:
    workflow = parsed(text)

    assert set(workflow) <= TOP
    assert workflow["jobs"]
    for identifier, job in workflow["jobs"].items():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", identifier)
        assert set(job) <= JOB
        assert job["runs-on"] == "ubuntu-latest"
        assert 1 <= job["timeout-minutes"] <= 360
        for step in job["steps"]:
            assert set(step) <= STEP
            assert ("uses" in step) != ("run" in step)
            assert all(isinstance(value, str) for value in [*step.get("with", {}).values(), *step.get("env", {}).values()])


@BOTH
def test_it_runs_on_pushes_to_the_packages_but_not_on_those_of_the_index(text: str) -> None:
    on = parsed(text)["on"]
    config = (UNUSUAL if "team.wheels" in text else PLAIN).config

    assert set(on) <= {"push", "schedule", "workflow_dispatch"}
    assert on["push"] == {"branches": [config.branch], "paths-ignore": [config.index_filename]}
    for one in on.get("schedule", []):
        assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", one["cron"])


@BOTH
def test_no_job_has_more_rights_than_to_write_contents_and_none_is_given_by_default(text: str) -> None:
    workflow = parsed(text)

    assert workflow["permissions"] == {}
    for job in jobs(text):
        assert job["permissions"] == {"contents": "write"}
        assert set(job["permissions"]) <= SCOPES


@BOTH
def test_runs_of_one_kind_wait_for_each_other(text: str) -> None:
    concurrency = parsed(text)["concurrency"]

    assert set(concurrency) == {"group", "cancel-in-progress"}
    assert concurrency["group"].startswith("pywharf-")
    assert concurrency["cancel-in-progress"] is False


def test_the_two_workflows_do_not_wait_for_each_other() -> None:
    assert len({parsed(text)["concurrency"]["group"] for text in (index_workflow(PLAIN), pages_workflow(PLAIN))}) == 2


@BOTH
def test_actions_are_githubs_own_and_pinned_to_a_version(text: str) -> None:
    used = [step["uses"] for step in steps(text) if "uses" in step]

    assert used
    for action in used:
        name, _, version = action.partition("@")
        assert name in TRUSTED_ACTIONS
        assert re.fullmatch(r"v\d+(\.\d+){0,2}|[0-9a-f]{40}", version)


@BOTH
def test_the_token_is_in_the_environment_of_one_step_and_in_no_command(text: str) -> None:
    holding = [step for step in steps(text) if "github.token" in str(step)]

    assert len(holding) == 1
    assert holding[0]["env"] == {"PYWHARF_TOKEN": "${{ github.token }}"}
    for step in steps(text):
        assert "${{" not in step.get("run", ""), "an expression is pasted into the script before the shell reads it"
    assert not {"--secret", "--token"} & {word.partition("=")[0] for word in pywharf_words(text)}
    assert {"--secret_env", "--token_env"} & set(pywharf_words(text))
    assert "secrets." not in text


@BOTH
def test_nothing_in_it_is_of_the_old_days(text: str) -> None:
    assert "::set-" not in text
    assert not re.search(r"@(master|main|v[1-4])\b", text)
    assert "node12" not in text


@BOTH
def test_its_command_is_one_that_pywharf_takes(text: str) -> None:
    words = pywharf_words(text)
    command = pywharf_command(words)
    known = {spelling for parameter in command.params for spelling in (*parameter.opts, *parameter.secondary_opts)}

    assert {word for word in words if word.startswith("--")} <= known
    required = {parameter.opts[0] for parameter in command.params if parameter.required and parameter.opts[0].startswith("--")}
    assert required <= set(words)


def test_its_command_names_the_repository_by_what_actions_say_it_is_now() -> None:
    words = pywharf_words(index_workflow(PLAIN))

    assert words[:4] == ["pywharf", "update_index", "github", "wheels"]
    assert words[words.index("--owner") + 1] == "$GITHUB_REPOSITORY_OWNER"
    assert words[words.index("--repo") + 1] == "${GITHUB_REPOSITORY#*/}"
    assert "--branch" not in words


def test_its_command_says_what_differs_from_the_defaults() -> None:
    for text in (index_workflow(UNUSUAL), pages_workflow(UNUSUAL)):
        words = pywharf_words(text)

        assert words[words.index("--branch") + 1] == "release/2.x"
        assert words[words.index("--git_url") + 1] == "https://git.example/{owner}/{repo}.git"


@BOTH
def test_the_scripts_are_read_by_a_shell_as_they_are_meant(text: str) -> None:
    for step in steps(text):
        if "run" in step:
            checked = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False)
            assert checked.returncode == 0, checked.stderr
            assert "\t" not in step["run"]


def test_it_installs_this_very_version() -> None:
    assert f" pywharf=={pywharf.__version__}\n" in index_workflow(PLAIN)


def test_another_source_reaches_pip_word_by_word_whatever_is_in_it() -> None:
    (script,) = [step["run"] for step in steps(index_workflow(UNUSUAL)) if "pip install" in step.get("run", "")]

    assert shlex.split(script)[5:] == list(UNUSUAL.pip_words)
    assert UNUSUAL.pip_words[-1] == "pywharf @ https://packages.example/it is; rm -rf $HOME.whl"


@pytest.mark.parametrize(
    "source",
    ["", "  ", "pywharf\nrun: evil", "pywharf ${{ secrets.OTHER }}", "https://user:pa55@packages.example/pywharf.whl", "'open", "\x1b[2J"],
)
def test_a_source_that_would_not_arrive_as_it_is_or_holds_a_password_is_refused(source: str) -> None:
    with pytest.raises(ValueError) as refused:
        pip_words(source)

    assert "pa55" not in str(refused.value)


def test_the_pages_workflow_pushes_only_where_something_changed() -> None:
    (script,) = [step["run"] for step in steps(pages_workflow(PLAIN)) if "git push" in step.get("run", "")]

    assert script.index("diff --cached --quiet") < script.index("git commit") < script.index("git push")
    assert "--force" not in script


def test_the_readme_names_the_lines_of_this_repository_and_no_host_of_anybody() -> None:
    text = readme(PLAIN, with_workflow=True)

    assert "https://wheels:TOKEN@YOUR-PYWHARF-SERVER/simple/" in text
    assert "pywharf-index.yml" in text
    assert "pywharf-index.yml" not in readme(PLAIN, with_workflow=False)
