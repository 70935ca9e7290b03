"""Arguments that may be given by their place or as a flag: `pywharf server ROOT` is `pywharf server --root ROOT`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@dataclass(frozen=True)
class Positional:
    """One argument that has a place and a flag."""

    name: str  # of the flag, and of the parameter of the decorated function, a str
    help: str  # of the flag
    complete: Completer = click.STRING.shell_complete  # what the shell is told it could be
    needed: bool = True  # one that is not may stand last; the function's own default is used where it is left out


def positionals(*places: Positional) -> Callable[[Decorated], Decorated]:
    """Give a command these arguments. Those without a flag are taken from the places left, in order."""

    def decorate(function: Decorated) -> Decorated:
        @functools.wraps(function)
        def called(words: Sequence[str], **given: Any) -> Any:
            flags = {place.name: given.pop(f"{place.name}_flag") for place in places}
            return function(**merge(places, flags, words), **given)

        command: Any = called
        for place in reversed(places):
            command = click.option(
                f"--{place.name}",
                f"{place.name}_flag",
                metavar=place.name.upper(),
                help=place.help,
                shell_complete=place.complete,
            )(command)
        shown = " ".join(place.name.upper() if place.needed else f"[{place.name.upper()}]" for place in places)
        return click.argument("words", nargs=-1, metavar=shown, type=click.UNPROCESSED, shell_complete=_completer(places))(command)  # type: ignore[no-any-return]

    return decorate


def merge(places: Sequence[Positional], flags: dict[str, str | None], words: Sequence[str]) -> dict[str, str]:
    """Who gets what. Raises click.UsageError where one is missing, left over, or told twice in two ways."""
    open_places = [place for place in places if flags[place.name] is None]
    # As many words as places: each word stands at its own, and a flag beside it has to say the same.
    filled = places if len(words) == len(places) else open_places
    merged = {name: value for name, value in flags.items() if value is not None}
    for place, word in zip(filled, words, strict=False):
        if merged.setdefault(place.name, word) != word:
            raise click.UsageError(f"{place.name.upper()} is given twice, as an argument and as --{place.name}, and they differ")
    if len(words) > len(filled):
        raise click.UsageError(f"one argument too many: {words[len(filled)]!r}")
    for place in places:
        if place.needed and place.name not in merged:
            raise click.UsageError(f"{place.name.upper()} is missing")
    return merged


def _completer(places: Sequence[Positional]) -> Completer:
    """Completes each word by the place it stands at."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        at = min(len(ctx.params.get("words") or ()), len(places) - 1)
        return places[at].complete(ctx, param, incomplete)

    return complete
