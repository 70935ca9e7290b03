"""What the command line's tests share: a runner, a stranger's distribution with a plugin, and nothing left behind."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.running import Install, Run
from click.testing import CliRunner, Result

from pywharf import logs
from pywharf.cli.main import cli

PLUGIN = """
from pywharf.backend.interface import BackendPlugin, PluginCommand

class Plugin(BackendPlugin):
    type = "shelf"
    commands = (PluginCommand("dust-off", "shelf_commands:dust_off", "Dust the shelf off."), PluginCommand("gone", "no_such_module:x", "Gone."),
                PluginCommand("odd", "shelf_commands:number", "No command."))

    @property
    def config_model(self):
        from shelf_config import ShelfConfig
        return ShelfConfig

    @property
    def secret_model(self):
        from pywharf.backend.settings import BackendSecret
        return BackendSecret

    def open(self, config, secret, workdir):
        raise AssertionError("not for opening")

plugin = Plugin()
"""

COMMANDS = '''
import click

number = 3

@click.command()
@click.option("--feather_size", type=int, default=1)
@click.option("--dry_run/--wet_run")
def dust_off(feather_size, dry_run):
    """Dust the shelf off."""
    click.echo(f"dusted with {feather_size}, dry={dry_run}")
    return 7
'''

CONFIG = """
from pathlib import Path
from typing import Literal
from pydantic import Field
from pywharf.backend.settings import AcceptedSecret, BackendConfig

class ShelfConfig(BackendConfig):
    type: Literal["shelf"] = "shelf"
    owner: str = Field(description="Who owns it.")
    wood: Literal["oak", "pine"] = Field(default="oak", description="What it is made of.")
    boards: int | None = Field(default=None, description="How many.")
    varnished: bool = Field(default=False, description="Whether it shines.")
    labels: tuple[str, ...] = Field(default=(), description="What stands on it.")
    place: Path | None = None
    key: AcceptedSecret | None = None
    prices: dict[str, int] = Field(default_factory=dict)
    name: str = "taken by the command"
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves log handlers, hooks or secrets behind, or finds variables of the machine it runs on."""
    for variable in os.environ:
        if "PYWHARF" in variable:
            monkeypatch.delenv(variable)
    monkeypatch.setattr(logs, "_spellings", set())
    monkeypatch.setattr(logs, "_remembered", None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    levels = [(logger, logger.level) for logger in (logging.getLogger(), logging.getLogger("pywharf"))]
    yield
    for handler in logs._installed:
        logging.getLogger().removeHandler(handler)
        handler.close()
    logs._installed.clear()
    for logger, level in levels:
        logger.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def run() -> Run:
    """Run a command line in this process: run("server", "--port", "0").exit_code, .stdout, .stderr."""

    def invoke(*words: str | Path, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(cli, [str(word) for word in words], env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with a plugin, as pip would leave it. Returns the folder that has to be on sys.path."""
    before = set(sys.modules)

    def put(distribution: str, *, type_: str = "shelf", value: str = "shelf_plugin:plugin", **modules: str) -> Path:
        site = tmp_path / f"site-{distribution}"
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[pywharf.backends]\n{type_} = {value}\n")
        for module, source in modules.items():
            (site / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(str(site))
        return site

    yield put
    for module in set(sys.modules) - before:
        if module.startswith(("shelf_", "broken_")):
            del sys.modules[module]


@pytest.fixture
def shelf(install: Install) -> Path:
    """A stranger's distribution that works."""
    return install("pywharf-shelf", shelf_plugin=PLUGIN, shelf_commands=COMMANDS, shelf_config=CONFIG)


@pytest.fixture
def broken(install: Install) -> Path:
    """A stranger's distribution whose plugin cannot be imported."""
    return install("pywharf-broken", type_="broken", value="broken_plugin:plugin", broken_plugin="raise RuntimeError('two\\nlines')")
