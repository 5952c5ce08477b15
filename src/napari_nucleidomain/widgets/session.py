"""What the five docks of one viewer share: project, images, model, the run being followed."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_nucleidomain.contracts import NucleiError

from . import listing
from .autosave import Autosave
from .entry import ImageEntry
from .points_layers import Annotations
from .points_region import grown
from .project_hold import Hold
from .software_gl import keep_programs
from .stage import Stage
from .window_watch import WindowWatch

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.store import Project

_sessions: weakref.WeakKeyDictionary[Any, Session] = weakref.WeakKeyDictionary()


def plain(viewer: Any) -> Any:
    """The viewer or layer behind napari's proxy, so that the same one is always the same object."""
    return getattr(viewer, "__wrapped__", viewer)


def get_session(viewer: Any, project: Path | str | None = None) -> Session:
    """The session of a viewer, made when first asked for.

    Parameters
    ----------
    viewer : napari.Viewer
        May be the proxy that napari hands to widgets.
    project : path, optional
        Project folder for a session not made yet; the user's last or default one when absent.
    """
    viewer = plain(viewer)
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = Session(viewer, project)
    return session


class Session(QObject):
    """State shared by the docks of one viewer. It lives as long as the viewer.

    Signals
    -------
    images_changed()
        An image was added, removed or reordered.
    current_changed(object)
        Another `ImageEntry` (or None) is the current one.
    entry_changed(object, str)
        Something about an entry: "points", "regions", "labels", "understanding", "problem", "use", "layers".
    saved(float), save_failed(object)
        Time of the last autosave (seconds since 1970); a `NucleiError`.
    model_changed(object), run_changed(object), project_changed(object)
        `model` ("otsu" or a model's folder), `run` (RunFolder or None), `project`.
    asked_for(str)
        A dock should come to the front: "images", "points", "train", "predict", "review".
    training_told(str)
        `training_line` for the headers: "training 62 %, 3 min", "" when there is none.
    read_only_changed()
        `read_only` says why nothing can be changed, or that it can again.
    said_changed()
        Something in `training` was said anew.
    speed_measured()
        A speed test of this computer has ended; forecasts may say more.
    about_to_close()
        The window was asked to close; save now. The person may still say no.
    closing()
        The viewer goes away; stop timers and threads.

    Attributes
    ----------
    images, removed : list of ImageEntry
        The list, and what was taken off it.
    training : dict
        What was said of trainings and is kept with the project: `diameter_px` (how large nuclei are) and `minutes` (the
        time limit), and of the classical method `threshold_shift` (fainter or brighter, -1 to 1); None or absent where
        nothing was said.
    annotations : Annotations
        The clicks and regions layers, their tools, undo and redo.
    stage : Stage
        Which layers are in the viewer.
    """

    images_changed = Signal()
    current_changed = Signal(object)
    entry_changed = Signal(object, str)
    saved = Signal(float)
    save_failed = Signal(object)
    model_changed = Signal(object)
    run_changed = Signal(object)
    project_changed = Signal(object)
    asked_for = Signal(str)
    training_told = Signal(str)
    read_only_changed = Signal()
    said_changed = Signal()
    speed_measured = Signal()
    about_to_close = Signal()
    closing = Signal()

    def __init__(self, viewer: napari.Viewer, project: Path | str | None = None) -> None:
        super().__init__()
        keep_programs()
        # Weak, because the dictionary of sessions is keyed by the viewer and would else keep it alive.
        self._viewer = weakref.ref(viewer)
        self._project_folder = Path(project) if project is not None else None
        self._project: Project | None = None
        self.images: list[ImageEntry] = []
        self.removed: list[ImageEntry] = []
        self.training: dict[str, Any] = {}
        self._restored = False
        self._current: ImageEntry | None = None
        self._model: str = "otsu"
        self._run: RunFolder | None = None
        self.training_line = ""
        self.closed = False
        self.autosave = Autosave(self)
        self.autosave.saved.connect(self.saved)
        self.autosave.failed.connect(self.save_failed)
        self._watch = WindowWatch(self)
        self.hold = Hold(self)
        self.annotations = Annotations(self)
        self.stage = Stage(self)

    @property
    def viewer(self) -> napari.Viewer:
        """The viewer. Raises RuntimeError once it is gone."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer is closed")
        return viewer

    # Project ---------------------------------------------------------------------------------------------------

    @property
    def project(self) -> Project:
        """The project; the user's default one is opened (and made) when first needed.

        Raises
        ------
        NucleiError
            The folder cannot be made or written.
        """
        if self._project is None:
            from napari_nucleidomain.runs.store import Project

            try:
                self._project = Project.open(self.project_folder)
            except NucleiError as error:
                self.hold.refused(self.project_folder, error)
                raise (self.hold.why or error) from error
            self.hold.take(self._project.path)
        return self._project

    @property
    def has_project(self) -> bool:
        """Whether the project is open."""
        return self._project is not None

    def try_project(self) -> None:
        """Open the project that could not be made before; where it still cannot, that stays told."""
        try:
            project = self.project
        except NucleiError:
            # `hold.refused` has told it.
            return
        self.project_changed.emit(project)

    @property
    def read_only(self) -> NucleiError | None:
        """Why nothing in the project can be changed: another viewer has it, or its folder; None where it can."""
        return self.hold.why

    @property
    def locked(self) -> str:
        """`read_only` for the tooltip of a tool that changes something; "" where everything may be changed."""
        return self.read_only.message if self.read_only is not None else ""

    def refuse_if_read_only(self) -> None:
        """Keep a change out of a project that can only be looked at.

        Raises
        ------
        NucleiError
            Why.
        """
        if self._project is None:
            _ = self.project
        if self.read_only is not None:
            raise self.read_only

    @property
    def project_folder(self) -> Path:
        """Where the project is or will be; asking makes nothing."""
        if self._project is not None:
            return Path(self._project.path)
        from napari_nucleidomain.runs.store import default_project_folder

        from .preferences import project_folder

        return self._project_folder or project_folder() or default_project_folder()

    def open_project(self, folder: Path | str) -> None:
        """Save, then work in another project, with the images it holds."""
        from napari_nucleidomain.runs.store import Project

        self.flush()
        project = Project.open(folder)
        self.set_current(None)
        self.images.clear()
        self.removed, self.training, self._restored = [], {}, False
        self._project, self._project_folder = project, Path(folder)
        self.hold.take(project.path)
        # A training of the project before goes on by itself; here it is followed no more.
        self.run = None
        self.tell_training("")
        self.images_changed.emit()
        try:
            self.restore()
        finally:
            self.project_changed.emit(project)

    def restore(self) -> None:
        """List the images the project already holds, with their clicks, regions and outlines; once a project.

        Raises
        ------
        NucleiError
            The list is damaged (it was kept under another name), or of a later version.
        """
        if not self._restored:
            self._restored = True
            listing.restore(self)

    # Images ----------------------------------------------------------------------------------------------------

    def add_entry(self, name: str, **known: Any) -> ImageEntry:
        """Put an image into the list (see `ImageEntry` for what may be known) and save the list.

        An image that was taken off the list comes back with its clicks and regions.

        Raises
        ------
        NucleiError
            The project cannot be opened, or only be looked at.
        """
        self.restore()
        self.refuse_if_read_only()
        return listing.add(self, name, known)

    def remove_entry(self, entry: ImageEntry) -> None:
        """Take an image off the list. Its file and its clicks on disk stay, and come back when it is opened again."""
        if self.read_only is not None:
            self.save_failed.emit(self.read_only)
        elif entry in self.images:
            listing.remove(self, entry)

    def entry_of(self, layer: Any) -> ImageEntry | None:
        """The image a layer belongs to, whether it shows its pixels, clicks, regions or nuclei."""
        layer = plain(layer)
        return next((one for one in self.images if any(plain(item) is layer for item in one.layers.values())), None)

    @property
    def current(self) -> ImageEntry | None:
        """The image the docks speak of."""
        return self._current

    def set_current(self, entry: ImageEntry | None) -> None:
        """Make an image the current one; docks and layers follow by the signal."""
        if entry is self._current:
            return
        self._current = entry
        self.current_changed.emit(entry)

    def step(self, by: int) -> None:
        """Go `by` images on in the list (-1: back), over those that cannot be read."""
        usable = [one for one in self.images if not one.problem]
        if not usable:
            return
        at = usable.index(self._current) if self._current in usable else -by
        self.set_current(usable[min(max(at + by, 0), len(usable) - 1)])

    # What a person did -----------------------------------------------------------------------------------------

    def set_points(self, entry: ImageEntry, points: np.ndarray) -> bool:
        """Take over the clicks of an image; on disk within seconds. False where nothing may be changed."""
        return self.touch(entry, "points", points=np.array(points, dtype=np.float64, copy=True))

    def set_regions(self, entry: ImageEntry, regions: Sequence[np.ndarray]) -> bool:
        """Take over the regions of an image; on disk within seconds. False where nothing may be changed.

        That every nucleus in them is clicked was said of the old ones: where they grow it is taken back.
        """
        complete = entry.complete and 0 < len(regions) <= len(entry.regions) and not grown(entry.regions, regions)
        corners = [np.array(one, dtype=np.float64, copy=True) for one in regions]
        return self.touch(entry, "regions", regions=corners, complete=complete)

    def touch(self, entry: ImageEntry, what: str, **said: Any) -> bool:
        """Change what a person said of an image, tell the docks and save it.

        Parameters
        ----------
        what : str
            As in `entry_changed`.
        **said
            Fields of the entry.

        Returns
        -------
        bool
            False where the project can only be looked at: nothing was changed, and `save_failed` told why.
        """
        if self.read_only is not None:
            self.save_failed.emit(self.read_only)
            return False
        for name, value in said.items():
            setattr(entry, name, value)
        self.opened(entry, what)
        return True

    def opened(self, entry: ImageEntry, what: str) -> None:
        """Tell the docks what was found out about an image, not said by a person; saved where that may be."""
        self.entry_changed.emit(entry, what)
        self.autosave.changed(entry)

    def say_training(self, **said: Any) -> None:
        """Take over what a person said of trainings (`training`); on disk within seconds, where that may be."""
        if any(self.training.get(name) != value for name, value in said.items()):
            self.training.update(said)
            self.said_changed.emit()
            self.autosave.changed(None)

    def flush(self) -> None:
        """Save at once what is not on disk yet. Failures come through `save_failed`."""
        self.autosave.flush()

    def training_data(self, needs: str = "points") -> Path:
        """Save at once and give the dataset file for a training.

        Parameters
        ----------
        needs : str
            As `MethodSpec.needs`. For "nothing" the file holds images alone, annotated or not.

        Raises
        ------
        NucleiError
            It could not be saved, or can only be looked at.
        """
        self.refuse_if_read_only()
        self.autosave.flush()
        if self.autosave.error is not None:
            raise self.autosave.error
        folder = Path(self.project.data)
        if needs != "nothing":
            return folder / "dataset.json"
        from .storage import read_list
        from .train_images_only import planes_to_learn_from
        from .training_files import write_images_only

        return write_images_only(folder, read_list(folder)["images"], planes_to_learn_from(self.images))

    # Model and run ---------------------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """ "otsu" or the folder of the model chosen last."""
        return self._model

    @model.setter
    def model(self, model: str) -> None:
        if model != self._model:
            self._model = model
            self.model_changed.emit(model)

    @property
    def run(self) -> RunFolder | None:
        """The training being followed."""
        return self._run

    @run.setter
    def run(self, run: RunFolder | None) -> None:
        self._run = run
        self.run_changed.emit(run)

    def tell_training(self, line: str) -> None:
        """Show a training's progress in the header of every dock; "" takes it away."""
        if line != self.training_line:
            self.training_line = line
            self.training_told.emit(line)

    # Closing ---------------------------------------------------------------------------------------------------

    def watch_window(self, widget: QWidget) -> None:
        """Save when the window that holds a dock closes, and end the session when it is destroyed."""
        self._watch.add(widget)

    def close(self, *_: Any) -> None:
        """Save and forget. Called when the viewer's window goes away."""
        if self.closed:
            return
        self.closed = True
        self.closing.emit()
        try:
            self.autosave.close()
        except NucleiError as error:
            self.save_failed.emit(error)
        finally:
            self.hold.release()
