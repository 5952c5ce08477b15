"""One viewer at a time changes a project: who has it, taken over when that one is gone."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, WriteError
from napari_nucleidomain.contracts.files import disk_error

from .ownership import HEARTBEAT_SECONDS, Owner, Ownership, is_alive, read_owner

_FOLDER = "viewer"
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class ReadOnlyProject(NucleiError):
    """A project that can be looked at and not changed: somebody else has it, or its folder cannot be written to."""


class ProjectHold:
    """The right to change a project's clicks and results, kept by a heartbeat until `release`.

    Parameters
    ----------
    project : Path
        The project folder.

    Attributes
    ----------
    lost : bool
        Another computer took this one for gone while it slept, and has the project now.

    Raises
    ------
    ReadOnlyProject
        A viewer that is alive has it, or the folder cannot be written to.

    Notes
    -----
    On a full disk, where not even that can be written down, nobody is kept out: the clicks, for which place is kept
    back, are worth more.
    """

    def __init__(self, project: Path) -> None:
        self.lost = False
        self._closed = threading.Event()
        self._ownership: Ownership | None = None
        folder = project / _FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._ownership = Ownership(folder)
        except WriteError as error:
            if getattr(error.__cause__, "errno", None) in _REFUSED:
                raise _not_writable(project, error) from error
        except OSError as error:
            if error.errno in _REFUSED:
                raise _not_writable(project, disk_error(error, folder)) from error
        except NucleiError as error:
            raise ReadOnlyProject(*_words(project, read_owner(folder))) from error
        if self._ownership is not None:
            threading.Thread(target=self._beat, name="nuclei-project", daemon=True).start()

    def release(self) -> None:
        """Give the project up."""
        self._closed.set()
        if self._ownership is not None:
            self._ownership.release()

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Whether the project is still ours, asked anew; while it is, nobody takes it before the block ends.

        Raises
        ------
        NucleiError
            It cannot be known now.
        """
        if self._ownership is None:
            yield True
            return
        with self._ownership.writing() as ours:
            self.lost = self.lost or not ours
            yield ours

    def _beat(self) -> None:
        assert self._ownership is not None
        while not self._closed.wait(HEARTBEAT_SECONDS):
            if self._ownership.lost:
                self.lost = True
                return
            self._ownership.beat()


def in_other_hands(project: Path) -> ReadOnlyProject | None:
    """Who has a project now, in words; None where nobody has."""
    folder = project / _FOLDER
    return ReadOnlyProject(*_words(project, read_owner(folder))) if is_alive(folder) else None


def _words(project: Path, owner: Owner | None) -> tuple[str, str]:
    if owner is None:
        return f"Another viewer has the project {project.name}.", "Close it there, or open another project."
    day = "%H:%M" if time.time() - owner.taken < 12 * 3600 else "%Y-%m-%d %H:%M"
    since = time.strftime(day, time.localtime(owner.taken))
    where = "on this computer" if owner.here else f"on the computer {owner.host}"
    return (
        f"The project {project.name} is open in another viewer {where} since {since} (process {owner.process}).",
        "You can look at everything; nothing is changed from here until it is closed there.",
    )


def _not_writable(project: Path, error: WriteError) -> ReadOnlyProject:
    reason = getattr(error.__cause__, "strerror", None) or error.message
    return ReadOnlyProject(
        f"The project folder {project} cannot be written to ({reason}).",
        "You can look at everything. To work, choose a folder of your own: the project's name at the top of the dock.",
    )
