"""`pywharf github.init_pkg_repo` and `pywharf github.gen_gh_pages`: the words, and what is printed. The work is elsewhere.

A token may be a word of the command line, where everybody on the machine sees it, or stand in a variable; it is printed by neither.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from pywharf.backend.interface import Backend
from pywharf.config_text import toml_table
from pywharf.errors import InvalidName
from pywharf.model.names import ProjectName, repository_name
from pywharf.repository.static_site import SiteReport, opened, write_site

if TYPE_CHECKING:
    from pywharf_github.config import GitHubConfig
    from pywharf_github.new_repository import NewRepository

PAGES_MAX_BYTES = 1_000_000_000  # of a published site, by GitHub's own limits
PLACEHOLDER_VARIABLE = "PYWHARF_GITHUB_TOKEN"  # where the server's token is looked for, as far as nobody says otherwise

Command = TypeVar("Command", bound=Callable[..., Any])


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_repository_options = _options(
    click.option("--name", required=True, help="The repository's name in pywharf's configuration."),
    click.option("--owner", required=True, help="The user or organisation that owns the git repository."),
    click.option("--repo", required=True, help="The git repository's name."),
    click.option(
        "--token",
        metavar="TOKEN",
        help="A token of the git host. Everybody on this machine sees it in `ps`: better --token_env, or PYWHARF_COMMAND_TOKEN in the "
        "environment.",
    ),
    click.option("--token_env", metavar="VARIABLE", help="The environment variable that holds the token."),
)
_host_options = _options(
    click.option("--branch", help="The branch that holds the packages.  [default: main]"),
    click.option("--index_filename", help="The file in which update_index keeps the index.  [default: index.jsonl]"),
    click.option("--max_file_bytes", type=int, help="The largest distribution file that is taken, in bytes."),
    click.option("--git_url", help="Where the git repository is; {owner} and {repo} are filled in. Default: GitHub's."),
    click.option(
        "--ca_file", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="A PEM file with certificate authorities."
    ),
    click.option("--proxy", help="The HTTP proxy to use. Default: the environment's."),
    click.option("--timeout", type=float, help="Seconds that the git host may keep silent.  [default: 60]"),
)


@click.command(short_help="Make a GitHub repository ready for packages.")
@_repository_options
@click.option("--private/--public", "private", default=True, help="Who can see it.  [default: private]")
@click.option("--description", default="Python packages, kept by pywharf.", help="What GitHub shows beside its name.", show_default=True)
@_host_options
@click.option("--api_url", help="Where the REST API is, e.g. https://HOST/api/v3 for GitHub Enterprise. Default: GitHub's.")
@click.option("--sync_index_interval", type=float, help="Seconds between two looks for changes; only for the printed configuration.")
@click.option("--workflow/--no_workflow", "with_workflow", default=True, help="Add a workflow that runs update_index.  [default: workflow]")
@click.option("--enable_gh_pages", is_flag=True, help="Add a branch with a static index, and have GitHub Pages serve it.")
@click.option("--pywharf_source", metavar="WORDS", help="What `pip install` is given in the workflow. Default: this version of pywharf.")
@click.option("--dry_run", is_flag=True, help="Show everything that would be done, the workflow included. Asks nobody, needs no token.")
def init_pkg_repo(
    name: str,
    token: str | None,
    token_env: str | None,
    private: bool,
    description: str,
    with_workflow: bool,
    enable_gh_pages: bool,
    pywharf_source: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Make a GitHub repository ready for packages, and print the configuration for it.

    Creates the repository, of the token's own user or of an organisation, and pushes a README, pywharf's own settings and a workflow
    that keeps the index. A repository of that name that holds anything is left alone. The token needs the scopes repo and workflow;
    a fine-grained one the rights Administration, Contents and Workflows, and with --enable_gh_pages Pages, each to write.
    """
    from pywharf_github import new_repository
    from pywharf_github.authors import may_ask
    from pywharf_github.workflow import PAGES_BRANCH, Words, pip_words

    config = _config(given)
    if not may_ask(config):
        raise click.UsageError("--api_url and --git_url belong together: give both, or none for GitHub itself; the token goes to both")
    if enable_gh_pages and config.branch == PAGES_BRANCH:
        raise click.UsageError(f"--branch: {PAGES_BRANCH} is the branch of the Pages site; the packages need another")
    try:
        words = Words(_name(name), config, pip_words(pywharf_source))
    except ValueError as error:
        raise click.UsageError(f"--pywharf_source {error}") from error
    new = new_repository.NewRepository(words, private, description, with_workflow, enable_gh_pages)
    if dry_run:
        _print_plan(new)
    else:
        new_repository.make(new, _token(token, token_env), lambda done: click.echo(f"pywharf: {done}", err=True))
    for warning in new_repository.warnings(new):
        click.echo(f"pywharf: warning: {warning}", err=True)
    _print_configuration(new, token_env)


@click.command(short_help="Write the index as static files, for GitHub Pages or any web server.")
@_repository_options
@click.option("--output_folder", required=True, type=click.Path(file_okay=False), help="Where to write; made if it is missing.")
@click.option(
    "--link_to",
    metavar="URL",
    help="Link to the files instead of copying them: the URL below which the branch's files are, e.g. "
    "https://raw.githubusercontent.com/OWNER/REPO/BRANCH of a public repository.",
)
@_host_options
def gen_gh_pages(name: str, token: str | None, token_env: str | None, output_folder: str, link_to: str | None, **given: Any) -> None:
    """Write a repository as a folder that any web server can serve, and pip and uv can install from.

    Simple API pages in HTML and JSON, the distribution files and their core metadata. A second run writes only what changed and removes
    what is gone; what else lies in the folder is left alone, except below simple/, which is the site's own.
    """
    from pywharf_github import plugin

    config = _config(given)
    base = _link_base(link_to)
    secret = plugin.secret_model.model_validate({"type": plugin.type, "raw": _token(token, token_env)})
    name = _name(name)
    with opened(name, plugin, config, secret) as repository, _progress(f"{name}: projects") as tell:
        report = write_site(
            repository, Path(output_folder), file_url=_in_tree(base, repository.backend) if base else None, on_progress=tell
        )
    _print_report(report)
    if report.missing:
        click.get_current_context().exit(1)


# --- what is given --------------------------------------------------------------------------------------------------


def _config(given: dict[str, Any]) -> GitHubConfig:
    """What the options say, checked as the configuration is. Raises click.UsageError, naming the option."""
    from pydantic import ValidationError

    from pywharf_github.config import GitHubConfig

    problem = ""
    try:
        return GitHubConfig.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        problem = f"--{first['loc'][0]}: " if first["loc"] else ""
        problem += first["msg"].removeprefix("Value error, ")
    # Raised out here: an error's context goes into tracebacks, and pydantic's shows the values.
    raise click.UsageError(problem)


def _name(name: str) -> str:
    try:
        return repository_name(name)
    except InvalidName as error:
        raise click.UsageError(f"--name: {error.reason}") from error


def _token(token: str | None, variable: str | None) -> str:
    """The token that is given; never shown. Raises click.UsageError."""
    if token is not None and variable is not None:
        raise click.UsageError("--token and --token_env are two ways to say one thing: give one of them")
    if token is None and variable is None:
        raise click.UsageError("a token is needed: give --token_env VARIABLE, the name of an environment variable that holds it")
    found = os.environ.get(variable or "", "") if token is None else token
    found = found.strip()  # a line feed at the end comes along easily
    where = f"--token_env: the variable {variable}" if token is None else "--token:"
    if not found:
        raise click.UsageError(f"{where} is {'not set, or ' if token is None else ''}empty")
    if not found.isascii() or not found.isprintable() or " " in found:
        raise click.UsageError(f"{where} does not hold a token: a token has ASCII letters, digits and signs only")
    return found


def _link_base(link_to: str | None) -> str | None:
    from pywharf_github.config import check_url

    if link_to is None:
        return None
    try:
        return check_url(link_to).rstrip("/")
    except ValueError as error:
        raise click.UsageError(f"--link_to: {error}") from error


def _in_tree(base: str, backend: Backend) -> Callable[[ProjectName, str], str]:
    """The URL of a file where the files of the branch can be had below `base`."""
    from pywharf_github.storage import GitHubBackend

    assert isinstance(backend, GitHubBackend)  # noqa: S101 - for the type checker: our own plugin opened it
    return lambda project, filename: f"{base}/{quote(backend.path_of(project, filename))}"


# --- what is printed ------------------------------------------------------------------------------------------------


def _print_plan(new: NewRepository) -> None:
    from pywharf_github.new_repository import plan

    click.echo("This would be done; nothing of it is done now, and nobody was asked anything:\n")
    for number, step in enumerate(plan(new), start=1):
        click.echo(f"{number}. {step}")
    files = {**new.files(), **({f"gh-pages: {path}": content for path, content in new.pages_files().items()} if new.with_pages else {})}
    for path, content in files.items():
        click.echo(f"\n----- {path}")
        click.echo(content.decode(), nl=False)
    click.echo("\n----- and this would be printed")


def _print_configuration(new: NewRepository, token_env: str | None) -> None:
    name, config = new.words.name, new.config
    table = {key: value if isinstance(value, (int, float)) else str(value) for key, value in _changed(config).items()}
    click.echo("\n# config.toml")
    click.echo(toml_table(name, {"type": "github", **table}))
    click.echo('# admin_secret.toml: a token that may read the repository, and need not do more; or raw = "..." with the token itself')
    click.echo(toml_table(name, {"type": "github", "env": token_env or PLACEHOLDER_VARIABLE}), nl=False)


def _changed(config: GitHubConfig) -> dict[str, Any]:
    """The keys of a configuration that differ from their defaults."""
    fields = {key: field for key, field in type(config).model_fields.items() if key != "type"}
    default = {key: field.get_default(call_default_factory=True) for key, field in fields.items() if not field.is_required()}
    return {key: getattr(config, key) for key in fields if key not in default or getattr(config, key) != default[key]}


def _print_report(report: SiteReport) -> None:
    for filename in report.missing:
        click.echo(f"missing  {filename}: the storage does not hold it as the index knows it; no page lists it")
    click.echo(
        f"projects: {report.projects}, files: {report.files}, {report.size:,} bytes; written: {report.written}, removed: {report.removed}, "
        f"missing: {len(report.missing)}"
    )
    if report.size > PAGES_MAX_BYTES:
        click.echo("pywharf: warning: GitHub Pages publishes sites of up to 1 GB; other web servers do not mind", err=True)


@contextlib.contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr where a person looks at it."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def tell(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield tell
