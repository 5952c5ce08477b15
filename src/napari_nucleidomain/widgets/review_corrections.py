"""Review: what was corrected by hand goes back into the training images, and the model learns on from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError

from .combos import narrow
from .inline import Inline, WhyButton, row
from .newest import Newest
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.data.corrections import StoredCorrections
    from napari_nucleidomain.data.regions import Region

    from .entry import ImageEntry
    from .export import Snapshot
    from .results import Loaded
    from .review_subject import Subject
    from .session import Session

_HELP = "What you corrected is learned from: outlines as outlines, clicks as clicks. The old model stays as it is."
_AREAS = {
    "changed": "in the box round what I changed",
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
    """

    continue_asked = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._background = Newest(self)
        self._entry: ImageEntry | None = None
        self._subject: Subject | None = None
        self._before: tuple[ImageEntry, StoredCorrections | None] | None = None
        self.ask = WhyButton("Use corrections for training …", _HELP)
        self.ask.setCheckable(True)
        self.question = QLabel("Every nucleus is outlined now, and nothing else is:")
        self.question.setWordWrap(True)
        self.area = QComboBox()
        narrow(self.area)
        self.add = WhyButton("Add to training images", _HELP)
        self.message = Inline()
        self._form = QWidget()
        inner = QVBoxLayout(self._form)
        inner.setContentsMargins(12, 0, 0, 0)
        inner.addWidget(self.question)
        inner.addLayout(row(self.area, self.add, stretch=0))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.ask, self._form, self.message):
            layout.addWidget(widget)
        self.ask.toggled.connect(self._asked)
        self.add.clicked.connect(self._add)
        session.closing.connect(self._background.close)
        self._asked(False)

    def show_subject(self, entry: ImageEntry | None, subject: Subject | None) -> None:
        """Serve another result."""
        if (entry, subject and subject.key) != (self._entry, self._subject and self._subject.key):
            self.ask.setChecked(False)
            self.message.clear()
        self._entry, self._subject = entry, subject
        self.ask.allow(why_not(entry, subject))
        if entry is not None and entry.corrections is not None and not self.message.text():
            self._say_what_there_is(entry)

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
            return
        chosen = self.area.currentData()
        self.area.clear()
        for key in self._areas(self._entry):
            self.area.addItem(_AREAS[key], key)
        self.area.setCurrentIndex(max(0, self.area.findData(chosen)))

    def _areas(self, entry: ImageEntry) -> list[str]:
        edited = self._subject is not None and self._subject.shown is not None and self._subject.shown.edited
        return [*(["changed"] if edited else []), "view", *(["regions"] if entry.regions else [])]

    # ---- adding

    def _add(self) -> None:
        from .review_subject import snapshot_of
        from .view import view_box

        entry, subject = self._entry, self._subject
        if entry is None or subject is None:
            return
        try:
            self._session.refuse_if_read_only()
            folder = Path(self._session.project.data) / "corrections"
        except NucleiError as error:
            self.message.say_error(error)
            return
        snapshot = snapshot_of(subject, entry)
        kind = self.area.currentData()
        shown = subject.shown
        found = shown.loaded if shown is not None and kind == "changed" else None
        seen = view_box(self._session, entry) if kind == "view" else None
        regions = list(entry.regions) if kind == "regions" else []
        self.add.allow("It is being written.")
        self._background.run(
            "store",
            _store,
            folder,
            entry.id,
            snapshot,
            found,
            seen,
            regions,
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
        job: Any = shown.stored.run.job if shown is not None else None
        if job is None or job.model == "otsu":
            return None
        folder = Path(job.model)
        return folder if (folder / "card.json").exists() else None

    def _replace(self, entry: ImageEntry, stored: StoredCorrections | None) -> bool:
        if not self._session.touch(entry, "corrections", corrections=stored):
            self.message.say_error(self._session.read_only)
            return False
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
    folder: Path,
    name: str,
    snapshot: Snapshot,
    found: Loaded | None,
    seen: list[list[int]] | None,
    corners: list[np.ndarray],
    before: StoredCorrections | None,
) -> StoredCorrections:
    """Work out the part and write both (in a thread)."""
    from napari_nucleidomain.data.corrections import store_corrections

    from .export import whole

    labels, origin = snapshot.labels, snapshot.origin
    extent = [(int(o), int(o) + int(n)) for o, n in zip(origin, labels.shape, strict=True)]
    regions = _part(labels, origin, extent, _found_by_program(found), seen, corners)
    size = snapshot.pixel_size_um
    return store_corrections(folder, name, np.asarray(whole(snapshot)), regions, before, size)


def _found_by_program(loaded: Loaded | None) -> np.ndarray | None:
    """The labels before a person changed them, in an earlier session or in this one."""
    from napari_nucleidomain.data.labels_io import read_labels

    if loaded is None:
        return None
    return read_labels(loaded.stored.found_file).labels if loaded.stored.edited else loaded.labels


def _part(
    labels: np.ndarray,
    origin: tuple[int, ...],
    extent: list[tuple[int, int]],
    found: np.ndarray | None,
    seen: list[list[int]] | None,
    corners: list[np.ndarray],
) -> list[Region]:
    from napari_nucleidomain.data.corrections import box_round_changes
    from napari_nucleidomain.data.regions import Region

    from .storage import as_regions

    if corners:
        whole = [one for one in as_regions(corners) if _within(one, extent)]
        if not whole:
            raise NucleiError(
                "The regions lie outside what was segmented, or reach beyond it.",
                "Find the nuclei in the whole region first, or choose what you see now.",
            )
        return whole
    if found is not None:
        areas = np.bincount(np.unique(labels[labels > 0], return_inverse=True)[1]) if labels.any() else np.array([400])
        box = box_round_changes(found, labels, margin=round(float(np.sqrt(np.median(areas))) / 4))
        if box is None:
            raise NucleiError("Nothing was changed by hand.", "Choose what you see now if all of it is right.")
        sides = [(piece.start + o, piece.stop + o) for piece, o in zip(box, origin, strict=True)]
    elif seen is not None:
        sides = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(seen, extent, strict=True)]
    else:
        raise NucleiError("The image is not in view.", "Bring it onto the screen, then try again.")
    if any(stop <= start for start, stop in sides):
        raise NucleiError("Nothing of the result is in view.", "Move the image so that you see what you corrected.")
    (top, bottom), (left, right) = sides
    return [Region.box(top, left, bottom, right)]


def _within(region: Region, extent: list[tuple[int, int]]) -> bool:
    return all(start <= a and b <= stop for (a, b), (start, stop) in zip(region.bounds, extent, strict=True))
