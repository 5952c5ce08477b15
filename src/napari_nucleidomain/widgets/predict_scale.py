"""How the image's scale compares with the model's, and a circle to compare by eye where the file is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QLabel, QRadioButton, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import ModelCard, NucleiError

from .inline import WhyButton, row
from .layers import SUGGESTION, geometry
from .number_boxes import FloatBox

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

_CIRCLE = "typical nucleus"


class ScalePicker(QWidget):
    """One line that says how the image is scaled, and two ways to say it differently.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._card: ModelCard | None = None
        self._circle: Any = None
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.by_file = QRadioButton("as the file says")
        self.by_pixel = QRadioButton("pixel size")
        self.by_nucleus = QRadioButton("typical nucleus")
        self._group = QButtonGroup(self)
        for button in (self.by_file, self.by_pixel, self.by_nucleus):
            self._group.addButton(button)
            button.toggled.connect(self._toggled)
        self.pixel = FloatBox({"gt": 0.001, "le": 1000}, "µm/px")
        # The least value stands for "nobody said": a number that came from nowhere would be taken for the file's.
        self.pixel.setSpecialValueText("not said")
        self.pixel.setValue(self.pixel.minimum())
        self.diameter = FloatBox({"ge": 2, "le": 5000}, "px")
        self.diameter.setValue(20)
        self.by_eye = WhyButton("Compare by eye", "Lays a circle over the image: drag its corners to fit a nucleus.")
        self.pixel.valueChanged.connect(self._numbers_changed)
        self.diameter.valueChanged.connect(self._numbers_changed)
        self.by_eye.clicked.connect(self.show_circle)
        self.choices = QWidget()
        inner = QVBoxLayout(self.choices)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.by_file)
        inner.addLayout(row(self.by_pixel, self.pixel, stretch=1))
        inner.addLayout(row(self.by_nucleus, self.diameter, stretch=1))
        inner.addWidget(self.by_eye)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        layout.addWidget(self.choices)
        self.by_file.setChecked(True)
        session.current_changed.connect(self.refresh)
        session.entry_changed.connect(self.refresh)
        session.closing.connect(self._forget_circle)
        self.refresh()

    @property
    def pixel_size_um(self) -> float | None:
        """What the person says instead of the file."""
        said = self.by_pixel.isChecked() and self.pixel.value() > self.pixel.minimum()
        return self.pixel.value() if said else None

    @property
    def diameter_px(self) -> float | None:
        """Median nucleus diameter the person gives."""
        return self.diameter.value() if self.by_nucleus.isChecked() else None

    def show_card(self, card: ModelCard | None) -> None:
        """Compare with another model; None: the classical method, which reads the size off the image."""
        self._card = card
        if card is not None and card.nucleus_diameter_px and not self.by_nucleus.isChecked():
            self.diameter.setValue(card.nucleus_diameter_px)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Say how the current image will be scaled."""
        card, entry = self._card, self._session.current
        self.choices.setVisible(card is not None)
        knows = card is not None and bool(card.nucleus_diameter_px)
        self.by_eye.allow("" if knows else "The model does not know the size of its nuclei.")
        self.by_nucleus.setEnabled(knows)
        if card is None:
            self.line.setText("Scale: the typical nucleus is measured in the image.")
            return
        if entry is None:
            self.line.setText("")
            return
        sizes = entry.pixel_size_um
        self.by_file.setText("as the file says" if sizes else "as it is (the file does not say)")
        if sizes and not self.by_pixel.isChecked():
            self.pixel.blockSignals(True)
            self.pixel.setValue(float(sizes[-1]))
            self.pixel.blockSignals(False)
        elif not self.by_pixel.isChecked():
            self.pixel.blockSignals(True)
            self.pixel.setValue(self.pixel.minimum())
            self.pixel.blockSignals(False)
        learned = learned_from(card, entry)
        self.line.setText(self._words(card, entry.pixel_size_um, learned))

    def _words(self, card: ModelCard, sizes: tuple[float, ...] | None, learned: bool = False) -> str:
        from napari_nucleidomain.inference.scale import choose_scale

        try:
            scale = choose_scale(
                card,
                float(sizes[-1]) if sizes else None,
                pixel_size_um=self.pixel_size_um,
                diameter_px=self.diameter_px,
            )
        except NucleiError as error:
            return f"⚠ {error}"
        if self.diameter_px is None and not (card.pixel_size_um and (self.pixel_size_um or sizes)):
            if card.scales_itself:
                return f"Scale: {scale.reason}."
            if learned and scale.factor == 1.0:
                return "Scale: taken as it is, as when the model learned from this image."
            known = f" of about {card.nucleus_diameter_px:.0f} px" if card.nucleus_diameter_px else ""
            unlike = f"If nuclei here are much larger or smaller than those it knows{known}, say so:"
            return f"⚠ Scale: {scale.reason}. {unlike}"
        return f"Scale: {scale.reason}" + ("" if "scaled" in scale.reason else " (taken as it is)")

    def _toggled(self, on: bool) -> None:
        if on:
            self._numbers_changed()

    def _numbers_changed(self, *_: Any) -> None:
        self.refresh()
        self.changed.emit()

    # ---- the circle

    def show_circle(self) -> None:
        """Lay an ellipse of the diameter over the middle of the view, to be dragged to the size of a nucleus."""
        from napari.layers import Shapes

        entry = self._session.current
        viewer = self._session.viewer
        layer = entry.layers.get("image") if entry is not None else None
        if entry is None or layer is None:
            return
        self._forget_circle()
        world = np.asarray(viewer.dims.point, float)
        shown = list(viewer.dims.displayed)
        world[shown] = np.asarray(viewer.scene.camera.center)[-len(shown) :]
        centre = np.asarray(layer.world_to_data(world), float)
        half = self.diameter.value() / 2
        corners = np.repeat(centre[None, :], 4, axis=0)
        corners[:, -2:] += half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
        circle = Shapes(
            [corners],
            shape_type="ellipse",
            edge_color=SUGGESTION,
            edge_width=max(1.0, self.diameter.value() / 20),
            face_color="transparent",
            name=_CIRCLE,
            ndim=corners.shape[1],
            **geometry(entry),
        )
        viewer.add_layer(circle)
        # Asked for by the person: this once the tool changes.
        circle.mode = "select"
        circle.selected_data = {0}
        circle.events.data.connect(self._circle_changed)
        circle.events.set_data.connect(self._circle_changed)
        self._circle = circle
        self.by_nucleus.setChecked(True)

    def _circle_changed(self, *_: Any) -> None:
        circle = self._circle
        if circle is None or not len(circle.data):
            return
        size = np.ptp(np.asarray(circle.data[0])[:, -2:], axis=0)
        across = float(np.sqrt(max(size[0] * size[1], 1e-6)))
        if abs(across - self.diameter.value()) > 0.05:
            self.diameter.setValue(round(across, 1))

    def _forget_circle(self) -> None:
        circle, self._circle = self._circle, None
        if circle is None:
            return
        circle.events.data.disconnect(self._circle_changed)
        circle.events.set_data.disconnect(self._circle_changed)
        if circle in self._session.viewer.layers:
            self._session.viewer.layers.remove(circle)


def learned_from(card: ModelCard, entry: ImageEntry) -> bool:
    """Whether an image is among those that a model's card names."""
    from napari_nucleidomain.data.readers import plain_name

    # A training writes the image's name into the card, not its place.
    return entry.path is not None and plain_name(entry.path) in card.trained_on.get("images", ())
