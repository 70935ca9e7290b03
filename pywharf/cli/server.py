"""`pywharf server ROOT`: the command's words, and what they are checked for before anything starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from pywharf.cli.positional import Positional, positionals

LIMIT = "limit_"  # begins the parameter of an option of the HTTP server
_PLAIN_URL = re.compile(r"[A-Za-z0-9._~:/@!$&'()*+,;=%\[\]-]+")
_SECONDS = click.FloatRange(min=0)
_PARAMETER_TYPES: dict[type, click.ParamType[Any]] = {bool: click.BOOL, int: click.IntRange(min=0), float: _SECONDS}


class ServerCommand(click.Command):
    """Our own options, and after them every option of the HTTP server as an option of the same name."""

    _limits: list[click.Parameter] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if self._limits is None:
            from pywharf.web.server.options import OPTIONS

            self._limits = [
                click.Option([f"--{name}", LIMIT + name], type=_PARAMETER_TYPES[option.type], hidden=True)
                for name, option in OPTIONS.items()
            ]
        return [*super().get_params(ctx), *self._limits]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from pywharf.web.server.options import OPTIONS

        super().format_options(ctx, formatter)
        rows = [
            (f"--{name} {(option.unit or 'true|false').upper()}", f"{option.meaning}  [default: {_shown(option.default)}]")
            for name, option in OPTIONS.items()
        ]
        with formatter.section("Limits of the HTTP server"):
            formatter.write_dl(rows)


def _shown(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def _check_extra_index_url(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter("has to be an http or https address, or '' to redirect nothing")
    if parts.username or parts.password:
        raise click.BadParameter("must not hold a user name or a secret: every client is sent there")
    if any(character.isspace() or ord(character) < 32 for character in url) or not url.isascii():
        raise click.BadParameter("has characters that no address has: write them percent-encoded")
    return url


def _check_public_url(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    if not url:
        return url
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        raise click.BadParameter("has to be an https address: clients may only be led to a secure one")
    if parts.username or parts.password or parts.query or parts.fragment or "?" in url or "#" in url:
        raise click.BadParameter("is a host and perhaps a path: no user name, no secret, nothing after '?' or '#'")
    if not _PLAIN_URL.fullmatch(url):
        raise click.BadParameter("has characters that no address has: write them percent-encoded")
    return url


def _check_trusted_proxies(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    from pywharf.web.forwarding import trusted_proxies

    try:
        trusted_proxies(given or "")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return given


def _check_sendfile(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    from pywharf.web.sendfile import sendfile

    try:
        sendfile(given or "", Path())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return given


def _check_metrics_address(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    if not given:
        return given
    from pywharf.cli.server_metrics import metrics_address

    try:
        metrics_address(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return given


@click.command(cls=ServerCommand, options_metavar="[OPTIONS]", short_help="Serve the repositories configured in ROOT.")
@positionals(
    Positional("root", "The folder that the server works in; the same as the argument.", click.Path(file_okay=False).shell_complete)
)
@click.option("--config", metavar="PATH", help="TOML file with the repositories. Checked, and kept in ROOT in place of what is there.")
@click.option(
    "--admin_secret",
    metavar="PATH",
    help="TOML file with the server's own secrets for the repositories' storages. Checked, and kept in ROOT in place of what is there.",
)
@click.option(
    "--config_or_admin_secret_can_be_text",
    is_flag=True,
    help="Take a value of --config or --admin_secret that is no existing file as the TOML itself. On a command line everybody on "
    "this machine sees it in `ps`: better give secrets by PYWHARF_COMMAND_ADMIN_SECRET in the environment.",
)
@click.option(
    "--auth_read_expires",
    type=_SECONDS,
    default=3600,
    show_default=True,
    metavar="SECONDS",
    help="How long a right secret may go on to read.",
)
@click.option(
    "--auth_write_expires",
    type=_SECONDS,
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long a right secret may go on to write.",
)
@click.option(
    "--extra_index_url",
    metavar="URL",
    callback=_check_extra_index_url,
    help="Where clients are sent for projects unknown here; '' sends them nowhere.  [default: PyPI]",
)
@click.option(
    "--redirect_max_staleness",
    type=_SECONDS,
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Send nobody to the extra index once a repository's storage could not be asked for so long.",
)
@click.option(
    "--public_url",
    metavar="URL",
    callback=_check_public_url,
    help="Where clients reach this server, an https address, e.g. of the proxy in front of it. Pages link to provenance with it, and do "
    "not without it.",
)
@click.option(
    "--trusted_proxies",
    metavar="LIST",
    callback=_check_trusted_proxies,
    help="The proxies in front of this server: addresses and networks, and the word 'unix' for who comes by a unix socket, with commas "
    "between. Of them, and of nobody else, X-Forwarded-* and Forwarded are believed.",
)
@click.option(
    "--sendfile",
    metavar="MODE",
    callback=_check_sendfile,
    help="Let a trusted proxy send the files, once the request is allowed: x-accel-redirect=/ADDRESS/ for nginx and Caddy, x-sendfile for "
    "Apache.",
)
@click.option("--debug", is_flag=True, help="Log more. Secrets stay out of the log all the same.")
@click.option("--host", default="0.0.0.0", show_default=True, help="The address to listen on; 127.0.0.1 is this machine only.")  # noqa: S104 - the default that containers need; a loud line warns
@click.option("--port", type=click.IntRange(0, 65535), default=8888, show_default=True, help="The port to listen on; 0 takes any free one.")
@click.option(
    "--unix_socket",
    metavar="PATH",
    help="Listen on this unix socket, for this user alone, in place of --host and --port: for a proxy on the same machine.",
)
@click.option(
    "--tls_cert",
    metavar="PATH",
    help="Speak https, with the certificate in this PEM file, the server's own first, then those above it. Read again at SIGHUP.",
)
@click.option(
    "--tls_key",
    metavar="PATH",
    help="The private key of --tls_cert, PEM without a password; not needed where it is in the same file.",
)
@click.option(
    "--metrics_address",
    metavar="ADDRESS",
    callback=_check_metrics_address,
    help="Tell the metrics of all repositories there, to whoever asks: HOST:PORT, or the path of a unix socket. They are at /metrics for "
    "callers of a repository in any case.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="NUMBER",
    help="How many processes answer requests.  [default: as many as there are cores, at most 4]",
)
def server(
    root: str,
    config: str | None,
    admin_secret: str | None,
    config_or_admin_secret_can_be_text: bool,
    auth_read_expires: float,
    auth_write_expires: float,
    extra_index_url: str | None,
    redirect_max_staleness: float,
    public_url: str | None,
    trusted_proxies: str | None,
    sendfile: str | None,
    debug: bool,
    host: str,
    port: int,
    unix_socket: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    workers: int | None,
    metrics_address: str | None,
    **limits: Any,
) -> None:
    """Serve the repositories configured in ROOT.

    An empty ROOT gets a generated repository named "local", and the lines to use it are printed. The limits
    of the HTTP server are options as well; none has to be touched.
    """
    from pywharf.cli.start import GivenConfig, start
    from pywharf.config import ServerSettings
    from pywharf.web.server.options import Serving

    if tls_key and not tls_cert:
        raise click.UsageError("--tls_key is the key of a certificate: give that with --tls_cert")
    if sendfile and not trusted_proxies:
        raise click.UsageError("--sendfile is for a proxy that is trusted: name it with --trusted_proxies")
    settings = ServerSettings(
        auth_read_expires=auth_read_expires,
        auth_write_expires=auth_write_expires,
        redirect_max_staleness=redirect_max_staleness,
        public_url=public_url or "",
        trusted_proxies=trusted_proxies or "",
        sendfile=sendfile or "",
        **({} if extra_index_url is None else {"extra_index_url": extra_index_url}),
    )
    given_limits = {name.removeprefix(LIMIT): value for name, value in limits.items() if value is not None}
    given = GivenConfig(config, admin_secret, config_or_admin_secret_can_be_text)
    serving = Serving(host, port, given_limits, workers, unix_socket or "", tls_cert or "", tls_key or "", metrics_address or "")
    start(Path(root), given, settings, serving, debug=debug)
