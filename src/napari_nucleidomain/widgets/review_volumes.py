"""Correcting volumes with tools that draw on one plane."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.edits import Edit


def is_volume(layer: Any) -> bool:
    """Whether nuclei of a labels layer go through several planes."""
    return len(layer.data.shape) > 2 and layer.data.shape[-3] > 1


def shown_plane(viewer: Any, layer: Any) -> int:
    """The plane on screen, counted in the layer's own planes; one beyond its ends where it is not cut."""
    place = np.asarray(layer.world_to_data(viewer.dims.point), dtype=float)
    return int(np.floor(place[layer.ndim - 3] + 0.5))


def outline_on(labels: np.ndarray, number: int, plane: int) -> Edit:
    """Take a nucleus away on one plane of a volume; nothing changes where it is not on it.

    Parameters
    ----------
    labels : ndarray (..., Z, Y, X), integers
    number, plane : int

    Raises
    ------
    NucleiError
        The result has no such plane.
    """
    if not 0 <= plane < labels.shape[-3]:
        raise NucleiError("The result does not reach into this plane.", "Move the slider to a plane of the result.")
    *lead, rows, columns = np.nonzero(labels[..., plane, :, :] == number)
    places = (*lead, np.full(len(rows), plane), rows, columns)
    return Edit(places, np.zeros(len(rows), labels.dtype), (number,))
