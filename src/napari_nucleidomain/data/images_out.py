"""Grey images out, as TIFF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts.files import write_atomic


def write_grey(pixels: np.ndarray, path: Path, pixel_size_um: Sequence[float] | None = None) -> Path:
    """Write an image or a volume of one channel.

    Parameters
    ----------
    pixels : ndarray (Y, X) or (Z, Y, X) uint8 or uint16
    path : Path
        Ends in ``.tif``.
    pixel_size_um : sequence of float, optional
        Per axis.

    Raises
    ------
    WriteError
        The file cannot be written; one that was there stays.
    """
    import tifffile

    axes = "ZYX"[-pixels.ndim :]
    metadata: dict[str, Any] = {"axes": axes}
    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack"}
    if pixel_size_um is not None:
        for axis, size in zip(axes, pixel_size_um, strict=True):
            metadata |= {f"PhysicalSize{axis}": float(size), f"PhysicalSize{axis}Unit": "um"}
        options |= {"resolution": (1e4 / pixel_size_um[-1], 1e4 / pixel_size_um[-2]), "resolutionunit": "CENTIMETER"}
    return write_atomic(path, lambda aside: tifffile.imwrite(aside, pixels, metadata=metadata, **options))
