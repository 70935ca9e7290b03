"""The lines that a person pastes into a shell to install from a repository, and to upload to it.

Secrets stand in variables in front of the command and not among its words, which everybody on the machine sees in `ps`.

Pure. A `word` is what is put into a line as it is: quoted for the shell already.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

SECRET = "PYWHARF_SECRET"  # the shell's variable that lines for pages name in the place of a secret  # noqa: S105
ASK_FOR_SECRET = f"read -rs {SECRET}"

_MEANT = re.compile(r'(["$`\\])')  # what a shell does not leave alone between double quotes


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def trusted_host(base_url: str) -> str:
    """The option with which pip talks plain HTTP with a host that is not this machine, and a space before; "" where it needs none."""
    parts = urlsplit(base_url)
    if parts.scheme != "http" or is_loopback(parts.hostname or ""):
        return ""
    return f" --trusted-host {shlex.quote(parts.netloc)}"


def literal_index_word(base_url: str, repository: str, secret: str) -> str:
    """The address of the Simple API with a secret in it. base_url: ends with a slash."""
    scheme, _, rest = base_url.partition("://")
    return shlex.quote(f"{scheme}://{quote(repository)}:{quote(secret, safe='')}@{rest}simple/")


def variable_index_word(base_url: str, repository: str) -> str:
    """The same with the shell's variable in the place of the secret."""
    scheme, _, rest = base_url.partition("://")
    before, after = _MEANT.sub(r"\\\1", f"{scheme}://{quote(repository)}:"), _MEANT.sub(r"\\\1", f"@{rest}simple/")
    return f'"{before}${SECRET}{after}"'


def pip_install(index_word: str, what: str, trusted: str = "") -> str:
    return f"PIP_INDEX_URL={index_word} pip install{trusted} {what}"


def uv_install(index_word: str, what: str) -> str:
    return f"UV_DEFAULT_INDEX={index_word} uv pip install {what}"


def uv_publish(upload_word: str, repository: str, secret_word: str) -> str:
    return f"UV_PUBLISH_PASSWORD={secret_word} uv publish --publish-url {upload_word} --username {repository} dist/*"


def twine_upload(upload_word: str, repository: str, secret_word: str) -> str:
    return f"TWINE_PASSWORD={secret_word} twine upload --repository-url {upload_word} --username {repository} dist/*"


@dataclass(frozen=True)
class PageLines:
    """The lines of pages: the same for everybody, with the shell's variable where each has a secret of their own."""

    base_url: str  # where this server is reached; ends with a slash
    repository: str

    @property
    def simple_url(self) -> str:
        return f"{self.base_url}simple/"

    def install(self, requirement: str) -> list[tuple[str, str]]:
        """Lines that install "demo" or "demo==1.0", each with the tool it is for."""
        index, what = variable_index_word(self.base_url, self.repository), shlex.quote(requirement)
        return [
            ("pip", pip_install(index, what, trusted_host(self.base_url))),
            ("uv", uv_install(index, what)),
            ("Poetry", f"poetry add --source {self._source} {what}"),
        ]

    def upload(self) -> list[tuple[str, str]]:
        """Lines that upload what lies in dist/."""
        address, secret = shlex.quote(self.simple_url), f'"${SECRET}"'
        return [
            ("twine", twine_upload(address, self.repository, secret)),
            ("uv", uv_publish(address, self.repository, secret)),
            ("Poetry", f"poetry publish --repository {self._source}"),
        ]

    def poetry_setup(self) -> list[str]:
        """What Poetry is told once. It asks for the secret by itself, and keeps it out of the project."""
        address = shlex.quote(self.simple_url)
        return [
            f"poetry source add {self._source} {address}",
            f"poetry config repositories.{self._source} {address}",
            f"poetry config http-basic.{self._source} {self.repository}",
        ]

    @property
    def _source(self) -> str:
        return self.repository.replace(".", "-")  # a dot would part the keys of Poetry's configuration
