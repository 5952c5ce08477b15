"""The first labels layer of a process, made ahead of time beside the event loop.

For it napari loads, or on a new installation compiles, the loops that give labels their colours: two seconds in which
the viewer would stand still, just when the first nuclei are to be seen.
"""

from __future__ import annotations

import logging
import threading

import numpy as np

_once = threading.Lock()


def prepare_labels() -> threading.Thread | None:
    """Begin to load what labels need, in a thread of its own; once a process.

    Returns
    -------
    threading.Thread or None
        None where it was begun before.
    """
    if not _once.acquire(blocking=False):
        return None
    # The table of units that every layer asks is made on first use, and halves of it are no good to a layer that
    # is added meanwhile: it is made here, not in the thread.
    import pint

    pint.get_application_registry().pixel  # noqa: B018
    # Not a daemon: a program must not end in the middle of a compilation.
    thread = threading.Thread(target=_make_one, name="nuclei-labels")
    thread.start()
    return thread


def _make_one() -> None:
    from napari.layers import Labels

    try:
        # All labels of ours are of this kind (see `layers.put_labels`).
        Labels(np.ones((4, 4), np.uint32))
    except Exception:
        # Only a head start: the first real layer will show the same trouble where a person sees it.
        logging.getLogger(__name__).info("labels could not be prepared", exc_info=True)
