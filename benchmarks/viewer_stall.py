"""How long the viewer keeps a person waiting while a training runs, beside the same viewer idle.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/viewer_stall.py [--data DIR]

A real viewer with the five docks and a clicked 1000 x 1000 image. A timer of 4 ms notes how late it comes: that long a
mouse event would have waited. Phases: idle; idle with a person clicking; a training (`spn-ien`, `quick`, started by the
Train dock in its own process) until its first preview; with a person clicking until 20 more have come; untouched.
Aims: 99th percentile at most 50 ms above idle; no click lost; every dock opens in under 0.5 s; no torch in the viewer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, print_table, write_results
from viewer_parts import DOCKS, Blame, Clicker, StallProbe, add_image, open_viewer, rest, wait

PREVIEWS = 20
AIMS = {"above_idle_ms": 50.0, "dock_s": 0.5}


def open_one(which: str, folder: str) -> float:
    """Seconds to open one dock in a viewer that has had none: from the command to the dock on the screen."""
    from qtpy.QtWidgets import QApplication

    from napari_nucleidomain.widgets.dock import dock_name

    viewer, session = open_viewer(Path(folder) / "project")
    viewer.add_image(np.zeros((512, 512), np.uint8))
    rest(2.0)
    began = time.perf_counter()
    # The way of the menu: the plugin manager looks the class up and imports its module.
    viewer.window.add_plugin_dock_widget("napari-nucleidomain", which.capitalize())
    QApplication.processEvents()
    seconds = time.perf_counter() - began
    if dock_name(which) not in viewer.window.dock_widgets and not viewer.window.dock_widgets:
        raise SystemExit(f"{which} did not open")
    session.close()
    viewer.close()
    return seconds


def docks(repeats: int) -> dict[str, float]:
    """Median seconds to open each dock first, each time in a fresh process."""
    found = {}
    for which in DOCKS:
        taken = []
        for _ in range(repeats):
            command = [sys.executable, __file__, "--open", which]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            taken.append(float(answer.strip().splitlines()[-1]))
        found[which] = round(float(np.median(taken)), 3)
    return found


class Trial:
    """The viewer that is measured."""

    def __init__(self, folder: Path, data: Path, minutes: float, *, where: bool) -> None:
        from napari_nucleidomain.widgets.dock import open_all, open_dock

        self._minutes, self._where = minutes, where
        self.viewer, self.session = open_viewer(folder / "project")
        open_all(self.viewer)
        root = data / "kumar" / "train"
        first: dict[str, Path] = {}
        for path in sorted((root / "images").iterdir()):
            first.setdefault(path.name.split("_")[0], path)
        entries = [add_image(self.session, path, root / "points" / f"{path.stem}.csv") for path in first.values()]
        self.entry = entries[0]
        self.session.set_current(self.entry)
        wait(lambda: self.entry.layers.get("image") in self.viewer.layers, 30, "the image")
        self.viewer.fit_to_view()
        self._given = len(self.entry.points)
        self.train = open_dock(self.session, "train")
        self.previews = 0
        self.train.preview.shown.connect(self._count)
        self.rng = np.random.default_rng(0)

    def _count(self, note: str) -> None:
        self.previews += 1

    def watch(self, seconds: float) -> dict[str, Any]:
        """Stalls while nobody does anything."""
        probe = self._probe()
        rest(seconds)
        return self._found(probe)

    def _probe(self) -> StallProbe:
        probe = StallProbe()
        probe.start()
        if self._where:
            self._blame = Blame(probe)
            self._blame.start()
        return probe

    def _found(self, probe: StallProbe) -> dict[str, Any]:
        if self._where:
            print(self._blame.report(), flush=True)
        return probe.stop()

    def click(self, seconds: float, *, previews: int = 0) -> dict[str, Any]:
        """Stalls while a person clicks, for a time or until so many previews have come; and clicks that were lost."""
        self.session.annotations.use("click")
        rest(1.0)
        layer, before, seen = self.entry.layers["clicks"], len(self.entry.points), self.previews
        height, width = self.entry.image.spatial_shape
        places = self.rng.uniform(0.05, 0.95, (5000, 2)) * (height, width)
        clicker, probe = Clicker(self.viewer, layer, places), self._probe()
        clicker.start()
        if previews:
            wait(lambda: self.previews - seen >= previews or self.over, seconds, f"{previews} previews")
        else:
            rest(seconds)
        clicker.stop()
        found = self._found(probe)
        rest(1.0)
        came = self.previews - seen
        lost = clicker.made - (len(self.entry.points) - before)
        return {**found, "clicks": clicker.made, "lost": lost, "previews": came}

    @property
    def over(self) -> bool:
        """Whether the training has ended."""
        return self.train.follower.story.end is not None

    def begin_training(self) -> tuple[float, dict[str, Any]]:
        """Press [Train]; returns the seconds to the first preview on the screen, and stalls until then."""
        self.train.choices.limit.setChecked(True)
        self.train.choices.minutes.setValue(self._minutes)
        rest(0.5)
        wait(self.train.train.isEnabled, 30, "the button")
        began, probe = time.monotonic(), self._probe()
        self.train.train.click()
        if self.train.message.text():
            raise SystemExit(self.train.message.text())
        wait(lambda: self.previews or self.over, 120, "the first preview")
        return time.monotonic() - began, self._found(probe)

    def end(self) -> None:
        """Stop the training and close."""
        if self.train.follower.run is not None and not self.over:
            self.train.follower.run.request("stop")
            wait(lambda: self.over, 60, "the end of the training")
        self.session.close()
        self.viewer.close()


def measure(folder: Path, data: Path, minutes: float, seconds: float, *, where: bool) -> dict[str, Any]:
    """All phases in one viewer."""
    trial = Trial(folder, data, minutes, where=where)
    rest(3.0)
    rows = [{"phase": "idle", **trial.watch(seconds)}, {"phase": "idle, clicking", **trial.click(seconds)}]
    first, stalls = trial.begin_training()
    rows.append({"phase": "training starts", **stalls, "previews": trial.previews})
    rows.append({"phase": "training, clicking", **trial.click(60 * minutes, previews=PREVIEWS)})
    if trial.over:
        raise SystemExit("The training ended too soon: give it more --minutes.")
    seen = trial.previews
    rows.append({"phase": "training", **trial.watch(seconds), "previews": trial.previews - seen})
    torch = "torch" in sys.modules
    trial.end()
    return {"rows": rows, "first_preview_s": round(first, 1), "torch_in_viewer": torch}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with kumar/ (default: NUCLEIDOMAIN_DATA)")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of the training")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of phases that no preview ends")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes for each dock")
    parser.add_argument("--where", action="store_true", help="print what stalls were spent on")
    parser.add_argument("--open", choices=DOCKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # The threads of the viewer may still be reading when it is done; Windows keeps such files for a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if options.open:
            print(json.dumps(open_one(options.open, folder)))
            return
        opened = docks(options.repeats)
        found = measure(Path(folder), data_folder(options.data), options.minutes, options.seconds, where=options.where)
    columns = ["phase", "seconds", "median_ms", "p99_ms", "p99_wait_ms", "worst_ms", "over_50_ms", "over_100_ms"]
    print_table(found["rows"], [*columns, "clicks", "lost", "previews"])
    print_table([{"dock": which, "opens_s": seconds} for which, seconds in opened.items()])
    print(f"first preview after {found['first_preview_s']} s; torch in the viewer: {found['torch_in_viewer']}")
    write_results("viewer_stall", {"aims": AIMS, "docks_s": opened, **found})


if __name__ == "__main__":
    main()
