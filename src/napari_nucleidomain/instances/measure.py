"""A table of measurements: one row per nucleus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .labelimage import as_labels, boxes, compact
from .shape import convex_areas, inertia, perimeters
from .stains import haematoxylin

Columns = dict[str, np.ndarray]
_AXES = ("z", "y", "x")


def measure(
    labels: np.ndarray,
    image: np.ndarray | None = None,
    *,
    rgb: bool = False,
    channel_names: Sequence[str] | None = None,
    pixel_size_um: Sequence[float] | None = None,
    scores: np.ndarray | None = None,
    uncertainty: np.ndarray | None = None,
    stained: bool | None = None,
) -> Columns:
    """Measure every nucleus.

    Parameters
    ----------
    labels : ndarray (Y, X) or (Z, Y, X), integers
    image : ndarray (*spatial) or (*spatial, C), any real dtype, optional
        For intensities. Missing values (NaN) are left out of means and sums.
    rgb : bool
        Whether the channels are red, green and blue of one picture.
    channel_names : sequence of str, optional
        Default: red, green, blue for colour images; the plain column name for a single channel; else 1, 2, ...
    pixel_size_um : sequence of float, optional
        In µm per axis (z, y, x): adds columns in µm. Shapes are measured in these proportions.
    scores, uncertainty : ndarray (N,), optional
        Of id k at k - 1.
    stained : bool, optional
        Whether the colours are those of a stained section, of which haematoxylin is measured; by default as `rgb`.

    Returns
    -------
    dict of str to ndarray (N,)
        In ascending order of ids.

        - ``id``; ``centroid_y_px``, ``centroid_x_px`` (centres of pixels are whole numbers); with a pixel size also
          ``centroid_y_um``, ...
        - in 2D ``area_px``, ``area_um2``, ``perimeter_px``, ``perimeter_um`` (as scikit-image measures it: 0 for a
          single pixel); in 3D ``volume_px``, ``volume_um3``
        - ``diameter_px``, ``diameter_um``: of the disc or ball of the same size
        - ``eccentricity``: 0 round to 1 line, of the ellipse with the same moments; in 3D of its longest and shortest
          axis
        - ``solidity``: share of the convex hull of the pixels' corners
        - ``mean_intensity``, ``integrated_intensity``, with ``_CHANNEL`` where there are several; ``haematoxylin_od``:
          mean optical density
        - ``score``, ``uncertainty``, ``touches_border``

    Raises
    ------
    NucleiError
        Image and labels differ in size, or the pixel size does not fit.
    """
    source = as_labels(labels)
    small, ids = compact(source)
    count, ndim = len(ids), source.ndim
    spacing = _spacing(pixel_size_um, ndim)
    where = np.nonzero(small)
    nucleus = small[where].astype(np.int64) - 1
    area = np.bincount(nucleus, minlength=count)
    centroid = np.stack([np.bincount(nucleus, axis, count) / np.maximum(area, 1) for axis in where], axis=1)
    table: Columns = {"id": ids}
    names = _AXES[-ndim:]
    table |= {f"centroid_{name}_px": centroid[:, k] for k, name in enumerate(names)}
    if pixel_size_um is not None:
        table |= {f"centroid_{name}_um": centroid[:, k] * spacing[k] for k, name in enumerate(names)}
    table |= _sizes(small, area, spacing, pixel_size_um is not None)
    table["eccentricity"] = inertia(where, nucleus, area, centroid, spacing)
    table["solidity"] = area / np.maximum(convex_areas(where, nucleus, area), 1e-9)
    if image is not None:
        table |= _intensities(np.asarray(image), source.shape, where, nucleus, count, rgb, channel_names)
        if rgb if stained is None else stained:
            density = haematoxylin(np.asarray(image))[where]
            table["haematoxylin_od"] = np.bincount(nucleus, density, count) / np.maximum(area, 1)
    for name, values in (("score", scores), ("uncertainty", uncertainty)):
        if values is not None:
            table[name] = np.asarray(values)[ids - 1]
    box = boxes(small, count)
    table["touches_border"] = ((box[..., 0] == 0) | (box[..., 1] == source.shape)).any(axis=1)
    return table


def _spacing(pixel_size_um: Sequence[float] | None, ndim: int) -> np.ndarray:
    if pixel_size_um is None:
        return np.ones(ndim)
    spacing = np.asarray(pixel_size_um, float)
    if spacing.shape != (ndim,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise NucleiError(
            f"The pixel size {tuple(pixel_size_um)} does not fit an image of {ndim} axes.",
            f"Give {ndim} sizes above 0, in µm.",
        )
    return spacing


def _sizes(small: np.ndarray, area: np.ndarray, spacing: np.ndarray, physical: bool) -> Columns:
    ndim = small.ndim
    unit = float(np.prod(spacing))
    name, power = ("area", "um2") if ndim == 2 else ("volume", "um3")
    table: Columns = {f"{name}_px": area}
    if physical:
        table[f"{name}_{power}"] = area * unit
    if ndim == 2:
        length = perimeters(small, len(area))
        table["perimeter_px"] = length
        if physical:
            table["perimeter_um"] = length * np.sqrt(unit)
    factor = 4 / np.pi if ndim == 2 else 6 / np.pi
    table["diameter_px"] = (factor * area) ** (1 / ndim)
    if physical:
        table["diameter_um"] = (factor * area * unit) ** (1 / ndim)
    return table


def _intensities(
    image: np.ndarray,
    shape: tuple[int, ...],
    where: tuple[np.ndarray, ...],
    nucleus: np.ndarray,
    count: int,
    rgb: bool,
    channel_names: Sequence[str] | None,
) -> Columns:
    if image.shape == shape:
        image = image[..., None]
    if image.shape[:-1] != shape:
        raise NucleiError(
            f"The image is {image.shape[: len(shape)]} and the nuclei are outlined on {shape} pixels.",
            "Choose the image these nuclei were found in.",
        )
    channels = image.shape[-1]
    names = _channel_names(channels, rgb, channel_names)
    values = image[where].astype(float)
    table: Columns = {}
    for k, name in enumerate(names):
        good = np.isfinite(values[:, k])
        total = np.bincount(nucleus[good], values[good, k], count)
        pixels = np.bincount(nucleus[good], minlength=count)
        with np.errstate(invalid="ignore"):
            table[f"mean_intensity{name}"] = total / pixels
        table[f"integrated_intensity{name}"] = total
    return table


def _channel_names(channels: int, rgb: bool, given: Sequence[str] | None) -> list[str]:
    """Endings of the columns' names."""
    if given is not None and len(given) == channels:
        # Two channels of one name keep a column each.
        twice = {name for name in given if list(given).count(name) > 1}
        named = [f"_{name}_{k + 1}" if name in twice else f"_{name}" for k, name in enumerate(given)]
        return named if channels > 1 else [""]
    if rgb and channels in (3, 4):
        return ["_red", "_green", "_blue", "_alpha"][:channels]
    return [f"_{k + 1}" for k in range(channels)] if channels > 1 else [""]
