"""The clicked images of a dataset, each with the area that teaches and the area kept back to check with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.coverage import covers_image
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.data.regions import hull_region, regions_mask

from .config import SpnIenConfig

FEWEST_CLICKS = 20
_CHECK_LEAST = 5


@dataclass(frozen=True)
class Clicked:
    """One image.

    Attributes
    ----------
    name, path : str
    image : Image
        Opened lazily, for previews and checks.
    pixels : ndarray (H, W, C) float32
        In the unit range.
    points : ndarray (N, 2)
        Clicks that teach: inside `inside`.
    inside : ndarray (H, W) bool
        Where every nucleus is clicked, less what is kept back.
    check_box : tuple of (start, stop) or None
        The strip kept back.
    check_points : ndarray (M, 2)
        Clicks in the strip, in pixels of the strip.
    check_mask : ndarray or None
        Within the strip, where every nucleus is clicked.
    labels : ndarray (H, W) or None
        Outlines, only where the configuration uses them.
    """

    name: str
    path: str
    image: Image
    pixels: np.ndarray
    points: np.ndarray
    inside: np.ndarray
    check_box: tuple[tuple[int, int], tuple[int, int]] | None
    check_points: np.ndarray
    check_mask: np.ndarray | None
    labels: np.ndarray | None
    diameter_um: float | None = None

    def digest(self) -> str:
        """Of all that training sees of it."""
        code = hashlib.blake2b(digest_size=12)
        for array in (self.pixels, self.points, np.packbits(self.inside)):
            code.update(np.ascontiguousarray(array).tobytes())
        if self.labels is not None:
            code.update(np.ascontiguousarray(self.labels).tobytes())
        return code.hexdigest()


def load_clicked(dataset: Dataset, config: SpnIenConfig, warn: Callable[[str, str], None]) -> list[Clicked]:
    """Every training image with clicks.

    Raises
    ------
    NucleiError
        There are too few clicks to learn from, images differ in channels, or outlines are needed and absent.
    """
    found = []
    for example in dataset.examples(split="train"):
        one = _load(example, config, warn)
        if one is not None:
            found.append(one)
    total = sum(len(one.points) + len(one.check_points) for one in found)
    if total < FEWEST_CLICKS:
        raise NucleiError(
            f"Only {total} click{'s' * (total != 1)}; {FEWEST_CLICKS} is the least that works.",
            "Click more nuclei: 60 in a small area are a good start.",
        )
    channels = sorted({one.pixels.shape[-1] for one in found})
    if len(channels) > 1:
        raise NucleiError(
            f"The training images differ in channels: {' and '.join(map(str, channels))}.",
            "Choose the same channels in all of them, or leave some images out.",
        )
    return found


def _load(example: Example, config: SpnIenConfig, warn: Callable[[str, str], None]) -> Clicked | None:
    image = example.open()
    labels = example.load_labels(image) if config.variant == "fully" or config.derive_points else None
    points = example.load_points(image)
    if (
        (points is None or len(points) == 0)
        and labels is not None
        and (config.derive_points or config.variant == "fully")
    ):
        points = centres_of(labels)
    if points is None or len(points) == 0:
        return None
    if config.variant == "fully" and labels is None:
        raise NucleiError(f"{example.name} has no outlines.", "variant=fully needs outlines for every image.")
    if len(image.spatial_shape) == 3 and image.ndim == 3:
        raise NucleiError(f"{example.name} is a volume; this method works on flat images.", "Choose one plane of it.")
    shape = (int(image.spatial_shape[0]), int(image.spatial_shape[1]))
    points = np.asarray(points, float)[:, -2:]
    within = ((points >= -0.5) & (points < np.array(shape) - 0.5)).all(1)
    if not within.all():
        warn(f"{example.name}: {int((~within).sum())} clicks lie outside the image and are left out.", "")
        points = points[within]
    if len(points) == 0:
        return None
    inside = clicked_area(example, image, points, labels is not None, warn)
    taught = inside[tuple(np.clip(np.floor(points + 0.5).astype(int), 0, np.array(shape) - 1).T)]
    points = points[taught]
    box, checks, mask, inside, points = keep_back(points, inside, config.keep_back)
    raw = image.read()
    pixels = IntensityRange.fit(image.overview(), image.dtype, rgb=image.rgb).to_unit(raw)
    return Clicked(
        example.name, str(example.image), image, pixels, points, inside, box, checks, mask, labels,
        float(image.pixel_size_um[-1]) if image.pixel_size_um else None,
    )  # fmt: skip


def centres_of(labels: np.ndarray) -> np.ndarray:
    """Middle of the bounding box of each nucleus (METHODS 2.1); ndarray (N, 2) float."""
    from scipy import ndimage

    boxes = [box for box in ndimage.find_objects(labels.astype(np.int32)) if box is not None]
    return np.array([[(piece.start + piece.stop - 1) // 2 for piece in box] for box in boxes], float).reshape(-1, 2)


def clicked_area(
    example: Example, image: Image, points: np.ndarray, outlined: bool, warn: Callable[[str, str], None]
) -> np.ndarray:
    """Where every nucleus is clicked; ndarray (H, W) bool.

    Regions where there are some; else the whole image if the clicks plausibly cover it, else a hull about them: clicks in
    a corner never make the rest background.
    """
    shape = tuple(int(side) for side in image.spatial_shape)
    regions = example.load_regions(image)
    if regions:
        return regions_mask(regions, shape)
    if outlined or covers_image(points, shape):
        return np.ones(shape, bool)
    warn(
        f"{example.name}: no area is drawn and the clicks do not cover the image; an area round them is used.",
        "Draw the area in which every nucleus is clicked.",
    )
    return hull_region(points, shape=shape).mask(shape)


def keep_back(
    points: np.ndarray, inside: np.ndarray, share: float
) -> tuple[tuple[tuple[int, int], tuple[int, int]] | None, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """Cut a strip off the clicked area, along its longer side, that holds the share of its clicks.

    Returns
    -------
    box : tuple of (start, stop) or None
        The strip; None where too few clicks would lie in it.
    check_points : ndarray (M, 2)
        In pixels of the strip.
    check_mask : ndarray or None
    inside : ndarray (H, W) bool
        What is left to teach.
    points : ndarray (N, 2)
        Clicks that are left.
    """
    none = (None, np.zeros((0, 2)), None, inside, points)
    wanted = round(share * len(points))
    if wanted < _CHECK_LEAST:
        return none
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    bounds = [(int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)]
    axis = int(np.argmax([stop - start for start, stop in bounds]))
    order = np.sort(points[:, axis])
    cut = int(np.ceil((order[-wanted] + order[-wanted - 1]) / 2)) if wanted < len(order) else bounds[axis][0]
    if not bounds[axis][0] < cut < bounds[axis][1]:
        return none
    bounds[axis] = (cut, bounds[axis][1])
    box = (bounds[0], bounds[1])
    mask = inside[box[0][0] : box[0][1], box[1][0] : box[1][1]].copy()
    rest = inside.copy()
    rest[box[0][0] : box[0][1], box[1][0] : box[1][1]] = False
    back = points[:, axis] >= cut - 0.5
    origin = np.array([box[0][0], box[1][0]], float)
    return box, points[back] - origin, mask, rest, points[~back]
