"""Nuclei of the classical method in what is on screen, drawn anew while its slider moves. No prediction is run."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from . import layers
from .faint_slider import shift_of
from .live import Live
from .live_part import Box, Drawn, Wish, draw
from .predict_where import region_box, shown_plane
from .result_layers import result_layers
from .results import in_dimensions, lead_of
from .view import view_box
from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .predict_where import WherePicker
    from .session import Session

ROLE = "preview:classical"
_SETTLE_MS = 150
_MOVED_MS = 250
# Slower than this, and a hand that moves is shown whole areas before they are divided into nuclei.
_QUICK_S = 0.2
# What can be drawn anew in about a second.
_MOST = {2: 1_500_000, 3: 2_000_000}


class LiveNuclei(QObject):
    """A preview that follows slider, view and region, from the first move of the slider until it is left.

    Parameters
    ----------
    session : Session
    where : WherePicker
        Whether the view or the regions are looked at.

    Signals
    -------
    told(str)
        What the preview shows, for the line below the slider; "" when there is none.
    failed(object)
        An exception.
    """

    told = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, where: WherePicker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._where = session, where
        self._live = Live(lambda wish: draw(wish, self._last), self._show, self._fail, self)
        self._last: Drawn | None = None
        self._on = self._cut = False
        self._seconds = 0.0
        self._owner: ImageEntry | None = None
        self._hidden: list[weakref.ref[Any]] = []
        self._settled = self._timer(_SETTLE_MS, self._draw)
        self._moved = self._timer(_MOVED_MS, self._draw)
        session.current_changed.connect(lambda _: self.leave())
        session.entry_changed.connect(self._entry_changed)
        session.stage.ready.connect(self._draw)
        result_layers(session).shown.connect(self._result_came)
        camera, point = session.viewer.scene.camera.events, session.viewer.dims.events.point
        events = (camera.center, camera.zoom, point)
        for event in events:
            event.connect(self._view_moved)
        session.closing.connect(lambda: [event.disconnect(self._view_moved) for event in events])
        session.closing.connect(self._close)

    def _timer(self, wait: int, then: Any) -> QTimer:
        made = QTimer(self)
        made.setSingleShot(True)
        made.setInterval(wait)
        made.timeout.connect(then)
        return made

    @property
    def on(self) -> bool:
        """Whether there is a preview, or the first is being made."""
        return self._on

    # ---- wishing

    def make_ready(self) -> None:
        """The pointer comes near: fit the image's constants now, so that the first move is followed at once."""
        wish = self._wish(rough=True)
        if wish is None or self._live.busy or (self._last is not None and self._last.wish.of(wish)):
            return
        self._live.ask(wish)

    def move(self, *_: Any) -> None:
        """The slider was moved: draw anew, quickly first where nuclei take long to be divided."""
        wish, entry = self._wish(rough=self._seconds > _QUICK_S), self._session.current
        opening = entry is not None and not entry.problem and "image" not in entry.layers
        if wish is None and not opening:
            self.leave()
            self.told.emit("Nothing of the image is on screen." if entry is not None and not entry.problem else "")
            return
        if not self._on:
            self._on = True
            self.told.emit("Looking at the image …")
        if wish is None:
            # It is still being opened; `_draw` when it is there.
            return
        self._live.ask(wish)
        if wish.rough:
            self._settled.start()

    def _draw(self, *_: Any) -> None:
        wish = self._wish(rough=False) if self._on else None
        if wish is not None:
            self._live.ask(wish)

    def refresh(self, *_: Any) -> None:
        """Something else than the slider changed what is to be seen."""
        if self._on:
            self._moved.start()

    def _view_moved(self, _: Any) -> None:
        if self._on and not self._moved.isActive():
            self._moved.start()

    def _entry_changed(self, entry: ImageEntry, what: str) -> None:
        if what == "layers" and entry is self._owner and ROLE in entry.hidden:
            # The person removed the preview from the list of layers.
            entry.layers.pop(ROLE, None)
            entry.hidden.discard(ROLE)
            self.leave()
        elif what in ("understanding", "regions") and entry is self._session.current:
            self.refresh()

    def _wish(self, *, rough: bool) -> Wish | None:
        """What is looked at now; None where nothing of the image is on screen."""
        entry = self._session.current
        if entry is None or entry.image is None or entry.problem:
            return None
        image, ndim = entry.image, len(entry.image.spatial_shape)
        plane = shown_plane(self._session, entry) if image.plane_axes else None
        shift = shift_of(self._session)
        if self._where.where == "region" and entry.regions:
            regions, found = region_box(entry, ndim)
            box = tuple((a, b) for a, b in found)
            if _size(box) <= _MOST[ndim]:
                self._cut = False
                return Wish(image, plane, box, shift, regions, rough)
        seen = view_box(self._session, entry)
        if seen is None:
            return None
        box = _middle(tuple((a, b) for a, b in seen[-ndim:]), self._plane_of_volume(entry, ndim))
        self._cut = any((a, b) != (c, d) for (a, b), (c, d) in zip(box, seen[-ndim:], strict=True))
        return Wish(image, plane, box, shift, [], rough)

    def _plane_of_volume(self, entry: ImageEntry, ndim: int) -> int:
        if ndim < 3:
            return 0
        place = entry.layers["image"].world_to_data(self._session.viewer.dims.point)
        return round(float(place[-3]))

    # ---- showing

    def _show(self, drawn: Drawn) -> None:
        entry = self._session.current
        self._last = drawn
        if not self._on or entry is None or entry.image is not drawn.wish.image:
            return
        if not drawn.wish.rough:
            self._seconds = drawn.seconds
        if self._owner is None:
            self._hide_results(entry)
            self._owner = entry
        lead = lead_of(drawn.wish.plane, drawn.labels.ndim, entry.image)
        labels, origin = in_dimensions(drawn.labels, tuple(start for start, _ in drawn.wish.box), lead)
        layers.put_labels(self._session, entry, ROLE, f"{entry.name} · preview", labels, origin=origin, opacity=0.6)
        self.told.emit(self._words(drawn))

    def _words(self, drawn: Drawn) -> str:
        if drawn.blank:
            return "Nothing in this image looks like nuclei to the classical method."
        place = "in the region" if drawn.wish.regions else "in what you see"
        if self._cut:
            place = "in the view's middle"
        if drawn.wish.rough:
            return f"Preview {place} …"
        return f"Preview: {count(drawn.count, 'nucleus', 'nuclei')} {place}"

    def _fail(self, error: BaseException) -> None:
        if not self._on:
            # Only made ready: the first move will say it again.
            return
        self.leave()
        self.failed.emit(error)

    def _hide_results(self, entry: ImageEntry) -> None:
        """On top of each other none can be read."""
        self._hidden = []
        for one in result_layers(self._session).of(entry):
            if one.layer.visible:
                one.layer.visible = False
                self._hidden.append(weakref.ref(one.layer))

    # ---- leaving

    def hand_over(self) -> None:
        """A prediction begins: the preview stays until the first of its tiles is there, but follows nothing more."""
        if self._on:
            self._stop()
            self.told.emit("")

    def give_way(self) -> None:
        """A prediction shows its first tile, or has ended: what was left of the preview goes."""
        if not self._on:
            self.leave()

    def leave(self, *_: Any, restore: bool = True) -> None:
        """Take the preview away; results that were hidden for it come back."""
        self._stop()
        owner, self._owner = self._owner, None
        if owner is not None:
            layers.remove(self._session, owner, ROLE)
        hidden, self._hidden = self._hidden, []
        if restore:
            for one in hidden:
                layer = one()
                if layer is not None:
                    layer.visible = True
        self.told.emit("")

    def _stop(self) -> None:
        self._on = False
        self._settled.stop()
        self._moved.stop()
        self._live.forget()

    def _result_came(self, _: Any) -> None:
        if self._owner is not None:
            self.leave(restore=False)

    def _close(self) -> None:
        self._stop()
        self._live.close()


def _size(box: Box) -> int:
    return int(np.prod([stop - start for start, stop in box]))


def _middle(box: Box, plane: int) -> Box:
    """The part of a view that can be drawn quickly: its middle; of a volume round the plane on screen."""
    most = _MOST[len(box)]
    if _size(box) <= most:
        return box
    lead: Box = ()
    if len(box) == 3:
        (start, stop), *rest = box
        sides = _size(tuple(rest))
        half = max(4, most // (2 * max(1, sides)))
        at = min(max(plane, start), stop - 1)
        lead = ((max(start, at - half), min(stop, at + half + 1)),)
        most, box = most // (lead[0][1] - lead[0][0]), tuple(rest)
    factor = min(1.0, (most / _size(box)) ** 0.5)
    return (*lead, *(_shorter(part, factor) for part in box))


def _shorter(part: tuple[int, int], factor: float) -> tuple[int, int]:
    start, stop = part
    side = max(1, int((stop - start) * factor))
    first = (start + stop - side) // 2
    return first, first + side
