"""Review: what was corrected by hand goes back into the training images, and the model learns on from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.card import CARD_FILE

from .combos import Combo, narrow
from .inline import Inline, WhyButton
from .newest import Newest
from .result_layers import result_layers
from .review_part import Part, asked_of, draw, find_part, show_part, take_away
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.data.corrections import StoredCorrections
    from napari_nucleidomain.data.regions import Region

    from .entry import ImageEntry
    from .export import Snapshot
    from .review_subject import Subject
    from .session import Session

# A person who moves the picture or paints has paused for so long.
_WAIT_MS = 250
_FINDING = "The part is being worked out."
_HELP = "What you corrected is learned from: outlines as outlines, clicks as clicks. The old model stays as it is."
_AREAS = {
    "changed": "round what I changed",
    "view": "in what I see now",
    "regions": "in the regions drawn in Points",
}


class UseCorrections(QWidget):
    """[Use corrections for training], and in which part of the image everything is right.

    Parameters
    ----------
    session : Session

    Signals
    -------
    continue_asked(object)
        Folder of the model to train on from; None for a new one.
    opened(object)
        The question, which has just been opened.
    """

    continue_asked = Signal(object)
    opened = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._background = Newest(self)
        self._entry: ImageEntry | None = None
        self._subject: Subject | None = None
        self._part: Part | None = None
        self._drawn: ImageEntry | None = None
        self.ask = WhyButton("Use corrections for training …", _HELP)
        self.ask.setCheckable(True)
        self.question = QLabel("Every nucleus is outlined now, and nothing else is:")
        self.question.setWordWrap(True)
        self.area = Combo()
        narrow(self.area)
        self.share = QLabel()
        self.share.setWordWrap(True)
        self.slip = Inline()
        self.show_parts = WhyButton("Show the parts", "Move the picture so that all that will be learned is in sight.")
        self.show_parts.clicked.connect(self._show_parts)
        self.add = WhyButton("Add to training images", _HELP)
        self.message = Inline()
        self._form = QWidget()
        inner = QVBoxLayout(self._form)
        inner.setContentsMargins(12, 0, 0, 0)
        # Below each other: side by side they are wider than a dock on a small screen.
        for widget in (self.question, self.area, self.share, self.slip, self.show_parts, self.add):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.ask, self._form, self.message):
            layout.addWidget(widget)
        self.ask.toggled.connect(self._asked)
        self.add.clicked.connect(self._add)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_WAIT_MS)
        self._soon.timeout.connect(self._find)
        self._connect()
        self._asked(False)

    def _connect(self) -> None:
        session = self._session
        self.area.currentIndexChanged.connect(self._stale)
        result_layers(session).changed.connect(lambda _: self._stale())
        session.entry_changed.connect(lambda _, what: what == "regions" and self._stale())
        session.current_changed.connect(lambda _: self.ask.setChecked(False))
        events = session.viewer.scene.camera.events
        for event in (events.center, events.zoom):
            event.connect(self._moved)
        session.read_only_changed.connect(self._lock)
        session.closing.connect(self._background.close)
        session.closing.connect(self._soon.stop)
        session.closing.connect(lambda: [event.disconnect(self._moved) for event in (events.center, events.zoom)])

    def show_subject(self, entry: ImageEntry | None, subject: Subject | None) -> None:
        """Serve another result."""
        if (entry, subject and subject.key) != (self._entry, self._subject and self._subject.key):
            self.ask.setChecked(False)
            self.message.clear()
        self._entry, self._subject = entry, subject
        self._lock()
        if entry is not None and entry.corrections is not None and not self.message.text():
            self._say_what_there_is(entry)

    def _lock(self) -> None:
        self.ask.allow(why_not(self._entry, self._subject) or self._session.locked)

    def _say_what_there_is(self, entry: ImageEntry) -> None:
        stored = entry.corrections
        assert stored is not None
        self.message.say(
            "info",
            f"{_words(stored)} of this image {_are(stored)} among the training images.",
            Take_them_out=lambda: self._replace(entry, None),
        )

    def _asked(self, on: bool) -> None:
        self._form.setVisible(on)
        if not on or self._entry is None:
            self._forget()
            return
        self._just_opened = True
        self.opened.emit(self._form)
        chosen = self.area.currentData()
        self.area.blockSignals(True)
        self.area.clear()
        for key in self._areas(self._entry):
            self.area.addItem(_AREAS[key], key)
        self.area.setCurrentIndex(max(0, self.area.findData(chosen)))
        self.area.blockSignals(False)
        self._stale()

    def _areas(self, entry: ImageEntry) -> list[str]:
        edited = self._subject is not None and self._subject.shown is not None and self._subject.shown.edited
        return [*(["changed"] if edited else []), "view", *(["regions"] if entry.regions else [])]

    # ---- the part

    def hideEvent(self, event: Any) -> None:
        """Qt's hook: behind other docks nothing is drawn in the picture."""
        super().hideEvent(event)
        if not event.spontaneous():
            self._forget()

    def showEvent(self, event: Any) -> None:
        """Qt's hook: seen again, the part is drawn again."""
        super().showEvent(event)
        self._stale()

    def _moved(self, *_: Any) -> None:
        if self.area.currentData() == "view":
            self._stale()
        elif self._part is not None:
            self._offer_to_show()

    def _stale(self, *_: Any) -> None:
        """What was worked out may not be true any more: nothing is added before it is worked out anew."""
        if self.ask.isChecked() and not self._session.closed:
            self._part = None
            self.add.allow(_FINDING)
            self._background.forget("part")
            self._soon.start()

    def _find(self) -> None:
        from .view import view_box

        entry, subject = self._entry, self._subject
        if entry is None or subject is None or not self.ask.isChecked() or self._session.closed:
            return
        asked = asked_of(subject, entry, self.area.currentData(), view_box(self._session, entry))
        self._background.run(
            "part", find_part, asked, done=lambda part: self._found(entry, part), failed=self._not_found
        )

    def _found(self, entry: ImageEntry, part: Part) -> None:
        if self._entry is not entry or not self.ask.isChecked():
            return
        self._part, self._drawn = part, entry
        draw(self._session, entry, part)
        self.share.setText(part.words())
        if part.warning():
            self.slip.say("warning", part.warning())
        else:
            self.slip.clear()
        self._offer_to_show()
        if self._just_opened:
            # Longer now than when it was opened.
            self._just_opened = False
            self.opened.emit(self._form)
        if self.message.level == "error":
            self.message.clear()
        self.add.allow()

    _just_opened = False

    def _offer_to_show(self) -> None:
        from .view import view_box

        part, entry = self._part, self._drawn
        seen = view_box(self._session, entry) if entry is not None else None
        self.show_parts.setVisible(part is not None and not part.in_view(seen))

    def _show_parts(self) -> None:
        if self._part is not None and self._drawn is not None and "image" in self._drawn.layers:
            show_part(self._session, self._drawn, self._part)

    def _not_found(self, error: BaseException) -> None:
        self._forget()
        self.add.allow(error.message if isinstance(error, NucleiError) else "The part could not be worked out.")
        self.message.say_error(error)

    def _forget(self) -> None:
        """Draw nothing, and add nothing."""
        self._part, entry = None, self._drawn
        self._drawn = None
        self._soon.stop()
        self._background.forget("part")
        self.share.clear()
        self.slip.clear()
        self.show_parts.hide()
        if entry is not None and not self._session.closed:
            take_away(self._session, entry)

    # ---- adding

    def _add(self) -> None:
        from .review_subject import snapshot_of

        entry, subject, part = self._entry, self._subject, self._part
        if entry is None or subject is None or part is None:
            return
        try:
            self._session.refuse_if_read_only()
            folder = Path(self._session.project.data) / "corrections"
        except NucleiError as error:
            self.message.say_error(error)
            return
        self.add.allow("It is being written.")
        self._background.run(
            "store",
            _store,
            folder,
            entry.id,
            snapshot_of(subject, entry),
            part.regions,
            entry.corrections,
            done=lambda stored: self._added(entry, stored),
            failed=self._failed,
        )

    def _added(self, entry: ImageEntry, stored: StoredCorrections) -> None:
        self.add.allow()
        before = entry.corrections
        if not self._replace(entry, stored):
            return
        self.ask.setChecked(False)
        folder = self._model_folder()
        name = f"Train on from {folder.name}" if folder is not None else "Train"
        actions: dict[str, Any] = {name: lambda: self.continue_asked.emit(folder)}
        left_out = "" if entry.use == "train" else "The image is not used for training: change that in Images."
        self.message.say(
            "warning" if left_out else "ok",
            f"{_words(stored)} of {entry.name} {_are(stored)} among the training images now.",
            left_out,
            **actions,
            Undo=lambda: self._replace(entry, before),
        )

    def _model_folder(self) -> Path | None:
        """The model that made the result, where it can be trained on."""
        shown = self._subject.shown if self._subject is not None else None
        folder = shown.stored.model_folder if shown is not None else ""
        return Path(folder) if folder and (Path(folder) / CARD_FILE).exists() else None

    def _replace(self, entry: ImageEntry, stored: StoredCorrections | None) -> bool:
        if not self._session.touch(entry, "corrections", corrections=stored):
            self.message.say_error(self._session.read_only)
            return False
        # At once, not some moments later: what is said to be among the training images is, whatever ends the viewer.
        self._session.flush()
        self.message.clear()
        if stored is None:
            self.message.say("info", "No corrections of this image are among the training images.")
        else:
            self._say_what_there_is(entry)
        return True

    def _failed(self, error: BaseException) -> None:
        self.add.allow()
        self.message.say_error(error)


def _words(stored: StoredCorrections) -> str:
    return count(stored.nuclei, "corrected outline") if stored.nuclei else "A corrected part without nuclei"


def _are(stored: StoredCorrections) -> str:
    return "are" if stored.nuclei > 1 else "is"


def why_not(entry: ImageEntry | None, subject: Subject | None) -> str:
    """Why a result's corrections cannot teach; "" where they can."""
    if entry is None or subject is None:
        return "There is no result."
    image = entry.image
    if image is None or subject.layer.multiscale:
        return "Results this large cannot be corrected by hand; predict a part of the image and correct that."
    if image.plane_axes or len(image.spatial_shape) != 2:
        return "Corrections can be used for flat images only, so far."
    return ""


def _store(
    folder: Path, name: str, snapshot: Snapshot, regions: list[Region], before: StoredCorrections | None
) -> StoredCorrections:
    """Write both (in a thread)."""
    from napari_nucleidomain.data.corrections import store_corrections

    from .export import whole

    return store_corrections(folder, name, np.asarray(whole(snapshot)), regions, before, snapshot.pixel_size_um)
