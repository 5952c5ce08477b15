"""The export menu of Review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QPushButton, QWidget

from .export import SAVE_FILTERS, Snapshot, measure_result, save_for_slide, save_labels
from .newest import Newest
from .out_folder import out_folder
from .result_layers import result_layers
from .review_figure import FigureStyle, write_figure
from .review_images import write_all_images

if TYPE_CHECKING:
    from .session import Session


class ExportButton(QPushButton):
    """[Export] with everything that can be taken out of the program.

    Signals
    -------
    written(str), failed(object)
    """

    written = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Export ▾", parent)
        # Qt's own arrow lies over the last letter.
        self.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; }")
        self._session = session
        self._background = Newest(self)
        self._take: Callable[[], Snapshot | None] = lambda: None
        self._view: Callable[[], Any] = lambda: None
        self._colours: Callable[[], dict[str, Any]] = dict
        menu = QMenu(self)
        menu.addAction("Measurements (CSV) …", lambda: self._ask("measurements", "-nuclei.csv", "CSV (*.csv)"))
        menu.addAction("Outlines: TIFF, PNG, OME-Zarr …", lambda: self._ask("labels", "-nuclei.tif", SAVE_FILTERS))
        self._geojson = menu.addAction(
            "QuPath GeoJSON …", lambda: self._ask("labels", "-nuclei.geojson", "GeoJSON (*.geojson)")
        )
        self._for_slide = menu.addAction(
            "QuPath GeoJSON for the original slide …",
            lambda: self._ask("slide", "-nuclei-slide.geojson", "GeoJSON (*.geojson)"),
        )
        menu.aboutToShow.connect(self._show_what_fits)
        menu.addAction("Fiji ROI zip …", lambda: self._ask("labels", "-nuclei.zip", "ROI zip (*.zip)"))
        menu.addAction(
            "Figure: this view with outlines …", lambda: self._ask("figure", "-figure.png", "PNG (*.png);;TIFF (*.tif)")
        )
        menu.addSeparator()
        menu.addAction("All images: one row each, one row per nucleus (CSV) …", self._ask_folder)
        menu.addAction("Copy the methods paragraph", self.copy_methods)
        self.setMenu(menu)
        session.closing.connect(self._background.close)

    def serve(
        self,
        take: Callable[[], Snapshot | None],
        view: Callable[[], Any],
        colours: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """Say where the present result, what is on screen and its colours (of `FigureStyle`) come from."""
        self._take, self._view, self._colours = take, view, colours

    def _show_what_fits(self) -> None:
        """Outlines are moved for the original slide only where the image tells how far."""
        from napari_nucleidomain.data.slide_bounds import qupath_origin

        entry = self._session.current
        known = entry is not None and entry.image is not None and qupath_origin(entry.image) is not None
        self._for_slide.setVisible(known)
        result = self._take()
        deep = result is not None and len(result.labels.shape) == 3
        self._geojson.setEnabled(not deep)
        self._geojson.setText("QuPath GeoJSON: not for volumes" if deep else "QuPath GeoJSON …")

    def _ask(self, what: str, ending: str, kinds: str) -> None:
        result = self._take()
        if result is None:
            return
        entry = self._session.current
        base = out_folder(self._session, entry)
        stem = entry.id if entry is not None else "image"
        file, _ = QFileDialog.getSaveFileName(self, "Export", str(base / f"{stem}{ending}"), kinds)
        if file:
            self.write(what, Path(file), result)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder for nuclei.csv and images.csv")
        if folder:
            self.write_all(Path(folder))

    def write(self, what: str, file: Path, result: Snapshot) -> None:
        """Write "measurements", "labels", "slide" (outlines for the original slide) or "figure" in the background."""
        if what == "measurements":
            job: tuple[Any, ...] = (write_measurements, result, file)
        elif what == "slide":
            job = (save_for_slide, result, file)
        elif what == "figure":
            job = (write_figure, result, file, FigureStyle(box=self._view(), **self._colours()))
        else:
            job = (save_labels, result, file)
        self._background.run(what, *job, done=lambda path: self.written.emit(str(path)), failed=self.failed.emit)

    def write_all(self, folder: Path) -> None:
        """Write `nuclei.csv` and `images.csv` of the latest result of every image."""
        # Results are read from the disk: what was painted has to be there.
        result_layers(self._session).autosave.flush()
        entries = [(entry.name, entry.path, entry.image) for entry in self._session.images]
        self._background.run(
            "all",
            write_all_images,
            self._session.project,
            entries,
            folder,
            done=lambda words: self.written.emit(words),
            failed=self.failed.emit,
        )

    def copy_methods(self) -> None:
        """Put a paragraph for the methods section on the clipboard."""
        result, clipboard = self._take(), QApplication.clipboard()
        if result is not None and clipboard is not None:
            clipboard.setText(methods_paragraph(result) + by_eye(result.checked))
            self.written.emit("the methods paragraph, to the clipboard")


def write_measurements(result: Snapshot, file: Path) -> Path:
    """One row per nucleus: `nuclei.csv`. The first column names the image."""
    from napari_nucleidomain.data.tables import write_table

    table = measure_result(result)
    names = np.full(len(table["id"]), result.name)
    return write_table({"image": names, **table}, file)


def by_eye(checked: str) -> str:
    """What a check by eye said, as a sentence to go on with; "" where there was none."""
    return f" A random sample judged by eye: {checked}" if checked else ""


def methods_paragraph(result: Snapshot) -> str:
    """What was done, for the paper; says only what is known."""
    from importlib.metadata import version

    from napari_nucleidomain.contracts import NucleiError, load_card

    program = f"napari-nucleidomain {version('napari-nucleidomain')} in napari {version('napari')}"
    if result.model in ("", "otsu"):
        how = "Otsu's threshold followed by a watershed on the distance transform, without training"
        if result.threshold_shift:
            how += f"; the threshold was moved by {result.threshold_shift:+.2f} on a scale from -1, "
            how += "near the mean of the background, to 1, near that of the nuclei"
        return f"Nuclei were segmented with {program} by {how}."
    if not result.model_folder:
        return f"Nuclei were outlined as {result.model} and measured with {program}."
    try:
        card = load_card(result.model_folder)
    except NucleiError:
        return f"Nuclei were segmented with {program} by the model {result.model}."
    facts = card.learned_from(names=False)
    scores = "; ".join(f"{score.name} {score.value:.2f} on {score.on}" for score in card.scores)
    text = f"Nuclei were segmented with {program} by the model {card.name} (method {card.method}"
    text += f", settings {card.preset}" if card.preset else ""
    text += f", which learned from {facts}" if facts else ""
    text += ")."
    return text + (f" Quality: {scores}." if scores else "")
