"""What every reader hands over: levels of pixels as they lie in the file, and what the file says about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.data.axes import ArrayLike

READABLE = "TIFF, OME-TIFF, ImageJ TIFF, SVS and other tiled TIFF, OME-Zarr, PNG, JPEG and NPY"


@dataclass
class RawImage:
    """An opened image before anything is decided about it.

    Attributes
    ----------
    levels : list of ArrayLike
        Pyramid, the largest first; all with the axes `axes`.
    axes : str
        One letter per axis; ``Q`` where the file does not say; ``C`` also for samples of a pixel.
    format : str
        For people: "OME-TIFF".
    rgb : bool or None
        What the file says; None where it does not.
    alpha : bool
        Whether the fourth sample is transparency.
    channel_names : list of str
        Empty where the file has none.
    pixel_size : dict of str to float
        Axis (z, y, x in capitals) to micrometres.
    series_names : list of str
        All images in the file, when there are several.
    notes : list of str
        What was dropped or taken for granted on reading.
    metadata : dict
        Anything else of use (magnification).
    close : callable
        Let the file go.
    """

    levels: list[ArrayLike]
    axes: str
    format: str
    rgb: bool | None = None
    alpha: bool = False
    channel_names: list[str] = field(default_factory=list)
    pixel_size: dict[str, float] = field(default_factory=dict)
    series_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    metadata: dict[str, object] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def not_an_image(path: Path, why: str = "") -> NucleiError:
    """The file is of no kind that can be read."""
    return NucleiError(
        f"{path.name} is not an image that can be opened{': ' + why if why else ''}.",
        f"These can be read: {READABLE}. Others can be saved as OME-TIFF with Fiji or Bio-Formats.",
    )


def truncated(path: Path) -> NucleiError:
    """The file ends before its pixels do."""
    return NucleiError(
        f"{path.name} is truncated: the file ends before the image does.",
        "It was probably not copied or saved to the end; copy it again from where it came from.",
    )


def damaged(path: Path, error: BaseException) -> NucleiError:
    """The file is of a known kind but its inside makes no sense; or what else kept it from being read."""
    if told := not_its_fault(error):
        return NucleiError(f"{path.name} cannot be read: {told[0]}.", told[1])
    return NucleiError(
        f"{path.name} is damaged and cannot be read ({str(error)[:200] or type(error).__name__}).",
        "Copy the file again, or export it anew from the microscope's program.",
    )


def to_micrometres(value: float, unit: str | None) -> float | None:
    """Convert a length; None where the unit is not one of length.

    Parameters
    ----------
    value : float
        Length in `unit`.
    unit : str or None
        Such as "µm", "micrometer", "nm", "mm". None means micrometres, as OME does.
    """
    name = "µm" if unit is None else unit.replace("\\u00B5", "µ").replace("\u03bc", "µ").strip()
    factors = {
        "m": 1e6, "meter": 1e6, "metre": 1e6,
        "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4,
        "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3,
        "µm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "micrometers": 1.0,
        "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
        "å": 1e-4, "angstrom": 1e-4,
        "in": 25400.0, "inch": 25400.0,
    }  # fmt: skip
    factor = factors.get(name.lower())
    return value * factor if factor is not None and value > 0 else None
