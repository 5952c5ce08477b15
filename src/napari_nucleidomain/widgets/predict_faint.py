"""The slider *fainter ↔ brighter* below the classical method in *Predict*, with its preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QToolButton, QVBoxLayout, QWidget

from .dock import holder
from .faint_slider import KEY, FaintSlider
from .inline import Inline, row
from .predict_live import LiveNuclei

if TYPE_CHECKING:
    from .predict_run import Prediction
    from .predict_where import WherePicker
    from .session import Session


class FaintChoice(QWidget):
    """Slider, what its preview shows, and a way to take the preview away."""

    def __init__(self, session: Session, where: WherePicker, prediction: Prediction) -> None:
        super().__init__()
        self._dock: QDockWidget | None = None
        self.slider = FaintSlider(session)
        self.live = LiveNuclei(session, where, self)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.close_preview = QToolButton()
        self.close_preview.setText("✕")
        self.close_preview.setToolTip("Take the preview away. The slider stays where it is.")
        self.close_preview.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.message = Inline()
        self._below = QWidget()
        self._below.setLayout(row(self.words, self.close_preview, stretch=0))
        self._below.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.slider)
        layout.addWidget(self._below)
        layout.addWidget(self.message)
        self.slider.moved.connect(self._slid)
        self.slider.near.connect(self.live.make_ready)
        self.close_preview.clicked.connect(lambda: self.live.leave())
        self.live.told.connect(self._tell)
        self.live.failed.connect(self.message.say_error)
        where.changed.connect(self.live.refresh)
        prediction.began.connect(self.live.hand_over)
        prediction.follower.previewed.connect(lambda _: self.live.give_way())
        prediction.ended.connect(lambda _: self.live.give_way())
        prediction.failed.connect(lambda *_: self.live.give_way())

    @property
    def settings(self) -> dict[str, Any]:
        """What a prediction is told of it; nothing in the middle, where the method does as it always did."""
        return {KEY: self.slider.shift} if self.slider.shift else {}

    def showEvent(self, event: Any) -> None:
        """Qt's hook: by now it is in a dock, which alone is told when another tab comes to the front."""
        super().showEvent(event)
        dock = holder(self)
        if dock is not None and dock is not self._dock:
            self._dock = dock
            dock.visibilityChanged.connect(self._seen)

    def hideEvent(self, event: Any) -> None:
        """Qt's hook: another method was chosen, or the dock was closed."""
        self.live.leave()
        super().hideEvent(event)

    def _seen(self, seen: bool) -> None:
        if not seen:
            # Over what other docks show, it would be taken for theirs.
            self.live.leave()

    def _slid(self, _: float) -> None:
        self.message.clear()
        self.live.move()

    def _tell(self, words: str) -> None:
        self.words.setText(words)
        self._below.setVisible(bool(words))
