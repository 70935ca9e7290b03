"""From the `type` in a configuration to the plugin that an installed distribution offers for it.

Entry points of the group `pywharf.backends`; the name is the type. A plugin is loaded on use; one that is broken is
reported and stops nobody else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from pywharf.backend.interface import BackendPlugin
from pywharf.errors import PluginUnusable

GROUP = "pywharf.backends"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InstalledPlugin:
    """A plugin as its distribution announces it, loaded or not."""

    type: str
    distribution: str  # name of the distribution that brings it
    version: str
    plugin: BackendPlugin | None
    problem: str = ""  # why it cannot be used, where `plugin` is None


def find_plugin(type_: str) -> BackendPlugin:
    """Load the plugin for a type. Raises PluginUnusable: not installed, installed twice, or broken."""
    found = [point for point in _entry_points() if point.name == type_]
    if not found:
        known = ", ".join(sorted({point.name for point in _entry_points()})) or "none"
        raise PluginUnusable(type_, f"no installed distribution offers it (installed: {known})")
    if len(found) > 1:
        offers = ", ".join(sorted(_distribution(point)[0] for point in found))
        raise PluginUnusable(type_, f"more than one distribution offers it ({offers}): uninstall all but one")
    return _load(found[0])


def installed_plugins() -> Iterator[InstalledPlugin]:
    """Every announced plugin by type, broken ones too. Loads them all."""
    for point in _entry_points():
        distribution, version = _distribution(point)
        try:
            plugin = find_plugin(point.name)
        except PluginUnusable as error:
            log.warning("backend unusable: type=%s distribution=%s reason=%s", point.name, distribution, error.reason)
            yield InstalledPlugin(point.name, distribution, version, None, error.reason)
        else:
            yield InstalledPlugin(point.name, distribution, version, plugin)


def _entry_points() -> list[EntryPoint]:
    # A distribution can be on sys.path twice (an editable install beside its sources); the same offer counts once.
    offers = {(point.name, point.value, _distribution(point)[0]): point for point in entry_points(group=GROUP)}
    return [offers[offer] for offer in sorted(offers)]


def _load(point: EntryPoint) -> BackendPlugin:
    distribution, _ = _distribution(point)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does at import may not stop the others
        raise PluginUnusable(point.name, f"the plugin of {distribution} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(plugin, BackendPlugin):
        raise PluginUnusable(point.name, f"the entry point of {distribution} ({point.value}) is not a BackendPlugin object")
    if plugin.type != point.name:
        raise PluginUnusable(point.name, f"the plugin of {distribution} says its type is {plugin.type!r}: both names have to agree")
    return plugin


def _distribution(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that announces it; "unknown" where it was removed by halves and does not say."""
    try:
        told = dict(point.dist.metadata.items()) if point.dist else {}  # type: ignore[attr-defined]  # a Message, in every Python
    except FileNotFoundError:  # newer Pythons; older ones give metadata without anything in them
        told = {}
    return told.get("Name", "unknown"), told.get("Version", "")
