"""Otsu + watershed as a segmenter, for Predict and for every check of a learned model against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import SegmenterSpec
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.instances.classical import ClassicalParameters, fit_classical, segment_classical
from napari_nucleidomain.instances.stitching import TileInstances

from .pieces import varied_pieces
from .seen import seen


class ClassicalSegmenter:
    """The classical method; nothing is loaded and nothing runs on a graphics card.

    Parameters
    ----------
    ndim : {2, 3}
    diameter_px : float, optional
        Typical nucleus; estimated from the image when not given.
    min_area_px : int, optional
        Smaller pieces are left out; a fraction of a typical nucleus when not given.
    """

    def __init__(self, ndim: int, diameter_px: float | None = None, min_area_px: int | None = None) -> None:
        self._diameter, self._least = diameter_px, min_area_px
        tile, halo = ((1024, 1024), (64, 64)) if ndim == 2 else ((128, 256, 256), (16, 32, 32))
        self.spec = SegmenterSpec(ndim=ndim, channels=0, tile=tile, halo=halo, fixed=False)

    def prepare(self, image: Image, plane: int | None, factor: float = 1.0) -> ClassicalParameters:
        """Range, threshold and size of the image's nuclei."""
        view = seen(image, plane)
        overview, shape, ndim = view.overview, view.shape, self.spec.ndim
        size = image.pixel_size_um
        spacing = tuple(size[-ndim:]) if size else (1.0,) * ndim
        # An overview of a slide shows no nuclei: threshold and size are read off pieces at full resolution.
        samples, used = varied_pieces(view) if overview.shape[:ndim] != shape else ([], [view.tissue.signal])
        return fit_classical(
            overview,
            image.rgb,
            diameter=self._diameter,
            least_pixels=self._least,
            spacing=spacing,
            channel=image.nuclei_channel if not image.rgb and image.n_channels > 1 else None,
            scale=overview.shape[ndim - 1] / shape[-1],
            samples=samples,
            used=used if not view.tissue.is_clean or view.tissue.white_padding.any() else (),
            bright_field=view.tissue.bright_field,
        )

    def forward(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        """Segment tiles; see `contracts.Segmenter`."""
        found = []
        for tile in tiles:
            labels, scores, uncertainty = segment_classical(tile, constants)
            found.append(TileInstances(labels, scores, uncertainty))
        return found
