"""A project belongs to one viewer at a time."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_nucleidomain.runs import ownership, presence
from napari_nucleidomain.runs.presence import ProjectHold, ReadOnlyProject, in_other_hands
from napari_nucleidomain.runs.store import Project

_OTHER = """
import sys, time
from pathlib import Path
from napari_nucleidomain.runs.presence import ProjectHold
ProjectHold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_second_is_told_who_has_it_and_takes_over_from_the_dead(project: Project) -> None:
    other = subprocess.Popen([sys.executable, "-c", _OTHER, str(project.path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline().strip() == b"held"
        with pytest.raises(ReadOnlyProject) as caught:
            ProjectHold(project.path)
        assert f"(process {other.pid})" in caught.value.message and "on this computer since" in caught.value.message
        assert "You can look at everything" in caught.value.hint
        assert in_other_hands(project.path) is not None
    finally:
        other.kill()
        other.wait()
    assert in_other_hands(project.path) is None
    hold = ProjectHold(project.path)
    hold.release()
    ProjectHold(project.path).release()


def test_another_computer_counts_by_its_heartbeat(project: Project) -> None:
    ProjectHold(project.path).release()
    file = project.path / "viewer" / "owner.json"
    owner = {"host": "lab-7", "process": 7, "process_started": 1.0, "token": "x", "taken": time.time() - 90_000}
    file.write_text(json.dumps(owner))
    with pytest.raises(ReadOnlyProject, match=r"on the computer lab-7 since \d{4}-\d\d-\d\d"):
        ProjectHold(project.path)
    old = time.time() - ownership.STALE_ELSEWHERE_SECONDS - 1
    os.utime(file, (old, old))
    ProjectHold(project.path).release()


def test_lost_while_asleep(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "HEARTBEAT_SECONDS", 0.02)
    hold = ProjectHold(project.path)
    file = project.path / "viewer" / "owner.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "token": "another"}))
    end = time.monotonic() + 20
    while not hold.lost:
        assert time.monotonic() < end
        time.sleep(0.01)
    hold.release()
    assert file.exists(), "the other one's record stays"


@pytest.mark.parametrize(("code", "refused"), [(errno.EROFS, True), (errno.EACCES, True), (errno.ENOSPC, False)])
def test_folder_that_cannot_be_written(
    project: Project, monkeypatch: pytest.MonkeyPatch, code: int, refused: bool
) -> None:
    real = os.open

    def fail(path: object, *rest: object) -> int:
        if str(path).endswith("owner.lock"):
            raise OSError(code, os.strerror(code))
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", fail)
    if refused:
        with pytest.raises(ReadOnlyProject, match="cannot be written to") as caught:
            ProjectHold(project.path)
        assert os.strerror(code) in caught.value.message and "folder of your own" in caught.value.hint
    else:
        ProjectHold(project.path).release()


def test_long_path_with_spaces_and_letters(tmp_path: Path) -> None:
    folder = tmp_path / ("Färbung 日本 " * 8).strip() / ("Ж é " * 20).strip()
    assert len(str(folder)) > 200
    project = Project.open(folder)
    hold = ProjectHold(project.path)
    assert in_other_hands(project.path) is not None
    hold.release()
