"""ImageJ regions out: the bytes of one, and the zip that Fiji's ROI Manager opens. Conventions: see `rois`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_atomic

from .rois import ID_KEY

_MOST_POINTS = 60000  # of one region: the count has 16 bits
_WHOLE = 60535  # ImageJ's whole-number coordinates end here; beyond, they are stored as floats


def area_bytes(rings: list[np.ndarray], name: str, nucleus: int, place: dict[str, int]) -> bytes:
    """One nucleus as a region: traced where it is one ring, composite where it has holes or several parts.

    Parameters
    ----------
    rings : list of ndarray (N, 2)
        Corners (y, x) in pixel edges.
    name : str
    nucleus : int
        Its id, kept in a property of the region.
    place : dict
        Fields of `roifile.ImagejRoi`: ``position``, or ``z_position`` and ``t_position``, from 1.

    Returns
    -------
    bytes
    """
    from roifile import ROI_TYPE, ImagejRoi

    corners = np.concatenate(rings)[:, ::-1]
    low, high = corners.min(axis=0), corners.max(axis=0)
    left, top, right, bottom = (int(v) for v in (*np.floor(low), *np.ceil(high)))
    if len(rings) > 1:
        path = np.concatenate([_path(ring[:, ::-1]) for ring in rings])
        roi = ImagejRoi(roitype=ROI_TYPE.RECT, multi_coordinates=path, shape_roi_size=len(path))
    else:
        whole = _whole(corners)
        roi = ImagejRoi(roitype=ROI_TYPE.TRACED if whole else ROI_TYPE.POLYGON, n_coordinates=len(corners))
        _place(roi, corners, (left, top), whole)
    roi.left, roi.top, roi.right, roi.bottom = left, top, right, bottom
    roi.name, roi.props = name, f"{ID_KEY}: {nucleus}\n"
    for key, value in place.items():
        setattr(roi, key, value)
    return bytes(roi.tobytes())


def _whole(pairs: np.ndarray) -> bool:
    """Whether x, y pairs can be written as ImageJ's whole numbers."""
    return bool((pairs == np.floor(pairs)).all() and pairs.min() >= 0 and pairs.max() <= _WHOLE)


def _place(roi: Any, pairs: np.ndarray, corner: tuple[int, int], whole: bool) -> None:
    """Write x, y pairs: fractions and what lies far out as floats, beside whole numbers for old readers."""
    from roifile import ROI_OPTIONS

    roi.integer_coordinates = np.clip(np.floor(pairs - corner), 0, _WHOLE).astype(np.int32)
    if not whole:
        roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.subpixel_coordinates = pairs.astype(np.float32)


def _path(corners: np.ndarray) -> np.ndarray:
    """A ring as ImageJ's composite path: move to the first corner (0), lines to the others (1), close (4)."""
    steps = np.concatenate([np.ones((len(corners), 1)), corners], axis=1).astype(np.float32)
    steps[0, 0] = 0
    return np.append(steps.ravel(), np.float32(4))


def points_bytes(points: np.ndarray, name: str, place: dict[str, int]) -> bytes:
    """Clicks of one plane as a multi-point region.

    Parameters
    ----------
    points : ndarray (N, 2)
        (y, x) in pixel centres.
    name, place
        As for `area_bytes`.

    Returns
    -------
    bytes
    """
    from roifile import ROI_POINT_SIZE, ROI_POINT_TYPE, ROI_TYPE, ImagejRoi

    pairs = np.asarray(points, np.float64)[:, ::-1]
    low, high = np.floor(pairs.min(axis=0)).astype(int).tolist(), np.floor(pairs.max(axis=0)).astype(int).tolist()
    roi = ImagejRoi(roitype=ROI_TYPE.POINT, name=name, n_coordinates=len(pairs))
    _place(roi, pairs, (low[0], low[1]), _whole(pairs))
    roi.left, roi.top, roi.right, roi.bottom = low[0], low[1], high[0] + 1, high[1] + 1
    roi.point_type, roi.point_size = ROI_POINT_TYPE.DOT, ROI_POINT_SIZE.MEDIUM
    for key, value in place.items():
        setattr(roi, key, value)
    return bytes(roi.tobytes())


def place_fields(planes: dict[str, int], channels: int = 1) -> dict[str, int]:
    """Where a region lies in a stack, in the fields that ImageJ reads.

    Parameters
    ----------
    planes : dict
        Axis ``"Z"``, ``"T"`` -> plane, counted from 0.
    channels : int
        Of the image, colours of a colour picture counted as one: with several, ImageJ opens it as a hyperstack.

    Returns
    -------
    dict of str to int
    """
    if not planes:
        return {}
    if len(planes) == 1 and channels == 1:
        # A plain stack: ImageJ draws a region by its slice and knows nothing of z and t.
        return {"position": next(iter(planes.values())) + 1}
    return {f"{axis.lower()}_position": plane + 1 for axis, plane in planes.items()}


def write_rois(path: Path, regions: Iterable[tuple[str, bytes]]) -> Path:
    """Write a zip for the ROI Manager; the same regions give the same bytes on every day.

    Parameters
    ----------
    path : Path
    regions : iterable of (name, content)
        Names differ from one another and are what the ROI Manager lists.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        The file cannot be written.
    """

    def write(aside: Path) -> None:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for name, content in regions:
                entry = zipfile.ZipInfo(f"{name}.roi", (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, content)

    return write_atomic(path, write)


def write_clicks(points: np.ndarray, path: Path, axis: str = "Z", channels: int = 1) -> Path:
    """Write clicks as multi-point regions, one for each plane.

    Parameters
    ----------
    points : ndarray (N, 2) or (N, 3)
    path : Path
        ``.zip``.
    axis : {"Z", "T"}
        What the first of three coordinates is.
    channels : int
        Of the image; see `place_fields`.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        There are more coordinates, or the file cannot be written.
    """
    if points.shape[1] not in (2, 3):
        raise NucleiError("A zip for Fiji holds points of pictures and stacks.", "Save the points as CSV.")
    regions = []
    planes = np.floor(points[:, 0] + 0.5).astype(int) if points.shape[1] == 3 else np.zeros(len(points), int)
    for plane in np.unique(planes).tolist():
        here = points[planes == plane][:, -2:]
        place = place_fields({axis: plane}, channels) if points.shape[1] == 3 else {}
        for part, begin in enumerate(range(0, len(here), _MOST_POINTS)):
            name = f"{plane + 1:04d}-clicks-{part + 1}" if place else f"clicks-{part + 1}"
            regions.append((name, points_bytes(here[begin : begin + _MOST_POINTS], name, place)))
    return write_rois(path, regions)
