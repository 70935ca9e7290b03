"""What `pywharf server` does, in order: ROOT made ready, configured, opened, served, closed."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from pywharf import __version__, logs, stored_config
from pywharf.cli import client_lines, first_start
from pywharf.config import ServerSettings, parse
from pywharf.errors import ConfigInvalid
from pywharf.files import PRIVATE_FILE
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig
from pywharf.web.app import make_app
from pywharf.web.server.listening import listen
from pywharf.web.server.options import Serving, checked
from pywharf.web.server.run import serve
from pywharf.wharf import Wharf, check_admin_secret

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GivenConfig:
    """What `--config` and `--admin_secret` were given; None where the flag was not."""

    config: str | None
    admin_secret: str | None
    can_be_text: bool  # whether a value that is no existing file is the TOML itself


def start(root: Path, given: GivenConfig, settings: ServerSettings, serving: Serving, *, debug: bool) -> None:
    """Configure ROOT as told and serve it until the server is told to stop. Raises WharfError, OSError."""
    layout = Layout(root)
    layout.prepare()
    logs.set_up(layout.log, debug)
    if given.config is None and given.admin_secret is None:
        first_start.generate(layout)
    else:
        configure(layout, given, settings)
    _make_private(layout)
    logs.remember_secret(initialize_token(layout.initialize_token, os.environ))
    wharf = Wharf(layout, settings)
    wharf.start()
    app = make_app(wharf, settings)
    try:
        listener = listen(serving.host, serving.port, backlog=checked(serving.limits)["request_queue_size"])
        serve(app, listener, options=serving.limits, on_ready=_announcement(layout, wharf, serving.host))
    except ValueError as error:  # a value of the right type that the HTTP server does not take
        raise click.UsageError(str(error)) from error
    finally:
        app.close()
        wharf.close()


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
    stored_config.replace(layout, StoredConfig(config, admin_secret))


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


def _announcement(layout: Layout, wharf: Wharf, host: str) -> Callable[[str], None]:
    """What is told once the server listens: to the terminal how to use it, to the log what is served."""

    def announce(address: str) -> None:
        port = int(address.rpartition(":")[2])  # the real one, where 0 was asked for
        with wharf.hold() as generation:
            names = ", ".join(sorted(generation.repositories))
        click.echo(f"pywharf {__version__} serves {names} at http://{client_lines.client_host(host)}:{port}/simple/ (Ctrl-C stops it)")
        if first_start.secrets_to_show(layout):
            for line in _first_lines(layout, host, port):
                click.echo(line)
            first_start.mark_shown(layout)
        if not client_lines.is_loopback(host):
            log.warning(
                "OPEN TO THE NETWORK WITHOUT TLS, secrets and packages travel in clear text: address=%s; "
                "listen to this machine only with --host 127.0.0.1, or put a proxy with TLS in front",
                address,
            )
        log.info("serving: repositories=%s address=%s", names, address)

    return announce


def _first_lines(layout: Layout, host: str, port: int) -> list[str]:
    """How to use the generated repository, with its secrets."""
    stored = stored_config.read(layout)
    settings = parse(stored.config, stored.admin_secret).get(first_start.REPOSITORY) if stored else None
    if settings is None:
        return []  # somebody replaced it in the meantime
    shown = first_start.first_secrets(settings, layout.workdir(settings.name))
    token = initialize_token(layout.initialize_token, os.environ)
    return [
        "",
        f"This is the first start: the repository {settings.name!r} was made for you in {layout.root.resolve()}",
        "Its secrets are shown this once; they are kept in config.toml there, for your eyes only.",
        "",
        f"Build your project into dist/, upload it, with user {settings.name} and the secret that may write:",
        *(f"  {line}" for line in client_lines.upload_lines(host, port, settings.name, shown.write)),
        "Install it, with the secret that may read (put any other project's name at the end):",
        *(f"  {line}" for line in client_lines.install_lines(host, port, settings.name, shown.read)),
        "Serve something else without a restart:",
        f"  {client_lines.initialize_line(host, port, token)}",
        "",
    ]
