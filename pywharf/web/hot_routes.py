"""The routes that installers ask for all day, found by a look at the path instead of Bottle's expressions.

Only found: what such a route does, and the caller that it wants to know first, is the same as when Bottle finds it. See decision 0006.
"""

from __future__ import annotations

PROJECT_LIST = "/simple"
PROJECT_PAGE = "/simple/<project>"
FILE = "/simple/<project>/<filename>"

_BEGINNING = "/simple/"


def hot_route(path: str) -> tuple[str, dict[str, str]] | None:
    """The address of the route that a GET of this path leads to, and its arguments; None where Bottle has to say.

    path: as text, see `request.Request.path`.
    """
    if not path.startswith(_BEGINNING):
        return None
    project, slash, filename = path[len(_BEGINNING) :].partition("/")
    if not project:
        return None if slash else (PROJECT_LIST, {})
    if not filename:
        return PROJECT_PAGE, {"project": project}
    return None if "/" in filename else (FILE, {"project": project, "filename": filename})
