"""*What I understood*: the guesses about an image, each with where it comes from and a way to correct it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError

from .combos import Combo
from .inline import Inline, WhyButton, row
from .sizes_typed import read_size, size_text

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

    from .entry import ImageEntry

_KINDS = {"h&e": "H&E tissue", "fluorescence": "Fluorescence", "other": "Other"}
_AXIS = {
    "plane": "only this plane",
    "planes": "every plane for itself",
    "volume": "a volume (3D)",
    "time": "time",
    "channels": "channels",
}
_FIELDS = ("kind", "nuclei_channel", "pixel_size_um", "third_axis", "axes", "rgb", "channels")


class Understood(QWidget):
    """Kind, nuclei channel, pixel size, third axis, axes; changing one asks for the image to be opened so.

    Signals
    -------
    corrected(dict)
        Fields of `Understanding` the person changed.
    apply_to_similar()
        Take this image's corrections over to others like it.
    """

    corrected = Signal(dict)
    apply_to_similar = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._entry: ImageEntry | None = None
        self._image: Image | None = None
        self._filling = False
        self._refused = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.questions = [Inline() for _ in range(3)]
        for question in self.questions:
            layout.addWidget(question)
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        layout.addLayout(self.form)
        self.kind = self._combo("kind", list(_KINDS.items()))
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.channel = self._combo("nuclei_channel", [])
        self.pixel = QLineEdit()
        self.pixel.setPlaceholderText("µm/px")
        self.pixel.editingFinished.connect(self._pixel_entered)
        self.pixel_source = QLabel()
        self.third = self._combo("third_axis", list(_AXIS.items()))
        self.third_reason = QLabel()
        self.third_reason.setWordWrap(True)
        self.axes = QLineEdit()
        self.axes.setToolTip("One letter for each axis as it lies in the file, slowest first: T, Z, Y, X, C")
        self.axes.editingFinished.connect(self._axes_entered)
        self.form.addRow("Kind", self.kind)
        self.form.addRow(self.reason)
        self.form.addRow("Nuclei in", self.channel)
        self.pixel_words = QLabel("Pixel size")
        self.form.addRow(self.pixel_words, row(self.pixel, self.pixel_source, stretch=0))
        self.form.addRow("Third axis", self.third)
        self.form.addRow(self.third_reason)
        self.form.addRow("Axes", self.axes)
        self.trouble = Inline()
        layout.addWidget(self.trouble)
        self.similar = WhyButton(
            "Apply to similar", "Same corrections for all images of the same axes, channels and type"
        )
        self.similar.clicked.connect(self.apply_to_similar)
        layout.addWidget(self.similar)

    def _combo(self, name: str, items: list[tuple[str, str]]) -> QComboBox:
        box = Combo()
        for value, text in items:
            box.addItem(text, value)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(10)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        box.activated.connect(lambda _=0: self._correct({name: box.currentData()}))
        return box

    def _correct(self, changes: dict[str, Any]) -> None:
        if not self._filling and self._entry is not None:
            if changes.get("third_axis") == "plane" and self._entry.image is not None:
                changes["plane"] = self._entry.image.default_plane
            self.corrected.emit(changes)

    def _pixel_entered(self) -> None:
        text = self.pixel.text().strip().removesuffix("µm").strip()
        image = self._entry.image if self._entry else None
        if self._filling or image is None:
            return
        if text == self._pixel_text(image):
            self._mended()
            return
        try:
            size = read_size(text, image.ndim)
        except NucleiError as error:
            self.trouble.say("warning", error.message, error.hint)
        else:
            self.pixel.setModified(False)
            self._correct({"pixel_size_um": size})

    def _axes_entered(self) -> None:
        text = self.axes.text().strip().upper()
        if self._entry is None or not text:
            return
        if text == (self._entry.understanding.get("axes") or self._shown_axes()):
            self._mended()
        elif text != self._refused:
            self.axes.setModified(False)
            self._correct({"axes": text})

    def _mended(self) -> None:
        """What is typed is what holds again, so that a fault told of it is none any more."""
        self._refused = ""
        self._forget_typed()
        if self.trouble.level in ("warning", "error"):
            self.trouble.clear()

    def refuse(self, changes: dict[str, Any], error: BaseException) -> None:
        """Say why a correction cannot be; axes stay as typed beside it, so that they can be mended."""
        if "axes" in changes:
            # Leaving the field says the same once more.
            self._refused = str(changes["axes"])
            self.axes.setText(self._refused)
        self.trouble.say_error(error)

    def _shown_axes(self) -> str:
        return self._entry.image.axes if self._entry and self._entry.image is not None else ""

    def show_entry(self, entry: ImageEntry | None, answer: Callable[[dict[str, Any]], None]) -> None:
        """Show what is understood of an image; `answer` gets the fields that a question's button sets."""
        if entry is not self._entry:
            self.trouble.clear()
        image = entry.image if entry is not None else None
        # Told of again, an image takes nothing away that is being typed or stands refused beside its reason.
        again = entry is self._entry and image is self._image
        self._entry, self._image = entry, image
        if not again:
            self._refused = ""
            self._forget_typed()
        self.setVisible(image is not None)
        if entry is None or image is None:
            return
        self._filling = True
        try:
            self._fill(entry, image)
        finally:
            self._filling = False
        for line in self.questions:
            line.clear()
        for line, question in zip(self.questions, image.questions, strict=False):
            text = f"{question.text}" + (f" Taken as {question.assumed} until then." if question.assumed else "")
            options = {name: (lambda fields=fields: answer(dict(fields))) for name, fields in question.options.items()}
            if question.topic == "pixel_size":
                options = {"Enter it": self._go_to_size, **options}
            elif question.topic == "nuclei_channel":
                options = {"Choose": self._go_to_channel}
            elif question.topic == "axes" and not options:
                options = {"Enter them": self._go_to_axes}
            line.say("warning", text, **options)

    def _forget_typed(self) -> None:
        for field in (self.pixel, self.axes):
            field.setModified(False)

    def _go_to_channel(self) -> None:
        self.channel.setFocus()
        self.channel.showPopup()

    def _go_to_axes(self) -> None:
        self.axes.setFocus()
        self.axes.selectAll()

    def _go_to_size(self) -> None:
        self.pixel.setFocus()
        self.pixel.selectAll()

    def _fill(self, entry: ImageEntry, image: Image) -> None:
        self.kind.setCurrentIndex(self.kind.findData(image.kind))
        self.reason.setText("<i>" + " ".join([*image.reasons, *image.warnings]) + "</i>")
        several = not image.rgb and image.n_channels > 1
        self.form.setRowVisible(self.channel, several or (image.rgb and image.kind == "fluorescence"))
        self.channel.clear()
        for number, name in enumerate(image.channel_names):
            self.channel.addItem(name or f"channel {number + 1}", image.channels[number])
        chosen = image.nuclei_channel
        if chosen is None:
            self.channel.insertItem(0, "not known: choose", None)
            self.channel.setCurrentIndex(0)
        else:
            self.channel.setCurrentIndex(chosen)
        if not self.pixel.isModified():
            self.pixel.setText(self._pixel_text(image))
        deep = image.ndim == 3
        self.pixel_words.setText("Voxel size" if deep else "Pixel size")
        self.pixel.setPlaceholderText("z × y × x in µm" if deep else "µm/px")
        # Three numbers need the room; where they come from is said shortly then.
        self.pixel.setMinimumWidth(148 if deep else 0)
        source = {"file": "from file", "user": "by you"}.get(image.pixel_size_source or "", "⚠ not in the file")
        words = {"file": "file", "user": "you"}.get(image.pixel_size_source or "", "⚠") if deep else source
        self.pixel_source.setText(words)
        missing = "" if image.pixel_size_um else " Sizes will be in pixels, and cannot be matched to a model."
        self.pixel_source.setToolTip(source.removeprefix("⚠ ") + "." + missing)
        stacked = len(image.axes.replace("C", "")) > 2 or "third_axis" in entry.understanding
        self.form.setRowVisible(self.third, stacked)
        self.form.setRowVisible(self.third_reason, stacked and bool(image.third_axis_reason))
        self.third_reason.setText(f"<i>{image.third_axis_reason}</i>")
        said = entry.understanding.get("third_axis")
        present = said or ("volume" if image.ndim == 3 else "time" if "T" in image.plane_axes else "planes")
        self.third.setCurrentIndex(self.third.findData(present))
        if not self.axes.isModified():
            self.axes.setText(self._refused or str(entry.understanding.get("axes") or image.axes))

    @staticmethod
    def _pixel_text(image: Image) -> str:
        if not image.pixel_size_um:
            return ""
        return size_text(image.pixel_size_um if image.ndim == 3 else image.pixel_size_um[-1])


def similar(one: ImageEntry, other: ImageEntry) -> bool:
    """Whether corrections of one image make sense for another: its file has the same axes, channels and number type.

    What was said of either does not count: that is what is to be carried over.
    """
    a, b = one.image, other.image
    return a is not None and b is not None and one is not other and a.layout == b.layout
