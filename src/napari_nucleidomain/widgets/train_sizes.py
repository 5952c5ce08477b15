"""How large the nuclei are: typed, estimated, or measured on one nucleus, and looked at before the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QFlowLayout

from .inline import Inline, WhyButton, row
from .newest import Newest
from .number_boxes import FloatBox
from .sizes_circles import SizeCircles
from .sizes_of_images import MOST_IMAGES, estimate_from
from .sizes_tools import Gesture, SizeTool
from .train_images_only import is_stained, used_images
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.contracts import MethodConfig
    from napari_nucleidomain.instances.sizes import NucleusSizes

    from .session import Session

FIELD = "diameter_px"
# Nuclei are about round; where they seem this much longer or flatter in volumes, the voxel size may be wrong.
_STRETCHES = (0.7, 1.4)
_HOW = {
    "line": "Press at one edge of a typical nucleus, drag to the other edge and let go.",
    "circle": "Click three places all round the edge of a typical nucleus.",
}


class TrainSizes(QWidget):
    """The sizes of a method that has to be told of them (its configuration has `diameter_px`).

    Signals
    -------
    changed()
        Another size is meant.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._background = Newest(self)
        self.tool, self.circles = SizeTool(session), SizeCircles(session)
        self._filling = False
        # What the preset has, where the person says nothing.
        self._usual = 0.0
        self._build()
        self.tool.measured.connect(self._measured)
        self.tool.refused.connect(lambda why: self._ask_gesture(why))
        self.tool.ended.connect(self._tool_ended)
        self.circles.laid.connect(self._laid)
        session.entry_changed.connect(self._show_um)
        session.images_changed.connect(self._show_um)
        session.closing.connect(self._background.close)
        self._show()

    def _build(self) -> None:
        self.px = FloatBox({"ge": 0.0, "le": 1e4}, "px")
        self.um = FloatBox({"ge": 0.0, "le": 1e5}, "µm")
        for box, unit in ((self.px, "px"), (self.um, "µm")):
            box.setSpecialValueText(f"? {unit}")
            box.setToolTip("Across a typical nucleus. Not set (0): estimated from the images when the training starts.")
            box.setKeyboardTracking(False)
        self.px.valueChanged.connect(self._px_typed)
        self.um.valueChanged.connect(self._um_typed)
        self.estimate = WhyButton(
            "Estimate from the images", f"Looks at up to {MOST_IMAGES} images; labels are not read"
        )
        self.line = WhyButton("Draw a line across one nucleus", _HOW["line"])
        self.three = WhyButton("Click three times on its edge", _HOW["circle"])
        self.fits = WhyButton("This size fits", "Take the circles away and keep the size")
        self.look = WhyButton("Show circles of this size", "Over some nuclei of what you see")
        self.estimate.clicked.connect(self.estimate_now)
        self.line.clicked.connect(lambda: self._take_up("line"))
        self.three.clicked.connect(lambda: self._take_up("circle"))
        self.fits.clicked.connect(self.accept)
        self.look.clicked.connect(self._show_circles)
        self.told = Inline()
        self.seen = QLabel()
        self.seen.setWordWrap(True)
        ways, end = QWidget(), QWidget()
        for holder, buttons in ((ways, (self.estimate, self.line, self.three)), (end, (self.fits, self.look))):
            flow = QFlowLayout(holder)
            flow.setContentsMargins(0, 0, 0, 0)
            for button in buttons:
                # The canvas keeps its keys.
                button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
                flow.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("<b>How large are nuclei, across?</b>"))
        layout.addLayout(self._number())
        for widget in (ways, self.told, self.seen, end):
            layout.addWidget(widget)

    def _number(self) -> QHBoxLayout:
        """The two boxes share what a narrow dock has."""
        line = row(self.px, self.um)
        for place, box in enumerate((self.px, self.um)):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            line.setStretch(place, 1)
        return line

    # ---- what is meant

    @property
    def diameter_px(self) -> float | None:
        """Pixels of the image's last axis; None where it is to be estimated."""
        return self.px.value() or None

    def set_diameter(self, diameter: float | None) -> None:
        """Mean this size, three digits of it."""
        self.px.setValue(float(f"{diameter:.3g}") if diameter else 0.0)

    def changes(self, config: type[MethodConfig]) -> dict[str, Any]:
        """For the configuration: the size, where the method is told it and the person said it."""
        return {FIELD: self.diameter_px} if FIELD in config.model_fields and self.diameter_px else {}

    def show_usual(self, preset: dict[str, Any]) -> None:
        """Tell what is taken where the person says nothing: what the preset has, else an estimate."""
        usual = float(preset.get(FIELD) or 0.0)
        if usual != self._usual:
            self._usual = usual
            self._show()

    def problem(self) -> str:
        """Why this size cannot be: larger than an image; "" where it can."""
        diameter = self.diameter_px or 0.0
        for entry in used_images(self._session.images):
            if entry.image is not None and diameter > min(entry.image.spatial_shape[-2:]):
                side = min(entry.image.spatial_shape[-2:])
                return f"Nuclei of {self._words(diameter)} do not fit into {entry.name}, which is {side} px wide."
        return ""

    def _px_typed(self, value: float) -> None:
        if not self._filling:
            self._fill(self.um, value * (self._um_per_px() or 0.0))
            self._meant()

    def _um_typed(self, value: float) -> None:
        size = self._um_per_px()
        if not self._filling and size:
            self._fill(self.px, value / size)
            self._meant()

    def _fill(self, box: FloatBox, value: float) -> None:
        self._filling = True
        try:
            box.setValue(float(f"{value:.3g}"))
        finally:
            self._filling = False

    def _meant(self) -> None:
        if self.diameter_px is None:
            self.circles.remove()
        elif self.isVisible():
            self.circles.show(self.diameter_px)
        self._show()
        self.changed.emit()

    def _um_per_px(self) -> float | None:
        """µm a pixel, where all images have about the same."""
        sizes = {entry.pixel_size_um for entry in used_images(self._session.images) if entry.image is not None}
        if not sizes or None in sizes:
            return None
        last = [size[-1] for size in sizes if size]
        return last[0] if max(last) / min(last) < 1.02 else None

    # ---- showing

    def _show(self) -> None:
        known = self.diameter_px is not None
        self.fits.setVisible(self.circles.on)
        self.look.setVisible(known and not self.circles.on)
        if not known:
            taken = f"{self._words(self._usual)}, as the preset has it" if self._usual else ""
            self.seen.setText(f"Not set: {taken or 'it is estimated from the images when the training starts'}.")
        elif not self.circles.on:
            self.seen.setText("")
        self.seen.setVisible(bool(self.seen.text()))
        self._show_um()

    def _show_um(self, *_: Any) -> None:
        size = self._um_per_px()
        self.um.setVisible(size is not None)
        if size is not None and not self.um.hasFocus():
            self._fill(self.um, self.px.value() * size)
        images = [entry for entry in used_images(self._session.images) if not is_stained(entry) and entry.image]
        self.estimate.allow("" if images else "Open fluorescence images first.")
        here = self._session.current
        why = "" if here is not None and not here.problem else "Choose an image in Images first."
        for button in (self.line, self.three):
            button.allow(why)

    def _laid(self, number: int) -> None:
        if self.circles.on:
            said = (
                "Do the circles fit the nuclei? If not, change the number."
                if number
                else "No nucleus stands out in what you see; one circle of this size lies in its middle."
            )
            self.seen.setText(said)
            self.seen.setVisible(True)

    def _show_circles(self) -> None:
        if self.diameter_px is not None:
            self.circles.show(self.diameter_px)
            self._show()

    def accept(self) -> None:
        """The size fits: the circles go."""
        self.circles.remove()
        self._show()
        if self.diameter_px is not None:
            self.told.say("ok", f"Nuclei are about {self._words(self.diameter_px)} across.")

    def leave(self) -> None:
        """Take everything of ours off the image: another method was chosen, or the training begins."""
        self.tool.put_down()
        self.circles.remove()
        self._show()

    def forget(self) -> None:
        """Other images are worked on: nothing that was typed, measured or told of the ones before holds."""
        self._background.forget("estimate")
        self.leave()
        self.told.clear()
        self.set_diameter(None)
        self._show_um()

    def _words(self, diameter: float) -> str:
        size = self._um_per_px()
        return f"{diameter:.3g} px" + (f" ({diameter * size:.3g} µm)" if size else "")

    # ---- estimating

    def estimate_now(self) -> None:
        """Look at the images, in the background."""
        images = [
            one.image for one in used_images(self._session.images) if one.image is not None and not is_stained(one)
        ]
        if not images:
            return
        self.estimate.allow("Looking at the images …")
        self.told.say("info", f"Looking at {count(min(len(images), MOST_IMAGES), 'image')} …")
        self._background.run("estimate", estimate_from, images, done=self._estimated, failed=self._failed)

    def _estimated(self, found: NucleusSizes | None) -> None:
        self._show_um()
        if found is None:
            self.told.say(
                "warning",
                "No nuclei stand out from the ground in these images.",
                "Type the size, or draw a line across one nucleus.",
            )
            return
        # In a volume the estimate is that of a ball of equal volume; here it is how wide nuclei are.
        across = found.wide / found.diameter
        said = (
            f"About {found.wide:.2g} px ({found.low * across:.2g}–{found.high * across:.2g}), from "
            f"{count(found.blobs, 'nucleus', 'nuclei')} in {count(found.images, 'image')}."
        )
        low, high = _STRETCHES
        if low <= found.stretch <= high:
            self.told.say("ok", said)
        else:
            self.told.say(
                "warning",
                f"{said} But along z they seem {found.stretch:.2g} times as long as wide.",
                "Check the voxel size in Images: the distance between planes may be wrong.",
            )
        self.set_diameter(float(f"{found.wide:.2g}"))

    def _failed(self, error: BaseException) -> None:
        self._show_um()
        self.told.say_error(error)

    # ---- measuring on the image

    def _take_up(self, gesture: Gesture) -> None:
        entry = self._session.current
        if entry is None:
            return
        if self.tool.gesture == gesture:
            # A second press on the tool in use puts it down.
            self.tool.put_down()
            return
        self._session.stage.when_ready(entry, lambda: self._begin(gesture))

    def _begin(self, gesture: Gesture) -> None:
        entry = self._session.current
        why = self.tool.start(gesture, entry) if entry is not None else ""
        if why:
            self.told.say("warning", why)
        elif entry is not None:
            self._ask_gesture(_HOW[gesture])

    def _ask_gesture(self, words: str) -> None:
        self.told.say("info", words, Put_it_down=self.tool.put_down)

    def _tool_ended(self) -> None:
        self.told.clear()

    def _measured(self, diameter: float) -> None:
        self.set_diameter(diameter)
        self.told.say("ok", f"Measured: {self._words(diameter)} across.")


def names_kept_out(config: type[MethodConfig]) -> Sequence[str]:
    """Settings that this panel shows, so that the form of all settings need not."""
    return (FIELD,) if FIELD in config.model_fields else ()
