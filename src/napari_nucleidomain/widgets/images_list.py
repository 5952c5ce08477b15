"""The list of images: picture, name, what it is, clicks, regions, outlines, and ✓ or ⚠."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QBrush, QIcon, QImage, QMouseEvent, QPixmap, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QStyle, QStyleOptionViewItem

from .theme import text_colour
from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

_SIDE = 48
_MOST_ROWS = 5
TICK_HELP = "The tick is for Predict > ticked images. What is trained on is chosen with Use, below the list."


class ImageList(QListWidget):
    """One row for each image. The tick chooses it for *Predict > ticked images*; a click makes it the current one."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._filling = False
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setUniformItemSizes(False)
        self.setWordWrap(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemClicked.connect(self._clicked)
        self.currentItemChanged.connect(lambda item, _: self._clicked(item))
        self.itemChanged.connect(self._ticked)
        session.images_changed.connect(self.fill)
        session.current_changed.connect(self._mark)
        session.entry_changed.connect(self._entry_changed)
        self.fill()

    def fill(self) -> None:
        """Show the list anew."""
        self._filling = True
        try:
            self.clear()
            for entry in self._session.images:
                item = QListWidgetItem()
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                self.addItem(item)
                self._show(item, entry)
            self._mark(self._session.current)
        finally:
            self._filling = False
        self._fit()

    def _fit(self) -> None:
        """As high as the rows, within reason: a long list scrolls."""
        rows = min(max(self.count(), 1), _MOST_ROWS)
        fits = self.count() <= _MOST_ROWS
        # A scroll bar that comes and goes would change where lines break, and with it the height.
        bar = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if fits else Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setVerticalScrollBarPolicy(bar)
        self.doItemsLayout()
        heights = [self.visualItemRect(self.item(row)).height() for row in range(rows) if self.item(row) is not None]
        height = sum(max(one, _SIDE + 4) for one in heights or [0])
        self.setFixedHeight(height + 2 * self.frameWidth() + 4)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt's hook: lines break elsewhere in a dock of another width."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self._fit()

    def _show(self, item: QListWidgetItem, entry: ImageEntry) -> None:
        item.setText("\n".join(lines(entry)))
        item.setIcon(_icon(entry.thumbnail))
        item.setCheckState(Qt.CheckState.Checked if entry.ticked and not entry.problem else Qt.CheckState.Unchecked)
        item.setToolTip(entry.problem or f"{entry.path or entry.name}\n{TICK_HELP}")
        if entry.problem:
            item.setForeground(QBrush(text_colour("warning")))

    def _entry_changed(self, entry: ImageEntry, _: str) -> None:
        if entry in self._session.images:
            item = self.item(self._session.images.index(entry))
            if item is not None:
                self._filling = True
                self._show(item, entry)
                self._filling = False
                self._fit()

    def _mark(self, entry: ImageEntry | None) -> None:
        before, self._filling = self._filling, True
        if entry in self._session.images:
            self.setCurrentRow(self._session.images.index(entry))
        else:
            self.setCurrentRow(-1)
        self._filling = before

    def _clicked(self, item: QListWidgetItem | None) -> None:
        if self._filling or item is None:
            return
        entry = self._session.images[self.row(item)]
        if not entry.reading:
            self._session.set_current(entry)
            # Who chooses an image wants to see it, also what was removed from the viewer.
            self._session.stage.show_again(entry)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Qt's hook: a click on the tick box changes the tick and not the image that is shown."""
        item = self._tick_at(event)
        if item is None:
            super().mousePressEvent(event)
        else:
            ticked = item.checkState() == Qt.CheckState.Checked
            item.setCheckState(Qt.CheckState.Unchecked if ticked else Qt.CheckState.Checked)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Qt's hook: the press did it all."""
        if self._tick_at(event) is None:
            super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Qt's hook: a quick second click on the tick is a click."""
        if self._tick_at(event) is None:
            super().mouseDoubleClickEvent(event)
        else:
            self.mousePressEvent(event)

    def _tick_at(self, event: QMouseEvent | None) -> QListWidgetItem | None:
        """The row on whose tick box the left mouse button is."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return None
        item = self.itemAt(event.pos())
        if item is None or not item.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            return None
        return item if self.tick_box(item).contains(event.pos()) else None

    def tick_box(self, item: QListWidgetItem) -> QRect:
        """Where the tick box of a row is, a little wider than drawn."""
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        option.rect = self.visualItemRect(item)
        option.features |= (
            QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
            | QStyleOptionViewItem.ViewItemFeature.HasDecoration
            | QStyleOptionViewItem.ViewItemFeature.HasDisplay
        )
        option.decorationSize = QSize(_SIDE, _SIDE)
        option.text = item.text()
        style = self.style()
        assert style is not None
        box = style.subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, self)
        return box.adjusted(-3, -3, 3, 3)

    def _ticked(self, item: QListWidgetItem) -> None:
        if not self._filling:
            self._session.images[self.row(item)].ticked = item.checkState() == Qt.CheckState.Checked


def lines(entry: ImageEntry) -> list[str]:
    """The words of a row: name, what it is, what is known about it."""
    if entry.reading:
        return [entry.name, "reading…"]
    if entry.problem:
        return [f"⚠ {entry.name}", entry.problem]
    what = entry.image.describe() if entry.image is not None else ""
    known = []
    if len(entry.points):
        known.append(count(len(entry.points), "click"))
    if entry.regions:
        known.append(count(len(entry.regions), "region"))
    if entry.labels is not None:
        known.append("outlines")
    if entry.use == "check":
        known.append("check only")
    elif entry.use == "predict":
        known.append("predict only")
    if entry.group:
        known.append(entry.group)
    if entry.hidden:
        known.append("removed from the viewer" if "image" in entry.hidden else "a layer was removed from the viewer")
    ready = "✓ " if (len(entry.points) and entry.regions and entry.complete) or entry.labels is not None else ""
    return [entry.name, what, ready + " · ".join(known)] if known else [entry.name, what]


def _icon(picture: np.ndarray | None) -> QIcon:
    if picture is None:
        pixmap = QPixmap(_SIDE, _SIDE)
        pixmap.fill(Qt.GlobalColor.gray)
        return QIcon(pixmap)
    height, width, _ = picture.shape
    data = np.ascontiguousarray(picture)
    pixmap = QPixmap.fromImage(QImage(data.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy())
    icon = QIcon(pixmap)
    # Else Qt tints the picture of the chosen row blue, and colours are what one looks at.
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon
