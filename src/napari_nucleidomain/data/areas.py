"""The windows of an image in which every nucleus is clicked: one for each group of regions that lie near each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .coverage import covers_image
from .regions import Region, hull_region, regions_mask

# What lies about the clicked area is seen by the networks but teaches nothing.
_MARGIN = 64
# Windows with less than this between them are read as one.
_NEAR = 64

Window = tuple[slice, slice]
_Box = tuple[int, int, int, int]


def clicked_areas(
    name: str,
    shape: tuple[int, int],
    regions: Sequence[Region] | None,
    points: np.ndarray,
    outlined: bool,
    warn: Callable[[str, str], None],
    corrected: Sequence[Region] = (),
) -> list[tuple[Window, np.ndarray]]:
    """Where every nucleus is clicked.

    Regions where there are some; else the whole image if the clicks plausibly cover it, else a hull about them: clicks
    in a corner never make the rest background. Regions far apart have a window each, so that a slide costs no more
    memory than what was clicked of it.

    Parameters
    ----------
    name : str
        Of the image.
    shape : tuple of int
        Its rows and columns.
    regions : sequence of Region or None
    points : ndarray (N, 2)
        Clicks, in pixels of the image.
    outlined : bool
        Whether it is known that the points are all nuclei of the image: they are of complete outlines, or somebody said
        so.
    warn : callable
        Told (message, hint).
    corrected : sequence of Region
        Where a person corrected outlines; they count as regions beside the others.

    Returns
    -------
    list of (window, inside)
        Rows and columns of the image, as slices, and an ndarray (*window shape) bool. Windows do not overlap.

    Raises
    ------
    NucleiError
        Every region lies outside the image.
    """
    if not regions and not (corrected and len(points) == 0):
        if outlined or covers_image(points, shape):
            return [((slice(0, shape[0]), slice(0, shape[1])), np.ones(shape, bool))]
        warn(
            f"{name}: no area is drawn and the clicks do not cover the image; an area round them is used.",
            "Draw the area in which every nucleus is clicked; the whole image, if it is all of it.",
        )
        regions = [hull_region(points, shape=shape)]
    regions = [*(regions or ()), *corrected]
    areas = []
    for (top, left, bottom, right), members in _groups(regions):
        low = np.clip((top, left), 0, shape)
        high = np.clip((bottom, right), low, np.maximum(shape, low))
        inside = regions_mask(members, (high - low).tolist(), low.tolist())
        if inside.any():
            areas.append(((slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))), inside))
    if not areas:
        raise NucleiError(f"{name}: every region lies outside the image.", "Draw the region on this image.")
    return areas


def _groups(regions: Sequence[Region]) -> list[tuple[_Box, list[Region]]]:
    """Regions whose windows nearly meet, with the window, not cut to the image, about each group."""
    groups: list[tuple[_Box, list[Region]]] = []
    for region in regions:
        (top, bottom), (left, right) = region.bounds
        box = (top - _MARGIN, left - _MARGIN, bottom + _MARGIN, right + _MARGIN)
        members = [region]
        # A window that grew may meet others.
        while near := [group for group in groups if _nearly_meet(group[0], box)]:
            groups = [group for group in groups if not _nearly_meet(group[0], box)]
            corners = np.array([box, *(group[0] for group in near)])
            low, high = corners[:, :2].min(0).tolist(), corners[:, 2:].max(0).tolist()
            box = (low[0], low[1], high[0], high[1])
            members = [*(other for group in near for other in group[1]), *members]
        groups.append((box, members))
    return sorted(groups, key=lambda group: group[0])


def _nearly_meet(one: _Box, other: _Box) -> bool:
    return all(one[k] < other[k + 2] + _NEAR and other[k] < one[k + 2] + _NEAR for k in (0, 1))
