"""*Disk use and clean-up* in the Images dock."""

from __future__ import annotations

import pytest

from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.widgets import images_disk
from napari_nucleidomain.widgets.images_dock import ImagesDock


@pytest.fixture
def run(session, image_file, tmp_path):
    """A finished prediction with a preview, saved elsewhere too."""
    job = PredictJob(model="otsu", images=[ImageRef(path=str(image_file))], name="otsu", out=str(tmp_path / "out"))
    made = session.project.new_run(job)
    assert execute(made.path) == ExitCode.DONE
    (made.path / "previews").mkdir(exist_ok=True)
    (made.path / "previews" / "tile.npz").write_bytes(b"x" * 5000)
    return made


@pytest.fixture
def disk(session, run, qtbot):
    dock = ImagesDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Images")
    dock.disk.open()
    qtbot.waitUntil(lambda: "This project takes" in dock.disk.words.text())
    return dock.disk


def listed(disk):
    return [disk.list.topLevelItem(k).text(0) for k in range(disk.list.topLevelItemCount())]


def test_lists_what_would_go_and_removes_that_alone(disk, run, qtbot):
    assert "predictions" in disk.words.text() and "are free on its disk" in disk.words.text()
    assert [one.split(": ")[1] for one in listed(disk)] == ["previews"]
    assert disk.kinds["copies"].isVisible() and not disk.kinds["copies"].isChecked()
    disk.kinds["copies"].setChecked(True)
    assert len(listed(disk)) == 2
    disk.kinds["copies"].setChecked(False)
    assert "5.0 kB" in disk.clean.text()
    disk.clean.click()
    qtbot.waitUntil(lambda: "Freed 5.0 kB" in disk.told.text())
    qtbot.waitUntil(lambda: not disk.clean.isEnabled())
    assert not (run.path / "previews").exists()
    assert list(run.result_folder.glob("*.labels.tif"))


def test_a_nearly_full_disk_is_told(disk, qtbot, monkeypatch):
    monkeypatch.setattr(images_disk, "free_bytes", lambda folder: 300_000_000)
    disk.look()
    qtbot.waitUntil(lambda: "That is little" in disk.words.text())


def test_nothing_goes_from_a_project_of_another_viewer(disk, session, run):
    session.hold._hold.lost = True
    session.hold.look()
    assert not disk.clean.isEnabled() and "open in another viewer" in disk.clean.toolTip()
    disk._clean()
    assert (run.path / "previews").exists()
