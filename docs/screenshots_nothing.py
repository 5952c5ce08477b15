"""Pictures of the road without any annotation: flat images, then a volume. For `screenshots.py --nothing`."""

from __future__ import annotations

import numpy as np
from tour import Tour, rest, wait

from napari_nucleidomain.data.samples import load_sample
from napari_nucleidomain.widgets.dock import open_dock

import canvas  # isort: skip  # the tests' mouse; `tour` says where it is

_METHOD = "adgan"


class NothingTour(Tour):
    """The fluorescence sample from *Train* to *Review*, then the volume."""

    part = "both"

    def everything(self) -> None:
        """All steps, in their order."""
        if self.part != "volume":
            self.flat()
        if self.part != "flat":
            self.volume()

    def flat(self) -> None:
        """One fluorescence image: its size, the training with its question, the result."""
        self.open("fluorescence")
        self.picture("nothing-1-images")
        self.sizes()
        self.train("nothing-4-question", "nothing-5-training", "nothing-6-trained")
        self.predict("nothing-7-predict", trained=True)
        self.compare("fluorescence")
        open_dock(self.session, "review").modes.choose("outlines")
        self.picture("nothing-8-review")

    def open(self, name: str) -> None:
        """Open a sample alone, without what is known about it."""
        open_dock(self.session, "images").open_sample(name, with_clicks=False)
        file = load_sample(name).info.image
        wait(lambda: self.session.current and self.session.current.path.name == file, 30, "the sample")
        wait(lambda: "image" in self.session.current.layers, 30, "the picture")
        rest(1)
        self.viewer.fit_to_view()

    def sizes(self) -> None:
        """Have the size estimated, and measure it once by hand."""
        dock = open_dock(self.session, "train")
        dock.choices.have.setCurrentIndex(dock.choices.have.findData(_METHOD))
        wait(dock.sizes.isVisible, 10, "the sizes")
        rest(1)
        dock.sizes.estimate.click()
        wait(lambda: dock.sizes.circles.on, 60, "circles of the estimated size")
        self.picture("nothing-2-circles")
        self.line(dock.sizes)
        dock.sizes.estimate.click()
        wait(lambda: "Looking" not in dock.sizes.told.text(), 60, "the estimate again")
        rest(1)
        dock.sizes.fits.click()

    def line(self, sizes: object) -> None:
        """Draw a line across the nucleus nearest to the middle, along its longest row."""
        dock, entry = sizes, self.session.current
        image = entry.layers["image"]
        labels = load_sample("fluorescence").labels
        numbers, areas = np.unique(labels[labels > 0], return_counts=True)
        middle = np.array(labels.shape) / 2
        fair = numbers[areas >= np.median(areas)]
        centres = {number: np.argwhere(labels == number).mean(0) for number in fair}
        number = min(centres, key=lambda one: np.linalg.norm(centres[one] - middle))
        row = round(centres[number][0])
        columns = np.flatnonzero(labels[row] == number)
        dock.line.click()
        wait(lambda: dock.tool.gesture == "line", 10, "the tool")
        rest(0.5)
        ends = (row, columns[0] - 0.5), (row, columns[-1] + 0.5)
        canvas.drag(self.viewer, image, *ends, before_release=lambda: self.picture("nothing-3-line"))
        wait(lambda: dock.tool.gesture is None, 10, "the measure")
        rest(0.5)

    def train(self, question: str, middle: str, end: str) -> None:
        """Train, answer the question, wait for the end; a picture of each that has a name."""
        dock = open_dock(self.session, "train")
        dock.choices.limit.setChecked(True)
        dock.choices.minutes.setValue(self.minutes)
        wait(dock.train.isEnabled, 30, "the button")
        dock.train.click()
        wait(dock.asks.isVisible, 300, "the question")
        wait(lambda: all(one.pixmap() for one in dock.asks.pictures.values()), 60, "its pictures")
        rest(1)
        self.picture(question)
        dock.asks.go_on.click()
        wait(lambda: dock.follower.story.overall > 0.7, self.minutes * 60 + 240, "most of the training")
        if middle:
            self.picture(middle)
        wait(lambda: dock.follower.state == "finished", self.minutes * 60 + 240, "the end of the training")
        if end:
            self.picture(end)

    def compare(self, name: str) -> None:
        """The result against the sample's outlines, which the training never saw."""
        open_dock(self.session, "images").open_sample(name, with_clicks=True)
        self.compare_with_outlines()

    def volume(self) -> None:
        """A volume: its voxel size, a training, nuclei on a plane and in 3D."""
        # One model learns from flat images or from volumes.
        for entry in self.session.images:
            self.session.touch(entry, "use", use="predict")
        self.open("ovule")
        self.picture("volumes-1-images")
        dock = open_dock(self.session, "train")
        dock.choices.have.setCurrentIndex(dock.choices.have.findData(_METHOD))
        wait(dock.sizes.isVisible, 10, "the sizes")
        dock.sizes.set_diameter(None)
        dock.sizes.estimate.click()
        wait(lambda: dock.sizes.circles.on, 60, "circles of the estimated size")
        self.picture("volumes-2-size")
        dock.sizes.fits.click()
        self.train("volumes-3-question", "", "")
        self.predict("volumes-4-plane", trained=True)
        self.turn()
        self.picture("volumes-5-3d")
        self.viewer.dims.ndisplay = 2
        rest(1)
        self.viewer.fit_to_view()
        self.compare("ovule")
        self.picture("volumes-6-review")

    def turn(self) -> None:
        """Look at the volume in 3D, a little from above."""
        self.viewer.dims.ndisplay = 3
        rest(1)
        self.viewer.fit_to_view()
        self.viewer.scene.camera.angles = (10.0, 25.0, 60.0)
        self.viewer.scene.camera.zoom *= 0.62
        rest(2)
