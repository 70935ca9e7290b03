"""`pywharf verify ROOT [NAME...]`: the command's words, and what it prints."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pywharf.cli.progress import Progress
    from pywharf.repository.findings import Finding
    from pywharf.repository.verification import Summary


@click.command(short_help="Compare what is stored with what is known of it.")
@click.argument("words", metavar="ROOT [NAME]...", nargs=-1)
@click.option("--root", metavar="ROOT", type=click.Path(exists=True, file_okay=False), help="The same as the argument ROOT.")
@click.option("--name", "name_flags", metavar="NAME", multiple=True, help="The same as an argument NAME. May be given several times.")
@click.option("--repair", is_flag=True, help="Make anew what is derived, and put back what can still be had. Removes nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each difference, and at the end the sums.")
@click.option("--debug", is_flag=True, help="Log more. Secrets stay out of the log all the same.")
def verify(
    words: tuple[str, ...],
    root: str | None,
    name_flags: tuple[str, ...],
    repair: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Read everything that repositories of ROOT store, and compare it with everything that is known of it.

    One line for each difference: what it is about, where, what is wrong, what to do. The exit code is 1 where a difference is left, 0
    where there is none. A server may run on the same ROOT meanwhile. Without NAME all repositories are looked at.
    """
    from pywharf import logs
    from pywharf.cli.opened_root import configured_root, opened, settings_of
    from pywharf.cli.progress import Progress
    from pywharf.repository.verification import verify as verify_repository

    if root is None and not words:
        raise click.UsageError("ROOT is missing")
    names = (*words[root is None :], *name_flags)
    layout = configured_root(Path(words[0] if root is None else root))
    logs.set_up(layout.log, debug, stderr_level=logging.ERROR)
    left = 0
    for settings in settings_of(layout, names):
        with opened(layout, settings) as repository, Progress(f"{settings.name}: files looked at") as progress:
            told = _Told(settings.name, as_json, progress)
            summary = verify_repository(repository, layout, repair=repair, on_finding=told.finding, on_progress=progress.update)
        told.summary(summary)
        left += summary.left
    if left:
        click.get_current_context().exit(1)


class _Told:
    """What is printed of one repository."""

    def __init__(self, repository: str, as_json: bool, progress: Progress) -> None:
        self._repository = repository
        self._as_json = as_json
        self._progress = progress

    def finding(self, finding: Finding) -> None:
        from pywharf.logs import printable

        self._progress.clear()
        if self._as_json:
            self._object(asdict(finding))
        else:
            end = "mended" if finding.mended else finding.remedy
            click.echo(printable(f"{finding.kind:<8} {self._repository}: {finding.where}: {finding.what}; {end}"))

    def summary(self, summary: Summary) -> None:
        if self._as_json:
            self._object({"files": summary.files, "bytes": summary.size, "found": summary.found, "mended": summary.mended})
        else:
            click.echo(
                f"{self._repository}: {_counted(summary.files, 'file')}, {summary.size} bytes looked at; "
                + (f"{_counted(summary.found, 'difference')}, {summary.mended} mended" if summary.found else "no difference")
            )

    def _object(self, said: dict[str, object]) -> None:
        click.echo(json.dumps({"repository": self._repository, **said}))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
