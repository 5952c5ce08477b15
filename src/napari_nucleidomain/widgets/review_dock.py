"""The Review dock: how good is it, where is it wrong, what comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from .canvas_pick import CanvasPick
from .combos import Combo, fill_combo, narrow
from .dock import Dock, open_dock
from .inline import Inline, row
from .mode_buttons import ModeButtons
from .newest import Newest
from .predict_where import plane_for
from .result_layers import result_layers
from .review_compute import Assessment, assess_against, with_errors
from .review_corrections import UseCorrections
from .review_export import ExportButton
from .review_hand import Hand
from .review_loader import ResultLoader
from .review_look import Look
from .review_quality import Legend, Quality, UncertainLegend
from .review_show import figure_colours, give_features
from .review_subject import Choice, Subject, choices, measured_on, snapshot_of, subjects, summary_of
from .review_table import NucleiTable
from .review_walk import Walk
from .view import view_box

if TYPE_CHECKING:
    from pathlib import Path

    import napari

    from .entry import ImageEntry
    from .export import Snapshot

_SETTLE_MS = 250
_MODES = {
    "outlines": ("Outlines", "Only the edges, so that the tissue stays visible."),
    "filled": ("Filled", "A colour for each nucleus."),
    "uncertain": ("Uncertain", "Yellow where the model is unsure, blue where it is sure."),
    "errors": ("Errors", "Found, missed, false alarm, split, merged; needs something to compare with."),
}


class ReviewDock(Dock):
    """Look at a result, score it, walk through it, take it out.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    which = "review"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self._background = Newest(self)
        self._layers = result_layers(self.session)
        self._subjects: list[Subject] = []
        self._choices: list[Choice] = []
        self._version = 0
        self._computed: tuple[Any, ...] = ()
        self.found: Assessment | None = None
        self.look = Look(self.session)
        self._build()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_SETTLE_MS)
        self._later.timeout.connect(self.refresh)
        self._connect()
        self.refresh()

    def _build(self) -> None:
        self.result = Combo()
        self.compare = Combo()
        for combo in (self.result, self.compare):
            narrow(combo)
        self.empty = Inline()
        self.older = ResultLoader(self.session)
        self.modes = ModeButtons(_MODES)
        self.legend = Legend()
        self.uncertain_legend = UncertainLegend()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.quality = Quality()
        self.message = Inline()
        self.walk = Walk()
        self.hand = Hand(self.session, self.walk)
        self.table = NucleiTable()
        self.corrections = UseCorrections(self.session)
        self.export = ExportButton(self.session)
        self.taken_out = Inline()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Result", self.result)
        form.addRow("Compare with", self.compare)
        self.body.addLayout(form)
        for widget in (
            self.older,
            self.empty,
            self.modes,
            self.legend,
            self.uncertain_legend,
            self.summary,
            self.quality,
            self.message,
            self.hand,
            self.table,
            self.corrections,
        ):
            self.body.addWidget(widget)
        self.body.addLayout(row(self.export, QLabel(), stretch=1))
        self.body.addWidget(self.taken_out)
        self.body.addStretch(1)

    def _connect(self) -> None:
        session = self.session
        for signal in (session.current_changed, session.images_changed, self._layers.shown, self._layers.gone):
            signal.connect(self._soon)
        session.entry_changed.connect(self._entry_changed)
        self._layers.changed.connect(self._content_changed)
        session.viewer.layers.events.inserted.connect(self._soon)
        session.viewer.layers.events.removed.connect(self._soon)
        session.current_changed.connect(self.look.leave)
        session.closing.connect(self._close_down)
        self.result.activated.connect(self._subject_chosen)
        self.compare.activated.connect(self._comparison_chosen)
        self.modes.chosen.connect(self._show)
        self.hand.went.connect(lambda number, follow: self.go_to(number, follow=follow))
        self.hand.changed.connect(self._content_changed)
        self.table.picked.connect(lambda number: self.go_to(number, follow=True))
        self.export.serve(self._snapshot, self._view, self._colours)
        self.export.written.connect(lambda what: self.taken_out.say("ok", f"Written: {what}"))
        self.export.failed.connect(self.taken_out.say_error)
        for message in (self.taken_out, self.corrections.message):
            message.said.connect(self._reveal_message)
        self.corrections.opened.connect(self._reveal_message)
        self.older.listed.connect(self._soon)
        self.corrections.continue_asked.connect(self._train_on)
        self.canvas = CanvasPick(session.viewer, self._picked_on_canvas)

    def showEvent(self, event: Any) -> None:
        """Qt's hook: what happened while the dock was behind others is taken up."""
        super().showEvent(event)
        self._content_changed()

    def _entry_changed(self, entry: ImageEntry, what: str) -> None:
        if what in ("points", "regions", "labels", "understanding"):
            self._content_changed()

    def _reveal_message(self, widget: QWidget) -> None:
        """What was asked for is brought into sight; what comes by itself (`show_subject`) stays where it is."""
        if self.isVisible() and not self._refreshing:
            self.reveal(widget)

    _refreshing = False

    def _content_changed(self, *_: Any) -> None:
        self._version += 1
        self._soon()

    def _soon(self, *_: Any) -> None:
        if self.isVisible() and not self._later.isActive():
            self._later.start()

    def _close_down(self) -> None:
        self._later.stop()
        self._background.close()
        self.canvas.close()
        events = self.session.viewer.layers.events
        events.inserted.disconnect(self._soon)
        events.removed.disconnect(self._soon)

    # ---- what there is

    @property
    def subject(self) -> Subject | None:
        """The result that is looked at."""
        key = self.result.currentData()
        return next((one for one in self._subjects if one.key == key), None)

    def refresh(self) -> None:
        """List results and what they can be compared with; keep what was chosen."""
        entry = self.session.current
        before = [one.key for one in self._subjects]
        self._subjects = subjects(self.session, entry)
        newest = self._subjects[0].key if self._subjects and self._subjects[0].key not in before else None
        fill_combo(self.result, [(one.name, one.key) for one in self._subjects], newest or self.result.currentData())
        self._list_choices()
        some = bool(self._subjects)
        for widget in (self.modes, self.summary, self.hand, self.table, self.corrections, self.export):
            widget.setVisible(some)
        self._refreshing = True
        self.corrections.show_subject(entry, self.subject)
        self._refreshing = False
        if some:
            self.empty.clear()
        else:
            self._say_empty()
        self._compute()

    def _say_empty(self) -> None:
        if self.session.current is None:
            what, do = "No image is chosen.", "Open one in Images."
        elif self.older.number:
            what, do = "No result is in the viewer.", "Show an earlier one, or find nuclei anew in Predict."
        else:
            what, do = "Nothing to review yet.", "Find nuclei in Predict, or add a Labels layer of the image's size."
        self.empty.say("info", what, do, Open_Predict=lambda: open_dock(self.session, "predict"))

    def _list_choices(self) -> None:
        entry = self.session.current
        self._choices = choices(self.session, entry, self.subject)
        wanted = self.compare.currentData()
        come = {one.key for one in self._choices} - {self.compare.itemData(k) for k in range(self.compare.count())}
        first = not wanted and self.compare.count() <= 1 and len(self._choices) > 1
        # Something to compare with has come: say how good it is without being asked. Outlines tell more than clicks.
        if first or (wanted == "clicks" and not self._compare_chosen and "outlines" in come):
            wanted = self._choices[1].key
        fill_combo(self.compare, [(one.name, one.key) for one in self._choices], wanted)

    _compare_chosen = False

    def _comparison_chosen(self, *_: Any) -> None:
        self._compare_chosen = True
        self._compute()

    def _subject_chosen(self, *_: Any) -> None:
        self._layers.autosave.start()
        if self.subject is not None and self.subject.shown is not None:
            self._layers.show_only(self.subject.shown)
        self._list_choices()
        self.corrections.show_subject(self.session.current, self.subject)
        self._compute()

    def _compute(self, *_: Any) -> None:
        """Measure and score in the background, unless nothing has changed since the last time."""
        entry, subject = self.session.current, self.subject
        self.hand.serve(entry, subject)
        signature = (entry, subject, self.compare.currentData(), self._version)
        if signature == self._computed:
            return
        self._computed = signature
        if entry is None or subject is None:
            self._background.forget("assess")
            self._take(None, "")
            return
        if subject.layer.multiscale:
            self._take(None, "")
            self.summary.setText("This result is too large to be measured here; export it instead.")
            return
        snapshot = snapshot_of(subject, entry)
        make = next((one.make for one in self._choices if one.key == self.compare.currentData()), None)
        # Taken now where it reads layers; a file is read in the thread.
        reference = make() if make is not None and self.compare.currentData() not in ("outlines", "clicks") else make
        truth = self.compare.currentData() in ("outlines", "clicks")
        on = measured_on(subject, entry) if truth else f"On {entry.name}: two results compared, neither is the truth."
        self._background.run(
            "assess",
            assess_against,
            snapshot,
            reference,
            done=lambda found: self._take(found, on),
            failed=self._failed,
        )

    def _take(self, found: Assessment | None, on: str) -> None:
        self.found = found
        self.message.clear()
        if found is not None and found.problem is not None:
            self.message.say_error(found.problem)
        table = found.table if found is not None else {"id": np.zeros(0, int)}
        errors = found.error_of if found is not None else {}
        self.table.set_columns(with_errors(table, errors))
        self.hand.set_table(table, errors, compared=found is not None and bool(found.sentence))
        self.quality.show_assessment(found, on + (f" ({found.note})" if found is not None and found.note else ""))
        entry, subject = self.session.current, self.subject
        self.summary.setText(summary_of(subject, entry, table) if subject is not None and entry is not None else "")
        if subject is not None:
            give_features(subject, table)
        nothing = found is None or found.errors is None
        self.modes.allow("errors", "Choose something to compare with." if nothing else "")
        known = subject is not None and subject.shown is not None
        self.modes.allow("uncertain", "" if known else "Only known for results of Predict.")
        self._show(self.modes.mode)

    def _failed(self, error: BaseException) -> None:
        self._take(None, "")
        self.message.say_error(error)

    # ---- looking

    def _show(self, mode: str) -> None:
        self.look.show(self.session.current, self.subject, mode, self.found)
        self.legend.show_errors(self.found if mode == "errors" else None)
        self.uncertain_legend.setVisible(mode == "uncertain" and self.subject is not None)

    def go_to(self, number: int, *, follow: bool) -> None:
        """Choose a nucleus: its row, its ring; with `follow` the camera goes there.

        Parameters
        ----------
        number : int
            Id of the nucleus.
        """
        if self.look.go_to(self.session.current, self.subject, number, follow=follow):
            self.table.choose(number)
            self.hand.stand_on(number)

    def _picked_on_canvas(self, position: Any) -> None:
        """A click on a nucleus shows its row; nothing else changes."""
        number = self.look.nucleus_at(self.subject, position, self.canvas.ray) if self.isVisible() else 0
        if number:
            self.go_to(number, follow=False)

    def _train_on(self, folder: Path | None) -> None:
        """Open Train, ready to go on from the model that made the result."""
        dock: Any = open_dock(self.session, "train")
        if dock is not None:
            dock.hold_off()
        if folder is not None and dock is not None:
            dock.continue_from(folder)

    # ---- taking out

    def _snapshot(self) -> Snapshot | None:
        entry, subject = self.session.current, self.subject
        if entry is None or subject is None:
            return None
        return replace(snapshot_of(subject, entry), checked=self.hand.checked)

    def _colours(self) -> dict[str, Any]:
        entry = self.session.current
        plane = plane_for(self.session, entry, 2) if entry is not None else None
        return {**figure_colours(self.session, entry, self.subject, self.modes.mode, self.found), "plane": plane}

    def _view(self) -> Any:
        entry = self.session.current
        box = view_box(self.session, entry) if entry is not None else None
        return box[-2:] if box else None
