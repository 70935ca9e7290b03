"""One configuration is exchanged for another whole or not at all, for every process on ROOT, and under the feet of nobody."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from repository.making import download, settle, upload

from pywharf import files, stored_config, wharf
from pywharf.backend.discovery import find_plugin
from pywharf.backend.interface import Access, Backend, BackendPlugin, Changes, Cursor
from pywharf.backend.settings import BackendSecret
from pywharf.config import ServerSettings
from pywharf.errors import AccessDenied, BackendUnavailable, ConfigInvalid, LayoutUnusable
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.model.names import ProjectName
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_wheel
from pywharf.testing.memory import MemoryBackend, MemoryConfig, MemoryPlugin
from pywharf.wharf import Generation, Wharf

pytestmark = pytest.mark.any_python

DEMO = ProjectName("demo")
WHEEL = make_wheel("demo", "1.0")
FOLLOW = wharf.FOLLOW


def config(*names: str, type_: str = "memory", read: str = "reader", write: str = "writer") -> str:
    return "".join(f'[{name}]\ntype = "{type_}"\nread_secret = "{read}"\nwrite_secret = "{write}"\n' for name in names)


A = config("alpha", "shared", read="a-reader")
B = config("Beta", "Shared", read="b-reader")
FIRST = config("first")

OTHER_PROCESS = """
import sys
from pathlib import Path
from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.wharf import Wharf
wharf = Wharf(Layout(Path(sys.argv[1])), ServerSettings())
wharf.start()
print(",".join(wharf._generation.repositories), flush=True)
for line in sys.stdin:
    wharf.initialize(line.replace(";", "\\n"), "")
    print("done", flush=True)
wharf.close()
"""


class Counted(MemoryBackend):
    """A backend that tells its plugin when it is closed, which it may be once."""

    open_ones: set[Backend]
    takes = 0.0

    def read_changes(self, after: Cursor | None) -> Changes:
        time.sleep(self.takes)
        return super().read_changes(after)

    def access(self) -> Access:
        self.check()
        return super().access()

    def check(self) -> None:
        assert self in self.open_ones, "used after it was closed"

    def close(self) -> None:
        self.open_ones.remove(self)


class Plugin(MemoryPlugin):
    """Counts what it opened and what was closed again."""

    def __init__(self) -> None:
        super().__init__()
        self.open_ones: set[Backend] = set()
        self.rights_of_the_server = Access.WRITE
        self.fails_to_open: Exception | None = None
        self.left_to_open = 0  # until it fails
        self.takes = 0.0  # seconds that the next backends need for an answer

    def open(self, config: MemoryConfig, secret: BackendSecret | None, workdir: Path) -> Backend:
        if self.fails_to_open is not None:
            self.left_to_open -= 1
            if self.left_to_open < 0:
                raise self.fails_to_open
        rights = {config.write_secret: Access.WRITE, config.read_secret: Access.READ}
        backend = Counted(self.storage(workdir), self.rights_of_the_server if secret is None else rights.get(secret.reveal(), Access.NONE))
        backend.open_ones, backend.takes = self.open_ones, self.takes
        self.open_ones.add(backend)
        return backend


class Make(Protocol):
    def __call__(self) -> Wharf: ...


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """The plugin of type "memory", which is not announced by any distribution."""
    plugin = Plugin()

    def find_this_too(type_: str) -> BackendPlugin:
        return plugin if type_ == "memory" else find_plugin(type_)

    monkeypatch.setattr("pywharf.config.find_plugin", find_this_too)
    return plugin


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    return layout


@pytest.fixture
def make(layout: Layout, plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(wharf, "FOLLOW", 0.03)  # for tests that are not about how soon
    made = []

    def make() -> Wharf:
        made.append(Wharf(layout, ServerSettings()))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def server(make: Make, layout: Layout) -> Wharf:
    """It runs, on FIRST."""
    stored_config.replace(layout, StoredConfig(FIRST, ""))
    server = make()
    server.start()
    return server


def names(server: Wharf) -> set[str]:
    with server.hold() as generation:
        return set(generation.repositories)


def the(server: Wharf, name: str) -> Repository:
    with server.hold() as generation:
        found = generation.find(name)
    assert found is not None
    return found


def on_disk(layout: Layout) -> dict[str, bytes]:
    """What ROOT says of the configuration, byte for byte."""
    return {path.name: path.read_bytes() for path in layout.root.iterdir() if path.is_file() and path.name not in ("lock", "layout")}


# --- start and close --------------------------------------------------------------------------------------------------


def test_a_root_without_a_configuration_is_refused_with_what_to_do(make: Make) -> None:
    with pytest.raises(ConfigInvalid, match="ROOT has no configuration: start the server with --config"):
        make().start()


def test_a_configuration_that_cannot_be_used_is_told_by_its_file_at_start(make: Make, layout: Layout) -> None:
    stored_config.replace(layout, StoredConfig('[first]\ntype = "paper"\n', ""))

    with pytest.raises(ConfigInvalid) as caught:
        make().start()

    assert str(layout.config) in str(caught.value)


def test_the_configuration_on_disk_may_name_the_servers_environment(
    make: Make, layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WHARF_TEST_READ", "from-outside")
    text = f'[first]\ntype = "file_system"\nread_secret = {{env = "WHARF_TEST_READ"}}\npath = "{tmp_path / "elsewhere"}"\n'
    stored_config.replace(layout, StoredConfig(text, ""))
    server = make()
    server.start()

    assert the(server, "first").access("from-outside") == Access.READ


def test_the_name_of_a_repository_is_the_same_in_any_case(make: Make, layout: Layout, plugin: Plugin) -> None:
    stored_config.replace(layout, StoredConfig(config("My-Repo"), '[mY-rEPO]\ntype = "memory"\nraw = "writer"\n'))
    server = make()
    server.start()
    upload(the(server, "MY-REPO"), WHEEL)

    assert names(server) == {"my-repo"}
    with server.hold() as generation:
        assert generation.find("my-repo") is generation.find("My-Repo") is generation.find("MY-REPO")
        assert [generation.find(name) for name in ("other", "", "../my-repo", "my-repo/", "m\u212ay-repo", "\x00", "a" * 1000)] == [
            None
        ] * 7
    assert the(server, "my-repo").projects().names == ("demo",)
    assert set(plugin._storages) == {layout.cache / "my-repo"}


def test_a_server_that_is_closed_has_closed_everything_and_answers_nobody(server: Wharf, plugin: Plugin) -> None:
    upload(the(server, "first"), WHEEL)
    assert plugin.open_ones
    server.close()

    assert not plugin.open_ones
    assert names(server) == set()
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("sync first", "follow configuration")]


def test_closing_waits_for_nobody_and_takes_nothing_from_under_a_request(server: Wharf, plugin: Plugin) -> None:
    with server.hold() as generation:
        server.close()
        repository = generation.find("first")
        assert repository is not None
        assert upload(repository, WHEEL).created
        assert plugin.open_ones
    assert not plugin.open_ones


# --- initialise -------------------------------------------------------------------------------------------------------


def test_another_configuration_is_served_when_initialise_returns(server: Wharf, layout: Layout, plugin: Plugin) -> None:
    secret = '[beta]\ntype = "memory"\nraw = "writer"\n# Größe ✓\r\n'
    with server.hold() as generation:
        number = generation.number
    server.initialize(B, secret)

    assert names(server) == {"beta", "shared"}
    assert on_disk(layout) == {"config.toml": B.encode(), "admin_secret.toml": secret.encode()}
    with server.hold() as generation:
        assert generation.number == number + 1
    assert len(plugin.open_ones) == 2
    assert the(server, "beta").health().ready


def test_the_packages_of_a_repository_of_the_same_name_stay(server: Wharf) -> None:
    upload(the(server, "first"), WHEEL)
    server.initialize(config("second"), "")
    server.initialize(config("FIRST", read="new"), "")

    assert the(server, "first").projects().names == ("demo",)
    assert download(the(server, "first"), WHEEL.filename) == WHEEL.data


def test_a_name_that_stands_for_another_storage_shows_only_that_one_from_the_first_request(
    server: Wharf, plugin: Plugin, layout: Layout
) -> None:
    server.initialize(config("first", type_="file_system"), "")
    upload(the(server, "first"), WHEEL)
    plugin.takes = 0.3
    server.initialize(config("first"), "")

    repository = the(server, "first")
    assert repository.projects().names == ()
    assert repository.project_revision(DEMO) is None
    assert not repository.may_leave(DEMO)


def test_what_was_granted_ends(server: Wharf) -> None:
    before = the(server, "first")
    assert before.access("reader") == Access.READ
    assert before.access("writer", Access.WRITE) == Access.WRITE
    server.initialize(config("first", read="new", write="newer"), "")

    repository = the(server, "first")
    assert repository.remembered("reader") is None
    assert [repository.access(secret) for secret in ("reader", "writer", "new", "newer")] == [
        Access.NONE,
        Access.NONE,
        Access.READ,
        Access.WRITE,
    ]


def test_a_storage_that_cannot_be_asked_now_is_no_reason_to_refuse(server: Wharf, layout: Layout, plugin: Plugin) -> None:
    plugin.storage(layout.workdir("away")).unavailable = True
    began = time.monotonic()
    server.initialize(config("away"), "")

    assert names(server) == {"away"}
    assert time.monotonic() - began < 20
    assert not the(server, "away").health().ready


# --- all or nothing ---------------------------------------------------------------------------------------------------


class Before:
    """What ran before; `unchanged` proves that it still does."""

    def __init__(self, server: Wharf, layout: Layout, plugin: Plugin) -> None:
        self.server, self.layout, self.plugin = server, layout, plugin
        server._layout.unclaimed.touch()
        upload(the(server, "first"), WHEEL)
        assert the(server, "first").access("reader") == Access.READ
        self.disk, self.generation, self.open_ones = on_disk(layout), server._generation, set(plugin.open_ones)

    def unchanged(self) -> None:
        assert on_disk(self.layout) == self.disk
        with self.server.hold() as generation:
            assert generation is self.generation
        assert self.plugin.open_ones == self.open_ones
        repository = the(self.server, "first")
        assert repository.remembered("reader") == Access.READ
        assert download(repository, WHEEL.filename) == WHEEL.data
        assert self.server.unclaimed
        # It still follows its storage, and a right configuration still finds its way.
        other = MemoryBackend(self.plugin.storage(self.layout.workdir("first")))
        assert other.read_changes(None).reset
        thread = repository._sync._thread
        assert thread is not None
        assert thread.is_alive()
        self.plugin.fails_to_open, self.plugin.rights_of_the_server = None, Access.WRITE
        self.server.initialize(B, "")
        assert names(self.server) == {"beta", "shared"}
        assert self.disk != on_disk(self.layout)


@pytest.fixture
def before(server: Wharf, layout: Layout, plugin: Plugin) -> Before:
    return Before(server, layout, plugin)


@pytest.mark.parametrize(
    ("text", "secret", "told"),
    [
        ("", "", "config: "),
        ("[a", "", "config: "),
        ("\0", "", "config: "),
        (A + '[broken]\ntype = "paper"\n', "", "paper"),
        (A + "[broken]\n", "", "type"),
        (A + config("ALPHA"), "", "twice"),
        (config('"../up"'), "", "a repository's name"),
        (A + 'unknown = "key"\n', "", "is not a key that this type knows"),
        (A, '[alpha]\ntype = "file_system"\nraw = "x"\n', "differs from the type"),
        (A, '[gamma]\ntype = "memory"\nraw = "x"\n', "there is no such repository"),
        (A, "[alpha", "admin_secret: "),
        (A, '[alpha]\ntype = "memory"\nenv = "PATH"\n', "environment variables"),
        (A + '[broken]\ntype = "file_system"\nread_secret = {env = "PATH"}\n', "", "environment variables"),
        (A + '[broken]\ntype = "file_system"\nread_secret = [{raw = "x"}, {env = "PATH"}]\n', "", "environment variables"),
        (A + '[broken]\ntype = "file_system"\nread_secret = "x"\npath = "/srv/x"\n', "", "path of the server"),
        (A + "# \udcff\n", "", "not Unicode"),
        (A, "# \ud800\n", "not Unicode"),
    ],
)
def test_a_text_that_cannot_be_used_changes_nothing(before: Before, text: str, secret: str, told: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        before.server.initialize(text, secret)

    assert told in str(caught.value)
    assert os.environ["PATH"] not in str(caught.value)
    before.unchanged()


@pytest.mark.parametrize("opened", [0, 1])
@pytest.mark.parametrize("trouble", [BackendUnavailable("no"), LayoutUnusable("no"), RuntimeError("a bug of the plugin")])
def test_a_storage_that_does_not_open_changes_nothing_and_the_others_are_closed(before: Before, opened: int, trouble: Exception) -> None:
    before.plugin.fails_to_open, before.plugin.left_to_open = trouble, opened

    with pytest.raises(BackendUnavailable if isinstance(trouble, LayoutUnusable) else type(trouble)):
        before.server.initialize(A, "")

    before.unchanged()


def test_an_admin_secret_that_may_not_read_is_refused_and_changes_nothing(before: Before) -> None:
    before.plugin.rights_of_the_server = Access.NONE

    with pytest.raises(ConfigInvalid, match=r"admin_secret, \[alpha\]: the storage says that this secret may not read it"):
        before.server.initialize(A, "")

    before.unchanged()


def test_a_check_that_fails_by_a_fault_changes_nothing(before: Before, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(repository: Repository) -> None:
        raise RuntimeError(repository.name)

    with monkeypatch.context() as patched:
        patched.setattr(Repository, "check_admin_access", fail)
        with pytest.raises(RuntimeError):
            before.server.initialize(A, "")

    before.unchanged()


@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "rename"])
def test_a_disk_that_cannot_take_the_decision_changes_nothing(before: Before, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    def full(path: Path, data: bytes) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(os, step, fail)
            files.write_whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(stored_config, "write_whole", full)
        with pytest.raises(BackendUnavailable, match="ROOT cannot be used"):
            before.server.initialize(A, "")

    before.unchanged()


def test_a_decision_that_may_not_last_is_taken_back(before: Before, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_and_fail(path: Path, data: bytes) -> None:
        files.write_whole(path, data)
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patched:
        patched.setattr(stored_config, "write_whole", write_and_fail)
        with pytest.raises(BackendUnavailable):
            before.server.initialize(A, "")

    before.unchanged()


def test_a_generation_that_cannot_be_started_changes_nothing(before: Before, monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def start_some(thread: threading.Thread) -> None:
        if thread.name == "sync shared":
            started.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_some)
        with pytest.raises(BackendUnavailable, match="no thread"):
            before.server.initialize(A, "")

    assert started
    before.unchanged()


@pytest.mark.parametrize("written", [1, 2])
def test_once_decided_it_is_served_and_stays_whatever_becomes_of_the_two_files(
    server: Wharf, make: Make, layout: Layout, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The files on disk may be old then, but nobody is told so: the decision lies beside them."""
    left = [written]

    def write(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, os.strerror(28))
        files.write_whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(stored_config, "write_whole", write)
        server.initialize(A, "")

        assert names(server) == {"alpha", "shared"}
        assert layout.config.read_text() == FIRST
        assert stored_config.read(layout) == StoredConfig(A, "")
    other = make()
    other.start()

    assert names(other) == {"alpha", "shared"}
    assert on_disk(layout) == {"config.toml": A.encode(), "admin_secret.toml": b""}


def test_a_decision_that_a_crash_interrupted_is_finished_at_start(make: Make, layout: Layout) -> None:
    stored_config.replace(layout, StoredConfig(FIRST, ""))
    files.write_whole(layout.pending, json.dumps([A, "# secret\n"]).encode())
    server = make()
    server.start()

    assert names(server) == {"alpha", "shared"}
    assert on_disk(layout) == {"config.toml": A.encode(), "admin_secret.toml": b"# secret\n"}


# --- requests in flight -----------------------------------------------------------------------------------------------


def test_a_request_goes_on_with_what_it_began_with_and_the_last_one_closes_it(server: Wharf, plugin: Plugin) -> None:
    with contextlib.ExitStack() as second:
        with server.hold() as first:
            second.enter_context(server.hold())
            old = set(plugin.open_ones)
            server.initialize(A, "")

            repository = first.find("first")
            assert repository is not None
            assert upload(repository, WHEEL).created
            assert download(repository, WHEEL.filename) == WHEEL.data
            assert names(server) == {"alpha", "shared"}
        assert old <= plugin.open_ones
        assert repository.access("reader") == Access.READ
    assert not old & plugin.open_ones
    assert len(plugin.open_ones) == 2


def test_what_nobody_uses_is_closed_at_once(server: Wharf, plugin: Plugin) -> None:
    old = set(plugin.open_ones)
    server.initialize(A, "")

    assert not old & plugin.open_ones
    assert [thread.name for thread in threading.enumerate() if thread.name == "sync first"] == []


def test_a_generation_that_ended_cannot_be_entered_anymore() -> None:
    generation = Generation(1, {})
    assert generation.enter()
    generation.retire(Generation(2, {}))
    assert generation.enter()
    generation.leave()
    generation.leave()

    assert not generation.enter()


def test_one_that_cannot_be_closed_stops_no_other(server: Wharf, plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    server.initialize(A, "")
    close, met = Repository.close, []

    def close_or_fail(repository: Repository) -> None:
        met.append(repository.name)
        close(repository)
        raise RuntimeError("a bug of the plugin")

    with monkeypatch.context() as patched:
        patched.setattr(Repository, "close", close_or_fail)
        with pytest.raises(RuntimeError):
            server.initialize(FIRST, "")

    assert set(met) == {"alpha", "shared"}
    assert names(server) == {"first"}
    assert len(plugin.open_ones) == 1


def test_fifty_initialise_at_once_and_every_reader_sees_one_configuration_whole(
    server: Wharf, make: Make, layout: Layout, plugin: Plugin
) -> None:
    server.initialize(A, "")
    upload(the(server, "shared"), WHEEL)
    wholes = {frozenset({"alpha", "shared"}): ("a-reader", "b-reader"), frozenset({"beta", "shared"}): ("b-reader", "a-reader")}
    faults: list[BaseException] = []
    seen: set[frozenset[str]] = set()
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with server.hold() as generation:
                    seen.add(frozenset(generation.repositories))
                    right, wrong = wholes[frozenset(generation.repositories)]
                    for _ in range(3):
                        repository = generation.find("shared")
                        assert repository is not None
                        assert repository.access(right) == Access.READ
                        assert repository.access(wrong) == Access.NONE
                        assert repository.projects().names == ("demo",)
                        repository.check_admin_access()
                        time.sleep(random.random() / 500)
        except BaseException as error:
            faults.append(error)
            raise

    def initialize(number: int) -> None:
        try:
            server.initialize((A, B)[number % 2], f"# {number % 2}\n")
        except BaseException as error:
            faults.append(error)
            raise

    readers = [threading.Thread(target=read) for _ in range(4)]
    writers = [threading.Thread(target=initialize, args=(number,)) for number in range(50)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()

    assert not faults
    assert seen == set(wholes)
    last = stored_config.read(layout)
    assert last in (StoredConfig(A, "# 0\n"), StoredConfig(B, "# 1\n"))
    other = make()
    other.start()
    assert names(other) == names(server)
    other.close()
    assert len(plugin.open_ones) == 2
    with server.hold() as generation:
        assert generation.number == 52


# --- other processes --------------------------------------------------------------------------------------------------


def test_who_else_serves_this_root_follows(server: Wharf, make: Make, plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wharf, "FOLLOW", FOLLOW)
    other = make()
    other.start()
    old = the(other, "first")
    assert old.access("reader") == Access.READ
    server.initialize(config("first", "second", read="new"), "")
    settle(lambda: names(other) == {"first", "second"})

    assert the(other, "first").access("reader") == Access.NONE
    assert len(plugin.open_ones) == 4
    generation = other._generation
    time.sleep(2 * FOLLOW)
    assert other._generation is generation  # once is enough
    assert names(server) == {"first", "second"}


def test_what_another_process_was_initialised_with_is_served_here_too(make: Make, layout: Layout) -> None:
    one, two = (config(name, type_="file_system") for name in ("one", "two"))
    stored_config.replace(layout, StoredConfig(one, ""))
    server = make()
    server.start()
    command = [sys.executable, "-c", OTHER_PROCESS, str(layout.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        process.stdin.write(two.replace("\n", ";") + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        settle(lambda: names(server) == {"two"})
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_configuration_edited_by_hand_is_followed(server: Wharf, layout: Layout) -> None:
    layout.config.write_text(A)
    settle(lambda: names(server) == {"alpha", "shared"})


@pytest.mark.parametrize("content", [b"", b"[first", b'[first]\ntype = "paper"\n', b"\xff\xfe", None])
def test_a_configuration_on_disk_that_turns_unusable_leaves_the_old_one_running(
    server: Wharf, layout: Layout, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    generation = server._generation
    if content is None:
        layout.config.unlink()
        layout.config.mkdir()
    else:
        layout.config.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        settle(lambda: "the old one goes on" in caplog.text)
        time.sleep(0.2)

    assert caplog.text.count("the old one goes on") == 1
    assert server._generation is generation
    assert the(server, "first").access("reader") == Access.READ
    if content is None:
        layout.config.rmdir()
    layout.config.write_text(B)
    settle(lambda: names(server) == {"beta", "shared"})


def test_a_configuration_that_is_invalid_is_not_read_again_until_it_changes(
    server: Wharf, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = stored_config.read, []

    def counted(layout: Layout) -> StoredConfig | None:
        reads.append(1)
        return read(layout)

    monkeypatch.setattr(stored_config, "read", counted)
    layout.config.write_text("[first")
    settle(lambda: reads)
    time.sleep(0.3)

    assert len(reads) <= 2  # the file may have been met empty


def test_a_configuration_that_was_removed_leaves_the_old_one_running(server: Wharf, layout: Layout) -> None:
    layout.config.unlink()
    time.sleep(0.2)

    assert names(server) == {"first"}
    server.initialize(A, "")
    assert names(server) == {"alpha", "shared"}


# --- who may initialise -----------------------------------------------------------------------------------------------


def test_a_generated_configuration_is_unclaimed_until_somebody_uses_it(make: Make, layout: Layout) -> None:
    assert not make().unclaimed
    layout.unclaimed.touch()
    server, other = make(), make()
    assert server.unclaimed
    assert other.unclaimed
    server.claim()
    server.claim()

    assert not server.unclaimed
    assert not other.unclaimed
    assert not layout.unclaimed.exists()


def test_what_was_claimed_here_stays_so_even_if_the_mark_cannot_be_removed_or_comes_back(
    make: Make, layout: Layout, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path, missing_ok: bool = False) -> None:
        raise OSError(30, os.strerror(30))

    layout.unclaimed.touch()
    server = make()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fail)
        server.claim()

    assert not server.unclaimed
    assert f"remove {layout.unclaimed}" in caplog.text


def test_initialising_claims(server: Wharf, layout: Layout) -> None:
    layout.unclaimed.touch()
    server.initialize(A, "")

    assert not server.unclaimed
    assert not layout.unclaimed.exists()


def test_the_token_in_root_and_nothing_else_allows_to_initialise(server: Wharf, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYWHARF_INITIALIZE_TOKEN", raising=False)
    token = initialize_token(layout.initialize_token, {})

    assert server.check_initialize_token(token)
    for wrong in ("", " ", token[:-1], token + "x", token.upper() + "x", f" {token}", "\xff", "\udcff", "\ud800", "x" * 100_000):
        assert not server.check_initialize_token(wrong)


def test_the_token_of_the_environment_replaces_the_one_in_root(server: Wharf, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = initialize_token(layout.initialize_token, {})
    monkeypatch.setenv("PYWHARF_INITIALIZE_TOKEN", "given-by-the-operator")

    assert server.check_initialize_token("given-by-the-operator")
    assert not server.check_initialize_token(kept)
    monkeypatch.setenv("PYWHARF_INITIALIZE_TOKEN", "")
    assert server.check_initialize_token(kept)
    assert not server.check_initialize_token("")


def test_a_token_that_others_can_read_opens_nothing(
    server: Wharf, layout: Layout, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PYWHARF_INITIALIZE_TOKEN", raising=False)
    token = initialize_token(layout.initialize_token, {})
    layout.initialize_token.chmod(0o640)

    assert not server.check_initialize_token(token)
    assert "nobody can initialise" in caplog.text
    assert token not in caplog.text


def test_the_admin_check_tells_what_a_denial_is(server: Wharf, plugin: Plugin) -> None:
    plugin.rights_of_the_server = Access.NONE
    server._layout.unclaimed.touch()
    with pytest.raises(ConfigInvalid) as caught:
        server.initialize(A, "")

    assert isinstance(caught.value.__cause__, AccessDenied)
    assert server.unclaimed
