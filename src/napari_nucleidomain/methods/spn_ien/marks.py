"""What a person said about the nuclei of one image: clicks, outlines of all of it, corrected outlines of a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.known import known_map, with_corrections
from napari_nucleidomain.data.regions import Region
from napari_nucleidomain.data.telling import Told, tell_about_clicks, tell_about_image
from napari_nucleidomain.instances.labelimage import compact

from .config import SpnIenConfig
from .corrected import points_with


@dataclass(frozen=True)
class Marks:
    """Of one image, in its pixels.

    Attributes
    ----------
    points : ndarray (N, 2) float64
        One in each nucleus; none where all that is known is that there is none.
    sure : ndarray (N,) bool
        Which are of corrected outlines, and no clicks.
    outlined : bool
        The points are of outlines of the whole image, so that they are all its nuclei.
    labels : ndarray (H, W) or None
        These outlines, numbered 1..N, where the configuration uses them.
    known : ndarray (H, W) int32 or None
        See `data.known.known_map`.
    corrected_in : list of Region
        Where outlines were corrected.
    """

    points: np.ndarray
    sure: np.ndarray
    outlined: bool
    labels: np.ndarray | None
    known: np.ndarray | None
    corrected_in: list[Region]


def uses_outlines(config: SpnIenConfig) -> bool:
    """Whether outlines, where there are any, count as marks."""
    return config.variant == "fully" or config.derive_points


def read_marks(example: Example, image: Image, config: SpnIenConfig, warn: Told) -> Marks | None:
    """Read them, and say what is odd; None where there is nothing to learn from.

    Raises
    ------
    NucleiError
        Outlines are needed and absent, the image is a volume, or a file cannot be read.
    """
    told = lambda note: warn(f"{example.name}: {note}", "")  # noqa: E731
    labels = example.load_labels(image, told) if uses_outlines(config) else None
    if labels is not None:
        # Outlines drawn by hand bear any number; networks count in float32.
        labels, _ = compact(labels)
    points = example.load_points(image)
    corrections = example.load_corrections(image)
    if labels is not None and corrections is not None and config.variant == "fully":
        labels, corrections = with_corrections(labels, corrections), None
    # Outlines are taken to be complete; clicks of one's own beside them need not be.
    outlined = labels is not None and config.variant == "fully"
    if (points is None or len(points) == 0) and labels is not None:
        points, outlined = centres_of(labels), True
    if (points is None or len(points) == 0) and corrections is None:
        return None
    if config.variant == "fully" and labels is None:
        raise NucleiError(f"{example.name} has no outlines.", "variant=fully needs outlines for every image.")
    tell_about_image(example.name, image, warn)
    if len(image.spatial_shape) == 3 and image.ndim == 3:
        raise NucleiError(f"{example.name} is a volume; this method works on flat images.", "Choose one plane of it.")
    shape = (int(image.spatial_shape[0]), int(image.spatial_shape[1]))
    points = _within(example.name, np.zeros((0, 2)) if points is None else points, shape, warn)
    known, sure = None, np.zeros(len(points), bool)
    if corrections is not None:
        known = known_map(corrections)
        points, sure = points_with(points, corrections)
    if len(points) == 0 and known is None:
        return None
    if not outlined:
        tell_about_clicks(example.name, points[~sure], shape, warn)
    return Marks(points, sure, outlined, labels, known, example.load_corrected_in() if known is not None else [])


def _within(name: str, points: np.ndarray, shape: tuple[int, int], warn: Told) -> np.ndarray:
    """The clicks that lie on the image; the others are told of."""
    points = np.asarray(points, float)[:, -2:]
    within = ((points >= -0.5) & (points < np.array(shape) - 0.5)).all(1)
    if not within.all():
        out = int((~within).sum())
        warn.leave_out(
            f"{name}: {out} click{'s lie' if out != 1 else ' lies'} outside the image, left out.",
            "Remove them; are they another image's?",
        )
    return points[within]


def centres_of(labels: np.ndarray) -> np.ndarray:
    """Middle of the bounding box of each nucleus, as the paper's points were made; ndarray (N, 2) float."""
    from scipy import ndimage

    boxes = [box for box in ndimage.find_objects(compact(labels)[0]) if box is not None]
    return np.array([[(piece.start + piece.stop - 1) // 2 for piece in box] for box in boxes], float).reshape(-1, 2)
