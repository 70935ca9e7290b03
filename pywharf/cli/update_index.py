"""`pywharf update_index TYPE NAME`: the command's words, with options made from the backend's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from pywharf.backend.discovery import installed_plugins
from pywharf.cli.positional import Positional, positionals


class UpdateIndexCommand(click.Command):
    """Knows the options of a backend once its arguments name the type."""

    def for_arguments(self, args: list[str]) -> click.Command:
        """The command with the options of the type that `args` name; itself where they name none."""
        type_ = self._type_in(args)
        if type_ is None:
            return self
        from pywharf.backend.discovery import find_plugin
        from pywharf.cli.config_options import config_options

        model = find_plugin(type_).config_model
        taken = {(spelling.lstrip("-")) for parameter in self.params for spelling in parameter.opts}
        return click.Command(
            self.name,
            context_settings=self.context_settings,
            callback=self.callback,
            params=[*self.params, *config_options(model, taken)],
            help=self.help,
            epilog=self.epilog,
            short_help=self.short_help,
        )

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        command = self.for_arguments(args)
        if command is self:
            return super().make_context(info_name, args, parent, **extra)
        return command.make_context(info_name, args, parent, **extra)

    def _type_in(self, args: list[str]) -> str | None:
        """The type that the words name: as --type, or as the first word that is an installed type.

        Words before it can be values of options that only the type would tell us of, so the first word alone says nothing.
        """
        words = iter(args)
        types = {installed.type for installed in installed_plugins()}
        for word in words:
            if word == "--type":
                return next(words, None)
            if word.startswith("--type="):
                return word.removeprefix("--type=")
            if word in types:
                return word
        return None


def _complete_type(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(installed.type) for installed in installed_plugins() if installed.type.startswith(incomplete)]


@click.command(
    cls=UpdateIndexCommand,
    short_help="Take up files put into a repository by hand.",
    epilog="`pywharf update_index TYPE --help` shows the options of that type's configuration too; `pywharf backends` lists the types.",
)
@positionals(
    Positional("type", "The backend's type; the same as the argument.", _complete_type),
    Positional("name", "The repository's name; the same as the argument."),
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    help="The ROOT of a server: its configuration, secret and local place are used where not given here. It may be running.",
)
@click.option(
    "--secret",
    metavar="SECRET",
    help="The secret for the storage; it has to be able to write. Everybody on this machine sees it in `ps`: better --secret_env, "
    "or PYWHARF_COMMAND_SECRET in the environment.",
)
@click.option("--secret_env", metavar="VARIABLE", help="The environment variable that holds the secret for the storage.")
@click.option("--strict", is_flag=True, help="Exit with 1 where a file was skipped or is missing.")
@click.option("--debug", is_flag=True, help="Log more. Secrets stay out of the log all the same.")
def update_index(
    type: str,  # noqa: A002 - the flag's name
    name: str,
    root: str | None,
    secret: str | None,
    secret_env: str | None,
    strict: bool,
    debug: bool,
    **parameters: Any,
) -> None:
    """Take up files that were put into a repository's storage by hand.

    Compares what lies in the storage with what the index knows: files that pass the checks of an upload become known, others
    are named with the reason and left alone, and known files that are not there are named. Without --root the options say where
    the storage is, e.g. --path.
    """
    from pywharf.cli.adopt import Wanted, adopt
    from pywharf.cli.config_options import config_values

    if secret is not None and secret_env is not None:
        raise click.UsageError("--secret and --secret_env are two ways to say one thing: give one of them")
    wanted = Wanted(type, name, Path(root) if root else None, secret, secret_env, config_values(parameters))
    complete = adopt(wanted, debug=debug)
    if strict and not complete:
        click.get_current_context().exit(1)
