"""Folders written aside: what fails leaves nothing, not even what a thread writes late."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.folders import write_folder_atomic


def test_a_thread_that_writes_late_leaves_nothing_behind(tmp_path: Path) -> None:
    threads = []

    def late(aside: Path) -> None:
        time.sleep(0.03)
        aside.mkdir(parents=True, exist_ok=True)
        (aside / "late").write_bytes(b"x")

    def write(aside: Path) -> None:
        aside.mkdir()
        threads.append(threading.Thread(target=late, args=(aside,)))
        threads[0].start()
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NucleiError, match="disk is full"):
        write_folder_atomic(tmp_path / "a.zarr", write)
    threads[0].join()
    assert list(tmp_path.iterdir()) == []


def test_the_old_folder_stays_or_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    write_folder_atomic(target, lambda aside: (aside.mkdir(), (aside / "one").write_text("1")))
    write_folder_atomic(target, lambda aside: (aside.mkdir(), (aside / "two").write_text("2")))
    assert [path.name for path in target.iterdir()] == ["two"] and list(tmp_path.iterdir()) == [target]
