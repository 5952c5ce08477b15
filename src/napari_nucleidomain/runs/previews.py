"""Previews of a run: looked at within a second or never, so that none is worth ending hours of work for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import DiskFull, WriteError

from .arrays import write_arrays
from .event_log import EventWriter


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
    try:
        # Not waiting for the disk.
        write_arrays(path, arrays, compressed=compressed, durable=False)
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
