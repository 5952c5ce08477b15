"""The session's hold on its project: read-only while another viewer has it, told in every header."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleidomain.contracts import NucleiError

if TYPE_CHECKING:
    from napari_nucleidomain.runs.presence import ProjectHold, ReadOnlyProject

    from .session import Session

_LOOK_MS = 3000
# Layers a person works in: clicks, regions, and nuclei of results.
_WORKED_IN = ("clicks", "regions", "nuclei")


class Hold(QObject):
    """Takes the project for this viewer, or makes the session read-only.

    Parameters
    ----------
    session : Session
        Its `read_only_changed` is emitted here.

    Signals
    -------
    about_to_release()
        The project is given up next: what is still to be saved in it has to be now.

    Attributes
    ----------
    why : NucleiError or None
        Why nothing can be changed; None where it can.
    free_again : bool
        The viewer that had the project has closed it meanwhile, or its folder can be written to again but holds other
        than what was read from it.
    """

    about_to_release = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._folder: Path | None = None
        self._hold: ProjectHold | None = None
        self.why: NucleiError | None = None
        self.free_again = False
        self._as_read: dict[str, tuple[int, int]] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        session.viewer.layers.events.inserted.connect(self._inserted)
        session.closing.connect(self._close)

    @property
    def held(self) -> ProjectHold | None:
        """What saves ask before they write; None where the project is not ours."""
        return self._hold

    def take(self, folder: Path) -> None:
        """Have a project; the one before is given up."""
        from napari_nucleidomain.runs.presence import ProjectHold, ReadOnlyProject

        self.release()
        self._folder, self.free_again = folder, False
        before, self.why = self.why, None
        try:
            self._hold = ProjectHold(folder)
        except ReadOnlyProject as error:
            self.why = error
            self._as_read = _stamps(folder) if error.unwritable else {}
        self._timer.start()
        if before is not None or self.why is not None:
            self._tell()

    def release(self) -> None:
        """Give the project up."""
        self._timer.stop()
        if self._hold is not None:
            self.about_to_release.emit()
            self._hold.release()
            self._hold = None

    def look_if_lost(self) -> None:
        """Be read-only at once where a save found the project in other hands."""
        if self._hold is not None and self._hold.lost:
            self.look()

    @property
    def unwritable(self) -> bool:
        """Whether it is the folder that lets nothing be changed, not another viewer."""
        return bool(getattr(self.why, "unwritable", False))

    def refused(self, folder: Path, error: NucleiError) -> None:
        """Say so where a project cannot even be made because its folder cannot be written to; looked at again."""
        from napari_nucleidomain.runs.presence import not_writable

        why = not_writable(folder, error)
        if why is not None and self._hold is None:
            told = self.why is not None and self.why.message == why.message
            self._folder, self.why, self._as_read = folder, why, {}
            self._timer.start()
            if not told:
                self._tell()

    def heard(self, error: BaseException | None) -> None:
        """Take in how a save went: where it failed because nothing can be written here, that is told and stays told."""
        from napari_nucleidomain.runs.presence import why_not_writable

        if self._hold is None or self._folder is None:
            return
        if error is None:
            self._be(None)
        elif self.why is None and isinstance(getattr(error, "__cause__", None), OSError):
            # One file may be open in another program; the folder is asked itself.
            self._be(why_not_writable(self._folder))

    def _be(self, why: NucleiError | None) -> None:
        same = why is not None and self.why is not None and why.message == self.why.message
        if not same and (why is not None or self.unwritable):
            self.why = why
            self._tell()

    def look(self) -> None:
        """See whether the project was lost to another computer, is free again, or can be written to again."""
        from napari_nucleidomain.runs.presence import in_other_hands

        if self._folder is None:
            return
        if self._hold is not None and self._hold.lost:
            other = in_other_hands(self._folder)
            self.why = other or NucleiError("Another viewer had this project meanwhile.", "Open it again.")
            self._hold.release()
            self._hold = None
            self._tell()
        elif self.unwritable:
            self._look_at_folder()
        elif self.why is not None and self._hold is None:
            free = in_other_hands(self._folder) is None
            if free != self.free_again:
                self.free_again = free
                self._tell()

    def _look_at_folder(self) -> None:
        """Go on where the folder can be written to again."""
        from napari_nucleidomain.runs.presence import ProjectHold, ReadOnlyProject, why_not_writable

        assert self._folder is not None
        if self._hold is not None:
            self._be(why_not_writable(self._folder))
            return
        if not self._session.has_project:
            self._session.try_project()
            return
        try:
            hold = ProjectHold(self._folder)
        except ReadOnlyProject as error:
            self._stays(error)
            return
        if _stamps(self._folder) == self._as_read:
            self._hold, self.free_again = hold, False
            self._be(None)
            return
        # Somebody who may write has changed it: what is shown here must not be written over that.
        hold.release()
        if not self.free_again:
            self.free_again = True
            self._tell()

    def _stays(self, error: ReadOnlyProject) -> None:
        assert self.why is not None
        if self.free_again or error.message != self.why.message:
            self.why, self.free_again = error, False
            self._tell()

    def _tell(self) -> None:
        for entry in self._session.images:
            for role, layer in entry.layers.items():
                if role.split(":")[0] in _WORKED_IN:
                    layer.editable = self.why is None
        self._session.read_only_changed.emit()

    def _inserted(self, event: Any) -> None:
        if self.why is None:
            return
        layer = event.value
        # The layer belongs to its image only once whoever put it in has returned.
        QTimer.singleShot(0, lambda: self._lock(layer))

    def _lock(self, layer: Any) -> None:
        if self.why is None or self._session.closed:
            return
        entry = self._session.entry_of(layer)
        if entry is not None and not any(
            one is layer for role, one in entry.layers.items() if role.startswith("image")
        ):
            layer.editable = False

    def _close(self) -> None:
        self._session.viewer.layers.events.inserted.disconnect(self._inserted)
        self._timer.stop()


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file of a project's data was changed last, and its size."""
    found: dict[str, tuple[int, int]] = {}
    for file in (folder / "data").rglob("*"):
        try:
            state = file.stat()
        except OSError:
            # Gone, or not to be looked at: the other files tell.
            continue
        found[str(file)] = (state.st_mtime_ns, state.st_size) if file.is_file() else (0, 0)
    return found
