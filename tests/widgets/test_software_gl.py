"""A layer that was drawn on and removed does not end napari where OpenGL is done in software."""

from __future__ import annotations

import numpy as np
from vispy.gloo import glir

from napari_nucleidomain.widgets import software_gl

from .canvas import settle


def test_removed_layers_leave_the_viewer_alive(session, bare_entry):
    viewer = session.viewer
    for make in (viewer.add_shapes, lambda: viewer.add_points(np.zeros((0, 2)))):
        layer = make()
        if layer.__class__.__name__ == "Points":
            layer.mode = "add"
            layer.add([10, 10])
        settle(20)
        viewer.layers.remove(layer)
        settle(20)
        # Without the remedy a software renderer ends the process here.
        viewer.add_points([[5, 5]])
        settle(20)
    assert len(viewer.layers) == 3


def test_real_graphics_cards_delete_as_ever(monkeypatch):
    deleted = []

    class Program:
        def delete(self):
            deleted.append(self)

    monkeypatch.setattr(glir, "GlirProgram", Program)
    software_gl.keep_programs()
    software_gl.keep_programs()
    monkeypatch.setattr(software_gl, "is_software", lambda: True)
    Program().delete()
    assert not deleted
    monkeypatch.setattr(software_gl, "is_software", lambda: False)
    Program().delete()
    assert len(deleted) == 1
    monkeypatch.delattr(glir, "GlirProgram")
    software_gl.keep_programs()
