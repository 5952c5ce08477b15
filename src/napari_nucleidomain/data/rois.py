"""Regions of interest of ImageJ and Fiji: one `.roi` file each, or many in a zip as the ROI Manager saves them.

ImageJ has two conventions, and both are kept. Areas (polygon, freehand, traced, rectangle, oval, composite) count
pixel *edges*: pixel (x, y) covers [x, x + 1] × [y, y + 1], as `instances.outlines` does. Points count pixel *centres*:
a whole number is the middle of a pixel, as in napari. (``Roi.useLineSubpixelConvention`` in ImageJ's source; the bytes
are those of ``RoiDecoder.java`` there, read and written by the package roifile.)
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.contracts.files import refuse_special

from .odd import Odd
from .rois_shapes import BadOutline, check_finite, rings_of
from .textfile import hidden_in_zip, zip_names

ROI_SUFFIXES = (".zip", ".roi")
_HINT = "In Fiji, select the ROIs in the ROI Manager and choose More > Save."
_LARGEST = 1 << 26  # bytes of a single region: far more than any outline needs
# ImageJ keeps properties of a region on saving: this one holds the number of its nucleus.
ID_KEY = "nucleus"


@dataclass
class Roi:
    """One region of interest.

    Attributes
    ----------
    rings : list of ndarray (N, 2) float64
        Of an area: its closed outlines as (y, x) in pixel edges; a ring inside another is a hole (even-odd rule). Empty
        for points.
    points : ndarray (N, 2) float64
        Clicks as (y, x) in pixel centres; none for an area.
    nucleus : int
        Id of the nucleus it belongs to, where this program wrote it; else 0.
    position : int
        Slice in a plain stack, counted from 1; 0: on all.
    z, t : int
        Slice and moment in a hyperstack, counted from 1; 0: on all.
    positions : ndarray (N,) int64 or None
        Of points: the slice of each.
    number : int
        Of its entry in the file, counted from 1.
    name : str
        Of its entry.
    rectangle : bool
        Whether it was drawn as a rectangle.
    """

    rings: list[np.ndarray] = field(default_factory=list)
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    nucleus: int = 0
    position: int = 0
    z: int = 0
    t: int = 0
    positions: np.ndarray | None = None
    number: int = 0
    name: str = ""
    rectangle: bool = False

    def plane(self, lengths: Sequence[int], channels: int = 1, at: int = 0) -> tuple[int, ...] | None:
        """Where it lies in a stack.

        Parameters
        ----------
        lengths : sequence of int
            Of the stack's axes before rows and columns: (Z,), (T,) or (T, Z); 0 where unknown.
        channels : int
            Of the image: ImageJ counts them among the slices of a stack.
        at : int
            Instead of the region's own `position`, that of one of its points.

        Returns
        -------
        tuple of int or None
            Planes counted from 0; None where it says none, which ImageJ takes as all. May lie beyond `lengths`.
        """
        if not at and len(lengths) == 2 and (self.z or self.t):
            return (self.t - 1, self.z - 1) if self.z and self.t else None
        # One axis may be called z by one program and t by another.
        told = 0 if at else self.z or self.t
        if told:
            return (told - 1,)
        index = ((at or self.position) - 1) // channels
        if index < 0:
            return None
        if len(lengths) == 1:
            return (index,)
        return divmod(index, int(lengths[-1])) if lengths[-1] else None


def read_rois(path: Path | str) -> tuple[list[Roi], list[str]]:
    """Read a `.roi` file or a zip of them.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    list of Roi
        Areas and points, in the order of the file. Empty where a zip has no entries at all.
    list of str
        Lines on what was passed over: lines, angles, texts and pictures, and entries that are damaged.

    Raises
    ------
    NucleiError
        The file is absent, damaged, protected by a password or holds files but no region.
    """
    path = Path(path)
    refuse_special(path)
    rois: list[Roi] = []
    others = number = 0
    odd = Odd()
    try:
        for number, (name, content) in enumerate(_contents(path), start=1):
            try:
                found = _decode(content if isinstance(content, bytes) else content(), number, name)
            except _NoRoi as error:
                odd(f"it is no ImageJ region ({error})", name)
                continue
            if found is None:
                others += 1
            else:
                rois.append(found)
    except FileNotFoundError as error:
        raise NucleiError(f"{path} is not there.", "Was it moved or renamed? Choose the file again.") from error
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError) as error:
        if told := not_its_fault(error):
            raise NucleiError(f"{path.name} cannot be read: {told[0]}.", told[1]) from error
        raise NucleiError(f"{path.name} is damaged: {error}.", _HINT) from error
    if not rois and odd.found:
        why, places = next(iter(odd.found.items()))
        raise NucleiError(f"{path.name} is damaged: {places[0]}: {why}.", _HINT)
    if not number and not (path.suffix.lower() == ".zip" and not zip_names(path)):
        raise NucleiError(f"{path.name} holds no ImageJ regions (.roi).", _HINT)
    passed = [f"{others} of its regions are lines or texts and were passed over."] if others else []
    return rois, [*odd.notes(), *passed]


class _NoRoi(Exception):
    """An entry cannot be read; the text says why."""


def _contents(path: Path) -> Iterator[tuple[str, bytes | Callable[[], bytes]]]:
    if path.suffix.lower() == ".roi":
        yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(path) as packed:
        for entry in packed.infolist():
            if entry.is_dir() or hidden_in_zip(entry.filename) or not entry.filename.lower().endswith(".roi"):
                continue
            if entry.flag_bits & 1:
                raise NucleiError(f"{path.name} is protected by a password.", "Unpack it, or save it without one.")
            yield entry.filename, partial(_unpacked, packed, entry)


def _unpacked(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > _LARGEST:
        raise _NoRoi("it is too large for an outline")
    try:
        with packed.open(entry) as handle:
            content = handle.read(_LARGEST + 1)
    except (zlib.error, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise _NoRoi("it cannot be unpacked") from error
    if len(content) > _LARGEST:
        raise _NoRoi("it is too large for an outline")
    return content


def _decode(content: bytes, number: int, name: str) -> Roi | None:
    """A region, or None for what is neither an area nor points."""
    import struct

    from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

    try:
        raw = ImagejRoi.frombytes(content)
        known = raw.roitype in (
            ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.POINT,
        )  # fmt: skip
        if not known or raw.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
            return None
        roi = Roi(nucleus=_nucleus(raw.props), position=raw.position, z=raw.z_position, t=raw.t_position)
        roi.number, roi.name = number, name
        if raw.roitype == ROI_TYPE.POINT:
            roi.points = _checked(raw.coordinates())
            if raw.counter_positions is not None and np.any(raw.counter_positions):
                roi.positions = np.asarray(raw.counter_positions, np.int64)
        else:
            roi.rings = rings_of(raw)
            roi.rectangle = raw.roitype == ROI_TYPE.RECT and raw.multi_coordinates is None
    except BadOutline as error:
        raise _NoRoi(str(error)) from error
    except (
        ValueError,
        TypeError,
        struct.error,
        RuntimeError,
        NotImplementedError,
        IndexError,
        MemoryError,
        OverflowError,
        UnicodeDecodeError,
    ) as error:
        raise _NoRoi("its bytes are damaged") from error
    if roi.points.size == 0 and not roi.rings:
        raise _NoRoi("it has no area")
    return roi


def _nucleus(props: str) -> int:
    """The id this program wrote among ImageJ's properties of a region."""
    for line in props.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == ID_KEY and value.strip().isdigit():
            return int(value)
    return 0


def _checked(pairs: Any) -> np.ndarray:
    """Rows (y, x) of x, y pairs."""
    rows = np.asarray(pairs, np.float64).reshape(-1, 2)[:, ::-1].copy()
    check_finite(rows)
    return rows


def clicks_of(
    path: Path, ndim: int | None = None, channels: int = 1, told: Callable[[str], None] | None = None
) -> np.ndarray:
    """Clicks of point regions.

    Parameters
    ----------
    path : Path
    ndim : int, optional
        Axes of the image; by default 3 where a point says its plane, else 2.
    channels : int
        Of the image; see `Roi.plane`.
    told : callable, optional
        Given a line for each kind of entry that was passed over.

    Returns
    -------
    ndarray (N, ndim) float64

    Raises
    ------
    NucleiError
        The file is damaged, holds outlines but no points, or does not say on which plane of a stack the points lie.
    """
    rois, notes = read_rois(path)
    found = [roi for roi in rois if len(roi.points)]
    if not found:
        raise NucleiError(
            f"{path.name} holds no points{', only outlines' if rois else ''}.",
            "Attach it as outlines." if rois else "Save points (multi-point tool) from Fiji.",
        )
    areas = len(rois) - len(found)
    if areas:
        notes.append(f"{areas:,} of its regions hold outlines, which are no clicks.")
    if told is not None:
        for note in notes:
            told(note)
    deep = any(roi.position or roi.z or roi.t or roi.positions is not None for roi in found)
    lead = (1 if deep else 0) if ndim is None else max(0, ndim - 2)
    rows = []
    for roi in found:
        each = np.zeros(len(roi.points), np.int64) if roi.positions is None else roi.positions
        for at, point in zip(each.tolist(), roi.points.tolist(), strict=True):
            plane = roi.plane((0,) * lead, channels, at) if lead else ()
            if plane is None:
                raise NucleiError(
                    f"{path.name}: a point does not say on which plane of the stack it lies.",
                    "In Fiji, place points on their slices with the multi-point tool, or save them as CSV with z.",
                )
            rows.append((*plane, *point))
    return np.array(rows, np.float64).reshape(-1, 2 + lead)
