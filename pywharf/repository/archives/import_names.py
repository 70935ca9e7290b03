"""What a distribution brings to import: said by its core metadata, else seen at the top of a wheel.

For search alone: a name too many or too few does no harm, and as many are kept as a record has room for.

Source: PEP 794 (Import-Name, Import-Namespace); "Binary distribution format" (where the files of a wheel go).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pywharf.api.core_metadata import CoreMetadata

MOST_NAMES = 100
MOST_BYTES = 4096  # of all names together, in UTF-8

_MODULES = (".py", ".pyi", ".pyd", ".so")


def import_names(metadata: CoreMetadata, members: Iterable[str] = ()) -> tuple[str, ...]:
    """Dotted names, sorted. members: of a wheel, the paths in it; not looked at where the metadata say."""
    if metadata.import_names or metadata.import_namespaces:
        said = (value.partition(";")[0].strip() for value in (*metadata.import_names, *metadata.import_namespaces))
        names = {name for name in said if all(part.isidentifier() for part in name.split("."))}
    else:
        names = set(_seen(members))
        names = {name for name in names if not name.startswith("_")} or names
    return bounded(sorted(names))


def bounded(names: Iterable[str]) -> tuple[str, ...]:
    """As many of the first of them as a record has room for."""
    kept: list[str] = []
    room = MOST_BYTES
    for name in names:
        room -= len(name.encode("utf-8", "surrogatepass"))
        if room < 0 or len(kept) == MOST_NAMES:
            break
        kept.append(name)
    return tuple(kept)


def _seen(members: Iterable[str]) -> Iterator[str]:
    """Of each module the package that is imported for it: the outermost that has an `__init__`, else the module itself."""
    paths = [parts for member in members if (parts := _installed(member)) is not None]
    packages = {parts[:-1] for parts in paths if parts[-1].partition(".")[0] == "__init__"}
    for parts in paths:
        module = (*parts[:-1], parts[-1].partition(".")[0])
        package = next((parts[:depth] for depth in range(1, len(parts)) if parts[:depth] in packages), module)
        if all(part.isidentifier() for part in package):
            yield ".".join(package)


def _installed(member: str) -> tuple[str, ...] | None:
    """Where a module of a wheel goes, below the folder that packages are imported from; None for what is no module, or goes elsewhere."""
    if not member.endswith(_MODULES):
        return None
    parts = tuple(member.split("/"))
    if parts[0].endswith(".dist-info"):
        return None
    if parts[0].endswith(".data"):
        return parts[2:] if len(parts) > 2 and parts[1] in ("purelib", "platlib") else None
    return parts
