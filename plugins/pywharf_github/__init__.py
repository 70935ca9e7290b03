"""The GitHub backend: a repository in a git repository, on GitHub or on any other git host that speaks HTTP.

Only the plugin object lives here; it is imported to list commands, so the models, git and the commands are imported on use.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pywharf.backend.interface import Backend, BackendPlugin, PluginCommand

if TYPE_CHECKING:
    from pywharf.backend.settings import BackendSecret
    from pywharf_github.config import GitHubConfig, GitHubSecret

    ConfigModel = type[GitHubConfig]  # named here, since the plugin's own `type` is in the way below
    SecretModel = type[GitHubSecret]


class GitHubPlugin(BackendPlugin):
    """Packages as commits on one branch of a git repository; the git host decides who may read and write."""

    type = "github"
    needs_admin_secret = True
    commands = (
        PluginCommand("init_pkg_repo", "pywharf_github.commands:init_pkg_repo", "Make a GitHub repository ready for packages."),
        PluginCommand(
            "gen_gh_pages", "pywharf_github.commands:gen_gh_pages", "Write the index as static files, for GitHub Pages or any web server."
        ),
    )

    @property
    def config_model(self) -> ConfigModel:
        from pywharf_github.config import GitHubConfig

        return GitHubConfig

    @property
    def secret_model(self) -> SecretModel:
        from pywharf_github.config import GitHubSecret

        return GitHubSecret

    def open(self, config: GitHubConfig, secret: BackendSecret | None, workdir: Path) -> Backend:
        from pywharf_github.authors import TokenAuthor
        from pywharf_github.storage import GitHubBackend

        if secret is None:
            return GitHubBackend(config, secret, workdir)
        return GitHubBackend(config, secret, workdir, author=TokenAuthor(config, secret.reveal()))


plugin = GitHubPlugin()
