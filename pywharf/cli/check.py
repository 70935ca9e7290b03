"""`pywharf check PATH...`: what admission would say of files, without a server and without storing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from pywharf.backend.settings import AdmissionRules
from pywharf.cli.config_options import config_options, config_values
from pywharf.cli.progress import Progress
from pywharf.errors import InvalidName, UploadRejected
from pywharf.logs import printable
from pywharf.model.names import SDIST_SUFFIXES, parse_filename
from pywharf.repository.admission import admit_file

_ABOUT_NEW_PROJECTS = ("standard_library_names", "confusable_names")  # asked of what a repository holds already


@click.command(short_help="Say whether files would be taken as uploads.")
@click.argument("words", metavar="PATH...", nargs=-1, type=click.Path(exists=True))
@click.option(
    "--path",
    "path_flags",
    metavar="PATH",
    multiple=True,
    type=click.Path(exists=True),
    help="The same as PATH. May be given several times.",
)
def check(words: tuple[str, ...], path_flags: tuple[str, ...], **parameters: Any) -> None:
    """Run the checks of an upload over files, and over the wheels and source distributions in folders and below them.

    One line for each file that would be refused, with the check it fails, and for each that would be taken with a warning. The exit code
    is 1 where one would be refused. Nothing is stored and nobody is asked. The rules are those of a repository's [NAME.admission].
    """
    paths = [Path(word) for word in (*words, *path_flags)]
    if not paths:
        raise click.UsageError("PATH is missing: a wheel, a source distribution, or a folder with some")
    rules = _rules(config_values(parameters))
    files = sorted({file for path in paths for file in _files(path)})
    if not files:
        raise click.UsageError("there is no wheel and no source distribution to check in the folders named")
    refused, warned, projects = 0, 0, set()
    with Progress("files checked") as progress:
        for done, (file, problem, warnings) in enumerate(_outcomes(files, rules), 1):
            for kind, clause in [("refused", problem)] if problem else [("warned", one) for one in warnings]:
                progress.clear()
                click.echo(printable(f"{kind:<8} {file}: {clause}"))
            refused, warned = refused + bool(problem), warned + bool(warnings)
            projects.add(_project(file))
            progress.update(done)
    click.echo(f"files: {len(files)}, projects: {len(projects)}, refused: {refused}, taken with a warning: {warned}")
    if refused:
        click.get_current_context().exit(1)


check.params += config_options(AdmissionRules, _ABOUT_NEW_PROJECTS)


def _rules(given: dict[str, Any]) -> AdmissionRules:
    try:
        return AdmissionRules.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise click.UsageError(f"--{first['loc'][0]}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error


def _files(path: Path) -> Iterator[Path]:
    """The file itself, whatever it is called; of a folder, the files in and below it that are named like distributions."""
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.name.endswith((".whl", *SDIST_SUFFIXES)) and file.is_file())
    else:
        yield path


def _outcomes(files: Sequence[Path], rules: AdmissionRules) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Each file with what it is refused for, or "", and with its warnings."""
    for file in files:
        try:
            admitted = admit_file(file, file.name, datetime.now(timezone.utc), rules)
        except UploadRejected as error:
            yield file, f"{error.reason} [{error.rule or 'file name'}]", ()
        else:
            yield file, "", admitted.warnings


def _project(file: Path) -> str:
    try:
        return parse_filename(file.name).project
    except InvalidName:
        return file.name
