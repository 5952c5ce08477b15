"""One viewer at a time changes a project: who has it, taken over when that one is gone."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, WriteError
from napari_nucleidomain.contracts.files import write_atomic

from .lock import exclusive
from .ownership import HEARTBEAT_SECONDS, LOCK_FILE, Owner, Ownership, is_alive, read_owner

_FOLDER = "viewer"
# Something else stands in the folder's place.
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}
# No place, or too much at once: that passes, and whoever works meanwhile keeps what he does in memory.
_PASSES = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_PASSES |= {errno.EINTR, errno.EAGAIN, errno.EBUSY, errno.ENOLCK, errno.EDEADLK}


class ReadOnlyProject(NucleiError):
    """A project that can be looked at and not changed: somebody else has it, or its folder cannot be written to.

    Attributes
    ----------
    unwritable : bool
        It is the folder, not somebody else.
    """

    def __init__(self, message: str, hint: str = "", *, unwritable: bool = False) -> None:
        super().__init__(message, hint)
        self.unwritable = unwritable


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
        except (WriteError, OSError) as error:
            if refused := not_writable(project, error):
                raise refused from error
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


def not_writable(project: Path, error: BaseException) -> ReadOnlyProject | None:
    """What is wrong with a project's folder where a failed write says so; None for a full disk and other faults.

    Parameters
    ----------
    project : Path
    error : BaseException
        Of the system, or the `WriteError` made of it.
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    if not isinstance(cause, OSError) or cause.errno in _PASSES:
        return None
    reason = cause.strerror or str(cause)
    if cause.errno in _IN_THE_WAY:
        reason = f"a file stands where a folder is needed: {cause.filename}" if cause.filename else reason
    return ReadOnlyProject(
        f"The project folder {project} cannot be written to ({reason}).",
        "You can look at everything. To work, choose a folder of your own: the project's name at the top of the dock.",
        unwritable=True,
    )


def why_not_writable(project: Path) -> ReadOnlyProject | None:
    """Try whether a project's folder can be written to; None where it can, and where only the disk is full."""
    folder = project / _FOLDER
    probe = folder / "probe.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / LOCK_FILE):
            write_atomic(probe, b"", durable=False)
    except (WriteError, OSError) as error:
        return not_writable(project, error)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None
