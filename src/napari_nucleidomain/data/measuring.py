"""Nuclei measured on their image: every channel of the file, haematoxylin of sections, slides piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_nucleidomain.instances.measure import Columns, measure
from napari_nucleidomain.instances.measure_large import measure_large

from .images import Image

_AXES = ("z", "y", "x")


def measure_on(
    labels: Any,
    image: Image | None,
    *,
    origin: Sequence[int] | None = None,
    plane: int | None = None,
    pixel_size_um: Sequence[float] | None = None,
    scores: np.ndarray | None = None,
    uncertainty: np.ndarray | None = None,
) -> Columns:
    """Measure every nucleus of a label image, or of a part of one.

    Parameters
    ----------
    labels : array-like (Y, X) or (Z, Y, X), integers
        In memory, or flat and read with slices (a slide), then never held as a whole.
    image : Image or None
        Without it there are no intensities.
    origin : sequence of int, optional
        Pixel of the image where `labels` begins.
    plane : int, optional
        Plane of the image that flat labels lie on; see `Image.read`.
    pixel_size_um, scores, uncertainty
        As for `instances.measure.measure`.

    Returns
    -------
    dict of str to ndarray (N,)
        See `instances.measure.measure`. Centroids are in the image, not in the part. Intensities are of every
        channel of the file, also those not used for finding nuclei; haematoxylin is of bright-field colour images.

    Raises
    ------
    NucleiError
        Image and labels do not fit, or the pixels cannot be read.
    """
    start = tuple(int(value) for value in origin) if origin is not None else (0,) * len(labels.shape)
    options: dict[str, Any] = {"pixel_size_um": pixel_size_um, "scores": scores, "uncertainty": uncertainty}
    if image is not None:
        options["channel_names"] = image.measured_channels[1]
        options["rgb"] = image.rgb and len(options["channel_names"]) == 3
        options["stained"] = options["rgb"] and image.kind != "fluorescence"

    def read(box: Sequence[slice]) -> np.ndarray:
        assert image is not None
        here = [(piece.start + o, piece.stop + o) for piece, o in zip(box, start, strict=True)]
        return image.read(here, plane=plane, channels=image.measured_channels[0])

    if isinstance(labels, np.ndarray) or len(labels.shape) != 2:
        array = np.asarray(labels)
        pixels = read([slice(0, n) for n in array.shape]) if image is not None else None
        table = measure(array, pixels, **options)
    else:
        table = measure_large(labels, read if image is not None else None, **options)
    for k, (axis, begin) in enumerate(zip(_AXES[-len(start) :], start, strict=True)):
        table[f"centroid_{axis}_px"] = table[f"centroid_{axis}_px"] + begin
        if f"centroid_{axis}_um" in table and pixel_size_um is not None:
            table[f"centroid_{axis}_um"] = table[f"centroid_{axis}_um"] + begin * pixel_size_um[k]
    return table


def image_row(
    name: str,
    table: Mapping[str, np.ndarray],
    ndim: int,
    analysed_px: float,
    pixel_size_um: Sequence[float] | None,
    model: str = "",
    date: str = "",
) -> dict[str, Any]:
    """A row of `images.csv`: area analysed, count, density, median size, model, date.

    Parameters
    ----------
    name : str
        Of the image.
    table : mapping
        Its nuclei, from `measure_on`.
    ndim : int
        2: areas, 3: volumes.
    analysed_px : float
        Pixels that were looked at.
    pixel_size_um : sequence of float, optional
        Adds mm² and µm² (mm³ and µm³).
    model, date : str

    Returns
    -------
    dict of str to value
        None where there is no nucleus to take a median of.
    """
    what, power = ("area", 2) if ndim == 2 else ("volume", 3)
    number = len(table["id"])
    median = float(np.median(table[f"{what}_px"])) if number else None
    line: dict[str, Any] = {"image": name, f"{what}_analysed_px": analysed_px}
    unit = float(np.prod(pixel_size_um)) if pixel_size_um is not None else None
    whole = analysed_px * unit * 10.0 ** (-3 * power) if unit is not None else 0.0
    if unit is not None:
        line[f"{what}_analysed_mm{power}"] = whole
    line["nuclei"] = number
    line["nuclei_per_megapixel"] = number / analysed_px * 1e6 if analysed_px else None
    if unit is not None:
        line[f"nuclei_per_mm{power}"] = number / whole if whole else None
    line[f"median_{what}_px"] = median
    if unit is not None:
        line[f"median_{what}_um{power}"] = median * unit if median is not None else None
    return {**line, "model": model, "date": date}


def stack_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; where a row has none of a column (no pixel size, a volume among pictures) its cell is empty.

    Parameters
    ----------
    rows : sequence of mapping

    Returns
    -------
    dict of str to list
        Each column after the one it follows in the rows.
    """
    names: list[str] = []
    for row in rows:
        before = -1
        for name in row:
            if name not in names:
                names.insert(before + 1, name)
            before = names.index(name)
    return {name: [row.get(name) for row in rows] for name in names}
