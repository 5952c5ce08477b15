"""Clicks on a disk that becomes full at any write of a save: told, what was saved stays, saved when there is space."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.data.regions import read_regions

from ..full_disk import FullDisk

_MOST = 100
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
    assert writes >= 4, "clicks, regions, the list of images, the data for a training"
    assert not told
