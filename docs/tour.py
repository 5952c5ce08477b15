"""A walk through the real viewer that takes pictures: what the tours of `screenshots.py` have in common."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_nucleidomain.widgets.dock import open_all, open_dock
from napari_nucleidomain.widgets.session import get_session

DOCS = Path(__file__).resolve().parent
# The mouse on the canvas and the buttons of messages, as the tests use them.
sys.path.insert(0, str(DOCS.parent / "tests" / "widgets"))

# A laptop screen of 1366 x 768 without its task bar.
WINDOW = (1366, 728)
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
    """A viewer with the docks, and its pictures.

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

    def sample(self, *, with_clicks: bool) -> None:
        """Open the H&E sample."""
        open_dock(self.session, "images").open_sample("hne", with_clicks=with_clicks)
        wait(lambda: self.session.current and "image" in self.session.current.layers, 30, "the sample")
        rest(1)
        self.viewer.fit_to_view()

    def everything(self) -> None:
        """All steps, in their order."""
        raise NotImplementedError

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

    def compare_with_outlines(self) -> None:
        """Scores against the sample's outlines, in Review."""
        dock = open_dock(self.session, "review")
        wait(lambda: dock.subject and dock.found, 60, "the scores")
        wait(lambda: dock.compare.findText("outlines", Qt.MatchFlag.MatchContains) >= 0, 30, "outlines to compare with")
        place = dock.compare.findText("outlines", Qt.MatchFlag.MatchContains)
        if place != dock.compare.currentIndex():
            found = dock.found
            dock.compare.setCurrentIndex(place)
            dock.compare.activated.emit(place)
            wait(lambda: dock.found is not found, 60, "the scores against outlines")
        wait(lambda: dock.found and dock.found.sentence, 60, "what was found of the outlines")
        rest(1)
