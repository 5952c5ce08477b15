"""Whether the disk has room for what a prediction will write."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleidomain.runs.computer import free_bytes

from .view import same_file
from .wording import file_size

if TYPE_CHECKING:
    from .predict_where import Target
    from .session import Session

# Labels of four bytes while they are joined, and half as much again for tiles and the compressed result.
_BYTES_PER_PIXEL = 6
_SPARE = 50_000_000


def needed_bytes(session: Session, target: Target) -> int:
    """Bytes that may be needed at the same time: one image is worked on at a time, the results of all stay."""
    sizes = [_pixels(session, target, ref.path) for ref in target.images]
    return _SPARE + _BYTES_PER_PIXEL * max(sizes, default=0) + sum(sizes) // 2


def too_little(session: Session, target: Target) -> str:
    """Why the disk may be too small for a prediction; empty where it is not."""
    needed = needed_bytes(session, target)
    places = [("the project's disk", session.project_folder)]
    if target.out is not None:
        places.append((f"the disk of {target.out.parent.name}", target.out))
    for words, folder in places:
        free = free_bytes(folder)
        if free is not None and free < needed:
            return f"This may need up to {file_size(needed)}, and {file_size(free)} are free on {words}."
    return ""


def _pixels(session: Session, target: Target, path: str) -> int:
    if target.box:
        return prod(int(stop) - int(start) for start, stop in target.box)
    known: Any = next(
        (one.image for one in session.images if one.image is not None and same_file(one.path, path)), None
    )
    if known is not None:
        return prod(known.spatial_shape)
    try:
        # Not looked into yet: a byte in the file for each pixel is about right for what is compressed a little.
        return Path(path).stat().st_size
    except OSError:
        return 0
