"""Combo boxes that fit a narrow dock and keep what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import QComboBox


def narrow(combo: QComboBox, letters: int = 10) -> QComboBox:
    """Let long items be cut off instead of widening the dock."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(letters)
    return combo


def fill_combo(combo: QComboBox, items: Sequence[tuple[str, str]], wanted: Any) -> None:
    """Show (text, data) items without a signal; the wanted one stays chosen where it is still there."""
    combo.blockSignals(True)
    combo.clear()
    for text, data in items:
        combo.addItem(text, data)
    combo.setCurrentIndex(max(0, combo.findData(wanted)) if items else -1)
    combo.setEnabled(bool(items))
    combo.blockSignals(False)
