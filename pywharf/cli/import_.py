"""`pywharf import SOURCE NAME --root ROOT`: the command's words, and what it prints."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pywharf.cli.positional import Positional, positionals

if TYPE_CHECKING:
    from pywharf.cli.progress import Progress
    from pywharf.repository.import_sources import ImportSource
    from pywharf.repository.importing import Outcome

MOST_JOBS = 16  # as many changes as one repository takes at once


@click.command("import", short_help="Take over the files of a folder or another index.")
@positionals(
    Positional("source", "A folder, or the URL of an index's list of projects; the same as the argument."),
    Positional("name", "The repository's name; the same as the argument."),
)
@click.option("--root", required=True, type=click.Path(exists=True, file_okay=False), help="The ROOT of a server. It may be running.")
@click.option(
    "--project", "patterns", metavar="PATTERN", multiple=True, help='Only these projects, e.g. "acme-*". May be given several times.'
)
@click.option("--source_user", metavar="USER", default="", help="Whom the source knows you as.")
@click.option("--source_secret_env", metavar="VARIABLE", help="The environment variable that holds your password or token at the source.")
@click.option(
    "--secret_env", metavar="VARIABLE", help="The environment variable that holds the secret to store with. Default: the server's own."
)
@click.option("--allow_unhashed", is_flag=True, help="Take files too for which the source gives no sha256, nor a stronger digest.")
@click.option(
    "--jobs",
    metavar="NUMBER",
    type=click.IntRange(1, MOST_JOBS),
    default=4,
    show_default=True,
    help="How many files are imported at a time.",
)
@click.option("--dry_run", is_flag=True, help="Change nothing, and say what would be done.")
@click.option("--debug", is_flag=True, help="Log more. Secrets stay out of the log all the same.")
def import_(
    source: str,
    name: str,
    root: str,
    patterns: tuple[str, ...],
    source_user: str,
    source_secret_env: str | None,
    secret_env: str | None,
    allow_unhashed: bool,
    jobs: int,
    dry_run: bool,
    debug: bool,
) -> None:
    """Take over the files of a folder, or of another package index, into a repository of ROOT.

    SOURCE is a folder with wheels and sdists in it or below it, or the URL of any index that installers can use, e.g.
    https://index.example/simple/. Each file passes the checks of an upload. Upload times, yanks and project statuses come along. What is
    here already is passed over, so that a run that was ended is gone on with by running it again.
    """
    from pywharf import logs
    from pywharf.cli.opened_root import configured_root, opened, settings_with_secret
    from pywharf.cli.progress import Progress
    from pywharf.model.names import normalize_pattern
    from pywharf.repository.importing import import_files

    files = _source(source, [normalize_pattern(pattern) for pattern in patterns], source_user, source_secret_env, allow_unhashed, jobs)
    layout = configured_root(Path(root))
    logs.set_up(layout.log, debug, stderr_level=logging.ERROR)
    settings = settings_with_secret(layout, name, secret_env)
    with opened(layout, settings) as repository, Progress(f"{settings.name}: files looked at") as progress:
        told = _Told(progress, dry_run)
        try:
            import_files(repository, files, jobs=jobs, dry_run=dry_run, on_outcome=told.outcome)
        finally:
            files.close()
            if told.counts["imported"] and not dry_run:
                layout.unclaimed.unlink(
                    missing_ok=True
                )  # files are stored: being on the same machine no longer replaces this configuration
            told.summary()
    if told.counts["refused"] + told.counts["failed"]:
        click.get_current_context().exit(1)


def _source(source: str, patterns: list[str], user: str, secret_variable: str | None, allow_unhashed: bool, jobs: int) -> ImportSource:
    from pywharf.logs import remember_secret
    from pywharf.repository.import_sources import FolderSource, IndexSource

    if "://" not in source:
        if user or secret_variable:
            raise click.UsageError("--source_user and --source_secret_env are for an index, and SOURCE is a folder")
        if not Path(source).is_dir():
            raise click.UsageError(f"there is no folder {source}; an index is given by its URL, e.g. https://index.example/simple/")
        return FolderSource(Path(source), patterns)
    secret = ""
    if secret_variable is not None:
        secret = os.environ.get(secret_variable, "")
        if not secret:
            raise click.UsageError(f"the environment variable {secret_variable} (--source_secret_env) is not set, or empty")
        remember_secret(secret)
    return IndexSource(source, user, secret, patterns, needs_hashes=not allow_unhashed, connections=2 * jobs)


class _Told:
    """What is printed, and how much of each kind there was."""

    def __init__(self, progress: Progress, dry_run: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._progress = progress
        self._dry_run = dry_run

    def outcome(self, outcome: Outcome) -> None:
        from pywharf.logs import printable

        self.counts[outcome.kind] += 1
        if outcome.kind != "there":
            self._progress.clear()
            click.echo(printable(f"{outcome.kind:<8} {outcome.name}{': ' if outcome.detail else ''}{outcome.detail}"))
        self._progress.update(self.counts.total() - self.counts["yanked"] - self.counts["status"])

    def summary(self) -> None:
        self._progress.clear()
        counts = self.counts
        click.echo(
            f"{'would be imported' if self._dry_run else 'imported'}: {counts['imported']}, already there: {counts['there']}, "
            f"refused: {counts['refused']}, failed: {counts['failed']}"
        )
