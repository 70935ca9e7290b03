"""The connections to a git host: one pool for all who speak to it over the same way, in one process.

Nothing of a caller is kept here: rights go with each request. The pool neither retries, nor follows redirects, nor decodes:
whoever asks knows better (`transport`, `rest`).
"""

from __future__ import annotations

import functools
import os
import urllib.request
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.util import make_headers

from pywharf import __version__
from pywharf.errors import BackendUnavailable
from pywharf_github.config import GitHubConfig

USER_AGENT = f"git/pywharf-{__version__}"  # GitHub answers differently to what does not begin with "git/"
CONNECT_WITHIN = 20.0  # seconds at most; a host that is up answers in one
KEPT = 16  # connections per host, waiting for the next request


def connections(config: GitHubConfig, url: str) -> urllib3.PoolManager:
    """The pool for requests to `url` (its host and scheme decide about a proxy). Raises BackendUnavailable where it cannot be made."""
    return _pool(config.proxy or _proxy_of_environment(url), str(config.ca_file or ""), config.timeout, os.getpid())


def _proxy_of_environment(url: str) -> str:
    """The environment's proxy for this URL, or "". Upper and lower case, `no_proxy` heeded."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all", "")


@functools.lru_cache(maxsize=16)
def _pool(proxy: str, ca_file: str, timeout: float, process: int) -> urllib3.PoolManager:
    # `process`: a connection shared by two processes after a fork would mix their answers.
    options = {
        "timeout": urllib3.Timeout(connect=min(timeout, CONNECT_WITHIN), read=timeout),
        "retries": False,
        "maxsize": KEPT,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": ca_file or None,
        "headers": {"User-Agent": USER_AGENT},
    }
    if not proxy:
        return urllib3.PoolManager(**options)  # type: ignore[arg-type]
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        raise BackendUnavailable("its proxy cannot be used: it is given as http://HOST:PORT")
    password = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if "@" in parts.netloc else None
    address = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port else "")  # no password in what is printed
    return urllib3.ProxyManager(address, proxy_headers=make_headers(proxy_basic_auth=password), **options)  # type: ignore[arg-type]
