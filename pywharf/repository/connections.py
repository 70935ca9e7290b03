"""Connections to servers that pywharf itself asks as a client: certificates checked, the environment's proxies used, nothing followed.

Whoever asks decides about redirects, sizes and credentials. SSL_CERT_FILE names further authorities, as with other Python clients.
"""

from __future__ import annotations

import urllib.request
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.util import make_headers

CONNECT_WITHIN = 20.0  # seconds


def proxy_of_environment(url: str) -> str:
    """The environment's proxy for this URL, or "". Upper and lower case, `no_proxy` heeded."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all", "")


def make_pool(proxy: str, *, connections: int, silence: float, ca_file: str = "") -> urllib3.PoolManager:
    """A pool that goes through a proxy, or through none for "".

    connections: kept per host. silence: seconds that a server may say nothing. ca_file: a PEM file with authorities, in place of the
    system's. Raises ValueError, urllib3's HTTPError for a proxy of another kind than http and https.
    """
    options = {
        "timeout": urllib3.Timeout(connect=CONNECT_WITHIN, read=silence),
        "retries": False,
        "maxsize": connections,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": ca_file or None,
    }
    if not proxy:
        return urllib3.PoolManager(**options)  # type: ignore[arg-type]
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    password = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if "@" in parts.netloc else None
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return urllib3.ProxyManager(address, proxy_headers=make_headers(proxy_basic_auth=password), **options)  # type: ignore[arg-type]
