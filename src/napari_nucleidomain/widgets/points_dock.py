"""The Points dock: clicks inside nuclei, the regions they fill, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLabel, QSizePolicy

from napari_nucleidomain.contracts import NucleiError

from .dock import Dock, open_dock
from .entry import ImageEntry
from .folding import Fold
from .inline import Inline, WhyButton, row
from .menus import menu_button, tool_button
from .points_checklist import CheckList
from .points_checks import advice
from .points_files import READABLE, export_file, import_file
from .points_region import hull_corners, needs_region, whole_corners
from .points_suggest_box import SuggestBox
from .points_tools import ToolRow, keys_text
from .wording import clock, count

_COMPLETE = "Only you can know: what lies between the clicks of a region teaches what is no nucleus."


class PointsDock(Dock):
    """◀ image ▶, tools, advice, suggestions, checks, import and export, and on to training."""

    which = "points"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._saved_at: float | None = None
        self._build_place()
        self.tools = ToolRow(self.session)
        self.body.addWidget(self.tools)
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        self.body.addWidget(self.advice)
        self.suggest = SuggestBox(self.session)
        self.body.addWidget(self.suggest)
        self.checks = CheckList(self.session)
        self.body.addWidget(self.checks)
        # A check box cannot break its words over two lines; a label beside it can.
        self.complete = QCheckBox()
        self.complete.clicked.connect(self._set_complete)
        self.complete_words = QLabel("I clicked every nucleus inside the regions")
        self.complete_words.setWordWrap(True)
        self.complete_words.setBuddy(self.complete)
        self.body.addLayout(row(self.complete, self.complete_words, stretch=1))
        self._build_files()
        self.ask = Inline()
        self.body.addWidget(self.ask)
        self.body.addStretch(1)
        self._build_next()
        self._refresh_soon = QTimer(self)
        self._refresh_soon.setSingleShot(True)
        self._refresh_soon.setInterval(60)
        self._refresh_soon.timeout.connect(self.refresh)
        self.session.entry_changed.connect(self._later)
        self.session.images_changed.connect(self._later)
        self.session.current_changed.connect(self._other_image)
        self.session.saved.connect(self._saved)
        self.session.save_failed.connect(self._save_failed)
        self.session.read_only_changed.connect(self.refresh)
        self.refresh()

    # Building --------------------------------------------------------------------------------------------------

    def _build_place(self) -> None:
        self.back, self.forward = (tool_button("◀", "Previous image"), tool_button("▶", "Next image"))
        self.back.clicked.connect(lambda: self.session.step(-1))
        self.forward.clicked.connect(lambda: self.session.step(1))
        self.name = QLabel()
        self.name.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.body.addLayout(row(self.back, self.name, self.forward, stretch=1))
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.body.addWidget(self.status)
        self.trouble = Inline()
        self.body.addWidget(self.trouble)

    def _build_files(self) -> None:
        self.import_button = WhyButton(
            "Import…", "Clicks from a CSV, GeoJSON (QuPath) or ROI zip (Fiji); regions from GeoJSON"
        )
        self.import_button.clicked.connect(self._choose_import)
        self.export_button, menu = menu_button("Export", "Clicks or regions into a file")
        menu.addAction("Clicks as CSV (napari)…", lambda: self._choose_export("points", ".csv"))
        menu.addAction("Clicks as GeoJSON (QuPath)…", lambda: self._choose_export("points", ".geojson"))
        menu.addAction("Clicks as ROI zip (Fiji)…", lambda: self._choose_export("points", ".zip"))
        menu.addAction("Regions as GeoJSON (QuPath)…", lambda: self._choose_export("regions", ".geojson"))
        line = QHBoxLayout()
        line.addWidget(self.import_button, 1)
        line.addWidget(self.export_button, 1)
        self.body.addLayout(line)
        keys = Fold("Keys", "points/keys")
        text = QLabel(keys_text())
        text.setWordWrap(True)
        keys.add(text)
        self.body.addWidget(keys)

    def _build_next(self) -> None:
        self.next = WhyButton("Next image →", "Go on to the next image in the list")
        self.next.clicked.connect(lambda: self.session.step(1))
        self.train = WhyButton("Train →", "On to training with these clicks")
        self.train.clicked.connect(self.go_train)
        line = row(self.next, self.train)
        line.setSpacing(6)
        self.footer.addLayout(line)

    # Showing ---------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the state of the current image."""
        entry, images = self.session.current, self.session.images
        usable = [one for one in images if not one.problem]
        self.name.setText(self._elided(entry.name) if entry else "No image chosen")
        self.name.setToolTip(str(entry.path or entry.name) if entry else "")
        at = usable.index(entry) if entry in usable else -1
        self.back.setEnabled(at > 0)
        self.forward.setEnabled(0 <= at < len(usable) - 1)
        self.next.allow("" if 0 <= at < len(usable) - 1 else "This is the last image of the list.")
        self.status.setText(self._status(entry) if entry else "Choose an image in Images first.")
        locked = self.session.locked
        self.import_button.allow(locked if entry else "Choose an image in Images first.")
        self.export_button.setEnabled(bool(entry and (len(entry.points) or entry.regions)))
        self.complete.setEnabled(bool(entry and entry.regions and not locked))
        self.complete_words.setEnabled(self.complete.isEnabled())
        self.complete.setToolTip(_COMPLETE if self.complete.isEnabled() else locked or "Draw a region first.")
        self.complete.setChecked(bool(entry and entry.regions and entry.complete))
        total = sum(len(one.points) for one in usable)
        clicked = sum(len(one.points) > 0 for one in usable)
        here = len(entry.points) if entry else 0
        self.advice.setText(
            advice(here, len(entry.regions) if entry else 0, clicked, len(usable), total) if entry else ""
        )
        self.train.allow(
            "" if total else "Click inside some nuclei first: 20 are the least that works, 60 a good start."
        )

    def _later(self, *_: Any) -> None:
        self._refresh_soon.start()

    def _status(self, entry: ImageEntry) -> str:
        parts = [count(len(entry.points), "click")]
        if entry.regions:
            parts.append(count(len(entry.regions), "region"))
        if self.session.autosave.error is not None:
            parts.append("not saved ⚠")
        elif self.session.autosave.pending:
            parts.append("saving…")
        elif self._saved_at is not None:
            parts.append(f"saved {clock(self._saved_at)} ✓")
        return " · ".join(parts)

    def _elided(self, text: str) -> str:
        return self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, max(120, self.width() - 90))

    def _saved(self, at: float) -> None:
        self._saved_at = at
        self.trouble.clear()
        self.refresh()

    def _save_failed(self, error: NucleiError) -> None:
        self.trouble.say_error(error, Try_again=self.session.flush)
        self.refresh()

    def _other_image(self, *_: Any) -> None:
        self.ask.clear()
        self.refresh()

    # Doing -----------------------------------------------------------------------------------------------------

    def _set_complete(self, on: bool) -> None:
        if self.session.current is not None:
            self.session.touch(self.session.current, "regions", complete=on)
            self.complete.setChecked(self.session.current.complete)

    def _choose_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Clicks or regions", "", READABLE)
        if path:
            self.import_from(Path(path))

    def import_from(self, path: Path) -> None:
        """Add the clicks and regions of a file; one step that can be undone."""
        entry = self.session.current
        if entry is None:
            return

        def add() -> None:
            try:
                self.session.refuse_if_read_only()
                found = import_file(path, entry)
            except NucleiError as error:
                self.ask.say_error(error)
                return
            self.session.annotations.change(entry, points=found.points, regions=found.regions)
            self.session.annotations.regions(entry)
            self.session.annotations.clicks(entry)
            self.ask.say("ok", found.sentence(path.name), Close=self.ask.clear)

        self.session.stage.when_ready(entry, add)

    def _choose_export(self, what: str, suffix: str) -> None:
        entry = self.session.current
        if entry is None:
            return
        kind = "clicks" if what == "points" else "regions"
        start = f"{entry.id}-{kind}{suffix}"
        path, _ = QFileDialog.getSaveFileName(self, f"Save {kind}", start, f"*{suffix}")
        if path:
            self.export_to(Path(path).with_suffix(suffix), what)

    def export_to(self, path: Path, what: str) -> None:
        """Write clicks ("points") or regions ("regions")."""
        if self.session.current is None:
            return
        try:
            export_file(path, self.session.current, what)
        except NucleiError as error:
            self.ask.say_error(error)
        else:
            self.ask.say("ok", f"Saved {path.name}.", Close=self.ask.clear)

    def go_train(self) -> None:
        """On to Train; where no region was drawn and the clicks do not cover the image, ask first."""
        entry = self.session.current
        if entry is not None and needs_region(entry):
            before = entry.complete
            self.session.annotations.change(entry, regions=hull_corners(entry))
            self.session.annotations.regions(entry)
            self.ask.say(
                "warning",
                "No region was drawn, so I drew one round your clicks. Is every nucleus inside it clicked?",
                "What lies outside is not used. You can drag its corners with Region, or undo it.",
                **{
                    "Yes, all clicked": lambda: self._answer(entry, True),
                    "Yes, and in the whole image": lambda: self._answer(entry, True, whole=True),
                },
                Not_yet=lambda: self._answer(entry, before),
            )
            self.reveal(self.ask)
            return
        open_dock(self.session, "train")

    def _answer(self, entry: ImageEntry, complete: bool, whole: bool = False) -> None:
        self.ask.clear()
        if whole:
            self.session.annotations.change(entry, regions=whole_corners(entry))
        if self.session.touch(entry, "regions", complete=complete) and complete:
            open_dock(self.session, "train")
