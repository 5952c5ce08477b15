"""Real mouse clicks on the canvas. The one place that touches a private attribute of napari."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication


def settle(times: int = 3) -> None:
    """Let the event loop do what is queued."""
    for _ in range(times):
        QApplication.processEvents()


def native(viewer):
    """The widget that takes the mouse."""
    return viewer.window._qt_viewer.canvas.native


def pixel(viewer, layer, point) -> QPoint:
    """Where on the canvas a data coordinate of a layer is drawn, (y, x)."""
    canvas = viewer.window._qt_viewer.canvas
    world = np.asarray(layer.data_to_world(point))[-2:]
    zoom = viewer.scene.camera.zoom
    centre = np.asarray(viewer.scene.camera.center)[-2:]
    height, width = canvas.size
    y, x = (world - centre) * zoom + np.array([height, width]) / 2
    return QPoint(round(x), round(y))


def _move(target, at, buttons=Qt.MouseButton.NoButton) -> None:
    """A mouse move that arrives: `QTest.mouseMove` moves the real pointer, which a window manager may withhold."""
    where = target.mapToGlobal(at)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(at),
        QPointF(where),
        Qt.MouseButton.NoButton,
        buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(target, event)
    settle()


def click(viewer, layer, point, button=Qt.MouseButton.LeftButton, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Press and release on a data coordinate of a layer."""
    target, at = native(viewer), pixel(viewer, layer, point)
    _move(target, at)
    QTest.mouseClick(target, button, modifier, at)
    settle()


def drag(viewer, layer, start, stop, before_release=None) -> None:
    """Press, move, do `before_release()` where given, release."""
    target = native(viewer)
    a, b = pixel(viewer, layer, start), pixel(viewer, layer, stop)
    _move(target, a)
    QTest.mousePress(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, a)
    settle()
    for part in (0.3, 0.6, 1.0):
        at = QPoint(round(a.x() + (b.x() - a.x()) * part), round(a.y() + (b.y() - a.y()) * part))
        _move(target, at, Qt.MouseButton.LeftButton)
    if before_release is not None:
        before_release()
    QTest.mouseRelease(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, b)
    settle()


def key(viewer, code, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key with the canvas in focus."""
    QTest.keyClick(native(viewer), code, modifier)
    settle()
