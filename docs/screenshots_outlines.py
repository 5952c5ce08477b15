"""Pictures of the road with outlines: train, look, correct by hand, train on. For `screenshots.py --outlines`."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from tour import Tour, rest, wait

from napari_nucleidomain.data.samples import load_sample
from napari_nucleidomain.widgets.dock import open_dock

import canvas  # isort: skip  # the tests' mouse; `tour` says where it is
from buttons import press  # isort: skip

# Mistakes that are put right.
_WRONG = 5


class OutlinesTour(Tour):
    """The H&E sample with its outlines, from *Train* to a second round."""

    def everything(self) -> None:
        """All steps, in their order."""
        self.sample(with_clicks=True)
        wait(lambda: "clicks" in self.session.current.layers, 30, "the clicks")
        self.session.current.layers["clicks"].visible = False
        self.train()
        self.predict(None, trained=True)
        self.review()
        self.correct()
        self.again()

    def train(self) -> None:
        """Train the panoptic method for a while."""
        dock = open_dock(self.session, "train")
        dock.choices.have.setCurrentIndex(dock.choices.have.findData("panoptic"))
        dock.choices.limit.setChecked(True)
        dock.choices.minutes.setValue(self.minutes)
        wait(dock.train.isEnabled, 30, "the button")
        self.picture("outlines-1-train")
        dock.train.click()
        entry = self.session.current
        shown = entry.layers
        wait(lambda: "preview" in shown and shown["preview"].data.any(), 240, "a preview with nuclei")
        self.picture("outlines-2-first-preview")
        wait(lambda: dock.follower.state == "finished", self.minutes * 60 + 180, "the end of the training")
        self.picture("outlines-3-trained")

    def review(self) -> None:
        """Scores and errors."""
        self.compare_with_outlines()
        open_dock(self.session, "review").modes.choose("errors")
        self.picture("outlines-4-errors")
        open_dock(self.session, "review").modes.choose("outlines")

    def correct(self) -> None:
        """Take away what lies on no nucleus and cut what is two, with keys and mouse on the canvas."""
        dock = open_dock(self.session, "review")
        layer = dock.subject.layer
        self.viewer.layers.selection.active = layer
        truth = load_sample("hne").labels
        found = np.asarray(layer.data)
        numbers, sizes = np.unique(found[found > 0], return_counts=True)
        hit = np.array([(truth[found == number] > 0).mean() for number in numbers])
        for number in numbers[np.argsort(hit)][:_WRONG]:
            canvas.click(self.viewer, layer, np.argwhere(found == number).mean(0))
            canvas.key(self.viewer, Qt.Key.Key_D)
            rest(0.3)
        largest = np.argwhere(found == numbers[np.argmax(sizes)])
        middle, half = largest.mean(0), (largest.max(0) - largest.min(0)) / 2 + 4
        canvas.key(self.viewer, Qt.Key.Key_T)
        across = np.array([half[0], 0.0])
        canvas.drag(self.viewer, layer, middle - across, middle + across)
        rest(1)
        dock.corrections.ask.setChecked(True)
        wait(lambda: dock.corrections.add.isEnabled(), 60, "the part that was corrected")
        if dock.corrections.show_parts.isVisible():
            dock.corrections.show_parts.click()
        self.picture("outlines-5-corrections")
        dock.corrections.add.click()
        wait(lambda: "training images now" in dock.corrections.message.text(), 60, "an answer")

    def again(self) -> None:
        """Train on from the first model."""
        dock = open_dock(self.session, "review")
        press(dock.corrections.message, f"Train on from {dock.subject.shown.stored.model_folder.rsplit('/', 1)[-1]}")
        rest(1)
        train = open_dock(self.session, "train")
        train.choices.limit.setChecked(True)
        train.choices.minutes.setValue(max(1.0, self.minutes / 2))
        wait(train.train.isEnabled, 30, "the button")
        train.train.click()
        wait(lambda: train.follower.state == "running" or train.question.isVisible(), 60, "the start")
        wait(lambda: train.follower.state == "finished", self.minutes * 60 + 240, "the end of the training")
        self.picture("outlines-6-trained-again")
