"""Sizes of nuclei as the pixels tell them: of a project's images together, and single nuclei to lay circles over.

No Qt; every function may run in a thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image
    from napari_nucleidomain.instances.sizes import NucleusSizes

MOST_IMAGES = 24
# Of larger images the block with the most contrast is read.
_BLOCK = {2: (1280, 1280), 3: (64, 384, 384)}
_CIRCLES = 9


def estimate_from(images: Sequence[Image]) -> NucleusSizes | None:
    """Typical nucleus of some images, in pixels of their last axis.

    Parameters
    ----------
    images : sequence of Image
        All flat or all volumes; of more than 24 some are looked at, spread over the list.

    Raises
    ------
    NucleiError
        Pixels are damaged, or flat images and volumes are mixed.
    """
    from napari_nucleidomain.instances.sizes import estimate_sizes

    chosen = [images[k] for k in np.unique(np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).astype(int))]
    planes = max(1, MOST_IMAGES // max(1, len(chosen)))
    parts, steps = [], []
    for image in chosen:
        size = image.pixel_size_um
        step = tuple(one / size[-1] for one in size) if size else None
        for plane in _planes(image, planes):
            parts.append(_richest_block(image, plane))
            steps.append(step)
    return estimate_sizes(parts, steps)


def _planes(image: Image, most: int) -> list[int | None]:
    if image.n_planes == 1:
        return [None]
    return [int(k) for k in np.unique(np.linspace(0, image.n_planes - 1, min(image.n_planes, most)).astype(int))]


def _nuclei(image: Image, block: np.ndarray) -> np.ndarray:
    return block[..., image.nuclei_channel or 0]


def _richest_block(image: Image, plane: int | None) -> np.ndarray:
    """The whole of a small image, else the block with the most contrast in its overview."""
    shape, most = image.spatial_shape, _BLOCK[image.ndim]
    if all(a <= b for a, b in zip(shape, most, strict=True)):
        return _nuclei(image, image.read(plane=plane))
    small = _nuclei(image, image.overview(512 if image.ndim == 2 else 256, plane)).astype(np.float32)
    share = np.array(small.shape) / np.array(shape)
    sides = np.minimum(np.maximum(2, np.round(np.array(most) * share)).astype(int), small.shape)
    starts = [range(0, n - side + 1, max(1, side // 2)) for n, side in zip(small.shape, sides, strict=True)]
    best = max(
        itertools.product(*starts),
        key=lambda at: float(small[tuple(slice(a, a + s) for a, s in zip(at, sides, strict=True))].std()),
    )
    corner = [min(int(a / s), max(0, n - m)) for a, s, n, m in zip(best, share, shape, most, strict=True)]
    box = [(a, min(n, a + m)) for a, n, m in zip(corner, shape, most, strict=True)]
    return _nuclei(image, image.read(box, plane=plane))


def centres_of_nuclei(image: Image, box: Sequence[tuple[int, int]], plane: int | None, diameter: float) -> np.ndarray:
    """Up to nine nuclei of a flat part, apart from one another, those of about the given size first.

    Of these the ones as bright as most come first: the very brightest often divide or die, and have another size.

    Parameters
    ----------
    image : Image
    box : sequence of (start, stop)
        Rows and columns; at most 640 × 640 of them.
    plane : int or None
        As in `Image.read`.
    diameter : float
        Pixels.

    Returns
    -------
    ndarray (N, 2) float64
        Rows and columns of the image.
    """
    from napari_nucleidomain.instances.scalespace import find_blobs, in_unit_range

    part = in_unit_range(_nuclei(image, image.read(box, plane=plane)))
    if part is None:
        return np.zeros((0, 2))
    blobs = find_blobs(part, np.ones(2))
    apart = np.abs(np.log2(2 * np.sqrt(2) * blobs.sigma / diameter)) if len(blobs.sigma) else np.zeros(0)
    kept: list[np.ndarray] = []
    margin = np.minimum(blobs.place, np.array(part.shape) - 1 - blobs.place).min(axis=1, initial=np.inf)
    # Those twice too large or small come last, as do those cut by the edge: they may be clumps, specks or parts.
    unlike = np.abs(blobs.answer - np.median(blobs.answer)) if len(blobs.answer) else blobs.answer
    for k in np.lexsort((unlike, (apart > 1) | (margin < diameter / 2))):
        place = blobs.place[k]
        if all(np.hypot(*(place - other)) > 1.5 * diameter for other in kept):
            kept.append(place)
        if len(kept) == _CIRCLES:
            break
    return np.array(kept, float).reshape(-1, 2) + [start for start, _ in box]


def circle_diameter(points: np.ndarray) -> float | None:
    """Diameter of the circle through three points of a plane.

    Parameters
    ----------
    points : ndarray (3, D) float64

    Returns
    -------
    float or None
        None where they lie in a line, or nearly: the nucleus would be a guess.
    """
    a, b, c = np.asarray(points, float)
    sides = [float(np.linalg.norm(x - y)) for x, y in ((a, b), (b, c), (c, a))]
    longest = max(sides)
    u, v = b - a, c - a
    twice_area = float(np.sqrt(max(0.0, (u @ u) * (v @ v) - (u @ v) ** 2)))
    # A triangle flatter than this comes from a slip: its circle would be many times as wide as the points are apart.
    if longest == 0 or twice_area / longest**2 < 0.05:
        return None
    return sides[0] * sides[1] * sides[2] / twice_area
