"""The lines that a person pastes into a shell to use a repository. base_url: where clients reach the server; ends with a slash.

Secrets stand in variables in front of the command and not among its words, which everybody on the machine sees in `ps`;
only curl takes none of them. The wording is that of the pages: `pywharf/api/client_lines.py`.
"""

from __future__ import annotations

import shlex

from pywharf.api import client_lines
from pywharf.api.client_lines import is_loopback

__all__ = ["client_host", "initialize_line", "install_lines", "is_loopback", "upload_lines"]

# The projects whose wheels were just uploaded from dist/. A wheel's name has its project up to the first hyphen, always.
_UPLOADED = "$(basename -a dist/*.whl | cut -d- -f1 | sort -u)"


def client_host(host: str) -> str:
    """The host to put in a URL for a client on this machine: 127.0.0.1 where the server listens on every address."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def upload_lines(base_url: str, repository: str, secret: str) -> list[str]:
    """Commands that upload everything in dist/."""
    url, password = shlex.quote(f"{base_url}simple/"), shlex.quote(secret)
    return [client_lines.uv_publish(url, repository, password), client_lines.twine_upload(url, repository, password)]


def install_lines(base_url: str, repository: str, secret: str) -> list[str]:
    """Commands that install what was uploaded from dist/."""
    index = client_lines.literal_index_word(base_url, repository, secret)
    return [client_lines.pip_install(index, _UPLOADED, client_lines.trusted_host(base_url)), client_lines.uv_install(index, _UPLOADED)]


def initialize_line(base_url: str, token: str) -> str:
    """The command that gives a running server another configuration."""
    url = shlex.quote(f"{base_url}initialize/")
    header = shlex.quote(f"Authorization: Bearer {token}")
    return f"curl -H {header} -F config=@config.toml -F admin_secret=@admin_secret.toml {url}"
