"""The house keeps its rules: who may import whom, what may not be written, where things are said once.

Each rule reads modules as `ast` gives them and yields what breaks it; no module is imported. `BROKEN` holds, for each
rule, source that breaks it: a rule that cannot fail is no rule. docs/explanation/architecture.md tells the reasons.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).parent.parent

# From the bottom up: a part may import the parts on the lines above its own, and itself.
LAYERS = (
    ("nap", "own_process"),
    ("counting", "errors", "files", "log_gathering"),
    ("model",),
    ("backend",),
    ("api", "keys", "layout", "logs"),
    ("config_text", "stored_config"),
    ("config",),
    ("repository",),
    ("wharf",),
    ("web",),
    ("cli",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
SEAM = {"backend", "model", "errors", "files", "api"}  # what a backend's author may import, and nothing above

# Imports beside the layers, for a plugin's commands.py alone (loaded on use), with their reason.
PLUGIN_COMMANDS_MAY_IMPORT = {
    "pywharf.repository.static_site",  # `TYPE.COMMAND` can write an index as files
    "pywharf.config_text.toml_table",  # ... and print a configuration that can be read back
}

# `except Exception` (or wider) that does not raise again, with its reason.
CATCHES_ALL = {
    "pywharf/backend/discovery.py": "whatever a stranger's module does at import may not stop the others",
    "pywharf/log_gathering.py": "an event that cannot be written down loses neither the others nor the thread that writes them",
    "pywharf/repository/signatures.py": "whatever a library does with a hostile certificate: the signature is not verified, and the upload refused",
    "pywharf/repository/sync.py": "the sync loop goes on, whatever one turn met",
    "pywharf/web/app.py": "the top: a bug becomes a 500 with nothing private in it",
    "pywharf/web/server/connections.py": "the threads that look after all connections go on, whatever one of them met",
    "pywharf/web/server/sending.py": "what an application does when its response is closed may not end the thread that closes it",
    "pywharf/web/readme_process.py": "whatever a library does with a hostile text: the text is shown as it was written",
}

# Modules that speak HTTP outside of web/, as clients, with their reason.
HTTP_CLIENTS = {
    "pywharf/repository/source_client.py": "asks the index that files are imported from, whose statuses become errors here",
    "plugins/pywharf_github/transport.py": "asks git hosts, whose statuses become errors of pywharf's here",
    "plugins/pywharf_github/rest.py": "asks GitHub's REST API, whose statuses say what to tell a person",
}

# Modules of the core that name a backend, with their reason.
NAMES_A_BACKEND = {
    "pywharf/model/publisher.py": "identities that sign are named after the hosts that vouch for them, one of which has that name",
    "pywharf/repository/signatures.py": "the same",
    "pywharf/testing/github_rest.py": "stands in for the host of that name",
}

# Modules over 300 lines, with their reason. None needs to be so far.
LONGER: dict[str, str] = {}

# Comparisons by == or `in` of something named like a secret, with their reason. Nothing has needed one so far.
COMPARES_SECRETS: dict[tuple[str, str], str] = {}

NO_REGISTRY_BUT_ONE = ".".join(["pypi", "org"])
OTHER_REGISTRIES = [
    ".".join(parts)
    for parts in (("test", "pypi", "org"), ("upload", "pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"))
]
MACHINE_PATHS = re.compile("|".join(["/" + "work/", "/" + "root/", "/" + r"home/\w", "/" + r"Users/\w", "/" + "tmp/v/"]))
NOT_OURS = re.compile(r"\.(?!ci$|gitignore$|github$)|__pycache__$|.*\.egg-info$|(build|dist|htmlcov|wharf-root)$")


# --- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Module:
    """One module's source, and what its place says about it."""

    path: str  # from the root of the checkout, e.g. "pywharf/web/app.py"
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @property
    def name(self) -> str:
        parts = self.path.removesuffix(".py").removesuffix("/__init__").removeprefix("plugins/").split("/")
        return ".".join(parts)

    @property
    def is_plugin(self) -> bool:
        return self.path.startswith("plugins/")

    @property
    def part(self) -> str:
        """The part of pywharf it belongs to: "web" for pywharf/web/app.py, "" for pywharf itself and for plugins."""
        parts = self.name.split(".")
        return "" if self.is_plugin or len(parts) < 2 else parts[1]

    @cached_property
    def walk(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def docstrings(self) -> set[int]:
        """The ids of the constants that are docstrings."""
        owners = [node for node in self.walk if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
        firsts = [node.body[0] for node in owners if node.body and isinstance(node.body[0], ast.Expr)]
        return {id(first.value) for first in firsts if isinstance(first.value, ast.Constant)}

    @cached_property
    def imports(self) -> list[tuple[str, int]]:
        """Every imported name in full, wherever the import stands, with its line. `from a import b` gives "a.b"."""
        found = []
        for node in self.walk:
            if isinstance(node, ast.Import):
                found += [(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = self.name.split(".")
                up = base[: len(base) - node.level + self.path.endswith("__init__.py")] if node.level else []
                source = ".".join([*up, *([node.module] if node.module else [])])
                found += [(f"{source}.{alias.name}", node.lineno) for alias in node.names]
        return found


def modules_below(*folders: str) -> list[Module]:
    paths = itertools.chain.from_iterable(sorted((ROOT / folder).rglob("*.py")) for folder in folders)
    return [Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


MODULES = modules_below("pywharf", "plugins")
PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").iterdir() if folder.is_dir() and not NOT_OURS.match(folder.name))
BACKENDS = {"github", "object_store", *(plugin.removeprefix("pywharf_") for plugin in PLUGINS)}

Finding = tuple[int, str]  # line, what is wrong


def part_of(imported: str) -> str:
    """ "web" of "pywharf.web.app.make_app"; "" of what is not pywharf's."""
    parts = imported.split(".")
    return parts[1] if parts[0] == "pywharf" and len(parts) > 1 else ""


def named(node: ast.AST) -> str:
    """The name that a variable, an attribute, an argument or a call of one goes by."""
    if isinstance(node, ast.Call):
        return named(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_everything(kind: ast.expr | None) -> bool:
    """Whether an `except` of this kind catches what nobody thought of."""
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


# --- the rules: layers ---------------------------------------------------------------------------------------------


def imports_go_down(module: Module) -> Iterator[Finding]:
    if module.is_plugin or module.part in ("", "testing", "__main__"):
        return
    if module.part not in LEVEL:
        yield 1, f"the part {module.part!r} has no layer: give it one in LAYERS, and in docs/explanation/architecture.md"
        return
    for imported, line in module.imports:
        part = part_of(imported)
        if part and part not in ("__version__", module.part) and LEVEL.get(part, 99) >= LEVEL[module.part]:
            yield line, f"imports {imported}: {module.part} is below or beside {part}"


def plugins_import_the_seam_only(module: Module) -> Iterator[Finding]:
    if not module.is_plugin:
        return
    own = module.name.split(".")[0]
    for imported, line in module.imports:
        allowed = part_of(imported) in {*SEAM, "__version__"} or (
            module.path.endswith("/commands.py") and any(imported.startswith(above) for above in PLUGIN_COMMANDS_MAY_IMPORT)
        )
        if imported.startswith("pywharf.") and not allowed:
            yield line, f"imports {imported}: a plugin may import {', '.join(sorted(SEAM))} of pywharf and nothing above"
        if imported.split(".")[0] in PLUGINS and imported.split(".")[0] != own:
            yield line, f"imports {imported}: plugins do not know each other"


def the_kit_is_for_plugins_and_nobody_else(module: Module) -> Iterator[Finding]:
    if module.part == "testing":
        for imported, line in module.imports:
            if part_of(imported) and part_of(imported) not in SEAM | {"testing"}:
                yield line, f"imports {imported}: the kit is for authors of backends, who see {', '.join(sorted(SEAM))} only"
        return
    for imported, line in module.imports:
        if part_of(imported) == "testing":
            yield line, f"imports {imported}: the kit is for tests"


def pure_parts_touch_no_file_and_no_socket(module: Module) -> Iterator[Finding]:
    if module.part not in ("model", "api"):
        return
    impure = {"os", "io", "pathlib", "shutil", "tempfile", "socket", "http", "sqlite3", "subprocess", "threading", "logging"}
    for imported, line in module.imports:
        if imported.split(".")[0] in impure or imported.startswith("urllib.request"):
            yield line, f"imports {imported}: {module.part}/ is data in, data out"
    for node in module.walk:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield node.lineno, f"opens a file: {module.part}/ is data in, data out"


def http_is_known_in_web_only(module: Module) -> Iterator[Finding]:
    if module.part in ("web", "cli", "testing") or module.path in HTTP_CLIENTS:
        return
    for imported, line in module.imports:
        if imported.split(".")[0] in ("bottle", "cheroot", "http", "wsgiref"):
            yield line, f"imports {imported}: only web/ speaks HTTP"
    statuses = {400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 416, 429, 502, 503}
    for node in module.walk:
        number = node.value if isinstance(node, ast.Constant) and type(node.value) is int else 0
        if number in statuses:
            yield getattr(node, "lineno", 1), f"writes {number}: is it a status? Only web/responses.py maps errors to statuses"


def what_lists_plugins_is_light(module: Module) -> Iterator[Finding]:
    light = {"pywharf.errors", "pywharf.backend.interface", "pywharf.backend.discovery", "pywharf.cli.main", *PLUGINS}
    heavy = {"pydantic", "bottle", "cheroot", "sqlite3", "dulwich", "multipart", "toml"}
    if module.name not in light:
        return
    for statement in module.tree.body:
        for node in ast.walk(statement) if isinstance(statement, ast.Import | ast.ImportFrom) else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.split(".")[0] in heavy or name == "pywharf.backend.settings":
                    yield statement.lineno, f"imports {name} at the top: `pywharf --help` would wait for it"


def no_backend_is_named_in_the_core(module: Module) -> Iterator[Finding]:
    """In code and in text; a docstring or a comment may give an example."""
    if module.is_plugin or module.path in NAMES_A_BACKEND:
        return
    pattern = re.compile("|".join(rf"(?<![a-z]){name}(?![a-z])" for name in sorted(BACKENDS)))
    for node in module.walk:
        words = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in module.docstrings:
            words = [node.value]
        elif isinstance(node, ast.Name | ast.Attribute):
            words = [named(node)]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.alias):
            words = [node.name]
        elif isinstance(node, ast.ImportFrom):
            words = [node.module or ""]
        elif isinstance(node, ast.arg | ast.keyword):
            words = [node.arg or ""]
        for word in words:
            if found := pattern.search(word.lower()):
                yield getattr(node, "lineno", 1), f"names the backend {found[0]!r}: the core finds plugins, it knows none"


# --- the rules: what may not be written ----------------------------------------------------------------------------


def nothing_dangerous_is_called(module: Module) -> Iterator[Finding]:
    modules = {
        "pickle": "data could run code",
        "shelve": "it is pickle",
        "dill": "it is pickle",
    }
    calls = {
        "eval": "text could run code",
        "exec": "text could run code",
        "system": "it starts a shell",
        "popen": "it starts a shell",
        "extractall": "an archive could write anywhere",
        "mktemp": "somebody else could make the file first",
    }
    for imported, line in module.imports:
        if imported.split(".")[0] in modules:
            yield line, f"imports {imported}: {modules[imported.split('.')[0]]}"
    for node in module.walk:
        if isinstance(node, ast.Call):
            if named(node.func) in calls:
                yield node.lineno, f"calls {named(node.func)}: {calls[named(node.func)]}"
            for keyword in node.keywords:
                if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
                    yield node.lineno, "starts a shell"
                if keyword.arg == "secret" and named(node.func) in ("get_cookie", "set_cookie"):
                    yield node.lineno, "uses Bottle's signed cookies: they are pickles"
            if named(node.func) == "dumps" and isinstance(node.func, ast.Attribute) and named(node.func.value) == "toml":
                yield node.lineno, "writes TOML with toml.dumps, which writes what it cannot read back"
        if isinstance(node, ast.Attribute) and node.attr == "url" and named(node.value) == "request":
            yield node.lineno, "uses request.url, which believes any Host header"


def secrets_are_compared_in_constant_time(module: Module) -> Iterator[Finding]:
    telling = re.compile(r"(?:^|_)(?:secrets?|tokens?|passwords?|digests?|signatures?|fingerprints?|hmac)(?:_raw|$)")
    for node in module.walk:
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            continue
        sides = [node.left] if isinstance(node.ops[0], ast.In | ast.NotIn) else [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue  # with a constant that stands in the code there is no secret to learn
        for side in sides:
            if telling.search(named(side)) and (module.path, named(side)) not in COMPARES_SECRETS:
                yield node.lineno, f"compares {named(side)}: use hmac.compare_digest over digests of one length"


def assert_is_for_the_type_checker_only(module: Module) -> Iterator[Finding]:
    """`python -O` leaves asserts out. The kit's asserts are tests."""
    if module.part == "testing":
        return
    lines = module.source.splitlines()
    for node in module.walk:
        if isinstance(node, ast.Assert) and "type checker" not in "\n".join(lines[node.lineno - 1 : node.end_lineno]):
            yield node.lineno, "asserts without the comment that it is for the type checker: raise an error"


def only_few_catch_everything(module: Module) -> Iterator[Finding]:
    if module.path in CATCHES_ALL:
        return
    for node in module.walk:
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if any(is_everything(kind) for kind in kinds) and not raises_again:
                yield node.lineno, f"catches everything: name the errors, or raise again (only in {', '.join(CATCHES_ALL)})"
        if isinstance(node, ast.Call) and named(node.func) == "suppress" and any(is_everything(kind) for kind in node.args):
            yield node.lineno, "suppresses everything: name the errors"


def every_module_says_what_it_is_for(module: Module) -> Iterator[Finding]:
    if not ast.get_docstring(module.tree):
        yield 1, "has no docstring that says what the file is for"


def a_module_has_at_most_300_lines(module: Module) -> Iterator[Finding]:
    if (lines := module.source.count("\n")) > 300 and module.path not in LONGER:
        yield 300, f"has {lines} lines: it wants a split, by reason to change"


def names_say_what_is_inside(module: Module) -> Iterator[Finding]:
    for word in module.name.split("."):
        if {"utils", "util", "helpers", "helper", "common", "manager", "misc"} & set(word.split("_")):
            yield 1, f"is called {word!r}, which says nothing: name it after the question it answers"


def errors_are_of_the_one_tree(module: Module) -> Iterator[Finding]:
    """Every error is a WharfError, so that the web's and the command line's tables cannot miss one; or its docstring says that it never
    leaves its part."""
    for node in module.walk:
        if isinstance(node, ast.ClassDef) and node.name != "WharfError" and module.part != "testing":
            bases = {named(base) for base in node.bases}
            builtin = {"Exception", "BaseException", "RuntimeError", "ValueError", "LookupError", "OSError"}
            if bases & builtin and not bases & ERROR_TREE and "Never leaves" not in (ast.get_docstring(node) or ""):
                yield node.lineno, f"{node.name} is an error outside the tree of pywharf.errors.WharfError"


def error_tree() -> set[str]:
    classes = [(node.name, {named(base) for base in node.bases}) for m in MODULES for node in m.walk if isinstance(node, ast.ClassDef)]
    tree = {"WharfError"}
    while grown := {name for name, bases in classes if bases & tree} - tree:
        tree |= grown
    return tree


ERROR_TREE = error_tree()

Rule = Callable[[Module], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    imports_go_down,
    plugins_import_the_seam_only,
    the_kit_is_for_plugins_and_nobody_else,
    pure_parts_touch_no_file_and_no_socket,
    http_is_known_in_web_only,
    what_lists_plugins_is_light,
    no_backend_is_named_in_the_core,
    nothing_dangerous_is_called,
    secrets_are_compared_in_constant_time,
    assert_is_for_the_type_checker_only,
    only_few_catch_everything,
    every_module_says_what_it_is_for,
    a_module_has_at_most_300_lines,
    names_say_what_is_inside,
    errors_are_of_the_one_tree,
)

# For each rule, source that breaks it, and where it would have to stand.
BROKEN: tuple[tuple[Rule, str, str], ...] = (
    (imports_go_down, "pywharf/model/names.py", "from pywharf.web.app import make_app"),
    (imports_go_down, "pywharf/errors.py", "from pywharf import files"),
    (imports_go_down, "pywharf/repository/sync.py", "def late():\n    import pywharf.wharf"),
    (imports_go_down, "pywharf/repository/sync.py", "from ..web import app"),
    (imports_go_down, "pywharf/repository/__init__.py", "from ..web import app"),
    (imports_go_down, "pywharf/novelty.py", ""),
    (plugins_import_the_seam_only, "plugins/pywharf_file_system/store.py", "from pywharf.repository.sync import Sync"),
    (plugins_import_the_seam_only, "plugins/pywharf_file_system/store.py", "from pywharf.repository.static_site import write"),
    (plugins_import_the_seam_only, "plugins/pywharf_file_system/commands.py", "import pywharf.wharf"),
    (plugins_import_the_seam_only, "plugins/pywharf_other/store.py", "import pywharf_file_system"),
    (the_kit_is_for_plugins_and_nobody_else, "pywharf/web/app.py", "from pywharf.testing import memory"),
    (the_kit_is_for_plugins_and_nobody_else, "pywharf/testing/memory.py", "from pywharf.web import app"),
    (pure_parts_touch_no_file_and_no_socket, "pywharf/api/simple.py", "from pathlib import Path"),
    (pure_parts_touch_no_file_and_no_socket, "pywharf/api/simple.py", "import urllib.request"),
    (pure_parts_touch_no_file_and_no_socket, "pywharf/model/record.py", "open('x')"),
    (http_is_known_in_web_only, "pywharf/repository/sync.py", "import bottle"),
    (http_is_known_in_web_only, "pywharf/repository/sync.py", "status = 404"),
    (what_lists_plugins_is_light, "pywharf/backend/interface.py", "from pydantic import BaseModel"),
    (what_lists_plugins_is_light, "pywharf/cli/main.py", "import pywharf.backend.settings"),
    (no_backend_is_named_in_the_core, "pywharf/cli/first_start.py", "plugin = find_plugin('file_system')"),
    (no_backend_is_named_in_the_core, "pywharf/cli/first_start.py", "def make(github_token): ..."),
    (no_backend_is_named_in_the_core, "pywharf/cli/first_start.py", "from pywharf_file_system import plugin"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "from pickle import loads"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "eval('1')"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "os.system('ls')"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "run('ls', shell=True)"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "archive.extractall(folder)"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "request.get_cookie('session', secret=key)"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "redirect(request.url)"),
    (nothing_dangerous_is_called, "pywharf/web/app.py", "toml.dumps({})"),
    (secrets_are_compared_in_constant_time, "pywharf/web/app.py", "ok = secret == given"),
    (secrets_are_compared_in_constant_time, "pywharf/web/app.py", "ok = given == self.write_secret"),
    (secrets_are_compared_in_constant_time, "pywharf/web/app.py", "ok = token in tokens"),
    (secrets_are_compared_in_constant_time, "pywharf/web/app.py", "ok = md5_digest(x) != other"),
    (assert_is_for_the_type_checker_only, "pywharf/web/app.py", "assert allowed, 'go away'"),
    (only_few_catch_everything, "pywharf/wharf.py", "try: ...\nexcept Exception: ..."),
    (only_few_catch_everything, "pywharf/wharf.py", "try: ...\nexcept: ..."),
    (only_few_catch_everything, "pywharf/wharf.py", "try: ...\nexcept (OSError, BaseException) as error: raise Moved from error"),
    (only_few_catch_everything, "pywharf/wharf.py", "with contextlib.suppress(Exception): ..."),
    (every_module_says_what_it_is_for, "pywharf/wharf.py", "import os"),
    (a_module_has_at_most_300_lines, "pywharf/wharf.py", "\n" * 301),
    (names_say_what_is_inside, "pywharf/web/http_utils.py", ""),
    (errors_are_of_the_one_tree, "pywharf/web/app.py", "class Surprise(Exception): ..."),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    broken = [f"{module.path}:{line}: {problem}" for module in MODULES for line, problem in rule(module)]

    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("rule", "path", "source"), BROKEN, ids=[f"{rule.__name__}-{number}" for number, (rule, _, _) in enumerate(BROKEN)]
)
def test_the_rule_finds_what_breaks_it(rule: Rule, path: str, source: str) -> None:
    assert list(rule(Module(path, source)))


def test_every_rule_is_shown_to_be_able_to_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize(
    "source",
    [
        "try: ...\nexcept BaseException:\n    clean()\n    raise",
        "assert x is not None  # for the type checker",
        'ok = kind == "token" or digest == ""',
        '"""Say why file_system is an example."""',
        "run('ls', shell=False)",
        "request.get_cookie('session')",
    ],
)
def test_the_rules_let_pass_what_they_mean_to(source: str) -> None:
    module = Module("pywharf/web/responses.py", source)

    assert [problem for rule in RULES if rule is not every_module_says_what_it_is_for for problem in rule(module)] == []


def test_exceptions_from_the_rules_are_still_needed() -> None:
    by_path = {module.path: module for module in MODULES}
    exempt = [*CATCHES_ALL, *HTTP_CLIENTS, *LONGER, *(path for path, _ in COMPARES_SECRETS)]

    assert [path for path in exempt if path not in by_path] == []
    assert [path for path in LONGER if by_path[path].source.count("\n") <= 300] == []


# --- circles -------------------------------------------------------------------------------------------------------


def circles(modules: list[Module]) -> list[list[str]]:
    """Groups of modules that import each other in a round, wherever in the file the import stands."""
    names = {module.name for module in modules}

    def target(imported: str) -> str:
        parts = imported.split(".")
        return next((".".join(parts[:end]) for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in names), "")

    graph = {module.name: {target(imported) for imported, _ in module.imports} - {"", module.name} for module in modules}

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for following in graph[todo.pop()] - seen:
                seen.add(following)
                todo.append(following)
        return seen

    reached = {name: reach(name) for name in graph}
    rounds = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph if name in reached[name]}
    return sorted(sorted(one) for one in rounds)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(MODULES) == []


def test_a_circle_is_found_also_through_a_late_import() -> None:
    modules = [
        Module("pywharf/a.py", "from pywharf.b import x"),
        Module("pywharf/b.py", "def f():\n    from pywharf import c"),
        Module("pywharf/c.py", "import pywharf.a"),
        Module("pywharf/d.py", "import pywharf.a"),
    ]

    assert circles(modules) == [["pywharf.a", "pywharf.b", "pywharf.c"]]


# --- the whole checkout, not only Python ---------------------------------------------------------------------------


def own_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Path and text of every file that is ours: not what tools leave behind."""
    for path in sorted(folder.iterdir()):
        if NOT_OURS.match(path.name):
            continue
        if path.is_dir():
            yield from own_texts(path)
        elif path.is_file() and path.stat().st_size < 10_000_000:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def lines_with(pattern: str | re.Pattern[str]) -> list[str]:
    wanted = pattern if isinstance(pattern, re.Pattern) else re.compile(re.escape(pattern))
    return [
        f"{path}:{number}"
        for path, text in own_texts(ROOT)
        if wanted.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_the_public_index_is_named_once_where_the_extra_index_has_its_default() -> None:
    found = lines_with(NO_REGISTRY_BUT_ONE)

    assert len(found) == 1, f"one place for it, the default of extra_index_url; found in {found}"
    path, line = found[0].rsplit(":", 1)
    assert path.startswith("pywharf/")
    assert "extra_index_url" in "".join((ROOT / path).read_text(encoding="utf-8").splitlines()[max(0, int(line) - 3) : int(line)]).lower()


@pytest.mark.parametrize("host", OTHER_REGISTRIES)
def test_no_other_registry_is_named_anywhere(host: str) -> None:
    assert lines_with(host) == []


def test_no_file_knows_a_path_of_the_machine_it_was_written_on() -> None:
    assert lines_with(MACHINE_PATHS) == []
