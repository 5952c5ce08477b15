"""Clicks on a disk that becomes full at any write of a save: told, what was saved stays, saved when there is space."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.data.regions import read_regions

from ..full_disk import FullDisk

_MOST = 100
# Clicks, regions, the list of images, the data for a training.
_FILES = 4
_CORNERS = np.array([[0, 0], [0, 90], [90, 90], [90, 0]], float)


def test_clicks_on_a_disk_that_becomes_full(session, image_file, nuclei, monkeypatch):
    entry = session.add_entry("cells", path=image_file)
    few, many = nuclei[1][:5], nuclei[1]
    points = session.project.data / "points" / f"{entry.id}.csv"
    regions = session.project.data / "regions" / f"{entry.id}.geojson"
    told = []
    session.save_failed.connect(lambda error: told.append(str(error)))
    for writes in range(_MOST):
        session.annotations.change(entry, points=few, regions=[])
        session.flush()
        np.testing.assert_array_equal(read_points(points), few)
        told.clear()
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, session.project.path)
            disk.fill_after(writes)
            session.annotations.change(entry, points=many, regions=[_CORNERS])
            session.flush()
        if not disk.refused:
            break
        assert session.autosave.pending
        assert all(one.startswith("The disk is full: ") and "Free some space" in one for one in told)
        assert told
        # The old clicks or the new ones, whole; the same of the regions and of the data for a training.
        assert len(read_points(points)) in (len(few), len(many))
        assert len(read_regions(regions)) in (0, 1)
        assert not open_dataset(session.project.data).problems
        assert [path for path in session.project.path.rglob(".*") if path.is_file()] == []
        session.flush()
        assert session.autosave.error is None
        np.testing.assert_array_equal(read_points(points), many)
        assert len(read_regions(regions)) == 1
    assert writes >= _FILES
    assert not told


def test_the_last_clicks_before_the_disk_is_full_find_a_place(session, image_file, nuclei, monkeypatch):
    """The viewer may be closed next, so that saving them later would be too late."""
    entry = session.add_entry("cells", path=image_file)
    points = session.project.data / "points" / f"{entry.id}.csv"
    spare = session.project.data / "spare.bin"
    told = []
    session.save_failed.connect(lambda error: told.append(str(error)))
    for writes in range(_FILES):
        session.annotations.change(entry, points=nuclei[1][:5])
        session.flush()
        assert spare.exists()
        told.clear()
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, session.project.path, spare)
            disk.fill_after(writes)
            session.annotations.change(entry, points=nuclei[1], regions=[_CORNERS])
            session.flush()
        assert disk.refused
        assert not spare.exists()
        assert set(told) == {
            "The disk is full: your clicks are saved, but the next ones may find no place. "
            "Free some space before you go on."
        }
        np.testing.assert_array_equal(read_points(points), nuclei[1])
        assert len(open_dataset(session.project.data).examples(has=["points", "regions"])) == 1
    session.flush()
    assert session.autosave.error is None
    assert spare.exists()
