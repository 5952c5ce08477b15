"""Below the result: how many, fewer or more of them, and where to keep them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from .faint_slider import shift_words
from .inline import Inline, WhyButton, row
from .number_boxes import IntBox
from .out_folder import out_folder
from .result_layers import Filter, Shown, result_layers
from .results import model_name
from .wording import count, density_words

if TYPE_CHECKING:
    from .session import Session

_SETTLE_MS = 60


class AfterPredict(QWidget):
    """Summary, filters that need no new run, [Review] and [Save].

    Signals
    -------
    review_asked(), save_asked()
    """

    review_asked = Signal()
    save_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layers = result_layers(session)
        self.result: Shown | None = None
        self._filling = False
        self._model, self._busy = "", False
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.review = WhyButton("Review", "Look at it nucleus by nucleus, score it, export it.")
        self.save = WhyButton("Save …", "Keep the outlines as TIFF, PNG, OME-Zarr or GeoJSON.")
        self.least = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.least.setRange(0.0, 1.0)
        self.least.setSingleStep(0.01)
        self.least.setDecimals(2)
        self.least.setToolTip("Nuclei of which the model is less sure than this are hidden. Nothing is run again.")
        self.smallest = IntBox({"ge": 0, "le": 1_000_000}, "px²")
        self.largest = IntBox({"ge": 0, "le": 100_000_000}, "px²")
        self.largest.setSpecialValueText("no limit")
        self.no_border = QCheckBox("leave out nuclei cut by the edge")
        self.note = Inline()
        self.filters = QWidget()
        inner = QVBoxLayout(self.filters)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(row(QLabel("more"), self.least, QLabel("fewer"), stretch=1))
        inner.addLayout(row(QLabel("smallest"), self.smallest, stretch=1))
        inner.addLayout(row(QLabel("largest"), self.largest, stretch=1))
        inner.addWidget(self.no_border)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.summary)
        layout.addLayout(row(self.review, self.save))
        layout.addWidget(self.note)
        layout.addWidget(self.filters)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.timeout.connect(self.apply)
        self.least.valueChanged.connect(self._later)
        self.smallest.valueChanged.connect(self._later)
        self.largest.valueChanged.connect(self._later)
        self.no_border.toggled.connect(self._later)
        self.review.clicked.connect(self.review_asked)
        self.save.clicked.connect(self.save_asked)
        self._layers.changed.connect(self._changed)
        self._layers.shown.connect(self._look)
        self._layers.gone.connect(self._look)
        session.current_changed.connect(self._look)
        self._look()

    def _look(self, *_: Any) -> None:
        """Speak of the latest result of the current image and the chosen model; of none while a new one is made."""
        shown = [one for one in self._layers.of(self._session.current) if self._model in ("", one.stored.model)]
        if self._busy:
            shown = []
        self.show_result(shown[-1] if shown else None)

    def serve(self, model: str, *, busy: bool) -> None:
        """Speak of this model's results from now on.

        Parameters
        ----------
        model : str
            "otsu" or a model's folder.
        busy : bool
            Whether a prediction is under way: what was found before is no answer to it.
        """
        wanted = (model_name(model), busy)
        if wanted != (self._model, self._busy):
            self._model, self._busy = wanted
            self._look()

    def show_result(self, result: Shown | None) -> None:
        """Speak of this result."""
        self.result = result
        self.setVisible(result is not None)
        self.note.clear()
        if result is None:
            return
        self._filling = True
        for box in (self.smallest, self.largest):
            box.setSuffix(" voxels" if len(result.stored.shape) == 3 else " px²")
        chosen = result.filter
        self.least.setValue(chosen.least_score)
        self.smallest.setValue(int(chosen.least_area or 0))
        self.largest.setValue(int(chosen.most_area or 0))
        self.no_border.setChecked(chosen.no_border)
        self._filling = False
        self._changed(result)

    def _later(self, *_: Any) -> None:
        if not self._filling:
            self._timer.start()

    def apply(self) -> None:
        """Show only what the controls let through."""
        if self.result is None:
            return
        wanted = Filter(
            least_score=self.least.value(),
            least_area=float(self.smallest.value()) or None,
            most_area=float(self.largest.value()) or None,
            no_border=self.no_border.isChecked(),
        )
        self._layers.filter(self.result, wanted)

    def _changed(self, result: Shown) -> None:
        if result is not self.result:
            return
        how = [result.stored.model, shift_words(result.stored.threshold_shift)]
        self.summary.setText(" · ".join([f"<b>{summary(result)}</b>", *filter(None, how)]))
        why = ""
        if result.edited:
            why = "You changed this result by hand; filters would undo that."
        elif result.loaded.large:
            why = "This result is too large to be filtered here."
        self.filters.setEnabled(not why)
        self.filters.setToolTip(why)
        if not result.loaded.large and not len(result.loaded.scores):
            self.note.say(
                "warning",
                "Nothing was found. The usual reasons:",
                "• the nuclei are much larger or smaller than those the model knows (see Scale)\n"
                "• another stain or another channel than it was trained on\n"
                "• there are none in this part of the image",
            )


def summary(result: Shown) -> str:
    """ "1,204 nuclei, 312 / mm²"."""
    number = result.count()
    density = density_words(number, result.area_px, result.pixel_sizes(), len(result.stored.shape)) if number else ""
    hidden = len(result.loaded.scores) - number if not result.edited else 0
    more = f" ({count(hidden, 'more')} hidden by the limits)".replace("mores", "more") if hidden > 0 else ""
    return count(number, "nucleus", "nuclei") + (f", {density}" if density else "") + more


def default_name(session: Session, result: Shown, suffix: str) -> Path:
    """Where a file made of a result is offered to go: beside the image, see `out_folder`."""
    return out_folder(session, result.entry) / f"{result.entry.id}-nuclei{suffix}"
