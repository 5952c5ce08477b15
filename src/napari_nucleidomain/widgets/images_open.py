"""Files and folders into the list: each opened in the background, the bad ones listed with what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_nucleidomain.contracts import NucleiError

from .background import in_background
from .image_layers import thumbnail
from .view import same_file

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image

    from .entry import ImageEntry
    from .session import Session


@dataclass
class Opened:
    """What came of opening several files."""

    good: int = 0
    bad: int = 0
    known: int = 0
    first_problem: str = ""
    entries: list[ImageEntry] = field(default_factory=list)

    def sentence(self) -> str:
        """ "2 of 30 could not be read (…). The other 28 are listed." """
        total = self.good + self.bad
        if not total:
            return "They are in the list already." if self.known else "There is no image in it."
        if not self.bad:
            return f"{self.good} image{'' if self.good == 1 else 's'} added."
        if total == 1:
            return self.first_problem
        rest = f" The other {self.good} {'is' if self.good == 1 else 'are'} listed." if self.good else ""
        return f"{self.bad} of {total} could not be read ({self.first_problem.rstrip('.')}).{rest}"


class Opener(QObject):
    """Opens files one after another beside the event loop.

    Signals
    -------
    finished(object)
        `Opened`, once the last file of a call is open.
    """

    finished = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.under_way = 0

    def open_paths(self, paths: Iterable[Path], *, select: bool = True) -> list[ImageEntry]:
        """List files (and the images inside folders), and open each in the background.

        Parameters
        ----------
        select : bool
            Make the first that opens the current image.
        """
        opened = Opened()
        entries, known = [], []
        for path in files_in(paths):
            listed = next((one for one in self._session.images if same_file(one.path, path)), None)
            if listed is not None:
                opened.known += 1
                known.append(listed)
                continue
            entry = self._session.add_entry(_name(path), path=path, reading=True)
            entries.append(entry)
        opened.entries = entries
        waiting = list(entries)
        if not waiting:
            self._show_known(known if select else [])
            self.finished.emit(opened)
        choice = Choice(self._session, entries if select else [])
        for entry in entries:
            self._open(entry, opened, waiting, choice)
        return entries

    def _show_known(self, known: list[ImageEntry]) -> None:
        """Who opens a file again wants to see it."""
        first = next((one for one in known if not one.problem and not one.reading), None)
        if first is not None:
            self._session.set_current(first)
            self._session.stage.show_again(first)

    def read_again(self, entries: Iterable[ImageEntry]) -> None:
        """Open the images of a project that was just loaded, for their thumbnails."""
        opened = Opened()
        waiting = [one for one in entries if one.image is None and not one.problem and one.path is not None]
        for entry in list(waiting):
            entry.reading = True
            self._open(entry, opened, waiting, Choice(self._session, []))

    def _open(self, entry: ImageEntry, opened: Opened, waiting: list[ImageEntry], choice: Choice) -> None:
        self.under_way += 1

        def done(result: tuple[Image, np.ndarray] | None, error: BaseException | None) -> None:
            self.under_way -= 1
            entry.reading = False
            waiting.remove(entry)
            if error is not None:
                entry.problem = words(error)
                opened.bad += 1
                short = error.message if isinstance(error, NucleiError) else entry.problem
                opened.first_problem = opened.first_problem or short
            elif result is not None:
                if entry.image is None:
                    entry.image = result[0]
                entry.thumbnail = result[1]
                opened.good += 1
            if self._session.closed:
                return
            self._session.opened(entry, "problem" if error is not None else "understanding")
            choice.look()
            if not waiting:
                self.finished.emit(opened)

        in_background(self, lambda: _read(entry), lambda result: done(result, None), lambda error: done(None, error))


class Choice:
    """Which of the images that were just opened becomes the current one: the first that can be read.

    Parameters
    ----------
    session : Session
    entries : list of ImageEntry
        In the order of the list; empty to choose none.
    """

    def __init__(self, session: Session, entries: list[ImageEntry]) -> None:
        self._session, self._entries, self._before = session, entries, session.current

    def look(self) -> None:
        """Choose once those before it are known to be bad, unless a person chose another one meanwhile."""
        first = next((one for one in self._entries if not one.problem), None)
        if first is None or first.reading or first not in self._session.images:
            return
        self._entries = []
        if self._session.current is self._before:
            self._session.set_current(first)


def files_in(paths: Iterable[Path]) -> list[Path]:
    """Image files among paths; a folder gives the images in it, sorted as a person would, and one level down.

    A file that was named is taken whatever it is called, so that its fault can be told.
    """
    from napari_nucleidomain.data.plainfolder import is_beside
    from napari_nucleidomain.data.readers import is_zarr, looks_like_image

    found: list[Path] = []
    for path in paths:
        try:
            if not path.is_dir() or is_zarr(path):
                found.append(path)
                continue
            here = [one for one in path.iterdir() if looks_like_image(one) and not is_beside(one)]
            if not here and (path / "images").is_dir():
                here = [one for one in (path / "images").iterdir() if looks_like_image(one) and not is_beside(one)]
        except OSError:
            # Opened as a file it says what is wrong with it, and the others are listed all the same.
            here = [path]
        found += sorted(here, key=_natural)
    return found


def words(error: BaseException) -> str:
    """An error as one line for the list."""
    if isinstance(error, NucleiError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"It cannot be read: {error.strerror}."
    return f"It cannot be read ({type(error).__name__}: {error})."


def _read(entry: ImageEntry) -> tuple[Image, np.ndarray]:
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.understanding import Understanding

    assert entry.path is not None
    image = entry.image or open_image(entry.path, Understanding.from_json(entry.understanding), name=entry.name)
    picture = thumbnail(image)
    # Guesses and questions read pixels: done here, so that the dock never waits for them.
    _ = (image.kind, image.nuclei_channel, image.questions, image.warnings)
    return image, picture


def _name(path: Path) -> str:
    from napari_nucleidomain.data.images import plain_name

    return plain_name(path)


def _natural(path: Path) -> list[Any]:
    """Sorts image2 before image10."""
    import re

    return [(0, int(part), "") if part.isdigit() else (1, 0, part.casefold()) for part in re.split(r"(\d+)", path.name)]
