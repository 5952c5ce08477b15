"""[Suggest clicks] with its size slider and accept, reject, next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QLabel, QShortcut, QVBoxLayout, QWidget

from .borrowed_keys import BorrowedKeys
from .combos import Slider
from .faint_slider import FaintSlider
from .inline import Inline, WhyButton, row
from .layers import CLICKS, SUGGESTION, geometry, in_viewer, put, remove
from .live import Live
from .newest import Newest
from .points_checklist import look_at
from .points_suggest import Place, Suggestions, look, suggest_in
from .preferences import dot_size
from .view import view_box
from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

ROLE = "suggestions"
# Percent of the median nucleus area on the slider; 30 leaves crumbs out.
_LEAST_SHARE = 30


class SuggestBox(QWidget):
    """Asks the classical method where nuclei without a click are; the person accepts or rejects each, or all."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._newest = Newest(self)
        self._live = Live(lambda wish: (suggest_in(*wish), len(wish[2])), self._redrawn, self._failed, self)
        self._entry: ImageEntry | None = None
        self._place: Place | None = None
        self._all: Suggestions | None = None
        # Of this round: what was accepted or rejected comes no more, however the slider is moved.
        self._settled: set[tuple[float, ...]] = set()
        self._shift = 0.0
        self._at = 0
        self._keys = BorrowedKeys()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.button = WhyButton("Suggest clicks", "Finds nuclei without a click in the region, or in what you see")
        # Else it keeps the keyboard, and the keys below would not reach the picture.
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.button.clicked.connect(self.ask)
        layout.addWidget(self.button)
        self.told = Inline()
        layout.addWidget(self.told)
        self.faint = FaintSlider(session)
        self.faint.setContentsMargins(8, 0, 0, 0)
        self.faint.setVisible(False)
        layout.addWidget(self.faint)
        self._panel = QWidget()
        self._build_panel()
        layout.addWidget(self._panel)
        self._panel.setVisible(False)
        session.current_changed.connect(self._other_image)
        session.entry_changed.connect(self._layer_gone)
        session.read_only_changed.connect(self._allow)
        session.said_changed.connect(self._slid)
        session.closing.connect(self._newest.close)
        session.closing.connect(self._live.close)
        self._other_image()

    def _build_panel(self) -> None:
        layout = QVBoxLayout(self._panel)
        layout.setContentsMargins(8, 0, 0, 0)
        layout.setSpacing(4)
        self.left = QLabel()
        layout.addWidget(self.left)
        self.size = Slider(Qt.Orientation.Horizontal)
        self.size.setRange(0, 150)
        self.size.setValue(_LEAST_SHARE)
        self.size.setToolTip("Leaves out nuclei smaller than this share of the usual one")
        self.size.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.size.valueChanged.connect(lambda _: self._show())
        layout.addLayout(row(QLabel("leave out small"), self.size, stretch=1))
        self.accept = WhyButton("Accept (Q)", "Take the marked suggestion over as a click")
        self.reject = WhyButton("Reject (W)", "Drop the marked suggestion")
        self.next = WhyButton("Next (N)", "Mark the next one and bring it into view")
        self.accept_all = WhyButton("Accept all", "Take all suggestions over as clicks; one step to undo")
        self.reject_all = WhyButton("Reject all", "Drop all suggestions")
        for button, act in (
            (self.accept, self.accept_one),
            (self.reject, self.reject_one),
            (self.next, self.go_next),
            (self.accept_all, self.accept_every),
            (self.reject_all, self.finish),
        ):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, act=act: act())
        for buttons in ((self.accept, self.reject, self.next), (self.accept_all, self.reject_all)):
            line = QHBoxLayout()
            line.setSpacing(4)
            for button in buttons:
                line.addWidget(button, 1)
            layout.addLayout(line)
        # The slider takes the keyboard when it is dragged; the keys go on all the same.
        for key, act in self._acts().items():
            QShortcut(QKeySequence(key), self, act, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)

    def _acts(self) -> dict[str, Any]:
        return {"Q": self.accept_one, "W": self.reject_one, "N": self.go_next}

    # Asking ----------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Look for nuclei without a click, in the background."""
        entry = self._session.current
        if entry is None:
            return
        self._session.stage.when_ready(entry, lambda: self._begin(entry))

    def _begin(self, entry: ImageEntry) -> None:
        if entry.image is None:
            return
        box = view_box(self._session, entry)
        view = [(a, b) for a, b in box[-2:]] if box else None
        self.button.allow("Looking…")
        self.told.say("info", "Looking for nuclei…")
        self._live.forget()
        self._shift = self.faint.shift
        self._newest.run(
            "suggest",
            _first,
            (entry.image, list(entry.regions), view, self._plane(entry)),
            entry.points,
            self._shift,
            done=lambda answer: self._got(entry, *answer),
            failed=self._failed,
        )

    def _plane(self, entry: ImageEntry) -> tuple[int, ...]:
        layer = entry.layers["image"]
        if layer.ndim == 2:
            return ()
        at = np.asarray(layer.world_to_data(self._session.viewer.dims.point), dtype=float)
        return tuple(round(float(one)) for one in at[:-2])

    def _got(self, entry: ImageEntry, place: Place, found: Suggestions) -> None:
        self._allow()
        if entry is not self._session.current:
            return
        self._entry, self._place, self._at = entry, place, 0
        self._settled.clear()
        self.faint.setVisible(True)
        self._take_over(found)
        # It may have been moved meanwhile.
        self._slid()

    def _take_over(self, found: Suggestions) -> None:
        self._all = found
        if len(found.points):
            self.told.clear()
            self._panel.setVisible(True)
            self._show()
        else:
            self._clear_away()
            self.told.say(
                "info",
                f"No nucleus without a click in {found.where}, by {found.by}.",
                "Towards fainter it looks for paler ones.",
            )

    # The slider ------------------------------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:
        """Qt's hook: the slider may have been moved in another dock."""
        super().showEvent(event)
        self._slid()

    def _slid(self, *_: object) -> None:
        """Look anew as the slider now says; what was accepted or rejected stays so."""
        if self._entry is not None and self.faint.shift != self._shift and self.isVisible():
            self._shift = self.faint.shift
            self._look_again()

    def _look_again(self) -> None:
        entry, place = self._entry, self._place
        if entry is not None and place is not None:
            settled = np.array(sorted(self._settled)).reshape(-1, 2 + len(place.plane))
            self._live.ask((place, entry.points, settled, self._shift))

    def _redrawn(self, answer: tuple[Suggestions, int]) -> None:
        found, settled = answer
        if settled != len(self._settled):
            # One was accepted or rejected meanwhile, and may be among them.
            self._look_again()
            return
        marked, self._all = self.points[self._at : self._at + 1], found
        left = self.points
        if len(marked) and len(left):
            # The mark stays on its nucleus, or goes to the nearest that is left.
            self._at = int(np.argmin(np.linalg.norm(left - marked, axis=1)))
        self._take_over(found)

    def _failed(self, error: BaseException) -> None:
        self._allow()
        self.told.say_error(error)

    # Going through them ----------------------------------------------------------------------------------------

    @property
    def points(self) -> np.ndarray:
        """Suggestions still open, (N, D)."""
        if self._all is None:
            return np.zeros((0, 2))
        found = self._all.larger_than(self.size.value() / 100)
        return np.array([one for one in found if tuple(one) not in self._settled]).reshape(-1, found.shape[1])

    def _show(self) -> None:
        entry, points = self._entry, self.points
        if entry is None or self._all is None:
            return
        self._at = min(self._at, max(len(points) - 1, 0))
        self.left.setText(f"{count(len(points), 'suggestion')} in {self._all.where}")
        for button in (self.accept, self.reject, self.next, self.accept_all):
            button.allow("" if len(points) else "No suggestion is left.")
        layer = in_viewer(self._session, entry, ROLE) or self._make(entry)
        layer.selected_data = set()
        layer.data = points
        if len(points):
            layer.border_color = SUGGESTION
            marks = np.tile(np.array([0.0, 0.0, 0.0, 0.0]), (len(points), 1))
            marks[self._at] = (1.0, 1.0, 1.0, 0.7)
            layer.face_color = marks

    def _make(self, entry: ImageEntry) -> Any:
        from napari.layers import Points

        layer = Points(
            np.zeros((0, entry.ndim)),
            ndim=entry.ndim,
            name=f"{entry.name} · suggestions",
            symbol="diamond",
            face_color=[0, 0, 0, 0],
            border_color=SUGGESTION,
            border_width=0.2,
            **geometry(entry),
        )
        # Larger than a click, so that one under it is seen.
        self._session.annotations.dots.keep(layer, dot_size() + 6)
        clicks = self._session.annotations.clicks(entry)
        put(self._session, entry, ROLE, layer, below=CLICKS)
        self._bind(layer, clicks, self._session.viewer)
        return layer

    def _bind(self, *keepers: Any) -> None:
        """Q, W and N work while suggestions are shown: on our layers, and on the viewer for any other layer."""
        self._keys.take(keepers, self._acts())

    def accept_one(self) -> None:
        """The marked suggestion becomes a click; the next one is marked."""
        points = self.points
        if self._entry is not None and len(points) and self._take(points[self._at : self._at + 1]):
            self._drop(points[self._at : self._at + 1])

    def reject_one(self) -> None:
        """Drop the marked one; the next is marked."""
        points = self.points
        if len(points):
            self._drop(points[self._at : self._at + 1])

    def go_next(self) -> None:
        """Mark the next one, and bring it into view if it is not."""
        points = self.points
        if self._entry is None or not len(points):
            return
        self._at = (self._at + 1) % len(points)
        self._show()
        self._bring(points[self._at])

    def accept_every(self) -> None:
        """All that are shown become clicks, in one step that can be undone."""
        points = self.points
        if len(points) and not self._take(points):
            return
        self._settled |= {tuple(one) for one in points}
        self._clear_away()
        self.told.say("ok", f"{count(len(points), 'click')} added. Look them over: move or erase those that are wrong.")

    def _clear_away(self) -> None:
        """No suggestion is left here; the slider may still bring some."""
        self._all = None
        self._panel.setVisible(False)
        self._keys.release()
        if self._entry is not None:
            remove(self._session, self._entry, ROLE)

    def finish(self) -> None:
        """Drop what is left, and look no more."""
        self._live.forget()
        self._clear_away()
        self._entry = self._place = None
        self._settled.clear()
        self.faint.setVisible(False)
        self.told.clear()

    def _take(self, points: np.ndarray) -> bool:
        """Make clicks of suggestions; False, and why is told, where the project can only be looked at."""
        entry, locked = self._entry, self._session.read_only
        if entry is None or locked is not None:
            if locked is not None:
                self.told.say_error(locked)
            return False
        known = entry.points if len(entry.points) else np.zeros((0, points.shape[1]))
        self._session.annotations.change(entry, points=np.vstack([known, points]))
        return True

    def _drop(self, points: np.ndarray) -> None:
        self._settled |= {tuple(one) for one in points}
        if len(self.points):
            self._show()
            self._bring(self.points[self._at])
        else:
            self._clear_away()
            self.told.say("ok", "All suggestions are done.")

    def _bring(self, point: np.ndarray) -> None:
        assert self._entry is not None
        box = view_box(self._session, self._entry)
        visible = box is not None and all(a <= v < b for v, (a, b) in zip(point[-2:], box[-2:], strict=True))
        if not visible:
            layer = self._entry.layers["image"]
            look_at(self._session.viewer, np.asarray(layer.data_to_world(point), dtype=float))

    def _other_image(self, *_: object) -> None:
        self._newest.forget("suggest")
        if self._entry is not None and self._entry is not self._session.current:
            self.finish()
        self._allow()
        self.told.clear()

    def _allow(self) -> None:
        entry = self._session.current
        why = "Choose an image in Images first." if entry is None else entry.problem
        self.button.allow(why or self._session.locked)

    def _layer_gone(self, entry: ImageEntry, what: str) -> None:
        if what == "layers" and entry is self._entry and ROLE in entry.hidden:
            entry.layers.pop(ROLE, None)
            entry.hidden.discard(ROLE)
            self.finish()


def _first(place: tuple[Any, ...], points: np.ndarray, shift: float) -> tuple[Place, Suggestions]:
    """The place read, and what is found there; in a thread."""
    found = look(*place)
    return found, suggest_in(found, points, shift=shift)
