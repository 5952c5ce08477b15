"""What the benchmarks of the viewer share: a real viewer with an image, a probe of its event loop, real clicks."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QEventLoop, QObject, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

# Where on the canvas a pixel is: as the tests find it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "widgets"))
import canvas

DOCKS = ("images", "points", "train", "predict", "review")


def open_viewer(project: Path) -> tuple[Any, Any]:
    """A viewer of the size of a small laptop screen, and its session with a project of its own."""
    import napari

    from napari_nucleidomain.widgets.session import get_session

    viewer = napari.Viewer(title="benchmark")
    viewer.window.resize(1360, 740)
    return viewer, get_session(viewer, project)


def wait(until: Callable[[], object], seconds: float, what: str) -> None:
    """Let the event loop run until something is so.

    The loop sleeps between events as in `napari.run()`; it is not polled.

    Raises
    ------
    SystemExit
        It did not come about.
    """
    loop, end = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > end else None)
    timer.start(20)
    loop.exec()
    timer.stop()
    if not until():
        raise SystemExit(f"waited {seconds:g} s for {what}")


def rest(seconds: float) -> None:
    """Let the event loop run for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() >= end, seconds + 60, "the clock")


def add_image(session: Any, path: Path, points: Path | None = None) -> Any:
    """Put an image into the project, all of it clicked where `points` is given."""
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.points import read_points

    entry = session.add_entry(path.stem, path=path)
    entry.image = open_image(path)
    if points is not None:
        height, width = entry.image.spatial_shape
        session.set_points(entry, read_points(points))
        corners = np.array([[0, 0], [0, width], [height, width], [height, 0]], float) - 0.5
        session.set_regions(entry, [corners])
        entry.complete = True
    return entry


class StallProbe(QObject):
    """Notes how late a timer of `every` milliseconds comes: that long an event of a person's would have waited.

    A timer of a healthy event loop is late by less than a millisecond. One long stall swallows many ticks, so the
    share of time is computed too: `waits` are the waiting times of events that come at random moments.
    """

    def __init__(self, every: float = 4.0) -> None:
        super().__init__()
        self._every = every / 1000
        self._late: list[float] = []
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(every))
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self._late.append(max(0.0, now - self._last - self._every))
        self._last = now

    @property
    def late_now(self) -> float:
        """Seconds since the last tick was due."""
        return time.perf_counter() - self._last - self._every if self._timer.isActive() else 0.0

    def start(self) -> None:
        """Forget what was noted and begin."""
        self._late.clear()
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> dict[str, float]:
        """End, and give what was found in milliseconds."""
        self._timer.stop()
        late = np.asarray(self._late) * 1000
        # An event that comes at a random moment within a stall of L ms waits between 0 and L.
        waits = np.concatenate([np.arange(0.5, max(1.0, stall)) for stall in late]) if len(late) else np.zeros(1)
        return {
            "seconds": round(float((late / 1000 + self._every).sum()), 1),
            "median_ms": round(float(np.median(late)), 1),
            "p99_ms": round(float(np.percentile(late, 99)), 1),
            "p99_wait_ms": round(float(np.percentile(waits, 99)), 1),
            "worst_ms": round(float(late.max()), 1),
            "over_50_ms": int((late > 50).sum()),
            "over_100_ms": int((late > 100).sum()),
        }


class Blame(threading.Thread):
    """Looks where the main thread is while the event loop is late: what a stall was spent on.

    Parameters
    ----------
    probe : StallProbe
    least : float
        Seconds the loop must be late.
    """

    def __init__(self, probe: StallProbe, least: float = 0.04) -> None:
        super().__init__(daemon=True)
        self._probe, self._least = probe, least
        self._main = threading.get_ident()
        self._seen: Counter[str] = Counter()
        self._over = threading.Event()

    def run(self) -> None:
        """Sample every 10 ms."""
        while not self._over.wait(0.01):
            if self._probe.late_now > self._least:
                frame = sys._current_frames().get(self._main)
                stack = traceback.extract_stack(frame)
                self._seen[
                    "\n".join(f"    {Path(one.filename).name}:{one.lineno} {one.name}" for one in stack[-28:])
                ] += 1

    def report(self, most: int = 12) -> str:
        """The stacks seen most often, with the time spent in each."""
        self._over.set()
        self.join()
        return "\n".join(f"{10 * times} ms in\n{stack}" for stack, times in self._seen.most_common(most))


class Clicker(QObject):
    """A person who clicks on the canvas without a pause: move, press and release at another place every time.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : Layer
        Whose data coordinates `places` are.
    places : sequence of (row, column)
    every : int
        Milliseconds between clicks.
    """

    def __init__(self, viewer: Any, layer: Any, places: Sequence[Sequence[float]], every: int = 180) -> None:
        super().__init__()
        self._viewer, self._layer, self._places = viewer, layer, list(places)
        self.made = 0
        self._timer = QTimer(self)
        self._timer.setInterval(every)
        self._timer.timeout.connect(self._click)

    def start(self) -> None:
        """Begin."""
        self._timer.start()

    def stop(self) -> None:
        """End."""
        self._timer.stop()

    def _click(self) -> None:
        if self.made >= len(self._places):
            self.stop()
            return
        target = canvas.native(self._viewer)
        at = canvas.pixel(self._viewer, self._layer, self._places[self.made])
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(at),
            QPointF(target.mapToGlobal(at)),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
        )
        self.made += 1
        QApplication.sendEvent(target, move)
        QTest.mouseClick(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
