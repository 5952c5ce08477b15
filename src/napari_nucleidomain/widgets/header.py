"""The line that every dock has on top: project ▾ · image 4/30 · ● training 62 %, 3 min."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError

from .inline import Inline
from .menus import menu_button, tool_button
from .session import Session

# The folder was taken away while somebody worked in it.
_IN_MEMORY = (
    "What you did last is not on disk yet: it is tried again every few seconds, until the folder can be written to."
)


class Header(QFrame):
    """Project menu, place in the list, and the training under way; its buttons take no keyboard focus."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setObjectName("nucleiHeader")
        self.project, menu = menu_button("", "The project: the folder that keeps your clicks, trainings and models")
        self.project.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.project.setFlat(True)
        menu.addAction("Open or make a project…", self.choose_project)
        menu.addAction("Show the folder's place", self._tell_place)
        self.place = QLabel()
        self.place.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.training = tool_button("", "Show the training")
        self.training.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.training.clicked.connect(lambda: self._open_train())
        self.note = Inline()
        line = QHBoxLayout()
        line.setContentsMargins(8, 2, 8, 2)
        for widget in (self.project, self.place):
            line.addWidget(widget)
        # A line of its own: beside the project's name there is no room for it in a narrow window.
        self._status = QWidget()
        status = QHBoxLayout(self._status)
        status.setContentsMargins(8, 0, 8, 2)
        status.addWidget(self.training)
        status.addStretch(1)
        self._status.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(self._status)
        layout.addWidget(self.note)
        session.images_changed.connect(self.refresh)
        session.current_changed.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        session.training_told.connect(self._tell_training)
        session.read_only_changed.connect(self._tell_read_only)
        self._tell_read_only()
        self._tell_training(session.training_line)
        self.refresh()

    def refresh(self) -> None:
        """Show the project's name and the place in the list."""
        name = self._session.project_folder.name
        self.project.setText(self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, 110) + " ▾")
        images, current = self._session.images, self._session.current
        if not images:
            self.place.setText("no images yet")
        elif current in images:
            self.place.setText(f"image {images.index(current) + 1}/{len(images)}")
        else:
            self.place.setText(f"{len(images)} images" if len(images) > 1 else "1 image")

    def _tell_read_only(self) -> None:
        """Who has the project, for as long as that is so."""
        why = self._session.read_only
        if why is None:
            if self._read_only_told:
                self.note.clear()
        elif self._session.hold.free_again:
            changed = "The project folder can be written to again; what is in it has changed meanwhile."
            self.note.say(
                "info",
                changed if self._session.hold.unwritable else "The other viewer has closed this project.",
                Work_here_now=lambda: self.open_project(self._session.project_folder),
            )
        else:
            kept = "" if self._session.hold.held is None else _IN_MEMORY
            self.note.say(
                "warning", f"Read-only: {why.message}", kept or why.hint, Open_another_project=self.choose_project
            )
        self._read_only_told = why is not None

    _read_only_told = False

    def _tell_training(self, text: str) -> None:
        self.training.setText(f"● {text}")
        self._status.setVisible(bool(text))

    def _open_train(self) -> None:
        from .dock import open_dock

        open_dock(self._session, "train")

    def choose_project(self) -> None:
        """Ask for a folder and work there."""
        start = str(self._session.project_folder.parent)
        folder = QFileDialog.getExistingDirectory(self, "A folder for the project (new or existing)", start)
        if folder:
            self.open_project(Path(folder))

    def open_project(self, folder: Path) -> None:
        """Work in another project; a fault is shown and the present one stays."""
        try:
            self._session.open_project(folder)
        except NucleiError as error:
            self.note.say_error(error)
        else:
            if self._session.read_only is None:
                self.note.clear()

    def _tell_place(self) -> None:
        self.note.say("info", str(self._session.project_folder), Close=self.note.clear)
