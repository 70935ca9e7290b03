"""`pywharf backends`: which backends are installed, and which of them cannot be used."""

from __future__ import annotations

import click

from pywharf.backend.discovery import installed_plugins


@click.command()
def backends() -> None:
    """List the installed backends.

    One line each: the type as in the configuration, the distribution that brings it and its version, its own commands; or
    why it cannot be used. The exit code is 0 in either case.
    """
    rows = []
    for installed in installed_plugins():
        origin = f"{installed.distribution} {installed.version}".strip()
        if installed.plugin is None:
            rows.append((installed.type, origin, f"cannot be used: {installed.problem}"))
        else:
            commands = ", ".join(f"{installed.type}.{command.name}" for command in installed.plugin.commands)
            rows.append((installed.type, origin, f"commands: {commands}" if commands else ""))
    if not rows:
        click.echo("No backend is installed.")
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
    for type_, origin, remark in rows:
        click.echo(f"{type_:<{widths[0]}}  {origin:<{widths[1]}}  {remark}".rstrip().replace("\n", " "))
