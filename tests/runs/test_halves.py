"""What a prediction writes aside in the user's folder: its own is removed after a kill, another process' never."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.data.folders import write_folder_atomic
from napari_nucleidomain.runs.halves import HALVES_FILE, Halves


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "out"


def test_halves_are_noted_before_they_are_written(tmp_path, out):
    halves = Halves(tmp_path / "run", [out / "a.tif", out / "b.ome.zarr"])
    seen: list[str] = []

    def write(path: Path) -> None:
        names = (tmp_path / "run" / HALVES_FILE).read_text().splitlines()
        seen.append(path.name)
        assert json.loads(names[-1]) == path.name

    with halves.noted():
        write_atomic(out / "a.tif", lambda path: (write(path), path.write_bytes(b"x")))
        write_folder_atomic(out / "b.ome.zarr", lambda path: (path.mkdir(), write(path)))
        write_atomic(tmp_path / "elsewhere.json", "{}")
    assert len(seen) == 2
    assert not (tmp_path / "run" / HALVES_FILE).exists()


def test_only_what_this_run_has_noted_goes(tmp_path, out):
    mine, others = out / ".a.0123abcd.tif", out / ".a.4567abcd.tif"
    old, link = out / ".a.89ababcd.tif", out / ".a.cdefabcd.tif"
    for half in (mine, others, old):
        half.write_bytes(b"half")
    long_ago = time.time() - 2 * 3600
    os.utime(old, (long_ago, long_ago))
    link.symlink_to(out)
    (out / ".bashrc").write_text("the user's own")
    # A folder from somebody else may note anything.
    (tmp_path / "run" / HALVES_FILE).write_text('".a.0123abcd.tif"\n".bashrc"\n"../../x"\n".a.half-written')
    Halves(tmp_path / "run", [out / "a.tif"]).remove_left()
    assert sorted(one.name for one in out.iterdir()) == [".a.4567abcd.tif", ".a.cdefabcd.tif", ".bashrc"]


def test_a_result_that_was_being_replaced_gets_its_name_back(tmp_path, out):
    old = out / ".a.ome.0123abcd.old.zarr"
    old.mkdir()
    (old / "0").write_bytes(b"labels")
    (tmp_path / "run" / HALVES_FILE).write_text(json.dumps(old.name) + "\n")
    Halves(tmp_path / "run", [out / "a.ome.zarr"]).remove_left()
    assert (out / "a.ome.zarr" / "0").read_bytes() == b"labels"
    assert not old.exists()
