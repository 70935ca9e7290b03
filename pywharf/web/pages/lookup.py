"""How pages find a project, and what they say where there is none."""

from __future__ import annotations

from pywharf.model.names import ProjectName
from pywharf.model.project import ProjectDetail
from pywharf.web.callers import Caller
from pywharf.web.request import Request
from pywharf.web.responses import Response
from pywharf.web.templating import page


def find_project(caller: Caller, name: ProjectName) -> ProjectDetail | None:
    """A project as it is now; None where the storage has no such project either. Raises IndexNotReady."""
    if caller.repository.project_revision(name) is None:
        return None
    return caller.repository.project(name)


class Missing:
    """Pages for what is not here. extra_index_url: where installers are sent then; "" where there is none."""

    def __init__(self, extra_index_url: str) -> None:
        self._extra_index_url = extra_index_url

    def project(self, request: Request, caller: Caller, name: ProjectName) -> Response:
        """404: no such project."""
        said = f"There is no project {name} in repository {caller.repository.name}."
        if not caller.repository.may_leave(name):
            return self._page(
                request, caller, name, said, "Installers that ask for it get the same answer: the name is this repository's own."
            )
        if not self._extra_index_url:
            return self._page(request, caller, name, said, "Installers that ask for it get the same answer: there is no extra index.")
        return self._page(request, caller, name, said, f"Installers that ask for it here are sent on to {self._extra_index_url}{name}/.")

    def release(self, request: Request, caller: Caller, name: ProjectName, version: str) -> Response:
        """404: the project is here, and has no such release."""
        said = f"Project {name} has no release {version[:200]}."
        return self._page(request, caller, name, said, "It may have been deleted.", version=version)

    def _page(self, request: Request, caller: Caller, name: ProjectName, said: str, more: str, version: str = "") -> Response:
        return page(
            request, "missing.tpl", title="Not found", caller=caller, status=404, project=name, said=said, more_said=more, version=version
        )
