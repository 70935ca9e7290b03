"""What `pywharf server` does, in order: ROOT made ready, configured, opened, served, closed; and in which process."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from pywharf import logs, stored_config
from pywharf.cli import first_start
from pywharf.cli.announcement import Address, first_lines, serving_line
from pywharf.cli.server_metrics import ServerMetrics
from pywharf.config import ServerSettings, parse
from pywharf.errors import ConfigInvalid
from pywharf.files import PRIVATE_FILE
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig
from pywharf.web.app import make_app
from pywharf.web.metrics.readings import of_server
from pywharf.web.server.forked import Parent
from pywharf.web.server.listening import UnixListener, listen, shown
from pywharf.web.server.options import Serving, checked
from pywharf.web.server.run import serve
from pywharf.web.server.supervisor import supervise
from pywharf.web.server.tls import tls_context
from pywharf.web.server.workers import Beside, usual_number
from pywharf.web.throttle import Throttle
from pywharf.wharf import Wharf, check_admin_secret

LATER = 0.3  # seconds after a worker is ready
MOMENT = 10.0  # seconds, after its requests were cut off, that a worker has to close everything

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GivenConfig:
    """What `--config` and `--admin_secret` were given; None where the flag was not."""

    config: str | None
    admin_secret: str | None
    can_be_text: bool  # whether a value that is no existing file is the TOML itself


def start(root: Path, given: GivenConfig, settings: ServerSettings, serving: Serving, *, debug: bool) -> None:
    """Configure ROOT as told and serve it until the server is told to stop. Raises WharfError, OSError."""
    try:
        limits = checked(serving.limits)
    except ValueError as error:  # a value of the right type that the HTTP server does not take
        raise click.UsageError(str(error)) from error
    layout = Layout(root)
    layout.prepare()
    logs.set_up(layout.log, debug)
    serve_root = ServeRoot(layout, given, settings, serving, backlog=limits["request_queue_size"])
    try:
        drain = limits["shutdown_timeout"] + MOMENT
        supervise(serve_root, number=serve_root.workers, drain=drain, attendance=serve_root.metrics.attendance, beside=serve_root.beside())
    finally:
        serve_root.close()


class ServeRoot:
    """What workers do: serve a ROOT. Each of the methods says in which process it runs; nothing is handed on but the listening socket."""

    def __init__(self, layout: Layout, given: GivenConfig, settings: ServerSettings, serving: Serving, *, backlog: int) -> None:
        self.workers = serving.workers or usual_number()
        self._layout = layout
        self._given = given
        self._settings = settings
        self._serving = serving
        self._backlog = backlog
        self.metrics = ServerMetrics(self.workers, serving.metrics_address)
        self._listener: socket.socket | None = None
        self._unix: UnixListener | None = None
        self._address = Address(serving.host, serving.port, serving.unix_socket, bool(serving.tls_cert), settings.public_url)

    def prepare(self, again: bool) -> None:
        """In a process of its own: configure ROOT. Raises WharfError, OSError."""
        self._tls()
        if self._given.config is not None or self._given.admin_secret is not None:
            configure(self._layout, self._given, self._settings)
        elif again:
            check_stored(self._layout)
        else:
            first_start.generate(self._layout)
        _make_private(self._layout)

    def open(self) -> None:
        """In the supervising process: listen. Raises OSError."""
        if self._serving.unix_socket:
            self._unix = UnixListener(Path(self._serving.unix_socket), backlog=self._backlog)
            self._listener = self._unix.socket
        else:
            self._listener = listen(self._serving.host, self._serving.port, backlog=self._backlog)
            self._address = replace(self._address, port=self._listener.getsockname()[1])
        self.metrics.open()

    def work(self, parent: Parent) -> None:
        """In a worker: serve until told to stop. Raises WharfError, OSError."""
        assert self._listener is not None  # noqa: S101 - for the type checker
        logs.remember_secret(initialize_token(self._layout.initialize_token, os.environ))
        metrics = self.metrics.of_worker(parent)
        wharf = Wharf(self._layout, self._settings, metrics.counts)
        wharf.start()
        app = make_app(wharf, self._settings, throttle=Throttle.shared_by(self.workers), metrics=metrics)

        def tell(_: str) -> None:
            with wharf.hold() as generation:
                names = ", ".join(sorted(generation.repositories))
            is_first = first_start.secrets_to_show(self._layout)
            parent.ready(repositories=names, first_lines=first_lines(self._layout, self._address) if is_first else [])
            _later(app.load)

        try:
            serve(
                app,
                self._listener,
                options=self._serving.limits,
                tls=self._tls(),
                on_server=lambda server: metrics.begin(of_server(server)),
                on_ready=tell,
                supervisor=parent.channel,
                workers=self.workers,
            )
        finally:
            metrics.close()
            app.close()
            wharf.close()

    def beside(self) -> list[Beside]:
        """What is done in further processes."""

        def tell_metrics(parent: Parent) -> None:
            if self._listener is not None:
                self._listener.close()
            self.metrics.tell(parent)

        return [Beside("the process for metrics", tell_metrics)] if self.metrics.address else []

    def serving(self, told: Mapping[str, Any]) -> None:
        """In the supervising process: tell the terminal how to use it, and the log what is served."""
        assert self._listener is not None  # noqa: S101 - for the type checker
        click.echo(serving_line(told["repositories"], self._address))
        if told["first_lines"]:
            for line in told["first_lines"]:
                click.echo(line)
            first_start.mark_shown(self._layout)
        address = shown(self._listener)
        if self._address.is_open and not self._address.is_tls:
            log.warning(
                "OPEN TO THE NETWORK WITHOUT TLS, secrets and packages travel in clear text: address=%s; "
                "give --tls_cert and --tls_key, listen to this machine only with --host 127.0.0.1, or put a proxy with TLS in front",
                address,
            )
        log.info("serving: repositories=%s address=%s workers=%d", told["repositories"], address, self.workers)

    def _tls(self) -> ssl.SSLContext | None:
        """The certificate as it is now: a worker that is started later has the renewed one. Raises ConfigInvalid."""
        serving = self._serving
        return tls_context(serving.tls_cert, serving.tls_key) if serving.tls_cert else None

    def close(self) -> None:
        """In the supervising process: listen no more."""
        self.metrics.close()
        if self._unix is not None:
            self._unix.close()
        elif self._listener is not None:
            self._listener.close()


def configure(layout: Layout, given: GivenConfig, settings: ServerSettings) -> None:
    """Check what was given, together with what ROOT has of the other, and keep it in ROOT. Raises ConfigInvalid.

    The storages are asked whether the admin secrets may read, unless all is as ROOT has it: a secret that expired since is a matter of
    its repository alone, and keeps no server from starting again.
    """
    stored = stored_config.read(layout)
    if given.config is None and stored is None:
        raise ConfigInvalid("--admin_secret", "is of no use without --config: ROOT has no configuration yet")
    kept = stored or StoredConfig("", "")
    config, config_source = _given_text("--config", given.config, given.can_be_text) or (kept.config, str(layout.config))
    admin_secret, admin_secret_source = _given_text("--admin_secret", given.admin_secret, given.can_be_text) or (
        kept.admin_secret,
        str(layout.admin_secret),
    )
    parsed = parse(config, admin_secret, config_source=config_source, admin_secret_source=admin_secret_source)
    if StoredConfig(config, admin_secret) != stored:
        for repository_settings in parsed.values():
            with contextlib.closing(Repository(repository_settings, layout, settings)) as repository:
                check_admin_secret(repository, admin_secret_source)
    layout.unclaimed.unlink(missing_ok=True)  # this configuration is somebody's: being on the same machine no longer replaces it
    if StoredConfig(config, admin_secret) != stored:  # or workers that run would follow what they have already
        stored_config.replace(layout, StoredConfig(config, admin_secret))


def check_stored(layout: Layout) -> None:
    """Whether what ROOT has can be served. Raises ConfigInvalid, LayoutUnusable."""
    stored = stored_config.read(layout)
    if stored is None:
        raise ConfigInvalid(str(layout.config), "is not there any more")
    parse(stored.config, stored.admin_secret, config_source=str(layout.config), admin_secret_source=str(layout.admin_secret))


def _later(load: Callable[[], None]) -> None:
    """Do what the first answers need not wait for, unless somebody needs it before."""
    timer = threading.Timer(LATER, load)
    timer.daemon = True
    with contextlib.suppress(RuntimeError):  # no thread to be had: who needs it first does it
        timer.start()


def _make_private(layout: Layout) -> None:
    """Take from others what an editor or a copy may have given them: the right to read the secrets in ROOT."""
    for path in (layout.config, layout.admin_secret):
        if path.exists() and path.stat().st_mode & 0o077:
            path.chmod(PRIVATE_FILE)
            log.warning("others could read a file with secrets, until now: file=%s", path.name)


def _given_text(flag: str, value: str | None, can_be_text: bool) -> tuple[str, str] | None:
    """The text that a flag gives, and what to call it. The value itself is not shown: it may be a secret."""
    if value is None:
        return None
    if os.path.exists(value) and not os.path.isdir(value):
        try:
            return Path(value).read_text(encoding="utf-8-sig"), value
        except UnicodeDecodeError:
            raise ConfigInvalid(value, "is not UTF-8 text") from None
    if can_be_text:
        return value, flag
    # A text given without the flag that allows it has line feeds or "="; anything else is shown as the path that it is.
    shown = f" {value}" if flag == "--config" and "\n" not in value and "=" not in value and len(value) < 1000 else ""
    raise ConfigInvalid(flag, f"there is no such file{shown}; the TOML itself is taken with --config_or_admin_secret_can_be_text")
