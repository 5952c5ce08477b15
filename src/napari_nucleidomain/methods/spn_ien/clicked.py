"""The clicked images of a dataset, each with the area that teaches and the area kept back to check with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.coverage import covers_image
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.data.regions import hull_region, regions_mask

from .config import SpnIenConfig
from .telling import BLANK, is_blank, tell_about_clicks, tell_about_image, tell_about_pixels, too_few

FEWEST_CLICKS = 20
_CHECK_LEAST = 5
# So many clicks tell a score to about four percent; more are better used to teach.
_CHECK_ENOUGH = 150
# What lies about the clicked area is seen by the networks but teaches nothing.
_MARGIN = 64


@dataclass(frozen=True)
class Clicked:
    """One image.

    Attributes
    ----------
    name, path : str
    image : Image
        Opened lazily, for previews and checks.
    origin : tuple of int
        Corner, in the image, of the window about the clicked area. Only that window is read, so that a slide costs
        no more memory than what was clicked of it; `pixels`, `points`, `inside` and `labels` are in its coordinates.
    pixels : ndarray (H, W, C) float32
        In the unit range.
    points : ndarray (N, 2)
        Clicks that teach: inside `inside`.
    inside : ndarray (H, W) bool
        Where every nucleus is clicked, less what is kept back.
    check_box : tuple of (start, stop) or None
        The strip kept back, in pixels of the image.
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
    origin: tuple[int, int] = (0, 0)

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
    left_out = [message for _, message in dataset.problems]
    for example in dataset.examples(split="train"):
        one = _load(example, config, warn)
        if one is not None and is_blank(one.name, one.pixels, warn):
            left_out.append(f"{one.name}: {BLANK}")
        elif one is not None:
            found.append(one)
    total = sum(len(one.points) for one in found)
    if total < FEWEST_CLICKS:
        raise too_few(total, FEWEST_CLICKS, left_out)
    channels = sorted({one.pixels.shape[-1] for one in found})
    if len(channels) > 1:
        raise NucleiError(
            f"The training images differ in channels: {' and '.join(map(str, channels))}.",
            "Choose the same channels in all of them, or leave some images out.",
        )
    share = min(config.keep_back, _CHECK_ENOUGH / total)
    return [_with_check(one, share) for one in found]


def _with_check(one: Clicked, share: float) -> Clicked:
    """The same image, a part of whose clicked area is kept back."""
    strip, checks, mask, inside, points = keep_back(one.points, one.inside, share)
    if strip is None:
        return one
    box = (_moved(strip[0], one.origin[0]), _moved(strip[1], one.origin[1]))
    return replace(one, points=points, inside=inside, check_box=box, check_points=checks, check_mask=mask)


def _load(example: Example, config: SpnIenConfig, warn: Callable[[str, str], None]) -> Clicked | None:
    image = example.open()
    labels = example.load_labels(image) if config.variant == "fully" or config.derive_points else None
    points = example.load_points(image)
    # Outlines are taken to be complete; clicks of one's own beside them need not be.
    outlined = labels is not None and config.variant == "fully"
    if (points is None or len(points) == 0) and labels is not None:
        points, outlined = centres_of(labels), True
    if points is None or len(points) == 0:
        return None
    if config.variant == "fully" and labels is None:
        raise NucleiError(f"{example.name} has no outlines.", "variant=fully needs outlines for every image.")
    tell_about_image(example.name, image, warn)
    if len(image.spatial_shape) == 3 and image.ndim == 3:
        raise NucleiError(f"{example.name} is a volume; this method works on flat images.", "Choose one plane of it.")
    shape = (int(image.spatial_shape[0]), int(image.spatial_shape[1]))
    points = np.asarray(points, float)[:, -2:]
    within = ((points >= -0.5) & (points < np.array(shape) - 0.5)).all(1)
    if not within.all():
        out = int((~within).sum())
        warn(f"{example.name}: {out} click{'s lie' if out != 1 else ' lies'} outside the image, left out.", "")
        points = points[within]
    if len(points) == 0:
        return None
    if not outlined:
        tell_about_clicks(example.name, points, shape, warn)
    (rows, columns), inside = clicked_area(example, image, points, outlined, warn)
    origin = (rows.start, columns.start)
    points = points - origin
    at = np.floor(points + 0.5).astype(int)
    taught = ((at >= 0) & (at < inside.shape)).all(1)
    taught[taught] = inside[tuple(at[taught].T)]
    if not taught.all():
        warn(f"{example.name}: {int((~taught).sum())} clicks lie outside every region and are left out.", "")
    points = points[taught]
    if len(points) == 0:
        return None
    raw = image.read(((rows.start, rows.stop), (columns.start, columns.stop)))
    tell_about_pixels(example.name, raw, warn)
    pixels = IntensityRange.fit(image.overview(), image.dtype, rgb=image.rgb).to_unit(raw)
    outlines = None if labels is None else labels[rows, columns]
    none = np.zeros((0, 2))
    return Clicked(
        example.name, str(example.image), image, pixels, points, inside, None, none, None, outlines, origin
    )  # fmt: skip


def centres_of(labels: np.ndarray) -> np.ndarray:
    """Middle of the bounding box of each nucleus, as the paper's points were made; ndarray (N, 2) float."""
    from scipy import ndimage

    boxes = [box for box in ndimage.find_objects(labels.astype(np.int32)) if box is not None]
    return np.array([[(piece.start + piece.stop - 1) // 2 for piece in box] for box in boxes], float).reshape(-1, 2)


def _moved(side: tuple[int, int], by: int) -> tuple[int, int]:
    return side[0] + by, side[1] + by


def clicked_area(
    example: Example, image: Image, points: np.ndarray, outlined: bool, warn: Callable[[str, str], None]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where every nucleus is clicked.

    Regions where there are some; else the whole image if the clicks plausibly cover it, else a hull about them: clicks
    in a corner never make the rest background.

    Returns
    -------
    window : tuple of slice
        Rows and columns of the image that hold it.
    inside : ndarray (*window shape) bool

    Raises
    ------
    NucleiError
        Every region lies outside the image.
    """
    shape = (int(image.spatial_shape[0]), int(image.spatial_shape[1]))
    regions = example.load_regions(image)
    if not regions:
        if outlined or covers_image(points, shape):
            return (slice(0, shape[0]), slice(0, shape[1])), np.ones(shape, bool)
        warn(
            f"{example.name}: no area is drawn and the clicks do not cover the image; an area round them is used.",
            "Draw the area in which every nucleus is clicked.",
        )
        regions = [hull_region(points, shape=shape)]
    sides = np.array([region.bounds for region in regions])
    low = np.clip(sides[:, :, 0].min(0) - _MARGIN, 0, shape)
    high = np.clip(sides[:, :, 1].max(0) + _MARGIN, 0, shape)
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    inside = regions_mask(regions, tuple(int(side) for side in np.maximum(high - low, 0)), (int(low[0]), int(low[1])))
    if not inside.any():
        raise NucleiError(f"{example.name}: every region lies outside the image.", "Draw the region on this image.")
    return window, inside


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
    # Clicks in a line across the cut go together; then too few would be left to teach.
    if back.sum() > max(wanted, len(points) // 2):
        return none
    origin = np.array([box[0][0], box[1][0]], float)
    return box, points[back] - origin, mask, rest, points[~back]
