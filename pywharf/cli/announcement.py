"""What a person is told once the server serves: where, and after the first start how to use what was made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pywharf import __version__, stored_config
from pywharf.cli import client_lines, first_start
from pywharf.config import parse
from pywharf.keys import initialize_token
from pywharf.layout import Layout


@dataclass(frozen=True)
class Address:
    """Where the server listens. port: the real one. unix_socket: a path, and host and port say nothing; "": there is none.

    is_tls: whether it speaks https. public_url: where clients reach it, as the command line says; "": there, too.
    """

    host: str
    port: int
    unix_socket: str = ""
    is_tls: bool = False
    public_url: str = ""

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can reach it."""
        return not self.unix_socket and not client_lines.is_loopback(self.host)

    @property
    def base_url(self) -> str:
        """What clients put in front of "simple/"; ends with a slash."""
        if self.public_url:
            return self.public_url.rstrip("/") + "/"
        return f"{'https' if self.is_tls else 'http'}://{client_lines.client_host(self.host)}:{self.port}/"


def serving_line(names: str, address: Address) -> str:
    """names: of the repositories, with commas."""
    if not address.unix_socket:
        return f"pywharf {__version__} serves {names} at {address.base_url}simple/ (Ctrl-C stops it)"
    return f"pywharf {__version__} serves {names} on the unix socket {Path(address.unix_socket).absolute()} (Ctrl-C stops it)"


def first_lines(layout: Layout, address: Address) -> list[str]:
    """How to use the generated repository, with its secrets."""
    stored = stored_config.read(layout)
    settings = parse(stored.config, stored.admin_secret).get(first_start.REPOSITORY) if stored else None
    if settings is None:
        return []  # somebody replaced it in the meantime
    shown = first_start.first_secrets(settings, layout.workdir(settings.name))
    token = initialize_token(layout.initialize_token, os.environ)
    lines = [
        "",
        f"This is the first start: the repository {settings.name!r} was made for you in {layout.root.resolve()}",
        "Its secrets are shown this once; they are kept in config.toml there, for your eyes only.",
        "",
    ]
    if (
        address.unix_socket and not address.public_url
    ):  # neither pip nor twine can use one: what they need is known to whoever set up the proxy
        return [
            *lines,
            f"The secret that may write, with user {settings.name}: {shown.write}",
            f"The secret that may read:{' ' * len(f', with user {settings.name}')} {shown.read}",
            f"The token that serves something else without a restart: {token}",
            "",
        ]
    base_url = address.base_url
    return [
        *lines,
        f"Build your project into dist/, upload it, with user {settings.name} and the secret that may write:",
        *(f"  {line}" for line in client_lines.upload_lines(base_url, settings.name, shown.write)),
        "Install it, with the secret that may read (put any other project's name at the end):",
        *(f"  {line}" for line in client_lines.install_lines(base_url, settings.name, shown.read)),
        "Serve something else without a restart:",
        f"  {client_lines.initialize_line(base_url, token)}",
        "",
    ]
