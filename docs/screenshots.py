"""Take the tutorial's pictures: walk through the real viewer as the tutorial does, one picture a step.

Run by `python dev.py screenshots`, which makes a screen of a fixed size where it can. Writes `docs/images/*.png`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_nucleidomain.data.samples import load_sample
from napari_nucleidomain.widgets.dock import open_all, open_dock
from napari_nucleidomain.widgets.session import get_session

IMAGES = Path(__file__).resolve().parent / "images"
REGION = (0, 300)  # rows and columns of the region that is clicked, px


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
    """The steps of the tutorial, in its order."""

    def __init__(self, project: Path, minutes: float) -> None:
        self.minutes = minutes
        self.viewer = napari.Viewer(title="napari")
        self.viewer.window.resize(1360, 800)
        self.session = get_session(self.viewer, project)
        open_all(self.viewer)

    def picture(self, name: str) -> None:
        """Keep what the window shows."""
        rest(1.5)
        path = IMAGES / f"{name}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(path.relative_to(IMAGES.parent), flush=True)

    def images(self) -> None:
        """Open the sample."""
        open_dock(self.session, "images").open_sample("hne")
        wait(lambda: self.session.current and self.session.current.image, 30, "the sample")
        rest(1)
        self.viewer.reset_view()
        self.picture("1-images")

    def predict(self, name: str, *, trained: bool) -> None:
        """Find nuclei with the classical method, or with the model just trained."""
        dock = open_dock(self.session, "predict")
        wait(lambda: (dock.models.model_card is not None) == trained, 30, "the model")
        before = set(self.viewer.layers)
        wait(dock.find.isEnabled, 30, "the button")
        dock.find.click()
        wait(lambda: dock.prediction.busy, 30, "the start")
        wait(lambda: not dock.prediction.busy, 180, "the nuclei")
        wait(lambda: set(self.viewer.layers) - before, 30, "the result")
        self.picture(name)

    def points(self) -> None:
        """Draw a region and click every nucleus in it, with the clicks that the sample brings."""
        low, high = REGION
        points = load_sample("hne").points
        inside = points[((points > low) & (points < high)).all(axis=1)]
        corners = np.array([[low, low], [low, high], [high, high], [high, low]], float) - 0.5
        for layer in self.viewer.layers[1:]:
            layer.visible = False
        dock = open_dock(self.session, "points")
        entry, annotations = self.session.current, self.session.annotations
        annotations.regions(entry), annotations.clicks(entry)  # shows the layers
        annotations.change(entry, points=inside, regions=[corners])
        wait(dock.complete.isEnabled, 10, "the box to tick")
        rest(0.5)
        if not dock.complete.isChecked():
            dock.complete.click()
        self.picture("3-points")

    def train(self) -> None:
        """Train for a while, with the preview on."""
        dock = open_dock(self.session, "train")
        dock.choices.limit.setChecked(True)
        dock.choices.minutes.setValue(self.minutes)
        wait(dock.train.isEnabled, 30, "the button")
        dock.train.click()
        rest(self.minutes * 60 * 0.6)
        self.picture("4-training")
        wait(lambda: dock.follower.state == "finished", self.minutes * 60 + 180, "the end of the training")
        self.picture("5-trained")

    def review(self) -> None:
        """Look at the scores."""
        open_dock(self.session, "images").open_sample("hne", with_clicks=True)
        dock = open_dock(self.session, "review")
        wait(lambda: dock.subject and dock.found, 60, "the scores")
        self.picture("7-review")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long to train (default: 2)")
    minutes = parser.parse_args().minutes
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tour = Tour(Path(folder) / "Nuclei", minutes)
        tour.images()
        tour.predict("2-classical", trained=False)
        tour.points()
        tour.train()
        tour.predict("6-nuclei", trained=True)
        tour.review()
        tour.viewer.close()


if __name__ == "__main__":
    main()
