"""One OME-Zarr store and what was written into it; see `zarr_variants`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

UNITS = {"z": 2.0, "y": 0.5, "x": 0.5}


@dataclass
class Case:
    """One store and what was written into it."""

    path: Path
    axes: str
    array: np.ndarray
    levels: int
    sizes: dict[str, float]
    names: list[str]
    meta: dict[str, Any]
    zarr_format: int = 2
    changes: list[str] = field(default_factory=list)
    last: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    @property
    def scale(self) -> dict[str, Any]:
        """The first image of the description, as long as it is one."""
        scales = self.meta.get("multiscales")
        one = scales[0] if isinstance(scales, list) and scales else scales
        return one if isinstance(one, dict) else {}

    def dataset(self, level: int) -> dict[str, Any]:
        """Entry of a level, as long as it is one."""
        entries = self.scale.get("datasets")
        one = entries[level] if isinstance(entries, list) and len(entries) > level else {}
        return one if isinstance(one, dict) else {}


def level_of(case: Case, level: int) -> np.ndarray:
    """Pixels of a level: every second row and column of the one before."""
    step = 2**level
    key = tuple(slice(None, None, step) if a in "yx" else slice(None) for a in case.axes)
    return case.array[key]


def put_array(group: Any, name: str, pixels: np.ndarray, separator: str = "/") -> None:
    """An array in a group of either version."""
    v2 = group.metadata.zarr_format == 2
    options: dict[str, Any] = {"chunk_key_encoding": {"name": "v2" if v2 else "default", "separator": separator}}
    chunks = tuple(min(n, 20) for n in pixels.shape)
    made = group.create_array(name, shape=pixels.shape, chunks=chunks, dtype=pixels.dtype, overwrite=True, **options)
    made[...] = pixels
