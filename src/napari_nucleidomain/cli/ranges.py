"""Arguments that hold several numbers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any

from napari_nucleidomain.contracts import NucleiError

# Beyond these no microscope goes: pixels in µm (electron microscopes', too), nuclei in pixels.
_LEAST, _MOST = 1e-4, 1e5


def check_range(name: str, value: float | None, unit: str) -> None:
    """Refuse a size that cannot be.

    Raises
    ------
    NucleiError
        It is zero, negative, infinite or absurd.
    """
    if value is not None and not _LEAST <= value <= _MOST:
        raise NucleiError(f"{name} must be more than 0 and in {unit}, not {value:g}.", "")


def check_sizes(sizes: Sequence[float] | None) -> tuple[float, ...]:
    """What stands behind ``--pixel-size``; nothing where it was not given.

    Raises
    ------
    NucleiError
        One of them cannot be.
    """
    for size in sizes or ():
        check_range("--pixel-size", size, "µm")
    return tuple(sizes or ())


def sides(text: str) -> tuple[int, ...]:
    """`512x512` or `64,128,128`."""
    try:
        found = tuple(int(part) for part in re.split("[x×,]", text.lower()))
    except ValueError:
        found = ()
    if len(found) not in (2, 3):
        raise argparse.ArgumentTypeError(f"it is two or three sides in pixels, as in 512,512 or 512x512; not {text!r}")
    return found


def span(kind: type[int] | type[float]) -> Callable[[str], tuple[Any, Any]]:
    """`20-30`, or one number for both."""

    def read(text: str) -> tuple[Any, Any]:
        low, dash, high = text.strip().partition("-")
        try:
            return kind(low), kind(high if dash else low)
        except ValueError:
            raise argparse.ArgumentTypeError(f"it is a number, or two as in 20-30; not {text!r}") from None

    return read
