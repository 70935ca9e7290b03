from __future__ import annotations

import pytest
from dulwich.objects import Tree
from hypothesis import given
from hypothesis import strategies as st
from pywharf_github import tree

from pywharf.errors import InvalidName

FOLDERS = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=3)
PATHS = st.tuples(FOLDERS, st.sampled_from([b"x", b"y", b"z"])).map(lambda path: (*path[0], path[1]))
BLOBS = st.sampled_from([b"%040x" % number for number in range(4)])
CHANGES = st.dictionaries(PATHS, st.none() | BLOBS, max_size=8)


class Trees:
    """Trees in memory."""

    def __init__(self) -> None:
        self.all: dict[bytes, Tree] = {}

    def items(self, sha: bytes) -> tree.Items:
        return tree.items(self.all[sha].as_raw_string())

    def edit(self, root: bytes | None, changes: dict[tree.Path, bytes | None]) -> bytes | None:
        new, made = tree.edited(self.items, root, {path: blob and (tree.FILE_MODE, blob) for path, blob in changes.items()})
        self.all.update({one.id: one for one in made})
        return new

    def files(self, root: bytes | None) -> dict[tree.Path, bytes | None]:
        return {path: now for path, _, now in tree.changed_files(self.items, None, root)}


@given(st.lists(CHANGES, max_size=5))
def test_an_edited_tree_holds_what_a_dictionary_would(steps: list[dict[tree.Path, bytes | None]]) -> None:
    trees, root, expected = Trees(), None, {}
    for changes in steps:
        before, old = root, dict(expected)
        root = trees.edit(root, changes)
        expected = {path: blob for path, blob in {**expected, **changes}.items() if blob is not None}

        assert trees.files(root) == expected
        differing = {path: (was, now) for path, was, now in tree.changed_files(trees.items, before, root)}
        assert differing == {
            path: (old.get(path), expected.get(path)) for path in {**old, **expected} if old.get(path) != expected.get(path)
        }


def test_an_edit_makes_only_the_trees_on_its_way_and_each_after_those_below_it() -> None:
    trees = Trees()
    root = trees.edit(None, {(folder, b"deep", b"file"): b"0" * 40 for folder in (b"a", b"b", b"c")})
    new, made = tree.edited(trees.items, root, {(b"a", b"deep", b"file"): (tree.FILE_MODE, b"1" * 40)})

    assert len(made) == 3
    assert made[-1].id == new
    assert made[1][b"deep"][1] == made[0].id


def test_an_edit_that_changes_nothing_makes_nothing() -> None:
    trees = Trees()
    root = trees.edit(None, {(b"a", b"file"): b"0" * 40})

    assert tree.edited(trees.items, root, {(b"a", b"file"): (tree.FILE_MODE, b"0" * 40), (b"no", b"such"): None}) == (root, [])


def test_a_project_has_one_folder_until_it_is_wide_and_its_first_files_stay_where_they_are() -> None:
    trees, root = Trees(), None
    for number in range(tree.WIDE + 20):
        root = trees.edit(root, {tree.place_body(trees.items, root, "demo", f"demo-{number}.whl"): b"%040x" % number})
    paths = list(trees.files(root))

    assert sorted({len(path) for path in paths}) == [4, 5]
    assert len([path for path in paths if len(path) == 4]) == tree.WIDE
    assert tree.place_body(trees.items, root, "demo", "demo-0.whl") == tree.body_paths("demo", "demo-0.whl")[0]


def test_a_file_and_those_beside_it_lie_in_one_folder() -> None:
    folders = {tree.body_paths("demo", name)[1][:-1] for name in ("d.whl", "d.whl.metadata", "d.whl." + "0" * 16 + ".provenance")}

    assert len(folders) == 1


@pytest.mark.parametrize("key", ["", "demo-1-py3-none-any.whl", "ab"])
def test_a_sidecars_path_tells_whose_it_is(key: str) -> None:
    for path in tree.sidecar_paths("demo", key):
        assert tree.sidecar_at(path) == ("demo", key)
        assert tree.body_at(path) is None


@pytest.mark.parametrize("name", ["demo-1.0.tar.gz", "ab", "project.pywharf.json"])
def test_a_bodys_path_tells_whose_it_is(name: str) -> None:
    for path in tree.body_paths("demo", name):
        assert tree.body_at(path) == ("demo", name)
        assert tree.sidecar_at(path) is None


def test_what_lies_elsewhere_is_nobodys() -> None:
    for path in [(b"README",), (b"packages", b"00", b"demo", b"x.pywharf.jsonl"), (b"packages", b"a", b"b", b"c", b"d", b"e"), (b"\xff",)]:
        assert tree.sidecar_at(path) is None
    assert tree.body_at((b"packages", b"00", b"demo", b"x")) is None
    assert tree.body_at((b"packages", b"stray")) == ("", "stray")


def test_no_two_names_share_a_place() -> None:
    """A file whose name is that of a bucket, and a key that is that of the project's own sidecar."""
    names = ["ab", "project", "x"]
    paths = [path for name in names for path in (*tree.body_paths("demo", name)[:-1], *tree.sidecar_paths("demo", name))]

    assert len(set(paths)) == len(paths)
    assert tree.sidecar_paths("demo", "")[0] not in paths
    assert not {path[3] for path in paths if len(path) == 5} & {path[3] for path in paths if len(path) == 4}


@pytest.mark.parametrize("name", ["", ".", "..", ".git", "a/b", "a\0b", "l" * 256, "x.pywharf.jsonl"])
def test_a_name_that_git_cannot_hold_or_that_is_ours_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        tree.body_paths("demo", name)
    if name and not name.endswith(".jsonl"):
        with pytest.raises(InvalidName):
            tree.sidecar_paths(name, "demo")
