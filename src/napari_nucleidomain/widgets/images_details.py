"""*Advanced* of the Images dock: group, kind of training image, taking off the list, where the project is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QStringListModel, Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QComboBox, QCompleter, QFormLayout, QLabel, QLineEdit, QWidget

from .combos import Combo
from .folding import Fold
from .images_groups import set_group
from .inline import WhyButton

if TYPE_CHECKING:
    from .session import Session

_DOMAINS = {"": "one of my images", "source": "with outlines, of another stain or microscope"}


class Details(Fold):
    """Folded; speaks of the current image.

    Signals
    -------
    grouped(object)
        The image's group was changed: what that changed beside it, see `images_groups.set_group`.
    """

    grouped = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__("Advanced", "images/advanced")
        self._session = session
        inner = QWidget()
        form = QFormLayout(inner)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.group = QLineEdit()
        self.group.setPlaceholderText("patient, slide or culture")
        self.group.setToolTip("Images of one group are never split between training and checking")
        # One patient written in two ways would be two.
        self._known = QStringListModel(self)
        completer = QCompleter(self._known, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.group.setCompleter(completer)
        self.group.editingFinished.connect(self._set_group)
        self.domain = Combo()
        for value, text in _DOMAINS.items():
            self.domain.addItem(text, value)
        self.domain.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.domain.setMinimumContentsLength(10)
        self.domain.activated.connect(self._set_domain)
        self.file = QLabel()
        self.file.setWordWrap(True)
        self.remove = WhyButton("Take this image off the list", "Its file, clicks and regions stay on disk")
        self.remove.clicked.connect(self._remove)
        self.project = WhyButton("Open the project folder", "Clicks, regions, trainings and models are kept there")
        self.project.clicked.connect(self._open_folder)
        form.addRow("Group", self.group)
        form.addRow("It is", self.domain)
        form.addRow("File", self.file)
        form.addRow(self.remove)
        form.addRow(self.project)
        self.add(inner)
        session.current_changed.connect(self.refresh)
        session.entry_changed.connect(self.refresh)
        session.read_only_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Show the current image's."""
        entry, locked = self._session.current, self._session.locked
        self.remove.allow(locked)
        for field in (self.group, self.domain):
            field.setEnabled(not locked)
        if entry is None:
            return
        if not self.group.hasFocus():
            self.group.setText(entry.group)
        self._known.setStringList(sorted({one.group for one in self._session.images if one.group}))
        self.domain.setCurrentIndex(max(0, self.domain.findData(entry.domain)))
        # Zero-width spaces let a long path wrap.
        self.file.setText(str(entry.path or "").replace("/", "/\u200b").replace("\\", "\\\u200b"))

    def _set_group(self) -> None:
        entry = self._session.current
        group = self.group.text().strip()
        if entry is not None and entry.group != group:
            self.grouped.emit(set_group(self._session, entry, group))
            self.group.setText(entry.group)

    def _set_domain(self) -> None:
        entry = self._session.current
        if entry is not None:
            self._session.touch(entry, "use", domain=self.domain.currentData())
            self.refresh()

    def _remove(self) -> None:
        if self._session.current is not None:
            self._session.remove_entry(self._session.current)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._session.project_folder)))
