"""From pressing *Find nuclei* to nuclei on the screen, in the real viewer with its real worker process.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/predict_latency.py MODEL [--data DIR] [--image FILE]

A 1000 x 1000 image fills the canvas, the Predict dock stands open with the model chosen, the worker has had time to
warm up (and has predicted nothing yet), *what I see* is ticked, and [Find nuclei] is pressed. Counted until the canvas
has been drawn with labels on it, and until it has been drawn with the final result. Aims: 2 s and 6 s on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, print_table, write_results
from viewer_parts import Blame, StallProbe, add_image, open_viewer, rest, wait

AIMS = {"first_labels_s": 2.0, "whole_view_s": 6.0}


class Press:
    """One press of the button, watched at every drawing of the canvas."""

    def __init__(self, viewer: Any, session: Any, dock: Any) -> None:
        self._viewer, self._session, self._dock = viewer, session, dock
        self.first: float | None = None
        self.whole: float | None = None
        self._before = set(viewer.layers)
        self._draws = viewer.window._qt_viewer.canvas._scene_canvas.events.draw

    def _drawn(self, event: Any) -> None:
        now = time.perf_counter() - self._began
        ours = [layer for layer in self._viewer.layers if layer not in self._before and layer.data.any()]
        if ours and self.first is None:
            self.first = now
        if self._ended and self.whole is None and self._result_shown():
            self.whole = now

    def _result_shown(self) -> bool:
        return self._dock.after.result is not None and self._dock.after.result.layer in self._viewer.layers

    def measure(self, *, where: bool = False) -> dict[str, Any]:
        """Press, and wait for the end; all times in seconds from the press."""
        self._ended = False
        prediction = self._dock.prediction
        outcome: list[Any] = []
        failures: list[Any] = []

        def ended(what: Any) -> None:
            self._ended = True
            outcome.append(what)

        prediction.ended.connect(ended)
        prediction.failed.connect(lambda error, log: failures.append(f"{error}\n{log}"))
        self._draws.connect(self._drawn)
        probe = StallProbe()
        probe.start()
        blame = Blame(probe)
        if where:
            blame.start()
        clock = time.time()
        self._began = time.perf_counter()
        self._dock.find.click()
        run = prediction.run
        if run is None:
            raise SystemExit(f"it did not start: {self._dock.message.text() or self._dock.find.toolTip()}")
        wait(lambda: self.whole is not None or failures, 120, "the result")
        if where:
            print(blame.report())
        stalls = probe.stop()
        self._draws.disconnect(self._drawn)
        prediction.ended.disconnect(ended)
        if failures:
            raise SystemExit(failures[0])
        times = {"first labels": self.first, "whole view": self.whole, **_inside(run, clock)}
        row = {name: round(float(value), 2) for name, value in times.items() if value is not None}
        return {**row, "nuclei": outcome[0].results[0].nuclei, "worst stall, ms": stalls["worst_ms"]}


def _inside(run: Any, clock: float) -> dict[str, float]:
    """When the worker wrote what, from its events."""
    found: dict[str, float] = {}
    for event in run.read_events(0)[0]:
        name = {"started": "worker began", "preview": "tile written", "finished": "worker done"}.get(event.kind)
        if name == "tile written":
            found.setdefault("first tile written", event.time - clock)
            found["last tile written"] = event.time - clock
        elif name is not None:
            found[name] = event.time - clock
    return found


def measure(folder: Path, model: Path, image: Path, repeats: int, warm: float, *, where: bool) -> list[dict[str, Any]]:
    """One row a press; the first is the worker's first prediction."""
    from napari_nucleidomain.widgets.dock import open_all, open_dock

    viewer, session = open_viewer(folder / "project")
    open_all(viewer)
    entry = add_image(session, image)
    session.set_current(entry)
    wait(lambda: entry.layers.get("image") in viewer.layers, 30, "the image")
    viewer.fit_to_view()
    session.model = str(model)
    dock = open_dock(session, "predict")
    wait(dock.find.isEnabled, 30, "the button")
    rest(warm)
    rows = []
    for number in range(repeats):
        rows.append({"press": number + 1, **Press(viewer, session, dock).measure(where=where)})
        rest(1.0)
    session.close()
    viewer.close()
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a trained model")
    parser.add_argument("--data", help="folder with kumar/ (default: NUCLEIDOMAIN_DATA)")
    parser.add_argument("--image", type=Path, help="default: the first of kumar/val")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--warm", type=float, default=20.0, help="seconds the worker is given to warm up")
    parser.add_argument("--where", action="store_true", help="print what stalls of the viewer were spent on")
    options = parser.parse_args()
    from napari_nucleidomain.contracts import load_card
    from napari_nucleidomain.data.images import open_image

    image = options.image or sorted((data_folder(options.data) / "kumar" / "val" / "images").iterdir())[0]
    # The viewer's threads may still be reading when it is done; Windows keeps such files for a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rows = measure(Path(folder), options.model, image, options.repeats, options.warm, where=options.where)
    print_table(rows)
    card = load_card(options.model)
    medians = {name: round(float(np.median([row[name] for row in rows])), 2) for name in ("first labels", "whole view")}
    print(f"medians: {medians}; aims: {AIMS}")
    shape = list(open_image(image).spatial_shape)
    content = {"model": card.line(), "image": image.name, "shape": shape, "aims": AIMS, "medians_s": medians}
    write_results("predict_latency", {**content, "rows": rows})


if __name__ == "__main__":
    main()
