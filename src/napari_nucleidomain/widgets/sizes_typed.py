"""Pixel and voxel sizes as people type and read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_nucleidomain.contracts import NucleiError

_MOST_UM = 1e6
# Between numbers: "2 × 0.5 × 0.5", "2 x 0.5 x 0.5", "2; 0.5; 0.5", "2, 0.5, 0.5", "2 0.5 0.5"; "0,5" is one number.
_BETWEEN = re.compile(r"\s*[×x*;]\s*|,?\s+")


def read_size(text: str, ndim: int) -> float | tuple[float, ...]:
    """A typed size in µm.

    Parameters
    ----------
    text : str
    ndim : {2, 3}
        Of a volume z, y and x are wanted; two numbers are z and that of rows and columns.

    Returns
    -------
    float or (z, y, x)

    Raises
    ------
    NucleiError
        It is none.
    """
    parts = [part for part in _BETWEEN.split(text.strip()) if part]
    try:
        numbers = [float(part.replace(",", ".")) for part in parts]
    except ValueError:
        numbers = []
    if not all(0 < number < _MOST_UM for number in numbers):
        raise NucleiError("A pixel size is larger than 0 µm.", "")
    if ndim == 2:
        if len(numbers) != 1:
            raise NucleiError("A pixel size is a number of µm, for example 0.25.", "")
        return numbers[0]
    if len(numbers) not in (2, 3):
        raise NucleiError(
            "A voxel has a depth, too: z × y × x in µm, for example 0.5 × 0.13 × 0.13.",
            "Planes are mostly further apart than pixels.",
        )
    return (numbers[0], numbers[1], numbers[-1])


def size_text(size: float | Sequence[float]) -> str:
    """ "0.25", or "0.5 × 0.13 × 0.13"."""
    sides = (size,) if isinstance(size, int | float) else size
    return " × ".join(f"{float(side):.{3 if len(sides) > 1 else 4}g}" for side in sides)
