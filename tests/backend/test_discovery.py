"""Plugins are found through the entry points of real (if tiny) installed distributions; a broken one stops nobody else."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pywharf.backend.discovery import find_plugin, installed_plugins
from pywharf.backend.interface import BackendPlugin
from pywharf.errors import PluginUnusable

PLUGIN = """
from pywharf.backend.interface import BackendPlugin

class Plugin(BackendPlugin):
    type = "{type}"
    config_model = property(lambda self: None)
    secret_model = property(lambda self: None)
    def open(self, config, secret, workdir):
        raise AssertionError("not for opening")

plugin = Plugin()
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution that offers one plugin, as pip would leave it: a module and a .dist-info folder on sys.path."""
    before = set(sys.modules)

    def put(
        distribution: str,
        *,
        type_: str = "shelf",
        module: str | None = None,
        source: str | None = None,
        value: str | None = None,
        folder: str = "site",
        metadata: bool = True,
    ) -> Path:
        site = tmp_path / folder
        module = module or distribution.replace("-", "_")
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(PLUGIN.format(type=type_) if source is None else source)
        (info / "entry_points.txt").write_text(f"[pywharf.backends]\n{type_} = {value or module + ':plugin'}\n")
        if metadata:
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        return site

    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_plugin_is_found_by_its_type(install: Install) -> None:
    install("acme-shelf")

    plugin = find_plugin("shelf")

    assert isinstance(plugin, BackendPlugin)
    assert plugin.type == "shelf"


def test_a_type_nobody_offers_is_named_with_those_that_are_there(install: Install) -> None:
    install("acme-shelf")

    with pytest.raises(PluginUnusable, match=r"no installed distribution offers it \(installed: .*shelf") as caught:
        find_plugin("shelves")

    assert caught.value.type == "shelves"


@pytest.mark.parametrize("type_", ["", "SHELF", "../shelf", "shelf:plugin", "os", "\0"])
def test_a_type_is_looked_up_as_it_is_and_never_imported(install: Install, type_: str) -> None:
    install("acme-shelf")

    with pytest.raises(PluginUnusable, match="no installed distribution"):
        find_plugin(type_)


def test_a_type_that_two_distributions_offer_is_refused_and_both_are_named(install: Install) -> None:
    install("acme-shelf")
    install("other-shelf")

    with pytest.raises(PluginUnusable, match=r"acme-shelf, other-shelf\): uninstall all but one"):
        find_plugin("shelf")
    assert [found.distribution for found in installed_plugins() if found.type == "shelf"] == ["acme-shelf", "other-shelf"]
    assert all(found.plugin is None for found in installed_plugins() if found.type == "shelf")


def test_one_distribution_that_is_on_the_path_twice_counts_once(install: Install) -> None:
    install("acme-shelf", folder="checkout")
    install("acme-shelf", folder="site")

    assert find_plugin("shelf").type == "shelf"


@pytest.mark.parametrize(
    ("source", "value", "says"),
    [
        ("import no_such_module_anywhere", None, "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("this is no Python", None, "SyntaxError"),
        ("1 / 0", None, "ZeroDivisionError"),
        ("other = 1", None, "AttributeError"),
        ("plugin = 1", None, "is not a BackendPlugin object"),
        ("plugin = type('Shelf', (), {'type': 'shelf'})()", None, "is not a BackendPlugin object"),
        ("from pywharf.backend.interface import BackendPlugin as plugin", None, "is not a BackendPlugin object"),
        (PLUGIN.format(type="crate"), None, "says its type is 'crate'"),
        ("", "no.such.module:plugin", "ModuleNotFoundError"),
        ("plugin = 1", "acme_shelf", "is not a BackendPlugin object"),
        ("raise SystemExit(7)", None, "SystemExit"),
    ],
)
def test_a_broken_plugin_is_refused_and_its_distribution_is_named(install: Install, source: str, value: str | None, says: str) -> None:
    install("acme-shelf", source=source, value=value)

    with pytest.raises(PluginUnusable, match="acme-shelf") as caught:
        find_plugin("shelf")

    assert says in caught.value.reason


def test_a_broken_plugin_is_listed_and_logged_and_stops_nobody_else(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("broken-shelf", type_="broken", source="1 / 0")
    install("acme-shelf")

    with caplog.at_level(logging.WARNING):
        found = {plugin.type: plugin for plugin in installed_plugins()}

    assert found["broken"].plugin is None
    assert "ZeroDivisionError" in found["broken"].problem
    assert found["shelf"].plugin is not None
    assert (found["shelf"].distribution, found["shelf"].version, found["shelf"].problem) == ("acme-shelf", "1.2", "")
    assert "type=broken distribution=broken-shelf" in caplog.text


def test_a_distribution_without_metadata_stops_nobody_else(install: Install) -> None:
    install("half-removed", type_="half", metadata=False)
    install("acme-shelf")

    found = {plugin.type: plugin for plugin in installed_plugins()}

    assert found["shelf"].plugin is not None
    assert (found["half"].distribution, found["half"].version) == ("unknown", "")


def test_a_plugin_is_imported_when_it_is_asked_for_and_not_before(install: Install) -> None:
    install("loud-shelf", type_="loud", source="raise RuntimeError('imported')")
    install("acme-shelf")

    assert find_plugin("shelf").type == "shelf"
    assert "loud_shelf" not in sys.modules


def test_the_backends_of_this_distribution_are_found_like_any_other() -> None:
    found = {plugin.type: plugin for plugin in installed_plugins() if plugin.distribution == "pywharf"}

    assert found, "pywharf is not installed with its entry points"
    for plugin in found.values():
        assert plugin.problem == ""


def test_finding_a_plugin_imports_nothing_heavy(install: Install) -> None:
    site = install("acme-shelf")
    program = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        before = set(sys.modules)  # what measures coverage is in there too
        from pywharf.backend.discovery import find_plugin
        find_plugin("shelf")
        print(*set(sys.modules) - before)
    """

    loaded = subprocess.run([sys.executable, "-c", program, str(site)], capture_output=True, text=True, check=True).stdout.split()

    assert "pywharf.backend.interface" in loaded
    assert not {"pydantic", "bottle", "cheroot", "sqlite3", "toml"} & set(loaded)
