"""10,000 nuclei: how soon a choice in Review's table, one on the canvas, and a filter of Predict are drawn.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/review_links.py [--nuclei 10000]

The real docks in a real viewer, on a drawn image. Milliseconds from the row chosen, the mouse released or the control
moved (less what it waits for the hand to rest, `waits_ms`) until canvas and docks are drawn.
Aims: table to canvas and canvas to table 100 ms, filters 200 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from common import print_table, write_results
from viewer_parts import add_image, canvas, open_viewer, rest, wait

AIMS = {"table to canvas": 100.0, "canvas to table": 100.0, "filter": 200.0}
SIDE = 20


def picture(nuclei: int) -> tuple[np.ndarray, np.ndarray]:
    """An image and the labels of nuclei of many sizes, in rows; those of the outermost rows are cut by the edge."""
    rng = np.random.default_rng(0)
    rows = int(np.ceil(np.sqrt(nuclei)))
    labels = np.zeros((rows * SIDE, rows * SIDE), np.uint32)
    place = np.arange(SIDE) - SIDE / 2 + 0.5
    for number in range(nuclei):
        row, column = divmod(number, rows)
        high, wide = rng.uniform(3, 9, 2)
        inside = (place[:, None] / high) ** 2 + (place / wide) ** 2 <= 1
        if row == 0:
            inside = np.roll(inside, -SIDE // 2, 0) & (place[:, None] < 0)
        labels[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE][inside] = number + 1
    image = np.where(labels > 0, 160, 40) + rng.normal(0, 12, labels.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def stored(session: Any, entry: Any, labels: np.ndarray) -> Any:
    """The labels as a finished prediction of the project."""
    from trainer import Predictor

    from napari_nucleidomain.runs.job import ImageRef, PredictJob
    from napari_nucleidomain.widgets.results import find_results

    ref = ImageRef(path=str(entry.path), name=entry.id)
    run = session.project.new_run(PredictJob(model="otsu", name="otsu", images=[ref]))
    predictor = Predictor(run)
    predictor.result(labels)
    predictor.leave()
    return find_results(session.project, entry.path)[0]


class Stopwatch:
    """Milliseconds from an action until the canvas was drawn with what came of it and nothing is left to do."""

    def __init__(self, viewer: Any) -> None:
        self._drawn = 0.0
        viewer.window._qt_viewer.canvas._scene_canvas.events.draw.connect(self._draw, position="last")

    def _draw(self, _: Any) -> None:
        self._drawn = time.perf_counter()

    def time(self, action: Callable[[], object], done: Callable[[], object]) -> tuple[float, float]:
        """Do it and wait: by the clock, and of the processor. SystemExit where it never comes about."""
        from qtpy.QtWidgets import QApplication

        rest(0.15)
        began, used = time.perf_counter(), time.thread_time()
        action()
        while not done() or self._drawn < began:
            QApplication.processEvents()
            time.sleep(0.001)
            if time.perf_counter() - began > 20:
                raise SystemExit("it did not come about in 20 s")
        # Rows and labels that were changed are drawn too.
        QApplication.sendPostedEvents()
        QApplication.processEvents()
        return (time.perf_counter() - began) * 1000, (time.thread_time() - used) * 1000


def summed(name: str, taken: list[tuple[float, float]], waiting: float = 0.0) -> dict[str, Any]:
    """Median and worst, less what is waited for on purpose."""
    values, used = np.asarray(taken).T
    values = values - waiting
    return {
        "action": name,
        "times": len(taken),
        "median_ms": round(float(np.median(values)), 1),
        "worst_ms": round(float(values.max()), 1),
        # The viewer's own thread, free of what other programs on the machine do; drawing has others besides.
        "median_cpu_ms": round(float(np.median(used)), 1),
    }


def choose(viewer: Any, session: Any, result: Any, repeats: int) -> list[dict[str, Any]]:
    """From the table to the canvas and back, at random nuclei."""
    from napari_nucleidomain.widgets.dock import open_dock
    from napari_nucleidomain.widgets.layers import in_viewer
    from napari_nucleidomain.widgets.review_show import SELECTED

    dock: Any = open_dock(session, "review")
    number = len(result.loaded.scores)
    wait(lambda: dock.table.model.rowCount() == number, 120, "the table")
    rest(2.0)
    watch, rng, entry = Stopwatch(viewer), np.random.default_rng(1), session.current
    taken: dict[str, list[tuple[float, float]]] = {"table to canvas": [], "canvas to table": []}

    def ring() -> Any:
        layer = in_viewer(session, entry, SELECTED)
        return None if layer is None else tuple(layer.translate)

    for _ in range(repeats):
        row = int(rng.integers(number))
        before = ring()
        taken["table to canvas"].append(
            watch.time(lambda row=row: dock.table.view.selectRow(row), lambda before=before: ring() != before)
        )
    viewer.fit_to_view()
    middles = [(row, column) for row in range(1, int(number**0.5) - 1) for column in range(1, int(number**0.5) - 1)]
    for at in rng.permutation(len(middles))[:repeats]:
        point = np.array(middles[at]) * SIDE + SIDE // 2
        wanted = int(result.layer.data[tuple(point)])
        if wanted == dock.table.chosen:
            continue
        taken["canvas to table"].append(
            watch.time(
                lambda point=point: canvas.click(viewer, result.layer, point),
                lambda wanted=wanted: dock.table.chosen == wanted,
            )
        )
    return [summed(name, values) for name, values in taken.items()]


def filters(viewer: Any, session: Any, result: Any, repeats: int) -> list[dict[str, Any]]:
    """Each control of Predict moved to another value."""
    from napari_nucleidomain.widgets.dock import open_dock

    after: Any = open_dock(session, "predict").after
    wait(lambda: after.result is result, 30, "the result")
    rest(1.0)
    watch, rng = Stopwatch(viewer), np.random.default_rng(2)
    moves: dict[str, Callable[[], object]] = {
        "filter: fewer–more": lambda: after.least.setValue(round(float(rng.uniform(0.2, 0.8)), 3)),
        "filter: smallest": lambda: after.smallest.setValue(int(rng.integers(10, 150))),
        "filter: border": after.no_border.toggle,
    }
    rows: list[dict[str, Any]] = []
    for name, move in moves.items():
        taken = []
        for _ in range(repeats):
            before = result.count()
            taken.append(watch.time(move, lambda before=before: result.count() != before))
        rows.append(summed(name, taken, waiting=after._timer.interval()))
        after.least.setValue(0.0)
        after.smallest.setValue(0)
        rest(1.0)
    return [{**row, "waits_ms": after._timer.interval()} for row in rows]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nuclei", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    from napari_nucleidomain.widgets.dock import open_all
    from napari_nucleidomain.widgets.predict_run import read_for_show
    from napari_nucleidomain.widgets.result_layers import result_layers

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        image, labels = picture(options.nuclei)
        tifffile.imwrite(folder / "drawn.tif", image)
        viewer, session = open_viewer(folder / "project")
        open_all(viewer)
        entry = add_image(session, folder / "drawn.tif")
        session.set_current(entry)
        wait(lambda: entry.layers.get("image") in viewer.layers, 30, "the image")
        viewer.fit_to_view()
        result = result_layers(session).show(entry, *read_for_show(stored(session, entry, labels)))
        rows = choose(viewer, session, result, options.repeats)
        rows += filters(viewer, session, result, options.repeats)
        session.close()
        viewer.close()
    print_table(rows)
    write_results("review_links", {"nuclei": options.nuclei, "shape": list(image.shape), "aims_ms": AIMS, "rows": rows})


if __name__ == "__main__":
    main()
