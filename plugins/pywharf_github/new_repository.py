"""Makes a repository on GitHub that is ready for packages: created, filled with its first commit, its workflows and its Pages branch.

What it would do can be told without doing any of it (`plan`). Done twice, it goes on where the first run stopped as long as the
repository is empty; one that holds anything is never touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dulwich.objects import Blob, Commit, ObjectID
from dulwich.pack import UnpackedObject

from pywharf.backend.interface import Access
from pywharf_github import workflow
from pywharf_github.config import GitHubConfig
from pywharf_github.pack_objects import from_object
from pywharf_github.protocol import GitRemote
from pywharf_github.refusals import PushMoved, PushRefused, PushUnanswered
from pywharf_github.rest import HostedRepository, HostRefused, NameTaken, RestApi, TokenUser
from pywharf_github.sidecar import SerialFile
from pywharf_github.tree import FILE_MODE, SERIAL_PATH, Item, Path, edited
from pywharf_github.workflow import INDEX_WORKFLOW, PAGES_BRANCH, PAGES_WORKFLOW, Words

Say = Callable[[str], object]


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
        """The first commit of the branch that Pages serves. `.nojekyll`: the files are to be served as they are."""
        return {".nojekyll": b"", **_encoded({"index.html": workflow.pages_index(self.words)})}


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
    hosted = _created(new, api, remote, user, say)
    _push(remote, new.files(), f"Make ready for packages of {new.words.name}", user, config.branch)
    say(f"pushed the first commit to {config.branch}")
    # The first branch that is pushed becomes the default by itself; asked again, since nothing was there before.
    if api.repository().default_branch != config.branch:
        api.set_default_branch(config.branch)
        say(f"made {config.branch} the default branch")
    if new.with_pages:
        _push(GitRemote(new.pages_config, token), new.pages_files(), "Begin the site", user, PAGES_BRANCH)
        say(f"pushed the first commit to {PAGES_BRANCH}")
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


def _created(new: NewRepository, api: RestApi, remote: GitRemote, user: TokenUser, say: Say) -> HostedRepository:
    """The repository, empty and open for the token."""
    config = new.config
    try:
        hosted = api.create(of_organisation=user.login.lower() != config.owner.lower(), private=new.private, description=new.description)
    except NameTaken as error:
        return _taken_over(new, api, remote, say, error)
    say(f"created the {_visibility(new.private)} repository {config.owner}/{config.repo}")
    if remote.access() < Access.WRITE:
        raise HostRefused(
            f"{config.owner}/{config.repo} is there, and the token may not push to it: a fine-grained token for selected repositories "
            "does not hold for new ones. Add this one to the token, with Contents: write, and run the same command again"
        )
    return hosted


def _taken_over(new: NewRepository, api: RestApi, remote: GitRemote, say: Say, taken: NameTaken) -> HostedRepository:
    """An empty repository of that name, as a run that was stopped leaves it behind. Raises `taken` where it is anything else."""
    if remote.access() < Access.WRITE or remote.refs(b"refs/"):
        raise taken
    hosted = api.repository()
    if hosted.private != new.private:
        raise HostRefused(
            f"{new.config.owner}/{new.config.repo} exists already, is empty, and is {_visibility(hosted.private)}: "
            f"delete it, or run this with --{_visibility(hosted.private)}"
        )
    say(f"{new.config.owner}/{new.config.repo} exists already and is empty: going on with it")
    return hosted


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


def _push(remote: GitRemote, files: Mapping[str, bytes], message: str, user: TokenUser, branch: str) -> None:
    commit, objects = first_commit(files, message, user)
    try:
        remote.push(None, commit, objects)
    except PushUnanswered:
        if remote.tip() != commit:
            raise
    except PushMoved as error:
        raise HostRefused(f"the branch {branch} exists already: somebody else pushed to it just now") from error
    except PushRefused as error:
        advice = "look at the rules for branches of the repository and of its organisation"
        if "workflow" in error.reason or "workflow" in error.told:
            advice = "give the token the scope workflow (fine-grained: Workflows: write), or leave the workflow out with --no_workflow"
        raise HostRefused(f"{error}: {advice}; then run the same command again") from error


def first_commit(files: Mapping[str, bytes], message: str, user: TokenUser) -> tuple[bytes, list[UnpackedObject]]:
    """A commit without a parent that holds these files by path: its id, and it with all that is in it."""
    blobs = {path: Blob.from_string(content) for path, content in files.items()}
    edits: dict[Path, Item | None] = {tuple(path.encode().split(b"/")): (FILE_MODE, bytes(blob.id)) for path, blob in blobs.items()}
    root, trees = edited(lambda sha: {}, None, edits)
    if root is None:
        raise ValueError("a first commit needs a file")
    commit = Commit()
    commit.tree = ObjectID(root)
    commit.author = commit.committer = user.signature.encode()
    commit.author_time = commit.commit_time = int(time.time())
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = message.encode() + b"\n"
    return bytes(commit.id), [from_object(one) for one in (commit, *trees, *blobs.values())]


def _encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in texts.items()}


def _visibility(private: bool) -> str:
    return "private" if private else "public"
