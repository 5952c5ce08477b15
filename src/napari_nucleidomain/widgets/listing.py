"""The list of images of a session: restored, added to, taken off, never forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .entry import ImageEntry, free_id
from .storage import ids_on_disk, read_entries, read_training
from .view import same_file

if TYPE_CHECKING:
    from .session import Session


def restore(session: Session) -> None:
    """List what the project holds.

    Raises
    ------
    NucleiError
        The list is damaged or of a later version.
    """
    found, session.removed = read_entries(session.project)
    session.training = read_training(session.project)
    if found:
        session.images.extend(found)
        session.images_changed.emit()


def add(session: Session, name: str, known: dict[str, Any]) -> ImageEntry:
    """List an image; one that was taken off comes back as it was."""
    path = known.get("path")
    again = next((one for one in session.removed if path is not None and same_file(one.path, path)), None)
    if again is not None:
        session.removed.remove(again)
        entry = again
        entry.name, entry.problem, entry.reading = name, "", bool(known.get("reading"))
    else:
        # Also ids of clicks that no list names any more: a new image must not write over them.
        taken = {one.id for one in (*session.images, *session.removed)} | ids_on_disk(session.project)
        entry = ImageEntry(id=free_id(name, taken), name=name, **known)
    session.images.append(entry)
    session.images_changed.emit()
    session.autosave.changed(entry)
    return entry


def remove(session: Session, entry: ImageEntry) -> None:
    """Take an image off the list; the next one becomes current."""
    # Its last clicks have to be on disk before the list forgets it.
    session.flush()
    index = session.images.index(entry)
    if entry is session.current:
        rest = [one for one in session.images if one is not entry]
        session.set_current(rest[min(index, len(rest) - 1)] if rest else None)
    session.images.remove(entry)
    session.removed.append(entry)
    entry.layers.clear()
    session.images_changed.emit()
    session.autosave.changed(None)
