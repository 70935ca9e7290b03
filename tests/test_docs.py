"""The documentation agrees with the code: nothing is missing from it, and nothing in it is made up."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import toml

import pywharf
from pywharf import config
from pywharf.backend.discovery import installed_plugins
from pywharf.backend.settings import AdmissionRules, BackendConfig
from pywharf.cli.environment import TypedCommand
from pywharf.cli.main import cli
from pywharf.config import ServerSettings
from pywharf.errors import WharfError
from pywharf.keys import TOKEN_VARIABLE
from pywharf.layout import Layout
from pywharf.repository.admission import CHECKS
from pywharf.web.app import make_app
from pywharf.web.responses import STATUS
from pywharf.web.server.options import OPTIONS
from pywharf.wharf import Wharf

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
OUR_TYPES = sorted(found.type for found in installed_plugins() if found.distribution == "pywharf" and found.plugin)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def page(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    level = heading.split(" ")[0]
    start = text.index(f"{heading}\n")
    end = re.compile(rf"^#{{1,{len(level)}}} ", re.MULTILINE).search(text, start + len(heading))
    return text[start : end.start() if end else len(text)]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Each fenced block of a language, with the page it stands on."""
    for path in PAGES:
        for match in FENCE.finditer(path.read_text(encoding="utf-8")):
            if match[2] == language:
                yield path.relative_to(ROOT).as_posix(), textwrap.dedent(match[3])


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- limits --------------------------------------------------------------------------------------------------------


def test_every_limit_is_documented_with_its_default_and_its_unit() -> None:
    rows = re.findall(r"^\| `--(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", page("reference/limits.md"), re.MULTILINE)

    assert {name: default.strip() for name, default, _, _ in rows} == {
        name: f"{option.default:g} {option.unit}" if option.type is not bool else str(option.default).lower()
        for name, option in OPTIONS.items()
    }


# --- the command line ----------------------------------------------------------------------------------------------


def our_commands() -> dict[str, click.Command]:
    """Every command that pywharf's own distribution brings, with all options that it can have."""
    context = click.Context(cli)
    commands: dict[str, click.Command] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None and (name.partition(".")[0] in OUR_TYPES or "." not in name):
            commands[name] = command
    return commands


def flags(command: click.Command) -> set[str]:
    """The spellings of its options; those of Cheroot's server, which is another distribution, left out."""
    variants = [command]
    if isinstance(command, TypedCommand):
        variants += [command.for_arguments([type_]) for type_ in OUR_TYPES]
    return {
        spelling
        for variant in variants
        for parameter in variant.get_params(click.Context(variant))
        if isinstance(parameter, click.Option) and not parameter.hidden
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }


def documented_flags(text: str) -> set[str]:
    return set(re.findall(r"^\| `(--?\w[\w-]*)", text, re.MULTILINE)) | set(re.findall(r"^\| `--\w+`, `(-\w)`", text, re.MULTILINE))


def test_every_command_has_a_section_and_every_section_has_a_command() -> None:
    documented = set(re.findall(r"^## `pywharf (\S+)`$", page("reference/command-line.md"), re.MULTILINE))

    assert documented == set(our_commands())


@pytest.mark.parametrize("name", our_commands())
def test_every_option_of_a_command_is_documented_in_its_section(name: str) -> None:
    text = page("reference/command-line.md")
    everywhere = documented_flags(text[: text.index("\n## ")])

    missing = flags(our_commands()[name]) - documented_flags(section(text, f"## `pywharf {name}`")) - everywhere

    assert not missing


@pytest.mark.parametrize("name", our_commands())
def test_every_documented_option_of_a_command_exists(name: str) -> None:
    command = our_commands()[name]
    known = flags(command) | {
        spelling for parameter in command.get_params(click.Context(command)) for spelling in (*parameter.opts, *parameter.secondary_opts)
    }

    assert documented_flags(section(page("reference/command-line.md"), f"## `pywharf {name}`")) <= known


def test_defaults_of_the_server_are_told_as_they_are() -> None:
    text = section(page("reference/command-line.md"), "## `pywharf server`")
    defaults = {
        p.opts[0]: p.default for p in our_commands()["server"].params if isinstance(p, click.Option) and type(p.default) in (int, str)
    }

    assert defaults
    for flag, default in defaults.items():
        assert re.search(rf"^\| `{flag}\b[^|]*\| {default} \|", text, re.MULTILINE), f"{flag} is {default} by default"


def shell_lines() -> list[tuple[str, str]]:
    """Every line in the documentation that runs pywharf, with its page."""
    lines = []
    for path, block in blocks("sh"):
        for line in block.splitlines():
            found = re.search(r"(?:^|\s|/)pywharf (\w+.*)", line.partition(" #")[0])
            if found and not line.lstrip().startswith("#") and "PYWHARF_COMPLETE" not in line:
                lines.append((path, found[1]))
    return lines


def test_command_lines_in_the_documentation_use_commands_and_flags_that_exist() -> None:
    commands = our_commands()

    assert len(shell_lines()) >= 4
    for path, line in shell_lines():
        words = shlex.split(line)
        assert words[0] in commands, f"{path}: pywharf {line}"
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= flags(commands[words[0]]), f"{path}: pywharf {line}"


def test_every_exit_code_is_documented() -> None:
    text = section(page("reference/command-line.md"), "## Exit codes")
    source = ast.parse((Path(pywharf.__file__).parent / "cli" / "main.py").read_text(encoding="utf-8"))
    named_codes = [
        constant.value
        for statement in source.body
        if isinstance(statement, ast.Assign) and "FAILED" in ast.unparse(statement.targets[0])
        for constant in ast.walk(statement.value)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, int)
    ]

    assert len(named_codes) >= 3
    for code in [0, *named_codes]:
        assert f"\n| {code} |" in text


def test_the_variables_that_are_read_are_documented() -> None:
    text = section(page("reference/command-line.md"), "## The environment")

    for variable in ("PYWHARF_COMMAND", "PYWHARF_COMMAND_<FLAG>", TOKEN_VARIABLE, "_PYWHARF_COMPLETE"):
        assert f"`{variable}`" in text


# --- configuration -------------------------------------------------------------------------------------------------


def keys_in(text: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_every_key_of_every_repository_is_documented() -> None:
    assert keys_in(section(page("reference/configuration.md"), "## Keys of every repository")) == set(BackendConfig.model_fields)


@pytest.mark.parametrize("type_", OUR_TYPES)
def test_every_key_of_a_type_is_documented(type_: str) -> None:
    plugin = next(found.plugin for found in installed_plugins() if found.type == type_)
    assert plugin is not None
    own = set(plugin.config_model.model_fields) - set(BackendConfig.model_fields)

    assert keys_in(section(page("reference/configuration.md"), f"## Type `{type_}`")) == own


def test_every_key_of_the_rules_of_admission_is_documented_with_its_default() -> None:
    text = section(page("reference/configuration.md"), "## How strict the checks of an upload are")

    assert keys_in(text) == set(AdmissionRules.model_fields)
    for key, default in AdmissionRules().model_dump().items():
        shown = f'`"{default}"`' if isinstance(default, str) else rf"{default}(?: \([^|]*\))?"
        assert re.search(rf"^\| `{key}` \|[^|]*\| {shown} \|", text, re.MULTILINE), f"{key} is {default} by default"


def test_every_check_of_admission_is_documented_with_the_rule_that_governs_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(?:[^|]*\|){3} ([^|]*)\|$", page("reference/admission.md"), re.MULTILINE)

    assert sorted(name for name, _ in rows) == sorted(check.__name__ for check in CHECKS)
    rules = {rule for _, cell in rows for rule in re.findall(r"`(\w+)`", cell)}
    assert rules <= {*AdmissionRules.model_fields, "attestations"}
    for check in CHECKS:
        named_in_code = set(re.findall(r"rules\.(\w+)", inspect.getsource(check)))
        assert named_in_code <= set(re.findall(r"`(\w+)`", dict(rows)[check.__name__])), check.__name__


def test_every_toml_block_can_be_read() -> None:
    found = list(blocks("toml"))

    assert len(found) >= 5
    for path, block in found:
        assert toml.loads(block), path


def test_every_configuration_in_the_documentation_is_one_that_the_server_takes() -> None:
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', "".join(block for _, block in blocks("toml"))), "a secret")
    needing = {found.type for found in installed_plugins() if found.plugin and found.plugin.needs_admin_secret}
    taken = 0

    for path, block in blocks("toml"):
        tables = {name: table for name, table in toml.loads(block).items() if isinstance(table, dict)}
        types = {table.get("type") for table in tables.values()}
        are_secrets = types <= needing and all(set(table) <= {"type", "raw", "env"} for table in tables.values())
        if types and types <= set(OUR_TYPES) and not are_secrets:
            secrets = "".join(f'[{name}]\ntype = "{one["type"]}"\nraw = "x"\n' for name, one in tables.items() if one["type"] in needing)
            assert config.parse(block, secrets, config_source=path, environ=environ)
            taken += 1

    assert taken >= 3


# --- HTTP ----------------------------------------------------------------------------------------------------------


def test_every_route_is_documented_and_every_documented_route_exists(tmp_path: Path) -> None:
    settings = ServerSettings()
    routes = {(route.method, route.rule.rstrip("/")) for route in make_app(Wharf(Layout(tmp_path), settings), settings).routes}
    table = page("reference/http-api.md").split("\n## ")[0]

    documented = {(method, address.rstrip("/")) for method, address in re.findall(r"`(GET|POST) (/\S*?)`", table)}

    assert documented == routes


# --- errors --------------------------------------------------------------------------------------------------------


def error_classes() -> set[type[WharfError]]:
    for module in pkgutil.walk_packages(pywharf.__path__, "pywharf."):
        if not module.name.startswith(("pywharf.testing", "pywharf.__main__")):
            importlib.import_module(module.name)
    todo, found = [WharfError], set()
    while todo:
        kind = todo.pop()
        found.add(kind)
        todo += kind.__subclasses__()
    return {kind for kind in found if kind.__module__.startswith("pywharf.") and not kind.__module__.startswith("pywharf.testing")}


def test_every_error_is_documented_and_every_documented_error_exists() -> None:
    documented = re.findall(r"^\| `([A-Z]\w+)` \|", page("reference/errors.md"), re.MULTILINE)

    assert sorted(documented) == sorted(kind.__name__ for kind in error_classes())


def test_every_error_is_documented_with_the_status_it_has() -> None:
    statuses = dict(re.findall(r"^\| `([A-Z]\w+)` \| (\d{3}) \|", page("reference/errors.md"), re.MULTILINE))

    assert statuses
    for kind in error_classes():
        if kind.__name__ in statuses:
            status = next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)
            assert statuses[kind.__name__] == str(status), kind.__name__
    assert {str(status) for status in STATUS.values()} <= set(statuses.values())


# --- files on disk -------------------------------------------------------------------------------------------------


def test_everything_in_root_is_documented(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    properties = [name for name, value in vars(Layout).items() if isinstance(value, property)]
    text = page("reference/files-on-disk.md").split("\n## ")[0]

    assert properties
    for name in properties:
        assert f"`{getattr(layout, name).name}" in text, f"{name} is {getattr(layout, name).name}"


# --- links, tests, pages -------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as the usual hosts make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in links(path):
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.is_file(), f"{link}: there is no such file"
        assert not anchor or anchor in anchors(found), f"{link}: there is no such heading"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, todo = set(), [DOCS / "index.md"]
    while todo:
        at = todo.pop()
        reached.add(at)
        found = {(at.parent / link.partition("#")[0]).resolve() for link in links(at) if link.partition("#")[0].endswith(".md")}
        todo += [path for path in found if path not in reached and path.is_relative_to(DOCS)]

    assert sorted(map(named, reached)) == sorted(named(path) for path in PAGES if path.is_relative_to(DOCS))


def test_every_decision_is_listed_by_its_title() -> None:
    listed = page("decisions/README.md")

    for path in sorted((DOCS / "decisions").glob("0*.md")):
        number, title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(" ", 1)
        assert path.name.startswith(f"{number}-")
        assert f"[{number}]({path.name}) | {title} |" in listed


@pytest.mark.parametrize("path", ["explanation/security-holes.md", "reference/reliability.md"])
def test_every_test_that_a_page_names_exists(path: str) -> None:
    named_tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+)(?:\[(\w+)\])?)?`", page(path))

    assert named_tests
    there = {path: names_in(ROOT / path) for path in {path for path, _, _ in named_tests}}
    for path, name, case in named_tests:
        assert not name or name in there[path], f"{path}::{name}"
        assert not case or case in there[path], f"{path}::{name}[{case}]: no rule is called so"


def test_every_row_of_the_matrix_of_faults_has_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| X(\d+) \| .+ \| (.+) \| (.*) \|$", page("reference/reliability.md"), re.MULTILINE)

    assert [int(number) for number, _, _ in rows] == list(range(1, 23))
    for number, holds, shown in rows:
        assert "::test_" in shown or "does not apply" in holds, f"X{number}"


def names_in(path: Path) -> set[str]:
    """The functions and classes of a test file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_every_hole_of_the_first_pywharf_is_on_the_security_page() -> None:
    rows = re.findall(r"^\| (O\d+) \|", page("explanation/security-holes.md"), re.MULTILINE)

    assert rows == [f"O{number}" for number in range(1, 61)]


# --- what people run -----------------------------------------------------------------------------------------------


def test_the_command_that_the_readme_gives_for_the_tests_is_what_the_automatic_check_runs() -> None:
    command = next(block.strip() for path, block in blocks("sh") if path == "README.md" and "tox" in block)

    assert "\n" not in command
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert command in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_changelog_tells_of_this_version() -> None:
    assert f"## [{pywharf.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_backend_of_the_how_to_keeps_the_contract(tmp_path: Path) -> None:
    files = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", page("how-to/write-a-backend.md"), re.MULTILINE | re.DOTALL)
    assert len(files) == 3
    for path, source in files:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(source, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "COVERAGE_"))}
    environ["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *([environ["PYTHONPATH"]] if "PYTHONPATH" in environ else [])])

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stdout[-4000:]
    assert re.search(r"\d{2,} passed", run.stdout)
