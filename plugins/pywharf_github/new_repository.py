"""Makes a repository on GitHub that is ready for packages: created, filled with its first commit, its workflows and its Pages branch.

What it would do can be told without doing any of it (`plan`). Done again, it goes on where the run before stopped: what is there
stays, what is missing is added. A repository that holds anything else than what this makes is never touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pywharf.backend.interface import Access
from pywharf_github import workflow
from pywharf_github.branch_files import NO_BRANCH, BranchFiles, add, blob_id, look
from pywharf_github.config import GitHubConfig
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import PushMoved, PushRefused, TooMuchSent
from pywharf_github.rest import HostedRepository, HostRefused, NameTaken, RestApi, TokenUser
from pywharf_github.sidecar import SerialFile
from pywharf_github.tree import PACKAGES, SERIAL_PATH
from pywharf_github.workflow import INDEX_WORKFLOW, PAGES_BRANCH, PAGES_WORKFLOW, Words

Say = Callable[[str], object]
Found = Mapping[str, BranchFiles]  # by the branch's name

_ELSEWHERE = "choose another --repo, or delete or rename the one that is there"

NO_JEKYLL = ".nojekyll"  # on a branch that Pages serves: as the files are


@dataclass(frozen=True)
class NewRepository:
    """What is to be made."""

    words: Words
    private: bool = True
    description: str = ""
    with_workflow: bool = True
    with_pages: bool = False

    @property
    def config(self) -> GitHubConfig:
        return self.words.config

    @property
    def pages_config(self) -> GitHubConfig:
        return self.config.model_copy(update={"branch": PAGES_BRANCH})

    def files(self) -> dict[str, bytes]:
        """The first commit of the branch with the packages, by path."""
        texts = {"README.md": workflow.readme(self.words, with_workflow=self.with_workflow)}
        if self.with_workflow:
            texts[INDEX_WORKFLOW] = workflow.index_workflow(self.words)
            if self.with_pages:
                texts[PAGES_WORKFLOW] = workflow.pages_workflow(self.words)
        return {b"/".join(SERIAL_PATH).decode(): SerialFile(0, "").encode(), **_encoded(texts)}

    def pages_files(self) -> dict[str, bytes]:
        """The first commit of the branch that Pages serves."""
        return {NO_JEKYLL: b"", **_encoded({"index.html": workflow.pages_index(self.words)})}

    def made_whatever_the_options(self) -> dict[str, set[bytes]]:
        """The ids of what this makes on the branch with the packages, by path, with the workflows, without, with Pages, without."""
        made: dict[str, set[bytes]] = {}
        for with_workflow, with_pages in itertools.product((False, True), repeat=2):
            for path, content in replace(self, with_workflow=with_workflow, with_pages=with_pages).files().items():
                made.setdefault(path, set()).add(blob_id(content))
        return made


def plan(new: NewRepository) -> list[str]:
    """What `make` would do, one sentence a step."""
    config = new.config
    create = (
        f"Create the {_visibility(new.private)} repository {config.owner}/{config.repo}, empty: POST {config.api_url}/user/repos, "
        f"or {config.api_url}/orgs/{config.owner}/repos where {config.owner} is not the token's own user"
    )
    pages = [
        f"Push one commit with {', '.join(sorted(new.pages_files()))} to the branch {PAGES_BRANCH}",
        f"Have GitHub Pages serve the branch {PAGES_BRANCH}: POST {config.api_url}/repos/{config.owner}/{config.repo}/pages",
    ]
    return [
        f"Ask whose token it is: GET {config.api_url}/user",
        create,
        f"Push one commit with {', '.join(sorted(new.files()))} to the branch {config.branch} of {config.remote_url}",
        f"Make {config.branch} the default branch, where it is not: PATCH {config.api_url}/repos/{config.owner}/{config.repo}",
        *(pages if new.with_pages else []),
    ]


def make(new: NewRepository, token: str, say: Say) -> None:
    """Do it. say: told what was done, one line at a time. Raises HostRefused, AccessDenied, BackendUnavailable."""
    config = new.config
    api = RestApi(config, token)
    user = api.user()
    _check_scopes(user, new)
    remote = GitRemote(config, token)
    hosted, found = _created(new, api, remote, token, user, say)
    _complete(remote, found, new.files(), f"Make ready for packages of {new.words.name}", user, config.branch, say)
    # The first branch that is pushed becomes the default by itself; asked again, since nothing was there before.
    if api.repository().default_branch != config.branch:
        api.set_default_branch(config.branch)
        say(f"made {config.branch} the default branch")
    if new.with_pages:
        if NO_JEKYLL not in found.get(PAGES_BRANCH, NO_BRANCH).blobs:  # else the site is begun, and may have been written already
            _complete(GitRemote(new.pages_config, token), found, new.pages_files(), "Begin the site", user, PAGES_BRANCH, say)
        say(f"GitHub Pages serves it at {api.enable_pages(PAGES_BRANCH) or 'its address'}")
    say(f"{hosted.html_url or config.remote_url} is ready")


def warnings(new: NewRepository) -> list[str]:
    """What its owner should know beforehand."""
    told = []
    if not new.private:
        told.append("The repository is public: everybody can read it, so every token that the git host accepts may install from pywharf.")
    if new.with_pages and new.private:
        told.append(
            "A Pages site is public even where its repository is private, unless an Enterprise plan restricts it: see Settings, Pages."
        )
    if new.with_pages and not new.with_workflow:
        told.append("Without the workflow nobody updates the Pages site: run gen_gh_pages and push its output yourself.")
    return told


def _created(new: NewRepository, api: RestApi, remote: GitRemote, token: str, user: TokenUser, say: Say) -> tuple[HostedRepository, Found]:
    """The repository, open for the token, and what is on its branches already: mostly nothing."""
    config = new.config
    try:
        hosted = api.create(of_organisation=user.login.lower() != config.owner.lower(), private=new.private, description=new.description)
    except NameTaken as error:
        return _taken_over(new, api, remote, token, say, error)
    say(f"created the {_visibility(new.private)} repository {config.owner}/{config.repo}")
    if remote.access() < Access.WRITE:
        raise HostRefused(
            f"{config.owner}/{config.repo} is there, and the token may not push to it: a fine-grained token for selected repositories "
            "does not hold for new ones. Add this one to the token, with Contents: write, and run the same command again"
        )
    return hosted, {}


def _taken_over(
    new: NewRepository, api: RestApi, remote: GitRemote, token: str, say: Say, taken: NameTaken
) -> tuple[HostedRepository, Found]:
    """A repository of that name as a run that was stopped leaves it behind. Raises HostRefused where it is anything else."""
    if remote.access() < Access.WRITE:
        raise taken
    config = new.config
    where = f"{config.owner}/{config.repo} exists already"
    found = _begun(new, remote, token, where)
    hosted = api.repository()
    if hosted.private != new.private:
        raise HostRefused(
            f"{where}, and is {_visibility(hosted.private)}: delete it, change that in its settings, or run this with "
            f"--{_visibility(hosted.private)}"
        )
    say(f"{where} and {'holds only what this command makes' if found else 'is empty'}: going on with it")
    return hosted, found


def _begun(new: NewRepository, remote: GitRemote, token: str, where: str) -> Found:
    """The branches that are there, all of them made by this. Raises HostRefused for the first thing that is not."""
    config, pages = new.config, new.pages_config
    refs = remote.refs(b"refs/")
    foreign = sorted(ref.decode("utf-8", "replace").removeprefix("refs/heads/") for ref in refs.keys() - {config.ref, pages.ref})
    if foreign or (pages.ref in refs and config.ref not in refs):
        raise HostRefused(f"{where} and has the branch {(foreign or [PAGES_BRANCH])[0]}, which this command did not make: {_ELSEWHERE}")
    found = {}
    try:
        for of_branch in (config, pages):
            if of_branch.ref in refs:
                found[of_branch.branch] = look(GitRemote(of_branch, token))
    except TooMuchSent as error:
        raise HostRefused(f"{where} and holds too much to be new: {_ELSEWHERE}") from error
    made = new.made_whatever_the_options()
    for path, blob in sorted(found.get(config.branch, NO_BRANCH).blobs.items()):
        if path.startswith(f"{PACKAGES.decode()}/"):
            raise HostRefused(
                f"{where}, holds packages, and needs nothing: --dry_run shows its configuration. For another one, {_ELSEWHERE}"
            )
        if blob not in made.get(path, ()):
            raise HostRefused(f"{where} and holds {path}, not as this command makes it: {_ELSEWHERE}")
    if new.with_pages and pages.branch in found and NO_JEKYLL not in found[pages.branch].blobs:
        raise HostRefused(
            f"{where}, and its branch {pages.branch} is none that this command made: delete that branch, or leave out --enable_gh_pages"
        )
    return found


def _check_scopes(user: TokenUser, new: NewRepository) -> None:
    """Before anything is made. A fine-grained token does not tell what it may do."""
    if user.scopes is None:
        return
    needed = ["repo"] if new.private or "public_repo" not in user.scopes else []
    needed += ["workflow"] if new.with_workflow else []
    missing = [scope for scope in needed if scope not in user.scopes]
    if missing:
        without = ", or leave the workflow out with --no_workflow" if missing == ["workflow"] else ""
        raise HostRefused(
            f"the token of {user.login} lacks the scope {' and '.join(missing)}: add it in the token's settings{without}. Nothing was done"
        )


def _complete(remote: GitRemote, found: Found, files: Mapping[str, bytes], message: str, user: TokenUser, branch: str, say: Say) -> None:
    """Put on a branch what it lacks of its first files. Raises HostRefused, AccessDenied, BackendUnavailable."""
    there = found.get(branch, NO_BRANCH)
    lacking = there.lacks(files)
    if not lacking:
        say(f"{branch} has everything already")
        return
    try:
        add(remote, there, {path: files[path] for path in lacking}, message, user.signature)
    except PushMoved as error:
        raise HostRefused(f"somebody else pushed to the branch {branch} just now: run the same command again") from error
    except PushRefused as error:
        advice = "look at the rules for branches of the repository and of its organisation"
        if "workflow" in error.reason or "workflow" in error.told:
            advice = "give the token the scope workflow (fine-grained: Workflows: write), or leave the workflow out with --no_workflow"
        raise HostRefused(f"{error}: {advice}; then run the same command again") from error
    say(f"pushed the first commit to {branch}" if there.tip is None else f"added to {branch}: {', '.join(lacking)}")


def _encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in texts.items()}


def _visibility(private: bool) -> str:
    return "private" if private else "public"
