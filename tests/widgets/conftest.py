"""Fixtures for docks in a real window."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.widgets.session import get_session

# Test modules are imported by path; this lets them share `canvas.py`.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def _imported_stays():
    """What was imported is no garbage: looking through it again after every viewer took two seconds a test."""
    import napari._qt.qt_main_window  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _no_garbage_for_threads():
    """Closed viewers are collected here, in the main thread, after napari's own fixture has closed them.

    Python collects in whatever thread happens to allocate. A reading thread of a later test that deletes an old
    viewer's OpenGL canvas can wait for the display for ever.
    """
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _own_places(tmp_path, monkeypatch):
    """No test writes into the user's documents or settings."""
    from napari_nucleidomain.runs import store
    from napari_nucleidomain.widgets import folding

    # What another test's training left on the list of who computes on which device.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(tmp_path / "state"))

    monkeypatch.setattr(store, "default_project_folder", lambda: tmp_path / "project")
    monkeypatch.setattr(
        folding, "_memory", lambda: folding.QSettings(str(tmp_path / "docks.ini"), folding.QSettings.Format.IniFormat)
    )


@pytest.fixture
def session(make_napari_viewer, tmp_path):
    """A session in a shown viewer, with its project in a temporary folder whose name is awkward."""
    viewer = make_napari_viewer(show=True)
    result = get_session(viewer, tmp_path / "Projekt Ü 1")
    yield result
    result.close()


@pytest.fixture
def nuclei():
    """A fluorescence picture with bright round nuclei, their centres and their labels: (200, 240) uint8."""
    rng = np.random.default_rng(4)
    yy, xx = np.mgrid[0:200, 0:240]
    picture = rng.normal(18, 3, (200, 240))
    labels = np.zeros((200, 240), np.uint16)
    centres = [
        (y + rng.integers(-4, 5), x + rng.integers(-4, 5)) for y in range(25, 190, 38) for x in range(25, 230, 40)
    ]
    for number, (y, x) in enumerate(centres, start=1):
        disk = (yy - y) ** 2 + (xx - x) ** 2 <= 9**2
        picture[disk] += 120
        labels[disk] = number
    return np.clip(picture, 0, 255).astype(np.uint8), np.array(centres, float), labels


@pytest.fixture
def image_file(tmp_path, nuclei):
    """The same picture as a PNG."""
    import skimage.io

    path = tmp_path / "cells 1.png"
    skimage.io.imsave(path, nuclei[0], check_contrast=False)
    return path


@pytest.fixture
def bare_entry(session, image_file, nuclei):
    """An image in the viewer, current, without clicks."""
    from napari_nucleidomain.data.images import open_image

    made = session.add_entry(image_file.stem, path=image_file)
    made.image = open_image(image_file)
    made.layers["image"] = session.viewer.add_image(nuclei[0], name="cells 1")
    session.set_current(made)
    return made
