"""Label images as ImageJ regions for Fiji's ROI Manager, and back, pixel for pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.outlines import Outline

from .axes import ArrayLike
from .drawn import Drawn, from_rings
from .labels_geojson import trace
from .odd import Odd
from .painting import NOTHING_IN, check_place, nuclei_of, paint, reach_of
from .rois import Roi, read_rois
from .rois_out import area_bytes, place_fields, write_rois

_HINT = "In Fiji, give every ROI its slice (Image > Stacks, ROI Manager), or attach a label image."


def write_labels_rois(
    labels: ArrayLike,
    path: Path,
    offset: Sequence[float] | None = None,
    axis: str = "Z",
    channels: int = 1,
    planes: Mapping[str, int] | None = None,
) -> Path:
    """Write one region per nucleus; in a stack, one per nucleus and plane.

    Parameters
    ----------
    labels : ArrayLike (Y, X) or (Z, Y, X), integer
        A flat zarr array is traced piece by piece.
    path : Path
        ``.zip``.
    offset : sequence of float, optional
        Place of the first pixel in the image, per axis of `labels`.
    axis : {"Z", "T"}
        What the first of three axes is.
    channels : int
        Of the image, colours of a colour picture counted as one. With several, positions are written for a hyperstack.
    planes : mapping of str to int, optional
        Of flat labels in a stack: the plane they lie on, ``"Z"`` and ``"T"``, counted from 0.

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        The file cannot be written.

    Notes
    -----
    Corners are whole numbers along the edges of pixels, as ImageJ's wand draws them. A nucleus with holes or several
    parts becomes a composite region. The id is kept as a property of each region, which ImageJ keeps on saving.
    """
    start = [0.0] * len(labels.shape) if offset is None else [float(value) for value in offset]

    def regions() -> Iterator[tuple[str, bytes]]:
        if len(labels.shape) == 2:
            place = place_fields(dict(planes or {}), channels)
            for outline in trace(labels, (start[0], start[1])):
                yield f"{outline.id:05d}", area_bytes(_rings(outline), f"{outline.id:05d}", outline.id, place)
            return
        for plane in range(labels.shape[0]):
            here = plane + int(start[0])
            place = place_fields({axis: here}, channels)
            for outline in trace(np.asarray(labels[plane]), (start[1], start[2])):
                rings = _rings(outline)
                y, x = np.floor(np.mean(rings[0], axis=0)).astype(int).tolist()
                # The ROI Manager understands slice-row-column at the beginning of a name.
                name = f"{here + 1:04d}-{y:04d}-{x:04d}-{outline.id}"
                yield name, area_bytes(rings, name, outline.id, place)

    return write_rois(path, regions())


def _rings(outline: Outline) -> list[np.ndarray]:
    return [ring for polygon in outline.polygons for ring in (polygon.exterior, *polygon.holes)]


def read_labels_rois(
    path: Path, shape: Sequence[int] | None, offset: Sequence[float] = (0.0, 0.0), channels: int = 1
) -> tuple[np.ndarray, list[str]]:
    """Fill the areas of ImageJ regions into a label image.

    Parameters
    ----------
    path : Path
        ``.zip`` or ``.roi``.
    shape : sequence of int or None
        Lengths of the image, (Y, X), (Z, Y, X), (T, Y, X) or (T, Z, Y, X), which the file does not say.
    offset : sequence of float
        (y, x) to take off.
    channels : int
        Of the image; see `Roi.plane`.

    Returns
    -------
    labels : ndarray of `shape`, uint32
        Ids that this program wrote, where every region has one, else counted from 1 in the order of the file.
    notes : list of str
        What was passed over or lies under others.

    Raises
    ------
    NucleiError
        `shape` is None, the file is damaged or holds no areas, they lie outside the image, or they do not say on which
        plane of a stack they are.
    """
    if shape is None or not 2 <= len(shape) <= 4:
        raise NucleiError(f"{path.name} holds outlines without the size of their image.", "Open it with its image.")
    lengths = tuple(int(n) for n in shape)
    rois, notes = read_rois(path)
    if not rois and not notes:
        return np.zeros(lengths, np.uint32), [NOTHING_IN]
    areas = [roi for roi in rois if roi.rings]
    notes = [*notes, *_points(len(rois) - len(areas))]
    if not areas:
        raise NucleiError(
            f"{path.name} holds no outlines{', only points' if rois else ''}. {' '.join(notes)}".strip(),
            "Attach it as clicks." if rois else "Save polygons, freehand or traced regions from Fiji.",
        )
    told = {roi.plane((1,), channels) for roi in areas} - {None}
    if len(lengths) == 2 and len(told) > 1:
        raise NucleiError(
            f"{path.name} holds outlines of {len(told)} planes, but the image is flat.",
            "Attach the outlines of this very image.",
        )
    found, placeless = _drawn(path, areas, lengths[:-2], channels)
    moved = np.asarray(offset, np.float64)
    nuclei, more = nuclei_of([one.moved(moved) for one in found])
    outside = check_place(path, [one for _, one in nuclei], lengths[-2:])
    labels, lost = paint(nuclei, lengths)
    return labels, [*notes, *placeless, *more, *outside, *lost]


def _drawn(path: Path, areas: list[Roi], lengths: tuple[int, ...], channels: int) -> tuple[list[Drawn], list[str]]:
    """Regions as outlines on their planes, and a line on those that say no plane where others do."""
    planes = [_plane(path, roi, lengths, channels) for roi in areas]
    if all(plane is None for plane in planes):
        raise NucleiError(f"{path.name}: an outline does not say on which plane of the stack it lies.", _HINT)
    odd = Odd()
    kept = []
    for roi, plane in zip(areas, planes, strict=True):
        if plane is None:
            odd("it does not say on which plane of the stack it lies", roi.name)
        else:
            kept.append((roi, plane))
    found = _shapes(kept, odd)
    if not found:
        raise odd.refuse(path, "outlines", "Draw them anew in Fiji.")
    return found, odd.notes()


def _shapes(placed: list[tuple[Roi, tuple[int, ...]]], odd: Odd) -> list[Drawn]:
    ids = _ids([roi for roi, _ in placed], [plane for _, plane in placed])
    found = []
    for (roi, plane), nucleus in zip(placed, ids, strict=True):
        kind = "rectangle" if roi.rectangle else ""
        drawn = from_rings(roi.rings, roi.number, nucleus=nucleus, kind=kind, plane=plane)
        if drawn is None:
            odd("it has no area", roi.name)
        else:
            found.append(drawn)
    return found


def roi_reach(path: Path) -> tuple[int, ...] | None:
    """Lengths of the smallest image that begins at (0, 0) and holds all nuclei; None where there are none.

    Of (planes, rows, columns) the first only where the areas lie on several.

    Raises
    ------
    NucleiError
        The file is absent or damaged.
    """
    areas = [roi for roi in read_rois(path)[0] if roi.rings]
    if not areas:
        return None
    planes = {plane for roi in areas if (plane := roi.plane((0,))) is not None}
    deep = len(planes) > 1
    found = _shapes([(roi, (roi.plane((0,)) or ()) if deep else ()) for roi in areas], Odd())
    reach = reach_of([one for _, one in nuclei_of(found)[0]])
    return None if reach is None else ((max(plane[0] for plane in planes) + 1,) if deep else ()) + reach


def has_planes(path: Path) -> bool:
    """Whether any region says on which slice or moment of a stack it lies.

    Raises
    ------
    NucleiError
        The file is absent or damaged.
    """
    return any(roi.position or roi.z or roi.t or roi.positions is not None for roi in read_rois(path)[0])


def _points(number: int) -> list[str]:
    if not number:
        return []
    return [f"{number} of its regions hold{'s' * (number == 1)} points, which are no outlines."]


def _plane(path: Path, roi: Roi, lengths: tuple[int, ...], channels: int) -> tuple[int, ...] | None:
    """The plane a region lies on in a stack of these lengths; () in a flat image, None where it says none."""
    if not lengths:
        return ()
    plane = roi.plane(lengths, channels)
    if plane is None:
        return None
    if any(at >= n or at < 0 for at, n in zip(plane, lengths, strict=True)):
        said = ", ".join(str(at + 1) for at in plane)
        raise NucleiError(
            f"{path.name}: an outline lies on plane {said}, but the image has {'×'.join(map(str, lengths))}.",
            "Attach the outlines of this very image.",
        )
    return plane


def _ids(areas: list[Roi], planes: list[tuple[int, ...]]) -> list[int]:
    """Ids that were written with the regions, or none; a region copied in Fiji is a nucleus of its own."""
    if not all(roi.nucleus for roi in areas):
        return [0] * len(areas)
    spare = max(roi.nucleus for roi in areas)
    seen: set[tuple[int, tuple[int, ...]]] = set()
    ids = []
    for roi, plane in zip(areas, planes, strict=True):
        nucleus = roi.nucleus
        if (nucleus, plane) in seen:
            spare += 1
            nucleus = spare
        seen.add((nucleus, plane))
        ids.append(nucleus)
    return ids
