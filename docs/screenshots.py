"""Take the tutorial's pictures: walk through the real viewer as the tutorial does, one picture a step.

Run by `python dev.py screenshots`, which makes a screen of a fixed size where it can. Writes `docs/images/*.png`.
Region and clicks are made with the mouse, on the canvas, at the places where the sample's own clicks lie.
With `--outlines` the road with outlines is walked instead (the pictures of the page on the panoptic method), with
`--nothing` the one without any annotation, flat and in 3D; with `--docks` every dock is shown, from its top to its
end, in the dark and in the light theme: to look at.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from qtpy.QtCore import QSettings
from tour import DOCS, Tour, rest, wait

from napari_nucleidomain.data.samples import load_sample
from napari_nucleidomain.widgets import folding
from napari_nucleidomain.widgets.dock import open_dock

import canvas  # isort: skip  # the tests' mouse; `tour` says where it is

# Corners of the region that is drawn, in pixels (row, column): 28 nuclei lie in it.
REGION = ((72, 64), (328, 320))


class TutorialTour(Tour):
    """The steps of the tutorial, in its order."""

    def everything(self) -> None:
        """All of them."""
        self.sample(with_clicks=False)
        self.picture("1-images")
        self.predict("2-classical", trained=False)
        self.points()
        self.train()
        self.predict("8-nuclei", trained=True)
        self.review()

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
        self.compare_with_outlines()
        self.picture("9-review")
        open_dock(self.session, "review").modes.choose("errors")
        self.picture("10-errors")


class DockTour(Tour):
    """Every dock of the small screen, as many pictures as it is long, in both themes."""

    def everything(self) -> None:
        """Fill the docks, then show them."""
        self.sample(with_clicks=False)
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
    parser.add_argument("--outlines", action="store_true", help="walk the road with outlines instead")
    parser.add_argument(
        "--nothing",
        nargs="?",
        const="both",
        choices=("flat", "volume", "both"),
        help="walk the road without any annotation instead, or one half of it",
    )
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
        tour = _tour(options)(Path(folder) / "Nuclei", options.out, options.minutes)
        tour.viewer.theme = options.theme
        tour.everything()
        tour.viewer.close()


def _tour(options: argparse.Namespace) -> type[Tour]:
    if options.outlines:
        from screenshots_outlines import OutlinesTour

        return OutlinesTour
    if options.nothing:
        from screenshots_nothing import NothingTour

        NothingTour.part = options.nothing
        return NothingTour
    return DockTour if options.docks else TutorialTour


if __name__ == "__main__":
    main()
