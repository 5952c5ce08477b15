"""What every reader hands over: levels of pixels as they lie in the file, and what the file says about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.data.axes import ArrayLike
from napari_nucleidomain.data.pixel_size import to_micrometres

__all__ = ["READABLE", "RawImage", "damaged", "not_an_image", "to_micrometres", "too_large", "truncated"]

_ALWAYS_FITS = 1 << 28  # bytes
READABLE = "TIFF, OME-TIFF, ImageJ TIFF, SVS and other tiled TIFF, OME-Zarr, PNG, JPEG, GIF, BMP and NPY"


@dataclass
class RawImage:
    """An opened image before anything is decided about it.

    Attributes
    ----------
    levels : list of ArrayLike
        Pyramid, the largest first; all with the axes `axes`.
    axes : str
        One letter per axis; ``Q`` where the file does not say; ``C`` also for samples of a pixel.
    guessed : bool
        Whether the letters are guesses from the lengths alone.
    format : str
        For people: "OME-TIFF".
    rgb : bool or None
        What the file says; None where it does not.
    alpha : bool
        Whether the sample after the colours (or after grey) is transparency.
    premultiplied : bool
        Whether colours were multiplied by it already.
    channel_names : list of str
        Empty where the file has none.
    pixel_size : dict of str to float
        Axis (z, y, x in capitals) to micrometres.
    series_names : list of str
        All images in the file, when there are several.
    size_doubts : list of str
        Why a pixel size that stands in the file is not used.
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
    guessed: bool = False
    rgb: bool | None = None
    alpha: bool = False
    premultiplied: bool = False
    channel_names: list[str] = field(default_factory=list)
    pixel_size: dict[str, float] = field(default_factory=dict)
    series_names: list[str] = field(default_factory=list)
    size_doubts: list[str] = field(default_factory=list)
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


def too_large(path: Path, shape: Sequence[int], dtype: Any) -> None:
    """Refuse pixels that must lie in memory as a whole and cannot; a damaged header may claim any size.

    Raises
    ------
    NucleiError
        They are more than this computer has free.
    """
    import psutil

    needed = math.prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    # Small ones are not worth the question.
    if needed > _ALWAYS_FITS and needed > psutil.virtual_memory().available:
        size = "×".join(str(n) for n in shape)
        raise NucleiError(
            f"{path.name} ({size} pixels, {needed / 2**30:.1f} GB) does not fit into this computer's memory.",
            "If it should be smaller, it is damaged: copy it again. Else save it as a tiled TIFF.",
        )


def damaged(path: Path, error: BaseException) -> NucleiError:
    """The file is of a known kind but its inside makes no sense; or what else kept it from being read."""
    if told := not_its_fault(error):
        return NucleiError(f"{path.name} cannot be read: {told[0]}.", told[1])
    return NucleiError(
        f"{path.name} is damaged and cannot be read ({str(error)[:200] or type(error).__name__}).",
        "Copy the file again, or export it anew from the microscope's program.",
    )
