"""A form made from a method's configuration: one row a setting, with its unit, range and help."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucleidomain.contracts import MethodConfig

from .combos import Combo
from .number_boxes import FloatBox, IntBox


def limits_of(field: FieldInfo) -> dict[str, float]:
    """`ge`, `gt`, `le`, `lt` of a pydantic field."""
    found: dict[str, float] = {}
    for item in field.metadata:
        for name in ("ge", "gt", "le", "lt"):
            value = getattr(item, name, None)
            if value is not None:
                found[name] = value
    return found


def range_words(field: FieldInfo) -> str:
    """ "0 to 1", "at least 1", "more than 0", or nothing."""
    limits = limits_of(field)
    low = f"{limits['ge']:g}" if "ge" in limits else (f"more than {limits['gt']:g}" if "gt" in limits else "")
    high = f"{limits['le']:g}" if "le" in limits else (f"less than {limits['lt']:g}" if "lt" in limits else "")
    if low and high:
        return f"{low} to {high}"
    if low:
        return low if low.startswith("more") else f"at least {low}"
    return (high if high.startswith("less") else f"at most {high}") if high else ""


def plain_type(annotation: Any) -> tuple[Any, bool]:
    """The type without `None`, and whether None is allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return (kinds[0] if len(kinds) == 1 else str), len(kinds) < len(get_args(annotation))
    return annotation, False


class _Row(QWidget):
    """Editor of one setting."""

    edited = Signal()

    def __init__(self, name: str, field: FieldInfo) -> None:
        super().__init__()
        self.name, self.field = name, field
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        self.unit, self.source = str(extra.get("unit", "")), str(extra.get("source", ""))
        self.kind, self.optional = plain_type(field.annotation)
        self._editor = self._make_editor()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._given: QCheckBox | None = None
        if self.optional:
            self._given = QCheckBox()
            self._given.setToolTip("Ticked: use this value. Not ticked: the program decides.")
            self._given.toggled.connect(self._editor.setEnabled)
            self._given.toggled.connect(self.edited)
            self._editor.setEnabled(False)
            layout.addWidget(self._given)
        layout.addWidget(self._editor, 1)

    def help(self) -> str:
        """Tooltip: what it does, its range, and where the paper says so."""
        parts = [self.field.description or "", f"Range: {range_words(self.field)}." if range_words(self.field) else ""]
        parts += [f"Name: {self.name}", f"Paper: {self.source}" if self.source else ""]
        return "\n".join(part for part in parts if part)

    def _make_editor(self) -> QWidget:
        limits = limits_of(self.field)
        editor: Any
        if self.kind is bool:
            editor = QCheckBox()
            editor.toggled.connect(self.edited)
        elif get_origin(self.kind) is Literal:
            editor = Combo()
            for choice in get_args(self.kind):
                editor.addItem(str(choice), choice)
            editor.currentIndexChanged.connect(self.edited)
        elif self.kind is int:
            editor = IntBox(limits, self.unit)
            editor.valueChanged.connect(self.edited)
        elif self.kind is float:
            editor = FloatBox(limits, self.unit)
            editor.valueChanged.connect(self.edited)
        else:
            editor = QLineEdit()
            editor.setPlaceholderText(self.unit)
            editor.editingFinished.connect(self.edited)
        return editor

    def value(self) -> Any:
        """What the editor says, not yet checked by pydantic."""
        if self._given is not None and not self._given.isChecked():
            return None
        editor = self._editor
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        if isinstance(editor, QComboBox):
            return editor.currentData()
        if isinstance(editor, IntBox | FloatBox):
            return editor.value()
        return self._from_text(editor.text())  # type: ignore[attr-defined]

    def _from_text(self, text: str) -> Any:
        if get_origin(self.kind) in (tuple, list):
            return [part for part in text.replace(",", " ").split() if part]
        return text

    def set_value(self, value: Any) -> None:
        """Show a value."""
        if self._given is not None:
            self._given.setChecked(value is not None)
        if value is None:
            return
        editor = self._editor
        if isinstance(editor, QCheckBox):
            editor.setChecked(bool(value))
        elif isinstance(editor, QComboBox):
            editor.setCurrentIndex(max(0, editor.findData(value)))
        elif isinstance(editor, IntBox | FloatBox):
            editor.setValue(value)
        elif isinstance(value, list | tuple):
            editor.setText(" ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value))  # type: ignore[attr-defined]
        else:
            editor.setText(str(value))  # type: ignore[attr-defined]


class ConfigForm(QWidget):
    """Every setting of a `MethodConfig`, the everyday ones first; those of `without` are shown elsewhere.

    Signals
    -------
    changed()
        A setting was edited (also to a value that is refused: see `problem`).
    """

    changed = Signal()

    def __init__(
        self, config: type[MethodConfig], parent: QWidget | None = None, *, without: Sequence[str] = ()
    ) -> None:
        super().__init__(parent)
        self.config = config
        self._without = without
        self._base: dict[str, Any] = {}
        self._filter = QLineEdit()
        self._filter.setPlaceholderText("Find a setting")
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._show_matching)
        self._reset = QPushButton("Back to the preset")
        self._reset.clicked.connect(self.reset)
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setVisible(False)
        self._form = QFormLayout()
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.rows: dict[str, _Row] = {}
        self._labels: dict[str, QLabel] = {}
        self._build_rows()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._filter)
        layout.addLayout(self._form)
        layout.addWidget(self._message)
        layout.addWidget(self._reset, alignment=Qt.AlignmentFlag.AlignLeft)
        self.set_base({})

    def _build_rows(self) -> None:
        fields = {name: field for name, field in self.config.settings().items() if name not in self._without}
        everyday = [name for name, field in fields.items() if not _advanced(field)]
        for name in everyday + [name for name in fields if name not in everyday]:
            row = _Row(name, fields[name])
            label = QLabel(name.replace("_", " "))
            label.setToolTip(row.help())
            row.setToolTip(row.help())
            row.edited.connect(self._edited)
            self.rows[name], self._labels[name] = row, label
            self._form.addRow(label, row)

    def set_base(self, preset: dict[str, Any]) -> None:
        """Show a preset's values; what the user changes from now on is `changes()`."""
        self._base = self.config.build(preset).model_dump()
        self.reset()

    def reset(self) -> None:
        """Undo every change to the preset."""
        for name, row in self.rows.items():
            row.blockSignals(True)
            row.set_value(self._base[name])
            row.blockSignals(False)
        self._edited()

    def set_changes(self, changes: dict[str, Any]) -> None:
        """Show these values over the preset's; names that are not settings are passed over."""
        for name, value in changes.items():
            if name in self.rows:
                self.rows[name].set_value(value)

    def _checked(self) -> MethodConfig | ValidationError:
        try:
            shown = {name: row.value() for name, row in self.rows.items()}
            return self.config.model_validate({**{name: self._base[name] for name in self._without}, **shown})
        except ValidationError as error:
            return error

    def problem(self) -> str:
        """What is wrong with the values, in one sentence; empty when nothing is."""
        checked = self._checked()
        if isinstance(checked, MethodConfig):
            return ""
        first = checked.errors()[0]
        name = str(first["loc"][0]).replace("_", " ") if first["loc"] else "the settings together"
        return f"{name}: {first['msg']}."

    def changes(self) -> dict[str, Any]:
        """Settings that differ from the preset, JSON-able; empty when the values are refused."""
        checked = self._checked()
        if not isinstance(checked, MethodConfig):
            return {}
        values = checked.model_dump()
        kept = {name: value for name, value in values.items() if value != self._base[name]}
        return checked.model_dump(mode="json", include=set(kept))

    def _edited(self) -> None:
        problem = self.problem()
        self._message.setText(f"✗ {problem}" if problem else "")
        self._message.setVisible(bool(problem))
        changed = self.changes()
        for name, label in self._labels.items():
            text = name.replace("_", " ")
            label.setText(f"<b>{text} *</b>" if name in changed else text)
        self._reset.setEnabled(bool(changed or problem))
        self._reset.setToolTip("" if changed or problem else "Nothing was changed.")
        self.changed.emit()

    def _show_matching(self, text: str) -> None:
        wanted = text.lower().replace(" ", "_")
        for name, row in self.rows.items():
            self._form.setRowVisible(row, wanted in name.lower() or wanted.replace("_", " ") in row.help().lower())


def _advanced(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return bool(extra.get("advanced", True)) if isinstance(extra, dict) else True
