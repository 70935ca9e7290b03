"""Who makes a commit: the user whose token it is, as far as the host tells.

Asked over the REST API, once for each token and never in the way of an upload: where nobody answers soon, the commit names pywharf.
"""

from __future__ import annotations

import logging
import threading
import time

from pywharf_github.commits import COMMITTER
from pywharf_github.config import GITHUB_API, GITHUB_GIT, GitHubConfig
from pywharf_github.rest import HostRefused, RestApi

PATIENCE = 5.0  # seconds that an upload waits for the name at most
ASK_AGAIN = 600.0  # seconds after which a host that told nothing is asked again

log = logging.getLogger(__name__)


class TokenAuthor:
    """The author of commits made with one token, e.g. "Jane Doe <1+jane@users.noreply.github.com>". Shared between threads; never raises."""

    def __init__(self, config: GitHubConfig, token: str) -> None:
        self._api = RestApi(config.model_copy(update={"timeout": min(config.timeout, PATIENCE)}), token) if may_ask(config) else None
        self._known = COMMITTER
        self._next = 0.0  # when to ask; monotonic
        self._guard = threading.Lock()

    def __call__(self) -> str:
        if self._api is None:
            return self._known
        with self._guard:
            if time.monotonic() >= self._next:
                self._next = self._ask(self._api)
            return self._known

    def _ask(self, api: RestApi) -> float:
        """Returns when to ask again."""
        try:
            self._known = api.user().signature
        except HostRefused as error:
            log.info("the host does not tell whose token it is, commits name pywharf: reason=%s", error)
            return time.monotonic() + ASK_AGAIN
        return float("inf")


def may_ask(config: GitHubConfig) -> bool:
    """Whether api_url belongs to the host that the token is for. A token for another git host is never sent to GitHub."""
    return (config.git_url == GITHUB_GIT) == (config.api_url == GITHUB_API)
