"""What a training without annotation must be told of its images: the channel of the nuclei, and the size of voxels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from .images_correct import correct
from .inline import Inline, WhyButton, row
from .number_boxes import FloatBox
from .train_images_only import without_channel, without_voxel_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .entry import ImageEntry
    from .session import Session
    from .train_checklist import Check


class AskImages(QWidget):
    """Asks what the files do not say, once for all images alike; hidden while there is nothing to ask.

    Signals
    -------
    clicks_wanted()
        The images cannot be learned from without annotation: the person will click nuclei instead.
    """

    clicks_wanted = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._asked: list[ImageEntry] = []
        self.instead = Inline()
        self.channel = Inline()
        self.voxels = QWidget()
        self.between = FloatBox({"gt": 0.0, "le": 1e5}, "µm")
        self.pixel = FloatBox({"gt": 0.0, "le": 1e5}, "µm")
        for box, words in ((self.between, "From one plane to the next"), (self.pixel, "Side of a pixel in the plane")):
            box.setToolTip(f"{words}, in micrometres; the microscope's settings tell it.")
            box.setSpecialValueText("? µm")
            box.setMinimum(0.0)
            box.valueChanged.connect(self._typed)
        self.take = WhyButton("Take these sizes", "For all volumes that have none")
        self.take.clicked.connect(self._give_sizes)
        self._words = QLabel()
        self._words.setWordWrap(True)
        layout = QVBoxLayout(self.voxels)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._words)
        form = QFormLayout()
        form.addRow("From plane to plane", self.between)
        form.addRow("Side of a pixel", self.pixel)
        layout.addLayout(form)
        layout.addLayout(row(self.take, QWidget(), stretch=1))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        for widget in (self.instead, self.channel, self.voxels):
            outer.addWidget(widget)
        self.voxels.setVisible(False)
        self._typed()

    def show_checks(self, checks: Sequence[Check], needs: str) -> None:
        """Ask what these lines leave open; nothing for methods that are told by clicks or outlines."""
        self._show_instead(checks)
        images = self._session.images if needs == "nothing" else []
        self._ask_channel(without_channel(images))
        missing = without_voxel_size(images)
        self.voxels.setVisible(bool(missing))
        if missing:
            names = missing[0].name if len(missing) == 1 else f"{len(missing)} volumes"
            self._words.setText(f"How large are the voxels of {names}?")

    def _show_instead(self, checks: Sequence[Check]) -> None:
        check = next((one for one in checks if one.instead), None)
        if check is None:
            self.instead.clear()
        elif not self.instead.text():
            self.instead.say(
                "info",
                "Clicks inside nuclei teach any stain; a few minutes of clicking are enough to begin with.",
                Click_nuclei_instead=self.clicks_wanted.emit,
            )

    def _ask_channel(self, asked: list[ImageEntry]) -> None:
        if asked == self._asked and (asked or not self.channel.text()):
            return
        self._asked = asked
        if not asked:
            self.channel.clear()
            return
        first = asked[0].image
        assert first is not None
        alike = [one for one in asked if one.image is not None and one.image.channel_names == first.channel_names]
        names = asked[0].name if len(alike) == 1 else f"{len(alike)} images ({asked[0].name}, …)"
        actions: dict[str, Callable[[], object]] = {}
        for number, name in enumerate(first.channel_names):
            channel = first.channels[number]
            actions[name or f"channel {number + 1}"] = lambda channel=channel: self._give(
                alike, {"nuclei_channel": channel}
            )
        self.channel.say("warning", f"In which channel of {names} are the nuclei?", **actions)

    def _typed(self, *_: Any) -> None:
        both = self.between.value() > 0 and self.pixel.value() > 0
        self.take.allow("" if both else "Enter both sizes.")

    def _give_sizes(self) -> None:
        sizes = (self.between.value(), self.pixel.value(), self.pixel.value())
        self._give(without_voxel_size(self._session.images), {"pixel_size_um": sizes})

    def _give(self, entries: list[ImageEntry], changes: dict[str, Any]) -> None:
        for entry in entries:
            correct(self, self._session, entry, dict(changes), self.channel.say_error)
