"""[Attach ▾]: nuclei outlines and clicks from layers and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtWidgets import QFileDialog

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.slide_bounds import qupath_origin

from .background import in_background
from .contours import filled_in_3d
from .images_attach import (
    FILE_KINDS,
    LABELS_READABLE,
    check_labels,
    clicks_from,
    drawn_on_slide,
    fitting_layers,
    misplaced,
    save_labels,
)  # fmt: skip
from .images_pairing_box import PairingTable
from .inline import Inline
from .layers import OUTLINES, geometry, put_labels
from .menus import menu_button, plain_text
from .points_files import READABLE, import_file
from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session


class AttachMenu:
    """The button, its menu (made anew each time from what fits the image) and the line that tells what happened."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._entry: ImageEntry | None = None
        self.button, self.menu = menu_button("Outlines or clicks", "From layers that are open, or from files")
        self._tip = self.button.toolTip()
        self.menu.aboutToShow.connect(self.fill)
        session.read_only_changed.connect(self._lock)
        self.told = Inline()
        self._pairing: PairingTable | None = None

    def show_entry(self, entry: ImageEntry | None) -> None:
        """Speak of this image from now on."""
        if entry is not self._entry:
            self.told.clear()
        self._entry = entry
        self._lock()

    def _lock(self) -> None:
        self.button.setEnabled(self._entry is not None and not self._session.locked)
        self.button.setToolTip(self._session.locked or self._tip)

    def fill(self) -> None:
        """List what fits the image now."""
        self.menu.clear()
        entry = self._entry
        if entry is None or entry.image is None:
            return
        self.menu.addAction("Outlines from a file…", self._choose_labels)
        written = self.menu.addMenu("Outlines from another program")
        for words, kinds in FILE_KINDS.items():
            written.addAction(f"{words}…", lambda kinds=kinds: self._choose_labels(kinds))
        self.menu.addAction("Clicks or regions from a file…", self._choose_points)
        self.menu.addAction("Many files to many images…", self.pair)
        labels, points = fitting_layers(self._session, entry)
        if labels or points:
            self.menu.addSeparator()
        for layer in labels:
            self.menu.addAction(
                plain_text(f"Outlines: layer {layer.name}"), lambda layer=layer: self.take_labels_layer(layer)
            )
        for layer in points:
            self.menu.addAction(
                plain_text(f"Clicks: layer {layer.name}"), lambda layer=layer: self.take_points_layer(layer)
            )
        for layer in labels:
            if not np.allclose(layer.scale, entry.layers["image"].scale if "image" in entry.layers else layer.scale):
                text = plain_text(f"Align layer {layer.name} to this image")
                self.menu.addAction(text, lambda layer=layer: self.align(layer))
        if entry.labels is not None:
            self.menu.addSeparator()
            self.menu.addAction("Show the outlines", self.show_outlines)
            self.menu.addAction("Take the outlines off", self.detach)

    def pair(self, paths: Sequence[Path] = ()) -> PairingTable:
        """Open the table that gives many files to many images."""
        if self._pairing is not None and isalive(self._pairing):
            table = self._pairing
        else:
            table = self._pairing = PairingTable(self._session, self.button.window())
            table.attached.connect(self._paired)
        table.show()
        table.raise_()
        table.add(paths)
        return table

    def _paired(self, said: str) -> None:
        self.told.say("ok", said, Close=self.told.clear)
        self.show_outlines()

    def _choose_labels(self, kinds: str = LABELS_READABLE) -> None:
        path, _ = QFileDialog.getOpenFileName(self.button, "Nuclei outlines", "", kinds)
        if path:
            self.take_labels_file(Path(path))

    def _choose_points(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.button, "Clicks or regions", "", READABLE)
        if path:
            self.take_points_file(Path(path))

    def _locked(self) -> bool:
        """Whether the project can only be looked at; then it is said."""
        try:
            self._session.refuse_if_read_only()
        except NucleiError as error:
            self.told.say_error(error)
            return True
        return False

    def take_labels_file(self, path: Path) -> None:
        """Attach outlines from a file, if they fit."""
        entry = self._entry
        if entry is None or self._locked():
            return
        self.told.say("info", f"Reading {path.name}…")

        def done(found: tuple[np.ndarray, str, bool]) -> None:
            if not self._session.touch(entry, "labels", labels=path):
                self.told.say_error(self._session.read_only)
                return
            number = int(len(np.unique(found[0])) - (1 if (found[0] == 0).any() else 0))
            more = self._from_slide(entry, path)
            if found[2]:
                more["Split_touching"] = lambda: self.split_touching(entry, found[0])
            self.told.say(
                "ok",
                f"{count(number, 'outline')} attached from {path.name}. {found[1]}",
                **more,
                Close=self.told.clear,
            )
            self._show(entry, found[0])

        def failed(error: BaseException) -> None:
            self.told.say_error(error, **self._from_slide(entry, path))

        in_background(self.button, lambda: check_labels(path, entry), done, failed)

    def split_touching(self, entry: ImageEntry, mask: np.ndarray) -> None:
        """Part nuclei that touch in a black-and-white mask; the outlines are kept in the project, the mask stays."""
        from napari_nucleidomain.instances.touching import split_touching

        self._make(entry, lambda: (split_touching(mask), ""), "Split into {} where they are narrow.")

    def _from_slide(self, entry: ImageEntry, path: Path) -> dict[str, Callable[[], object]]:
        """A button where QuPath may have had the original slide open: its files do not say, and it counts otherwise."""
        if path.suffix.lower() not in (".geojson", ".json") or qupath_origin(entry.image) is None:
            return {}
        return {"Drawn_on_the_original_slide": lambda: self.take_from_slide(entry, path)}

    def take_from_slide(self, entry: ImageEntry, path: Path) -> None:
        """Move outlines that were drawn in QuPath on the original slide; they are kept in the project."""
        self._make(entry, lambda: drawn_on_slide(path, entry), "{} moved by the slide's empty margin.")

    def _make(self, entry: ImageEntry, labels: Callable[[], tuple[np.ndarray, str]], words: str) -> None:
        """Attach outlines that are made in a thread and kept in the project."""
        if self._locked():
            return
        folder = Path(self._session.project.data)

        def work() -> tuple[Path, np.ndarray, str]:
            made, said = labels()
            return save_labels(made, entry, folder), made, said

        def done(made: tuple[Path, np.ndarray, str]) -> None:
            if not self._session.touch(entry, "labels", labels=made[0]):
                self.told.say_error(self._session.read_only)
                return
            number = int(np.count_nonzero(np.unique(made[1])))
            self.told.say("ok", f"{words.format(count(number, 'outline'))} {made[2]}".strip(), Close=self.told.clear)
            self._show(entry, made[1])

        in_background(self.button, work, done, self.told.say_error)

    def take_labels_layer(self, layer: Any) -> None:
        """Attach outlines from a layer; a copy is kept in the project."""
        entry = self._entry
        if entry is None or self._locked():
            return
        data, folder = np.array(layer.data), Path(self._session.project.data)

        def done(path: Path) -> None:
            if not self._session.touch(entry, "labels", labels=path):
                self.told.say_error(self._session.read_only)
                return
            self.told.say("ok", f"Outlines of {layer.name} attached.", Close=self.told.clear)

        in_background(self.button, lambda: save_labels(data, entry, folder), done, self.told.say_error)

    def align(self, layer: Any) -> None:
        """Give a layer of the same size the image's scale, place and units."""
        if self._entry is not None:
            for name, value in geometry(self._entry).items():
                setattr(layer, name, value)

    def take_points_layer(self, layer: Any) -> None:
        """Add the clicks of a layer to the image's; one step that can be undone."""
        if self._entry is not None and not self._locked():
            entry = self._entry
            fresh = clicks_from(layer, entry)
            wrong = misplaced(fresh, entry)
            if wrong is not None:
                self.told.say_error(wrong)
                return
            known = entry.points if len(entry.points) else np.zeros((0, fresh.shape[1]))
            self._session.annotations.change(entry, points=np.vstack([known, fresh]))
            self._session.stage.when_ready(entry, lambda: self._session.annotations.clicks(entry))
            self.told.say("ok", f"{count(len(fresh), 'click')} of {layer.name} added.", Close=self.told.clear)

    def take_points_file(self, path: Path) -> None:
        """Add clicks and regions of a file to the image's; one step that can be undone."""
        entry = self._entry
        if entry is None or self._locked():
            return
        try:
            found = import_file(path, entry)
        except NucleiError as error:
            self.told.say_error(error)
            return
        self._session.annotations.change(entry, points=found.points, regions=found.regions)
        self._session.stage.when_ready(entry, lambda: self._session.annotations.clicks(entry))
        self.told.say("ok", found.sentence(path.name), Close=self.told.clear)

    def show_outlines(self) -> None:
        """Show the attached outlines as a layer."""
        entry = self._entry
        if entry is not None and entry.labels is not None:
            path = entry.labels
            in_background(
                self._session,
                lambda: check_labels(path, entry),
                lambda found: self._show(entry, found[0]),
                self.told.say_error,
            )

    def _show(self, entry: ImageEntry, labels: np.ndarray) -> None:
        def show() -> None:
            layer = put_labels(self._session, entry, OUTLINES, f"{entry.name} · outlines", labels)
            filled_in_3d()
            layer.contour = 1

        self._session.stage.when_ready(entry, show)

    def detach(self) -> None:
        """Forget the outlines; their file stays."""
        if self._entry is not None:
            self.told.clear()
            if not self._session.touch(self._entry, "labels", labels=None):
                self.told.say_error(self._session.read_only)
