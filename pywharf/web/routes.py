"""All routes and what each of them does, as Bottle keeps them. Each is there with and without its final slash.

Takes a third of a server's start to import and to make, and the first answers can do without: see `App.load`.
"""

from __future__ import annotations

from collections.abc import Mapping

import bottle

from pywharf.backend.interface import Access
from pywharf.config import ServerSettings
from pywharf.web import admin, health, integrity, manage, static, upload
from pywharf.web.callers import Callers, Handler
from pywharf.web.feeds import Feeds
from pywharf.web.hot_routes import PROJECT_PAGE
from pywharf.web.login import Login
from pywharf.web.metrics.page import MetricsPage
from pywharf.web.metrics.reporting import Metrics
from pywharf.web.page_cache import PageCache
from pywharf.web.pages.home import Home
from pywharf.web.pages.lookup import Missing
from pywharf.web.pages.manage import ACTIONS, Manage
from pywharf.web.pages.project_list import project_list
from pywharf.web.pages.release import ReleasePages
from pywharf.web.pages.why import WhyPage
from pywharf.web.pypi_json import PypiJson
from pywharf.web.readme import Readmes
from pywharf.web.sessions import Sessions
from pywharf.web.throttle import Throttle
from pywharf.wharf import Wharf

Hot = Mapping[str, Handler]  # by the address of the route


class Routes:
    """The routes of one application. readmes: what renders READMEs for its pages."""

    def __init__(
        self,
        wharf: Wharf,
        settings: ServerSettings,
        *,
        callers: Callers,
        sessions: Sessions,
        throttle: Throttle,
        cache: PageCache,
        metrics: Metrics,
        hot: Hot,
    ) -> None:
        """hot: what the hot routes do, as `guarded` made it; the same as where Bottle is not asked."""
        self.bottle = bottle.Bottle()
        self._callers = callers
        self.readmes = Readmes()
        for address, handler in hot.items():
            self._open(address, "GET", handler)
        self._open(PROJECT_PAGE.replace("/<", "//<"), "GET", hot[PROJECT_PAGE])  # as pipenv spells it; leads to the right one
        self._open("/health", "GET", health.HealthPage(callers))
        self._open("/initialize", "POST", admin.Initialize(wharf, throttle, sessions))
        self._open("/static/<name>", "GET", static.static_file)
        for address in ("/", "/simple", "/legacy"):
            self._route(address, "POST", Access.WRITE, upload.Uploads(metrics.counts))
        self._route("/integrity/<project>/<version>/<filename>/provenance", "GET", Access.READ, integrity.provenance)
        json = PypiJson(cache)
        self._route("/pypi/<project>/json", "GET", Access.READ, json.project)
        self._route("/pypi/<project>/<version>/json", "GET", Access.READ, json.release)
        self._route("/index_mtime", "GET", Access.READ, admin.index_mtime)
        self._route("/metrics", "GET", Access.READ, MetricsPage(metrics.scraper))
        for change in (manage.yank, manage.unyank, manage.delete):
            self._route(f"/manage/<project>/{change.__name__}", "POST", Access.WRITE, change)
        self._route("/manage/<project>/status", "POST", Access.WRITE, manage.set_status)
        self._route("/manage/<project>/status", "GET", Access.READ, manage.status)
        self._pages(settings, sessions)

    def _pages(self, settings: ServerSettings, sessions: Sessions) -> None:
        """The routes for people."""
        login = Login(self._callers, sessions, settings.public_url)
        self._open("/login", "GET", login.show)
        self._open("/login", "POST", login.enter)
        self._open("/logout", "GET", login.ask_to_leave)
        self._open("/logout", "POST", login.leave)
        missing = Missing(settings.extra_index_url.rstrip("/") + "/" if settings.extra_index_url else "")
        self._route("/", "GET", Access.READ, Home(settings.public_url))
        self._route("/projects", "GET", Access.READ, project_list)
        releases = ReleasePages(self.readmes, missing, settings.public_url)
        self._route("/projects/<project>", "GET", Access.READ, releases.project)
        # Before the pages of releases: "manage" is no version.
        forms = Manage(self._callers, missing, settings.public_url)
        self._open("/projects/<project>/manage", "GET", forms.show)
        for action in ACTIONS:
            self._open(f"/projects/<project>/manage/{action}/confirm", "POST", forms.confirm(action))
            self._open(f"/projects/<project>/manage/{action}", "POST", forms.carry_out(action))
        self._route("/projects/<project>/<version>", "GET", Access.READ, releases.release)
        self._route("/projects/<project>/<version>/why", "GET", Access.READ, WhyPage(missing))
        feeds = Feeds(settings.public_url)
        self._route("/feeds/latest.atom", "GET", Access.READ, feeds.latest)
        self._route("/feeds/<project>.atom", "GET", Access.READ, feeds.project)

    def _route(self, address: str, method: str, needs: Access, handler: Handler) -> None:
        """A route for callers."""
        self._open(address, method, self._callers.guarded(needs, handler))

    def _open(self, address: str, method: str, handler: Handler) -> None:
        """A route that sees to it itself who may use it."""
        for rule in sorted({address, address.rstrip("/") + "/"}):
            self.bottle.route(rule, method, handler)
