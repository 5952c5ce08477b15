"""Take the tutorial's pictures: walk through the real viewer as the tutorial does, one picture a step.

Run by `python dev.py screenshots`, which makes a screen of a fixed size where it can. Writes `docs/images/*.png`.
Region and clicks are made with the mouse, on the canvas, at the places where the sample's own clicks lie.
With `--docks` every dock is shown instead, from its top to its end, in the dark and in the light theme: to look at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QApplication

from napari_nucleidomain.data.samples import load_sample
from napari_nucleidomain.widgets import folding
from napari_nucleidomain.widgets.dock import open_all, open_dock
from napari_nucleidomain.widgets.session import get_session

DOCS = Path(__file__).resolve().parent
# The mouse on the canvas, as the tests move it.
sys.path.insert(0, str(DOCS.parent / "tests" / "widgets"))
import canvas  # noqa: E402

# A laptop screen of 1366 x 768 without its task bar.
WINDOW = (1366, 728)
# Corners of the region that is drawn, in pixels (row, column): 28 nuclei lie in it.
REGION = ((72, 64), (328, 320))
COLOURS = 256


def wait(until: Callable[[], object], seconds: float, what: str) -> None:
    """Let the viewer work until something is so.

    Raises
    ------
    TimeoutError
        It did not come about.
    """
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        rest(0.1)


def rest(seconds: float) -> None:
    """Let the viewer draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


class Tour:
    """The steps of the tutorial, in its order.

    Parameters
    ----------
    project : Path
    out : Path
        Where pictures go.
    minutes : float
        How long to train.
    """

    def __init__(self, project: Path, out: Path, minutes: float) -> None:
        self.out, self.minutes = out, minutes
        self.viewer = napari.Viewer(title="napari")
        self.viewer.window.resize(*WINDOW)
        self.session = get_session(self.viewer, project)
        open_all(self.viewer)
        rest(1)

    def picture(self, name: str) -> None:
        """Keep what the window shows, in few colours so that the repository stays small."""
        rest(1.5)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        path = self.out / f"{name}.png"
        small = Image.fromarray(pixels[..., :3]).quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=0)
        small.save(path, optimize=True)
        print(f"{path.name} {path.stat().st_size // 1000} kB", flush=True)

    def images(self) -> None:
        """Open the sample."""
        open_dock(self.session, "images").open_sample("hne")
        wait(lambda: self.session.current and "image" in self.session.current.layers, 30, "the sample")
        rest(1)
        self.viewer.fit_to_view()
        self.picture("1-images")

    def predict(self, name: str | None, *, trained: bool) -> None:
        """Find nuclei with the classical method, or with the model just trained."""
        dock = open_dock(self.session, "predict")
        wait(lambda: (dock.models.model_card is not None) == trained, 30, "the model")
        dock.where.buttons["image"].setChecked(True)
        before = set(self.viewer.layers)
        wait(dock.find.isEnabled, 30, "the button")
        dock.find.click()
        wait(lambda: dock.prediction.busy, 30, "the start")
        wait(lambda: not dock.prediction.busy, 180, "the nuclei")
        wait(lambda: set(self.viewer.layers) - before, 30, "the result")
        if name is not None:
            self.picture(name)

    def points(self) -> None:
        """Draw a region and click every nucleus in it."""
        dock = open_dock(self.session, "points")
        entry = self.session.current
        image = entry.layers["image"]
        for layer in self.viewer.layers:
            layer.visible = layer is image
        dock.tools.region.click()
        rest(0.3)
        canvas.drag(self.viewer, image, *REGION)
        wait(lambda: entry.regions, 10, "the region")
        dock.tools.buttons["click"].click()
        rest(0.3)
        low, high = np.array(REGION)
        places = load_sample("hne").points
        for place in places[((places > low) & (places < high)).all(axis=1)]:
            canvas.click(self.viewer, image, place)
            rest(0.05)
        wait(dock.complete.isEnabled, 10, "the box to tick")
        if not dock.complete.isChecked():
            dock.complete.click()
        self.picture("3-points")

    def train(self) -> None:
        """Train for a while, with the preview on."""
        dock = open_dock(self.session, "train")
        dock.choices.limit.setChecked(True)
        dock.choices.minutes.setValue(self.minutes)
        self.picture("4-train")
        wait(dock.train.isEnabled, 30, "the button")
        dock.train.click()
        entry = self.session.current
        shown = entry.layers
        wait(lambda: "preview" in shown and shown["preview"].data.any(), 120, "a preview with nuclei")
        self.picture("5-first-preview")
        wait(lambda: dock.follower.story.overall > 0.8, self.minutes * 60 + 60, "a later preview")
        self.picture("6-later-preview")
        wait(lambda: dock.follower.state == "finished", self.minutes * 60 + 180, "the end of the training")
        self.picture("7-trained")

    def review(self) -> None:
        """Look at the scores and at the errors."""
        open_dock(self.session, "images").open_sample("hne", with_clicks=True)
        dock = open_dock(self.session, "review")
        wait(lambda: dock.subject and dock.found, 60, "the scores")
        found = dock.found
        wait(lambda: dock.compare.findText("outlines", Qt.MatchFlag.MatchContains) >= 0, 30, "outlines to compare with")
        place = dock.compare.findText("outlines", Qt.MatchFlag.MatchContains)
        dock.compare.setCurrentIndex(place)
        dock.compare.activated.emit(place)
        wait(lambda: dock.found is not found, 60, "the scores against outlines")
        self.picture("9-review")
        dock.modes.choose("errors")
        self.picture("10-errors")


class DockTour(Tour):
    """Every dock of the small screen, as many pictures as it is long, in both themes."""

    def everything(self) -> None:
        """Fill the docks, then show them."""
        open_dock(self.session, "images").open_sample("hne")
        wait(lambda: self.session.current and "image" in self.session.current.layers, 30, "the sample")
        self.viewer.fit_to_view()
        low, high = np.array(REGION)
        places = load_sample("hne").points
        entry = self.session.current
        self.session.set_points(entry, places[((places > low) & (places < high)).all(axis=1)])
        self.session.set_regions(entry, [np.array([low, (low[0], high[1]), high, (high[0], low[1])], float)])
        open_dock(self.session, "images").fold.open(True)
        self.predict(None, trained=False)
        for theme in ("dark", "light"):
            self.viewer.theme = theme
            for which in ("images", "points", "predict"):
                self.dock(which, theme)
            self.dock("train", theme)
            self.question(theme)
            self.corrections(theme)

    def dock(self, which: str, theme: str) -> None:
        """One dock, scrolled down screen by screen."""
        dock = open_dock(self.session, which)
        rest(1.5)
        bar = dock._area.verticalScrollBar()
        bar.setValue(0)
        for number in range(1, 9):
            self.picture(f"{theme}-{which}-{number}")
            if bar.value() >= bar.maximum():
                return
            bar.setValue(bar.value() + bar.pageStep() - 40)

    def question(self, theme: str) -> None:
        """What *Train* asks before it begins."""
        dock = open_dock(self.session, "train")
        wait(dock.train.isEnabled, 30, "the button")
        dock.train.click()
        self.picture(f"{theme}-train-question")
        dock.question.clear()

    def corrections(self, theme: str) -> None:
        """*Review* while it asks what corrections say is right."""
        dock = open_dock(self.session, "review")
        wait(lambda: dock.subject and dock.found, 60, "the scores")
        dock.corrections.ask.setChecked(True)
        self.dock("review", theme)
        dock.corrections.ask.setChecked(False)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long to train (default: 2)")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--docks", action="store_true", help="show every dock in both themes instead")
    parser.add_argument("--out", type=Path, default=DOCS / "images", help="folder for the pictures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # Folds open or closed as somebody last left them must not show in the pictures.
        ini = QSettings(str(Path(folder) / "docks.ini"), QSettings.Format.IniFormat)
        folding._memory = lambda: ini
        # Nor that a training of another project has the device just now.
        os.environ["XDG_STATE_HOME"] = os.environ["WIN_PD_OVERRIDE_LOCAL_APPDATA"] = str(Path(folder) / "state")
        kind = DockTour if options.docks else Tour
        tour = kind(Path(folder) / "Nuclei", options.out, options.minutes)
        tour.viewer.theme = options.theme
        if isinstance(tour, DockTour):
            tour.everything()
            tour.viewer.close()
            return
        tour.images()
        tour.predict("2-classical", trained=False)
        tour.points()
        tour.train()
        tour.predict("8-nuclei", trained=True)
        tour.review()
        tour.viewer.close()


if __name__ == "__main__":
    main()
