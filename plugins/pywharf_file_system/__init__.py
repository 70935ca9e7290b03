"""The file_system backend: a repository in a folder.

Only the plugin object lives here; it is imported to list commands, so the models and the storage are imported on use.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pywharf.backend.interface import Backend, BackendPlugin

if TYPE_CHECKING:
    from pywharf.backend.settings import BackendSecret
    from pywharf_file_system.config import FileSystemConfig, FileSystemSecret

    ConfigModel = type[FileSystemConfig]  # named here, since the plugin's own `type` is in the way below
    SecretModel = type[FileSystemSecret]


class FileSystemPlugin(BackendPlugin):
    """Packages in a folder: under ROOT, or wherever the configuration's `path` says."""

    type = "file_system"
    needs_admin_secret = False

    @property
    def config_model(self) -> ConfigModel:
        from pywharf_file_system.config import FileSystemConfig

        return FileSystemConfig

    @property
    def secret_model(self) -> SecretModel:
        from pywharf_file_system.config import FileSystemSecret

        return FileSystemSecret

    def open(self, config: FileSystemConfig, secret: BackendSecret | None, workdir: Path) -> Backend:
        from pywharf_file_system.storage import FileSystemBackend

        return FileSystemBackend(config, secret, _storage(config, workdir), workdir)

    def staging(self, config: FileSystemConfig, workdir: Path) -> Path:
        return _storage(config, workdir) / "incoming"

    def first_config(self) -> tuple[FileSystemConfig, None]:
        from pywharf_file_system.config import FileSystemConfig

        return FileSystemConfig.with_random_secrets(), None


def _storage(config: FileSystemConfig, workdir: Path) -> Path:
    return config.path or workdir / "storage"


plugin = FileSystemPlugin()
