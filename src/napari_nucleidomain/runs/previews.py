"""Previews of a run: looked at within a second or never, so that none is worth ending hours of work for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import DiskFull, WriteError
from napari_nucleidomain.contracts.archives import NPZ_ERRORS
from napari_nucleidomain.contracts.files import write_atomic

from .arrays import write_arrays
from .event_log import EventWriter
from .question_picture import as_png, read_pictures


def write_preview(
    path: Path, arrays: Mapping[str, np.ndarray], events: EventWriter, *, compressed: bool = False
) -> bool:
    """Write a preview if it can be written now; the user is told the first time that it cannot.

    On Windows a slow reader or an antivirus may hold the file before for longer than anybody wants to wait.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    DiskFull
        The results will find no place either.
    """
    # Not waiting for the disk.
    return _written(lambda: write_arrays(path, arrays, compressed=compressed, durable=False), events)


def write_picture(path: Path, preview: Path, events: EventWriter) -> bool:
    """Write the pictures of a preview into one PNG, for who has no viewer; as `write_preview`.

    Parameters
    ----------
    path : Path
        Ends in ``.png``.
    preview : Path
        A preview that was written.
    """
    try:
        pictures = read_pictures(preview)
    except NPZ_ERRORS:
        # Held or taken away by another program; the question is told without it.
        return False
    return bool(pictures) and _written(lambda: write_atomic(path, as_png(pictures), durable=False), events)


def _written(write: Callable[[], Any], events: EventWriter) -> bool:
    try:
        write()
    except DiskFull:
        raise
    except WriteError as error:
        events.warn_once(
            "previews",
            f"A preview was left out; the work itself goes on. {error.message}",
            "If it keeps happening: another program (an antivirus, a sync client) may be holding the run folder.",
        )
        return False
    return True
