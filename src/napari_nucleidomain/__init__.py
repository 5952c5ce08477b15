"""Interactive nuclei segmentation in napari: look, click, train, predict, review."""

from __future__ import annotations

__version__ = "0.1.0"
