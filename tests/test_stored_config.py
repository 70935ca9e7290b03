"""The configuration in ROOT: both texts or none, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pywharf import stored_config
from pywharf.errors import ConfigInvalid, LayoutUnusable
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig

OLD = StoredConfig("[old]\n", "# old secrets\n")
NEW = StoredConfig("[new]\nname = 'ü'\n", "# new secrets\n")

# Another process that replaces the configuration, and is killed at its n-th change to the disk.
DYING = """
import os, signal, sys
from pathlib import Path
from pywharf import stored_config
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig
left = [int(sys.argv[2])]
def counted(name):
    call = getattr(os, name)
    def dying(*args, **more):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **more)
    setattr(os, name, dying)
for name in ("open", "fchmod", "fsync", "rename", "unlink"):
    counted(name)
stored_config.replace(Layout(Path(sys.argv[1])), StoredConfig(sys.argv[3], sys.argv[4]))
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    return layout


class Faults:
    """Lets the n-th call that changes the disk fail, and every later one too where it is broken for good."""

    NAMES = ("open", "fchmod", "fsync", "rename", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.fails: Callable[[int], bool] = lambda call: False
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **more: object) -> object:
            self.calls += 1
            if self.fails(self.calls):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **more)

        return counted


def test_a_root_that_was_never_configured_has_nothing(layout: Layout) -> None:
    assert stored_config.read(layout) is None


def test_what_was_put_there_is_read_back_and_private(layout: Layout) -> None:
    before = os.umask(0)
    try:
        stored_config.replace(layout, NEW)
    finally:
        os.umask(before)

    assert stored_config.read(layout) == NEW
    assert layout.config.read_text(encoding="utf-8") == NEW.config
    assert layout.admin_secret.read_text(encoding="utf-8") == NEW.admin_secret
    assert {stat.S_IMODE(path.stat().st_mode) for path in (layout.config, layout.admin_secret)} == {0o600}
    assert not layout.pending.exists()


def test_a_configuration_without_admin_secrets_is_one_too(layout: Layout) -> None:
    layout.config.write_text("[only]\n")

    assert stored_config.read(layout) == StoredConfig("[only]\n", "")


@pytest.mark.parametrize("for_good", [False, True])
def test_a_fault_at_any_step_leaves_both_old_or_brings_both_new(layout: Layout, monkeypatch: pytest.MonkeyPatch, for_good: bool) -> None:
    """Refused: the old one stays, also later. Not refused: the new one is there, also for another process, also later."""
    faults = Faults(monkeypatch)
    outcomes = set()
    for at in range(1, 100):
        faults.fails = lambda call: False
        stored_config.replace(layout, OLD)
        faults.calls = 0
        faults.fails = (lambda call, at=at: call >= at) if for_good else (lambda call, at=at: call == at)  # type: ignore[misc]
        try:
            stored_config.replace(layout, NEW)
            expected = NEW
        except LayoutUnusable:
            expected = OLD
        reached = faults.calls
        faults.fails = lambda call: False
        assert stored_config.read(layout) == expected, at
        assert stored_config.read(layout) == expected
        assert not [path for path in layout.root.iterdir() if path.name.startswith(".")] or for_good
        outcomes.add(expected)
        if reached < at:
            break
    else:
        pytest.fail("it never came through without a fault")

    assert outcomes == {OLD, NEW}


def test_what_is_decided_is_served_while_the_disk_takes_no_more(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_config.replace(layout, OLD)
    faults = Faults(monkeypatch)
    rename, renamed = os.rename, []

    def once(source: Path, target: Path) -> None:
        if renamed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        renamed.append(target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", once)
    stored_config.replace(layout, NEW)
    assert renamed == [layout.pending]
    assert stored_config.read(layout) == NEW
    assert layout.config.read_text(encoding="utf-8") == OLD.config

    # A further one cannot be decided, and may not undo the one before.
    with pytest.raises(LayoutUnusable):
        stored_config.replace(layout, OLD)
    renamed.clear()
    monkeypatch.setattr(os, "rename", rename)
    assert stored_config.read(layout) == NEW
    assert layout.config.read_text(encoding="utf-8") == NEW.config
    assert faults.calls > 0


def test_a_death_at_any_step_leaves_both_old_or_both_new(layout: Layout) -> None:
    found = []
    for at in range(0, 24, 2):
        stored_config.replace(layout, OLD)
        words = [sys.executable, "-c", DYING, str(layout.root), str(at), NEW.config, NEW.admin_secret]
        ended = subprocess.run(words, check=False, timeout=60).returncode
        found.append(stored_config.read(layout))
        assert layout.config.read_text(encoding="utf-8") == found[-1].config if found[-1] else None
        assert not layout.pending.exists()
        if ended == 0:
            break

    assert set(found) == {OLD, NEW}
    assert found.index(NEW) == len([one for one in found if one == OLD])  # never back again


def test_a_pending_one_is_finished_by_whoever_reads(layout: Layout) -> None:
    stored_config.replace(layout, OLD)
    layout.pending.write_text('["[new]", "# new"]')
    before = stored_config.stamp(layout)

    assert stored_config.read(layout) == StoredConfig("[new]", "# new")
    assert (layout.config.read_text(), layout.admin_secret.read_text()) == ("[new]", "# new")
    assert stored_config.stamp(layout) != before


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b"{}", b"\xff", b'["one", "two", "three"]', b"7"])
def test_a_pending_one_in_ruins_is_told(layout: Layout, content: bytes) -> None:
    layout.pending.write_bytes(content)

    for do in (lambda: stored_config.read(layout), lambda: stored_config.replace(layout, NEW)):
        with pytest.raises(LayoutUnusable, match="damaged"):
            do()


def test_text_that_cannot_be_written_is_refused_before_anything_is_decided(layout: Layout) -> None:
    stored_config.replace(layout, OLD)
    for bad in (StoredConfig("\udcff", ""), StoredConfig("", "\ud800")):
        with pytest.raises(ConfigInvalid, match="not Unicode"):
            stored_config.replace(layout, bad)

    assert stored_config.read(layout) == OLD


def test_files_that_cannot_be_read_are_told(layout: Layout) -> None:
    layout.config.write_bytes(b"\xff\xfe")
    with pytest.raises(LayoutUnusable, match="UTF-8"):
        stored_config.read(layout)

    layout.config.unlink()
    layout.config.mkdir()
    with pytest.raises(LayoutUnusable, match="cannot be read"):
        stored_config.read(layout)


def test_the_stamp_moves_with_every_replacement_and_with_nothing_else(layout: Layout) -> None:
    stamps = [stored_config.stamp(layout)]
    for stored in (OLD, NEW, NEW):
        stamps.append(stored_config.replace(layout, stored))
        stored_config.read(layout)
        assert stored_config.stamp(layout) == stamps[-1]

    assert len(set(stamps)) == 4


def test_many_at_once_leave_one_of_them_whole(layout: Layout) -> None:
    texts = [StoredConfig(f"[config-{number}]", f"# secrets {number}") for number in range(8)]
    read: list[StoredConfig | None] = []
    threads = [threading.Thread(target=stored_config.replace, args=(layout, text)) for text in texts]
    threads += [threading.Thread(target=lambda: read.append(stored_config.read(layout))) for _ in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stored_config.read(layout) in texts
    assert set(read) <= {None, *texts}
