"""Where to look for nuclei: what is on screen, the regions, the whole image, ticked images, a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_nucleidomain.contracts import NucleiError

from .combos import Combo
from .inline import WhyButton
from .view import view_box
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.runs.job import ImageRef

    from .entry import ImageEntry
    from .session import Session

Where = Literal["view", "region", "image", "ticked", "folder"]
_WORDS: dict[Where, str] = {
    "view": "what I see",
    "region": "region",
    "image": "whole image",
    "ticked": "ticked images",
    "folder": "folder",
}


@dataclass
class Target:
    """What a prediction is to look at."""

    images: list[ImageRef] = field(default_factory=list)
    box: list[list[int]] | None = None
    plane: int | None = None
    regions: list[Any] = field(default_factory=list)
    out: Path | None = None
    format: str = "tif"


class WherePicker(QWidget):
    """Radio buttons for where, and what belongs to each.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folder: Path | None = None
        self._group = QButtonGroup(self)
        self.buttons: dict[Where, QRadioButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("<b>Where</b>"))
        for where, words in _WORDS.items():
            button = QRadioButton(words)
            self.buttons[where] = button
            self._group.addButton(button)
        self.buttons["view"].setChecked(True)
        places = QWidget()
        flow = QFlowLayout(places)
        flow.setContentsMargins(0, 0, 0, 0)
        for button in self.buttons.values():
            flow.addWidget(button)
        layout.addWidget(places)
        self.deep = QLabel()
        self.deep.setWordWrap(True)
        layout.addWidget(self.deep)
        self.list = QListWidget()
        self.list.setMaximumHeight(120)
        self.list.itemChanged.connect(self.changed)
        self.choose = WhyButton("Choose folder …", "Every image in it is segmented; your files are not changed.")
        self.choose.clicked.connect(self._ask_folder)
        self.folder_words = QLabel()
        self.folder_words.setWordWrap(True)
        self.format = Combo()
        for name, words in (
            ("tif", "labels as TIFF"),
            ("ome-tif", "labels as OME-TIFF"),
            ("zarr", "labels as OME-Zarr"),
            ("png", "labels as 16-bit PNG"),
            ("geojson", "outlines as GeoJSON (QuPath)"),
            ("roi-zip", "outlines as ROI zip (Fiji)"),
        ):
            self.format.addItem(words, name)
        for widget in (self.list, self.choose, self.folder_words, self.format):
            layout.addWidget(widget)
        for button in self.buttons.values():
            button.toggled.connect(self._toggled)
        session.images_changed.connect(self.refresh)
        session.current_changed.connect(self.refresh)
        session.entry_changed.connect(self.refresh)
        self.refresh()

    @property
    def where(self) -> Where:
        """What is chosen."""
        return next((where for where, button in self.buttons.items() if button.isChecked()), "view")

    def refresh(self, *_: Any) -> None:
        """Show what fits the choice, and keep the list of images true."""
        where = self.where
        self.list.setVisible(where == "ticked")
        for widget in (self.choose, self.folder_words, self.format):
            widget.setVisible(where == "folder")
        entry = self._session.current
        regions = entry is not None and bool(entry.regions)
        self.buttons["region"].setToolTip("" if regions else "No region is drawn on this image; draw one in Points.")
        self._fill_list()

    def tell_depth(self, ndim: int | None) -> None:
        """Say what the choice means in a volume.

        Parameters
        ----------
        ndim : int or None
            Axes the model works on; None: as many as the image has.
        """
        image = self._session.current.image if self._session.current is not None else None
        words = ""
        if image is not None and image.ndim == 3 and self.where in ("view", "region", "image"):
            words = deep_words(self.where, int(image.spatial_shape[0]), ndim or 3, self._session.viewer.dims.ndisplay)
        self.deep.setText(words)
        self.deep.setVisible(bool(words))

    def _fill_list(self) -> None:
        ids = [entry.id for entry in self._session.images]
        have = [self.list.item(k).data(Qt.ItemDataRole.UserRole) for k in range(self.list.count())]  # type: ignore[union-attr]
        if ids == have:
            return
        unticked = {
            item.data(Qt.ItemDataRole.UserRole)
            for item in (self.list.item(k) for k in range(self.list.count()))
            if item is not None and item.checkState() == Qt.CheckState.Unchecked
        }
        self.list.blockSignals(True)
        self.list.clear()
        for entry in self._session.images:
            item = QListWidgetItem(entry.name)
            item.setData(Qt.ItemDataRole.UserRole, entry.id)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Unchecked if entry.id in unticked else Qt.CheckState.Checked)
            if entry.problem:
                item.setText(f"⚠ {entry.name}")
                item.setToolTip(entry.problem)
                item.setCheckState(Qt.CheckState.Unchecked)
            self.list.addItem(item)
        self.list.blockSignals(False)

    def ticked(self) -> list[ImageEntry]:
        """Images ticked in the list."""
        ids = {
            item.data(Qt.ItemDataRole.UserRole)
            for item in (self.list.item(k) for k in range(self.list.count()))
            if item is not None and item.checkState() == Qt.CheckState.Checked
        }
        return [entry for entry in self._session.images if entry.id in ids]

    def set_folder(self, folder: Path) -> None:
        """Choose a folder of images."""
        self._folder = folder
        number = len(images_in(folder))
        self.folder_words.setText(f"{folder.name}: {count(number, 'image')}; results go to {folder.name}/nuclei")
        self.changed.emit()

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder with images")
        if folder:
            self.set_folder(Path(folder))

    def _toggled(self, on: bool) -> None:
        if on:
            self.refresh()
            self.changed.emit()

    # ---- what it comes to

    def why_not(self) -> str:
        """Why nothing can be predicted here; empty when it can."""
        where, entry = self.where, self._session.current
        if where == "folder":
            return "" if self._folder is not None else "Choose a folder first."
        if where == "ticked":
            return "" if self.ticked() else "No image is ticked."
        if entry is None:
            return "No image is chosen; open one in Images."
        if entry.problem:
            return entry.problem
        if where == "region" and not entry.regions:
            return "No region is drawn on this image; draw one in Points."
        return ""

    def target(self, ndim: int) -> Target:
        """What a prediction is to look at.

        Parameters
        ----------
        ndim : int
            Axes the model works on.

        Raises
        ------
        NucleiError
            Nothing fits the choice.
        """
        why = self.why_not()
        if why:
            raise NucleiError(why)
        if self.where == "folder":
            assert self._folder is not None
            return self._folder_target(self._folder)
        if self.where == "ticked":
            return Target([_ref(self._session, entry) for entry in self.ticked()])
        entry = self._session.current
        assert entry is not None
        target = Target([_ref(self._session, entry)], plane=plane_for(self._session, entry, ndim))
        if self.where == "view":
            box = view_box(self._session, entry)
            if box is None:
                raise NucleiError("The image is not on screen.", "Move it into view, or choose whole image.")
            target.box = box[-ndim:]
        elif self.where == "region":
            target.regions, target.box = region_box(entry, ndim)
        return target

    def _folder_target(self, folder: Path) -> Target:
        from napari_nucleidomain.runs.job import ImageRef

        files = images_in(folder)
        if not files:
            raise NucleiError(f"There are no images in {folder.name}.", "Choose another folder.")
        refs = [ImageRef(path=str(file)) for file in files]
        return Target(refs, out=folder / "nuclei", format=str(self.format.currentData()))


def deep_words(where: Where, planes: int, ndim: int, ndisplay: int) -> str:
    """What a choice means in a volume of `planes` planes for a model of `ndim` axes."""
    if ndim == 2:
        return "This model works on flat images: only the plane on screen is segmented."
    if where == "region":
        return f"A volume: nuclei with their middle inside the region, down through all {planes} planes."
    if where == "view":
        what = "turned in 3D, the box that fits on screen" if ndisplay == 3 else f"through all {planes} planes"
        return f"A volume: what is on screen, {what}."
    return f"A volume: all {planes} planes together, in 3D."


def images_in(folder: Path) -> list[Path]:
    """Files (and OME-Zarr folders) in a folder that *Images* would open, too."""
    from napari_nucleidomain.data.plainfolder import is_beside
    from napari_nucleidomain.data.readers import looks_like_image

    try:
        return sorted(one for one in folder.iterdir() if looks_like_image(one) and not is_beside(one))
    except OSError:
        return []


def plane_for(session: Session, entry: ImageEntry, ndim: int) -> int | None:
    """The plane on screen, where a flat model looks at a volume; None elsewhere (see `_ref` for stacks and films)."""
    image = entry.image
    if image is None or image.plane_axes or len(image.spatial_shape) <= ndim:
        return None
    return shown_plane(session, entry)


def shown_plane(session: Session, entry: ImageEntry) -> int:
    """Number of the plane on screen, counted over the axes before (y, x) with the last fastest."""
    import numpy as np

    layer, image = entry.layers.get("image"), entry.image
    if layer is None or image is None or layer not in session.viewer.layers:
        return 0
    data = np.asarray(layer.world_to_data(session.viewer.dims.point))
    lengths = image.plane_shape or tuple(image.spatial_shape)[:-2]
    place = [int(np.clip(round(float(value)), 0, n - 1)) for value, n in zip(data, lengths, strict=False)]
    return int(np.ravel_multi_index(place, lengths)) if place else 0


def _ref(session: Session, entry: ImageEntry) -> ImageRef:
    from napari_nucleidomain.runs.job import ImageRef

    if entry.path is None:
        raise NucleiError(f"{entry.name} has no file yet.", "Wait until it is copied into the project, or save it.")
    understanding = dict(entry.understanding)
    if entry.image is not None and entry.image.plane_axes and entry is session.current:
        understanding["plane"] = shown_plane(session, entry)
    return ImageRef(path=str(entry.path), name=entry.id, understanding=understanding or None)


def region_box(entry: ImageEntry, ndim: int) -> tuple[list[Any], list[list[int]]]:
    """Regions, and the box round all of them."""
    import numpy as np

    from .storage import as_regions

    image = entry.image
    regions = as_regions(entry.regions, image.plane_axes if image is not None else "")
    bounds = np.array([region.bounds for region in regions])
    box = [[int(bounds[:, axis, 0].min()), int(bounds[:, axis, 1].max())] for axis in (0, 1)]
    if image is not None:
        shape = tuple(image.spatial_shape)
        box = [[max(0, a), min(side, b)] for (a, b), side in zip(box, shape[-2:], strict=True)]
        box = [[0, side] for side in shape[: ndim - 2]] + box if ndim > 2 else box
    return regions, box
