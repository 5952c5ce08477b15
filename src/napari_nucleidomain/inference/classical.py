"""Otsu + watershed as a segmenter, for Predict and for every check of a learned model against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import SegmenterSpec
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.instances.classical import ClassicalParameters, fit_classical, segment_classical
from napari_nucleidomain.instances.stitching import TileInstances

_SAMPLE_SIDE = 512
_SAMPLES = 12


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

    def prepare(self, image: Image, plane: int | None) -> ClassicalParameters:
        """Range, threshold and size of the image's nuclei."""
        overview = image.overview(plane=plane, exact=True)
        ndim = self.spec.ndim
        shape = tuple(image.spatial_shape)[-ndim:] if ndim == 3 or plane is None else tuple(image.spatial_shape)[1:]
        size = image.pixel_size_um
        spacing = tuple(size[-ndim:]) if size else (1.0,) * ndim
        reduced = overview.shape[:ndim] != shape
        return fit_classical(
            overview,
            image.rgb,
            diameter=self._diameter,
            least_pixels=self._least,
            spacing=spacing,
            channel=image.nuclei_channel if not image.rgb and image.n_channels > 1 else None,
            scale=overview.shape[ndim - 1] / shape[-1],
            # An overview of a slide shows no nuclei: threshold and size are read off pieces at full resolution.
            samples=_samples(image, shape, plane, overview) if reduced else (),
        )

    def forward(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        """Segment tiles; see `contracts.Segmenter`."""
        found = []
        for tile in tiles:
            labels, scores, uncertainty = segment_classical(tile, constants)
            found.append(TileInstances(labels, scores, uncertainty))
        return found


def _samples(image: Image, shape: tuple[int, ...], plane: int | None, overview: np.ndarray) -> list[np.ndarray]:
    """Pieces of the image at full resolution, where its overview varies most."""
    side = [min(_SAMPLE_SIDE if axis >= len(shape) - 2 else 64, n) for axis, n in enumerate(shape)]
    grid = [range(0, max(1, n - s + 1), s) for n, s in zip(shape, side, strict=True)]
    corners = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(shape))
    ratio = np.array(overview.shape[: len(shape)]) / np.array(shape)
    contrast = []
    for corner in corners:
        low = np.floor(corner * ratio).astype(int)
        high = np.maximum(low + 1, np.ceil((corner + side) * ratio).astype(int))
        piece = overview[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        contrast.append(float(np.nanstd(piece.astype(np.float32))))
    best = np.argsort(contrast)[::-1][:_SAMPLES]
    boxes = [tuple((int(c), int(c + s)) for c, s in zip(corners[k], side, strict=True)) for k in best]
    return [image.read(box, plane=plane) for box in boxes]
