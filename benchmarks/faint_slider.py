"""From a move of *fainter ↔ brighter* to nuclei drawn anew, and what the viewer keeps a person waiting meanwhile.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/faint_slider.py [--data DIR]

The Predict dock with the classical method over three views: 1000 x 1000 H&E, 520 x 696 fluorescence, 1000 x 1000 of a
slide. `fit_s`: the first move, which reads the image's constants. Then single moves: until the first picture (whole
areas where nuclei take long to be divided), and until nuclei. Then a drag through 60 places, 40 ms each: pictures that
came, and how late a timer of the event loop was. The same drag with nothing to redraw is `idle_worst_ms`.
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

AIMS = {"picture_ms": 300.0, "worst_ms": 150.0}
PLACES = (-20, -50, -80, 30, 70, -35)


def images(data: Path) -> list[tuple[str, Path]]:
    """Name and file of each view."""
    return [
        ("H&E, 1000 x 1000", sorted((data / "kumar" / "val" / "images").iterdir())[0]),
        ("fluorescence, 520 x 696", sorted((data / "dsb2018_u2os" / "val" / "images").iterdir())[1]),
        ("slide, part of about 1000 x 1000", data / "wsi" / "CMU-1-Small-Region.svs"),
    ]


class Trial:
    """One viewer, one image."""

    def __init__(self, folder: Path, image: Path) -> None:
        from napari_nucleidomain.widgets.dock import open_all, open_dock

        self.viewer, self.session = open_viewer(folder / "project")
        open_all(self.viewer)
        self.entry = add_image(self.session, image)
        self.session.set_current(self.entry)
        wait(lambda: self.entry.layers.get("image") in self.viewer.layers, 60, "the image")
        self.viewer.fit_to_view()
        if max(self.entry.image.spatial_shape) > 1100:
            # A part of a slide as large as the others.
            self.viewer.scene.camera.zoom *= max(self.entry.image.spatial_shape) / 1000
        self.dock = open_dock(self.session, "predict")
        self.live, self.slider = self.dock.faint.live, self.dock.faint.slider.slider
        self.told: list[tuple[float, str]] = []
        self.live.told.connect(lambda words: self.told.append((time.perf_counter(), words)))
        wait(self.dock.find.isEnabled, 60, "the button")
        rest(4.0)

    def settle(self) -> None:
        """Wait until nothing is left to be drawn."""
        live = self.live
        wait(lambda: not (live._live.busy or live._settled.isActive()), 300, "the last picture")

    def move(self, place: int) -> tuple[float, float]:
        """Milliseconds from a move to the first picture, and to nuclei."""
        self.told.clear()
        began = time.perf_counter()
        self.slider.setValue(place)
        self.settle()
        shown = [(1000 * (at - began), words) for at, words in self.told if words.startswith("Preview")]
        return shown[0][0], next(at for at, words in reversed(shown) if "nucle" in words)

    def drag(self, *, redraw: bool, where: bool) -> tuple[dict[str, float], int]:
        """Stalls while the slider is dragged, and pictures that came."""
        self.slider.blockSignals(not redraw)
        self.told.clear()
        probe = StallProbe()
        blame = Blame(probe)
        probe.start()
        if where:
            blame.start()
        for place in np.round(80 * np.sin(np.linspace(0, 2 * np.pi, 60))):
            self.slider.setValue(int(place))
            rest(0.04)
        self.settle()
        if where:
            print(blame.report())
        self.slider.blockSignals(False)
        return probe.stop(), sum(words.startswith("Preview") for _, words in self.told)

    def close(self) -> None:
        """End."""
        self.session.close()
        self.viewer.close()


def measure(name: str, image: Path, *, where: bool) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        trial = Trial(Path(folder), image)
        fit = trial.move(-5)[1] / 1000
        trial.move(-10)
        times = np.array([trial.move(place) for place in PLACES])
        idle, _ = trial.drag(redraw=False, where=False)
        stalls, pictures = trial.drag(redraw=True, where=where)
        trial.close()
    first, whole = np.median(times, axis=0)
    return {
        "view": name,
        "fit_s": round(fit, 1),
        "picture_ms": round(first),
        "nuclei_ms": round(whole),
        "pictures": pictures,
        "idle_worst_ms": idle["worst_ms"],
        "worst_ms": stalls["worst_ms"],
        "p99_wait_ms": stalls["p99_wait_ms"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with kumar/, dsb2018_u2os/, wsi/ (default: NUCLEIDOMAIN_DATA)")
    parser.add_argument("--where", action="store_true", help="print what stalls were spent on")
    options = parser.parse_args()
    rows = [measure(name, image, where=options.where) for name, image in images(data_folder(options.data))]
    print_table(rows)
    write_results("faint_slider", {"aims": AIMS, "rows": rows})


if __name__ == "__main__":
    main()
