"""The lines that a person pastes into a shell to use a repository that is served over plain HTTP.

Secrets stand in variables in front of the command and not among its words, which everybody on the machine sees in `ps`;
only curl takes none of them.
"""

from __future__ import annotations

import ipaddress
import shlex
from urllib.parse import quote

# The projects whose wheels were just uploaded from dist/. A wheel's name has its project up to the first hyphen, always.
_UPLOADED = "$(basename -a dist/*.whl | cut -d- -f1 | sort -u)"


def client_host(host: str) -> str:
    """The host to put in a URL for a client on this machine: 127.0.0.1 where the server listens on every address."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def upload_lines(host: str, port: int, repository: str, secret: str) -> list[str]:
    """Commands that upload everything in dist/."""
    url = f"http://{client_host(host)}:{port}/simple/"
    password = shlex.quote(secret)
    return [
        f"UV_PUBLISH_PASSWORD={password} uv publish --publish-url {url} --username {repository} dist/*",
        f"TWINE_PASSWORD={password} twine upload --repository-url {url} --username {repository} dist/*",
    ]


def install_lines(host: str, port: int, repository: str, secret: str) -> list[str]:
    """Commands that install what was uploaded from dist/."""
    address = f"{client_host(host)}:{port}"
    url = shlex.quote(f"http://{quote(repository)}:{quote(secret, safe='')}@{address}/simple/")
    # pip talks plain HTTP with this machine only, unless it is told that the host is trusted.
    trusted = "" if is_loopback(client_host(host).strip("[]")) else f" --trusted-host {shlex.quote(address)}"
    return [
        f"PIP_INDEX_URL={url} pip install{trusted} {_UPLOADED}",
        f"UV_DEFAULT_INDEX={url} uv pip install {_UPLOADED}",
    ]


def initialize_line(host: str, port: int, token: str) -> str:
    """The command that gives a running server another configuration."""
    url = f"http://{client_host(host)}:{port}/initialize/"
    header = shlex.quote(f"Authorization: Bearer {token}")
    return f"curl -H {header} -F config=@config.toml -F admin_secret=@admin_secret.toml {url}"
