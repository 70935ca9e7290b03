"""What somebody changes on the branch without pywharf does no harm, and looks the same to every server."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins.github.hosted import DOCUMENT, Hosted, Server

from pywharf.backend.interface import Change, FileRef
from pywharf.errors import BackendUnavailable, Moved
from pywharf.testing.backend_suite import commit, content


@pytest.fixture
def server(hosted: Hosted, tmp_path: Path) -> Server:
    server = Server(hosted, tmp_path / "first")
    for number in range(3):
        server.publish(f"demo-{number}")
    server.sync()
    return server


def newcomer(hosted: Hosted, folder: Path) -> Server:
    return Server(hosted, folder / f"newcomer-{len(list(folder.iterdir()))}")


def edit(hosted: Hosted, key: str, old: bytes = b"file", new: bytes = b"note") -> None:
    path = hosted.path_of("demo", key)
    hosted.put(path, hosted.read(path).replace(old, new))


def both(server: Server, hosted: Hosted, tmp_path: Path) -> dict[str, int]:
    """The serials as a server that was there all the time has them, and one that comes now."""
    late = newcomer(hosted, tmp_path)
    assert late.serials() == server.serials()
    assert late.reader.newest == server.reader.newest
    return server.serials()


def test_a_document_changed_by_hand_takes_the_next_serial_and_keeps_it(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    edit(hosted, "demo-1")

    assert both(server, hosted, tmp_path) == {"demo-0": 1, "demo-1": 4, "demo-2": 3}
    assert server.reader.newest["demo", "demo-1"].document == b'{"kind":"note"}'

    server.publish("demo-3")

    assert both(server, hosted, tmp_path) == {"demo-0": 1, "demo-1": 4, "demo-2": 3, "demo-3": 5}
    assert hosted.subjects()[-2:] == ["Number 1 document changed by hand", "Publish demo-3"]
    assert server.reader.newest["demo", "demo-1"].document == b'{"kind":"note"}'
    assert server.sync() is False
    hosted.check()


def test_a_server_that_starts_empty_numbers_them_just_the_same(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    edit(hosted, "demo-1")
    edit(hosted, "demo-2")
    late = newcomer(hosted, tmp_path)
    late.publish("demo-3")

    assert both(server, hosted, tmp_path) == {"demo-0": 1, "demo-1": 4, "demo-2": 4, "demo-3": 5}


def test_numbering_leaves_a_change_of_another_key_alone_and_moves_one_of_its_own(server: Server, hosted: Hosted) -> None:
    edit(hosted, "demo-1")
    server.sync()
    cursor = server.reader.cursor
    assert cursor

    server.backend.commit(server.change("demo-3"), cursor)
    with pytest.raises(Moved):
        server.backend.commit(Change("demo", {"demo-1": b"ours"}), cursor)
    commit(server.backend, Change("demo", {"demo-1": b"ours"}))


def test_a_document_written_from_nothing_is_taken(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    folder = hosted.path_of("demo", "demo-1").rpartition("/")[0]
    hosted.put(f"{folder}/.project.pywharf.jsonl", b'{"kind":"status"}')

    assert both(server, hosted, tmp_path)[""] == 4
    assert server.reader.newest["demo", ""].document == b'{"kind":"status"}'


def test_what_cannot_be_a_document_takes_the_name_and_harms_nobody(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    hosted.put(hosted.path_of("demo", "demo-1"), b"\xff" * 100_000)

    assert both(server, hosted, tmp_path)["demo-1"] == 4
    assert server.reader.newest["demo", "demo-1"].document == b""
    server.publish("demo-3")
    assert both(server, hosted, tmp_path)["demo-1"] == 4


@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"format": 1, "serial": 1, "packages": ""}'])
def test_a_damaged_serial_file_is_made_up_from_the_sidecars(server: Server, hosted: Hosted, tmp_path: Path, content: bytes) -> None:
    hosted.put(".pywharf/serial", content)
    server.publish("demo-3")

    assert both(server, hosted, tmp_path)["demo-3"] == 4


def test_a_missing_serial_file_is_made_up_from_the_sidecars(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    hosted.remove(".pywharf/serial")
    late = newcomer(hosted, tmp_path)
    late.publish("demo-3")

    assert both(server, hosted, tmp_path)["demo-3"] == 4


def test_a_branch_of_another_version_is_refused(server: Server, hosted: Hosted) -> None:
    hosted.put(".pywharf/serial", b'{"format": 2, "serial": 1, "packages": ""}')

    with pytest.raises(BackendUnavailable, match="another version"):
        server.publish("demo-3")


def test_an_upload_that_was_reverted_by_hand_is_told_as_removed(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    before = hosted.git("rev-parse", "main^{tree}").strip()
    server.publish("demo-3")
    server.sync()
    hosted.git("update-ref", "refs/heads/main", hosted.git("commit-tree", before, "-p", "main", "-m", "Revert").strip())

    server.sync()
    assert server.reader.newest["demo", "demo-3"].document is None
    late = newcomer(hosted, tmp_path)
    assert late.serials() == {"demo-0": 1, "demo-1": 2, "demo-2": 3}


def test_a_body_replaced_by_hand_is_never_served(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    file = server.publish("demo-3", b"right")
    (path,) = [path for path in hosted.paths() if path.endswith("/demo-3")]
    hosted.put(path, b"wrong")
    late = newcomer(hosted, tmp_path)

    with pytest.raises(BackendUnavailable, match="not the file"):
        late.backend.open_file(file)
    assert [met for met in late.backend.iter_files() if met.name == "demo-3"] == [FileRef("demo", "demo-3", "", 5)]
    assert content(server.backend, file) == b"right"  # it has the right one


def test_files_by_hand_are_met_wherever_they_belong_to_a_project(server: Server, hosted: Hosted, caplog: pytest.LogCaptureFixture) -> None:
    folder = hosted.path_of("demo", "demo-1").rpartition("/")[0]
    places = {f"{folder}/one.whl": "demo", "packages/demo/two.whl": "demo", "packages/three.whl": "", "packages/a/b/c/d/lost.whl": None}
    for place in places:
        hosted.put(place, place.encode())

    met = {file.name: file for file in server.backend.iter_files()}

    for place, project in places.items():
        name = place.rpartition("/")[2]
        if project is None:
            assert name not in met
            assert place in caplog.text
        else:
            assert met[name] == FileRef(project, name, "", len(place))
            assert content(server.backend, met[name]) == place.encode()


def test_a_copy_by_hand_goes_when_it_is_adopted(server: Server, hosted: Hosted) -> None:
    hosted.put("packages/demo/demo-3", b"by hand")
    server.publish("demo-3", b"by hand")

    assert [path for path in hosted.paths() if path.endswith("/demo-3")] == [
        f"{hosted.path_of('demo', 'demo-1').rpartition('/')[0]}/demo-3"
    ]


def test_links_and_submodules_are_no_files(server: Server, hosted: Hosted) -> None:
    tree = hosted.git("ls-tree", "-z", "main").replace("\0", "\n")
    link = hosted.git("hash-object", "-w", "--stdin", given=b"/etc/passwd").strip()
    inner = hosted.git("mktree", given=f"120000 blob {link}\tlink.whl\n160000 commit {hosted.tip()}\tsub.whl\n".encode()).strip()
    packages = hosted.git("ls-tree", "-z", "main:packages").replace("\0", "\n") + f"040000 tree {inner}\tdemo\n"
    new = hosted.git("mktree", given=packages.encode()).strip()
    lines = [line for line in tree.splitlines() if not line.endswith("\tpackages")] + [f"040000 tree {new}\tpackages"]
    top = hosted.git("mktree", given=("\n".join(lines) + "\n").encode()).strip()
    hosted.git("update-ref", "refs/heads/main", hosted.git("commit-tree", top, "-p", "main", "-m", "Links").strip())

    assert {file.name for file in server.backend.iter_files()} == {"demo-0", "demo-1", "demo-2"}


def test_folders_in_folders_without_end_are_in_nobodys_way(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    deep = "packages/" + "d/" * 1500
    hosted.git(
        "fast-import", "--quiet",
        given=f"commit refs/heads/main\ncommitter a <a@b> 1 +0000\ndata 0\nfrom {hosted.tip()}\nM 100644 inline {deep}x.whl\ndata 1\nx\n".encode(),
    )  # fmt: skip

    assert {file.name for file in server.backend.iter_files()} == {"demo-0", "demo-1", "demo-2"}
    server.publish("demo-3")
    assert both(server, hosted, tmp_path).keys() == {"demo-0", "demo-1", "demo-2", "demo-3"}


def test_two_documents_of_one_key_are_one(server: Server, hosted: Hosted, tmp_path: Path) -> None:
    from pywharf_github import tree

    first, second = ("/".join(step.decode() for step in path) for path in tree.sidecar_paths("demo", "demo-1"))
    assert first == hosted.path_of("demo", "demo-1")
    hosted.put(second, b"another one")

    both(server, hosted, tmp_path)
    assert server.reader.newest["demo", "demo-1"].document == DOCUMENT
