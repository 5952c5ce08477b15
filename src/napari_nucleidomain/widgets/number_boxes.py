"""Number boxes that do not change when the wheel passes over them, and that can show 0.0001."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox, QSpinBox

_FAR = 2**31 - 1


class IntBox(QSpinBox):
    """Whole number within `ge`, `gt`, `le`, `lt`."""

    def __init__(self, limits: dict[str, float] | None = None, unit: str = "") -> None:
        super().__init__()
        limits = limits or {}
        low = limits.get("ge", limits["gt"] + 1 if "gt" in limits else -_FAR)
        high = limits.get("le", limits["lt"] - 1 if "lt" in limits else _FAR)
        self.setRange(int(max(low, -_FAR)), int(min(high, _FAR)))
        self.setSuffix(f" {unit}" if unit else "")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(70)

    def wheelEvent(self, event: Any) -> None:
        """Scroll the dock, not the number, unless the box has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class FloatBox(QDoubleSpinBox):
    """Number within `ge`, `gt`, `le`, `lt`, shown as short as it goes ("0.2", "1e-05")."""

    def __init__(self, limits: dict[str, float] | None = None, unit: str = "") -> None:
        super().__init__()
        limits = limits or {}
        self.setDecimals(12)
        self.setRange(limits.get("ge", limits.get("gt", -1e12)), limits.get("le", limits.get("lt", 1e12)))
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setSuffix(f" {unit}" if unit else "")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(70)

    def textFromValue(self, value: float) -> str:
        """Up to six digits, no trailing zeros."""
        return f"{value:.6g}"

    def valueFromText(self, text: str | None) -> float:
        """The number without its unit; comma and point both divide."""
        return _number(self._bare(text or "")) or 0.0

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Accept numbers, let half-typed ones ("1e-") be finished."""
        bare = self._bare(text or "")
        if _number(bare) is not None:
            return QValidator.State.Acceptable, text or "", position
        half = all(letter in "0123456789.,-+eE " for letter in bare)
        return (QValidator.State.Intermediate if half else QValidator.State.Invalid), text or "", position

    def _bare(self, text: str) -> str:
        return text.removesuffix(self.suffix()).strip()

    def wheelEvent(self, event: Any) -> None:
        """Scroll the dock, not the number, unless the box has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
