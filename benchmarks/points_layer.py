"""How long the viewer needs for one click on an image that has 2,000: add, move, remove, undo, redo.

    xvfb-run -a python benchmarks/points_layer.py [--clicks 2000]

Measured is what runs on the event loop until it is free again: napari's layer, the copy for undo, and the signals
to the docks, with the Images and Points docks open. Drawing is left out, since it depends on the graphics card.
The aim is 16 ms, one frame. The first row is a Points layer of napari's own without any dock of ours: what it costs
cannot be saved here.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
from common import print_table, write_results

AIM_MS = 16.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(folder, options.clicks, options.repeats)
    print_table(rows)
    write_results("points_layer", {"clicks": options.clicks, "aim_ms": AIM_MS, "rows": rows})


def measure(folder: str, clicks: int, repeats: int) -> list[dict[str, object]]:
    """One row for each action: median, 95th percentile and worst milliseconds."""
    import napari

    from napari_nucleidomain.widgets.dock import open_dock
    from napari_nucleidomain.widgets.session import get_session

    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (2000, 2000), dtype=np.uint8)
    start = rng.uniform(0, 2000, (clicks, 2))
    viewer = napari.Viewer(show=True)
    viewer.add_image(picture)
    alone = viewer.add_points(start, size=8)
    alone.mode = "add"
    rows = [timed_row("add, napari alone", lambda: alone.add(rng.uniform(0, 2000, (1, 2))), repeats)]
    viewer.close()
    viewer = napari.Viewer(show=True)
    session = get_session(viewer, folder)
    layer = viewer.add_image(picture)
    entry = session.add_entry("picture", borrowed=True)
    entry.layers["image"] = layer
    for which in ("images", "points"):
        open_dock(session, which)
    session.set_current(entry)
    session.annotations.change(entry, points=start)
    dots = session.annotations.clicks(entry)
    session.annotations.use("click")

    def move() -> None:
        points = dots.data.copy()
        points[rng.integers(len(points))] += 3
        dots.data = points

    actions: dict[str, Callable[[], object]] = {
        "add": lambda: dots.add(rng.uniform(0, 2000, (1, 2))),
        "move": move,
        "undo": session.annotations.undo,
        "redo": session.annotations.redo,
        "remove": lambda: dots.remove([int(rng.integers(len(dots.data)))]),
    }
    rows += [timed_row(name, action, repeats) for name, action in actions.items()]
    session.close()
    viewer.close()
    return rows


def timed_row(name: str, action: Callable[[], object], repeats: int) -> dict[str, object]:
    """Do it so many times, letting the event loop run in between."""
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    taken = []
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.thread_time()
        action()
        taken.append(((time.perf_counter() - began) * 1000, (time.thread_time() - cpu) * 1000))
        QApplication.processEvents()
    wall, used = (sorted(column) for column in zip(*taken, strict=True))
    row = {
        "action": name,
        "median_ms": statistics.median(wall),
        "p95_ms": wall[int(0.95 * len(wall))],
        # Free of what other programs on the machine do.
        "median_cpu_ms": statistics.median(used),
    }
    return {key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()}


if __name__ == "__main__":
    main()
