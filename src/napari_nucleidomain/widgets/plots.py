"""A small curve plot, painted directly.

pyqtgraph would do it too, but its import holds the event loop for half a second in the middle of a person's clicks;
this is one widget of some curves, and opens at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from .run_story import Series
from .theme import CURVES, theme_colour

_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


_FEW = 20


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers that lie within [low, high]: at most `most` of them (at least one interval is tried)."""
    span = high - low
    if not (math.isfinite(span) and span > 0) or most < 1:
        return []
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _finite_range(values: list[float]) -> tuple[float, float] | None:
    kept = [value for value in values if math.isfinite(value)]
    return (min(kept), max(kept)) if kept else None


class CurvePlot(QWidget):
    """Curves against time.

    Parameters
    ----------
    empty : str
        What it says while there is nothing to draw.
    floor, ceiling : float, optional
        Fixed ends of the vertical axis, e.g. 0 and 1 for a score.
    """

    def __init__(
        self,
        empty: str = "",
        *,
        floor: float | None = None,
        ceiling: float | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._empty, self._floor, self._ceiling = empty, floor, ceiling
        self._curves: dict[str, Series] = {}
        self._pointer: float | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(90)

    def sizeHint(self) -> QSize:
        """Preferred size: three times as wide as high."""
        return QSize(280, 120)

    def say_empty(self, words: str) -> None:
        """What it says while there is nothing to draw."""
        if words != self._empty:
            self._empty = words
            self.update()

    def set_curves(self, curves: Mapping[str, Series]) -> None:
        """Show these curves, by name for the legend. Painted when the event loop next comes round."""
        self._curves = {name: line for name, line in curves.items() if line.values}
        self.setToolTip("" if self._curves else self._empty)
        self.setAccessibleDescription(self._spoken())
        self.update()

    def _spoken(self) -> str:
        return "; ".join(f"{name} now {line.values[-1]:.3g}" for name, line in self._curves.items())

    def mouseMoveEvent(self, event: Any) -> None:
        """Show the values under the pointer."""
        self._pointer = event.position().x()
        self.update()

    def leaveEvent(self, event: Any) -> None:
        """Show the latest values again."""
        self._pointer = None
        self.update()

    # ---- painting

    def _limits(self) -> tuple[float, float, float, float]:
        xs = [line.seconds[-1] for line in self._curves.values()]
        ranges = [_finite_range(line.values) for line in self._curves.values()]
        known = [r for r in ranges if r]
        low = self._floor if self._floor is not None else min((r[0] for r in known), default=0.0)
        high = self._ceiling if self._ceiling is not None else max((r[1] for r in known), default=1.0)
        if high - low < 1e-9:
            low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
        return 0.0, max(xs, default=1.0) or 1.0, low, high

    def paintEvent(self, event: Any) -> None:
        """Draw axes, curves and the legend in the theme's colours."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text, grid = theme_colour("text"), theme_colour("primary")
        painter.fillRect(self.rect(), theme_colour("foreground"))
        if not self._curves:
            painter.setPen(text)
            painter.drawText(self.rect().adjusted(8, 4, -8, -4), int(_CENTRE), self._empty)
            return
        metrics = QFontMetricsF(painter.font())
        x0, x1, y0, y1 = self._limits()
        legend = self._legend_height(metrics)
        area = QRectF(metrics.horizontalAdvance("0.0000"), legend + metrics.height() / 2 + 4, 0, 0)
        area.setRight(self.width() - 8)
        area.setBottom(self.height() - metrics.height() - 6)
        self._paint_axes(painter, area, (x0, x1, y0, y1), text, grid)
        self._paint_legend(painter, metrics, area, text)
        painter.setClipRect(area.adjusted(-2, -2, 2, 2))
        for number, line in enumerate(self._curves.values()):
            painter.setPen(_pen(number))
            corners = _polygon(line, area, (x0, x1, y0, y1))
            painter.drawPolyline(corners)
            if len(line.values) <= _FEW:
                # Measured so rarely that one would not see where; a single value is no line at all.
                painter.setPen(QPen(QColor(CURVES[number % len(CURVES)]), 5, cap=Qt.PenCapStyle.RoundCap))
                painter.drawPoints(corners)
        if self._pointer is not None and area.left() <= self._pointer <= area.right():
            painter.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(self._pointer, area.top()), QPointF(self._pointer, area.bottom()))

    def _paint_axes(
        self, painter: QPainter, area: QRectF, limits: tuple[float, ...], text: QColor, grid: QColor
    ) -> None:
        x0, x1, y0, y1 = limits
        metrics = QFontMetricsF(painter.font())
        for value in nice_ticks(y0, y1, max(1, int(area.height() / (2 * metrics.height())))):
            y = area.bottom() - (value - y0) / (y1 - y0) * area.height()
            painter.setPen(QPen(grid, 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            box = QRectF(0, y - metrics.height() / 2, area.left() - 4, metrics.height())
            painter.drawText(box, int(_RIGHT), f"{value:.3g}")
        unit, per = ("min", 60.0) if x1 > 120 else ("s", 1.0)
        for value in nice_ticks(x0 / per, x1 / per, max(1, int(area.width() / metrics.horizontalAdvance("000 min 0")))):
            x = area.left() + (value * per - x0) / (x1 - x0) * area.width()
            label = f"{value:g} {unit}"
            half = metrics.horizontalAdvance(label) / 2
            left = min(max(x - half, area.left() - half), area.right() - 2 * half)
            painter.drawText(QPointF(left, area.bottom() + metrics.ascent() + 2), label)

    def _legend_entries(self) -> list[str]:
        entries = []
        for name, line in self._curves.items():
            entries.append(f"{name} {self._value_at(line):.3g}")
        return entries

    def _value_at(self, line: Series) -> float:
        if self._pointer is None:
            return line.values[-1]
        left = QFontMetricsF(self.font()).horizontalAdvance("0.0000")
        share = (self._pointer - left) / max(1.0, self.width() - 8 - left)
        seconds = share * self._limits()[1]
        nearest = min(range(len(line.seconds)), key=lambda k: abs(line.seconds[k] - seconds))
        return line.values[nearest]

    def _legend_rows(self, metrics: QFontMetricsF) -> list[list[tuple[int, str]]]:
        rows: list[list[tuple[int, str]]] = [[]]
        used = 0.0
        for number, entry in enumerate(self._legend_entries()):
            width = metrics.horizontalAdvance(entry) + 34
            if rows[-1] and used + width > self.width() - 12:
                rows.append([])
                used = 0.0
            rows[-1].append((number, entry))
            used += width
        return rows

    def _legend_height(self, metrics: QFontMetricsF) -> float:
        return len(self._legend_rows(metrics)) * (metrics.height() + 1)

    def _paint_legend(self, painter: QPainter, metrics: QFontMetricsF, area: QRectF, text: QColor) -> None:
        y = 3.0
        for row in self._legend_rows(metrics):
            x = 8.0
            for number, entry in row:
                painter.setPen(_pen(number))
                painter.drawLine(QPointF(x, y + metrics.height() / 2), QPointF(x + 18, y + metrics.height() / 2))
                painter.setPen(text)
                painter.drawText(QPointF(x + 22, y + metrics.ascent()), entry)
                x += metrics.horizontalAdvance(entry) + 34
            y += metrics.height() + 1


_CENTRE = Qt.AlignmentFlag.AlignCenter.value | Qt.TextFlag.TextWordWrap.value
_RIGHT = Qt.AlignmentFlag.AlignRight.value | Qt.AlignmentFlag.AlignVCenter.value


def _pen(number: int) -> QPen:
    """Colour and dash of the n-th curve: colour is never the only sign."""
    pen = QPen(QColor(CURVES[number % len(CURVES)]), 2)
    pen.setStyle(_STYLES[number % len(_STYLES)])
    return pen


def _polygon(line: Series, area: QRectF, limits: tuple[float, ...]) -> QPolygonF:
    """The curve in widget pixels, thinned to about two points a pixel; values that are not numbers are left out."""
    x0, x1, y0, y1 = limits
    step = max(1, int(len(line.values) / max(1.0, 2 * area.width())))
    chosen = [*range(0, len(line.values) - 1, step), len(line.values) - 1]
    sx, sy = area.width() / (x1 - x0), area.height() / (y1 - y0)
    return QPolygonF(
        [
            QPointF(area.left() + (line.seconds[k] - x0) * sx, area.bottom() - (line.values[k] - y0) * sy)
            for k in chosen
            if math.isfinite(line.values[k])
        ]
    )
