"""Names and links out of files that somebody else may have written."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import is_half, remove_folder, remove_halves, write_atomic
from napari_nucleidomain.contracts.paths import is_link, lies_in, refuse_links, same_place, wrong_name
from napari_nucleidomain.data.folders import write_folder_atomic

BAD = (
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:x",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a\x1b[2Jb",
    "x" * 201,
    "ü" * 120,
    "a.",
    "a ",
    " a",
    ".. ",
    "NUL",
    "con.tif",
    "Lpt1",
    "com¹",
    "a*b",
    "a?b",
    "a<b",
    "\ud800",
)
GOOD = ("a", "liver 3", "slide.ome", "Präparat_7", "細胞", "..a", ".hidden", "a..b", "console", "x" * 200, "-f", "~")


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_refused_names(name: str) -> None:
    assert wrong_name(name)


@pytest.mark.parametrize("name", GOOD)
def test_plain_names(name: str) -> None:
    assert wrong_name(name) == ""


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "/", "\\", "a", ":", " ", "\0", "é", "NUL"]), max_size=8).map("".join))
def test_an_accepted_name_stays_in_its_folder(name: str) -> None:
    if wrong_name(name):
        return
    assert Path(os.path.normpath(Path("/home/me") / name)).parent == Path("/home/me")
    there = PureWindowsPath("C:/me") / name
    assert there.parent == PureWindowsPath("C:/me") and ".." not in there.parts


def test_only_own_halves_are_removed(tmp_path: Path) -> None:
    kept = [".ssh", ".bashrc", ".config", ".git", ".abc.tif", ".a.0123456g.tif", ".a.0123456.tif", "a.01234567.tif"]
    for name in kept:
        (tmp_path / name).mkdir() if name in (".ssh", ".git") else (tmp_path / name).write_text("mine")
    (tmp_path / ".ssh" / "id").write_text("key")
    gone = [".a.01234567.tif", ".a.b.01234567.json", ".run.0123abcd", ".x.0123abcd.old.zarr", ".events.ffffffff.old"]
    for name in gone:
        (tmp_path / name).mkdir() if name.endswith("zarr") else (tmp_path / name).write_text("half")
    remove_halves(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(kept)
    assert (tmp_path / ".ssh" / "id").read_text() == "key"


def test_what_we_write_aside_counts_as_half(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(path: Path) -> None:
        seen.append(path.name)
        path.write_text("x")

    def folder(path: Path) -> None:
        seen.append(path.name)
        path.mkdir()

    for name in ("run.json", "checkpoint.tar.gz", "noending", "a" * 90 + ".tif", "..a", "with space.csv"):
        write_atomic(tmp_path / name, look)
        write_folder_atomic(tmp_path / f"{name}.zarr", folder)
    assert len(seen) == 12 and all(map(is_half, seen))


def test_halves_behind_links_stay(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".a.01234567.tif").write_text("mine")
    (tmp_path / "previews").symlink_to(home)
    remove_halves(tmp_path / "previews")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / ".b.01234567.zarr").symlink_to(home)
    remove_halves(tmp_path / "own")
    assert (home / ".a.01234567.tif").exists() and is_link(tmp_path / "own" / ".b.01234567.zarr")


def test_a_removed_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    remove_folder(tmp_path / "link")
    assert not is_link(tmp_path / "link") and (tmp_path / "home" / "thesis.txt").exists()


def test_a_folder_is_written_over_a_link_and_not_through_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    (tmp_path / "labels.zarr").symlink_to(tmp_path / "home")
    write_folder_atomic(tmp_path / "labels.zarr", lambda aside: aside.mkdir())
    assert [one.name for one in (tmp_path / "home").iterdir()] == ["thesis.txt"]
    assert (tmp_path / "labels.zarr").is_dir() and not is_link(tmp_path / "labels.zarr")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "labels.zarr"]


@pytest.mark.parametrize("where", ["previews", "stages/a", "tiles/im/tile-1.npz", "log.txt"])
def test_links_are_found_at_any_depth(tmp_path: Path, where: str) -> None:
    (tmp_path / "run" / where).parent.mkdir(parents=True)
    refuse_links(tmp_path / "run", ["previews", "stages", "tiles", "log.txt", "absent"])
    (tmp_path / "run" / where).symlink_to(tmp_path)
    with pytest.raises(NucleiError, match="is a link"):
        refuse_links(tmp_path / "run", ["previews", "stages", "tiles", "log.txt"])


def test_places_are_told_apart_through_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert same_place(tmp_path / "link" / "b", tmp_path / "a" / "b")
    assert lies_in(tmp_path / "link" / "b", tmp_path / "a") and lies_in(tmp_path / "a", tmp_path / "a")
    assert not lies_in(tmp_path / "ab", tmp_path / "a") and not lies_in(tmp_path / "a" / ".." / "x", tmp_path / "a")
