"""Edges instead of areas: napari draws them in 2D only."""

from __future__ import annotations

import warnings


def filled_in_3d() -> None:
    """Let napari fill outlined nuclei in 3D without a warning for each: that is what one wants to see there."""
    warnings.filterwarnings("ignore", message="Contours are not displayed during 3D rendering", category=UserWarning)
