"""Combo boxes that fit a narrow dock and keep what was chosen, and sliders: neither changes when the wheel passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QSlider


class Combo(QComboBox):
    """Combo box over which a dock can be scrolled."""

    def __init__(self) -> None:
        super().__init__()
        # Qt's own policy gives the focus to whatever the wheel passes over.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: Any) -> None:
        """Scroll the dock, not the choice, unless the box has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Slider(QSlider):
    """Slider over which a dock can be scrolled."""

    def __init__(self, direction: Qt.Orientation) -> None:
        super().__init__(direction)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: Any) -> None:
        """Scroll the dock, not the value, unless the slider has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def narrow(combo: QComboBox, letters: int = 10) -> QComboBox:
    """Let long items be cut off instead of widening the dock."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(letters)
    return combo


def add_item(combo: QComboBox, text: str, data: str, why_not: str, tip: str) -> None:
    """Append an item; with a reason why it cannot be chosen it is shown disabled and says so."""
    combo.addItem(text, data)
    number = combo.count() - 1
    combo.setItemData(number, why_not or tip, Qt.ItemDataRole.ToolTipRole)
    items = combo.model()
    if why_not and isinstance(items, QStandardItemModel):
        items.item(number).setEnabled(False)


def fill_combo(combo: QComboBox, items: Sequence[tuple[str, str]], wanted: Any) -> None:
    """Show (text, data) items without a signal; the wanted one stays chosen where it is still there."""
    combo.blockSignals(True)
    combo.clear()
    for text, data in items:
        combo.addItem(text, data)
    combo.setCurrentIndex(max(0, combo.findData(wanted)) if items else -1)
    combo.setEnabled(bool(items))
    combo.blockSignals(False)
