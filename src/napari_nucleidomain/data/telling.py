"""What a person should know of the images and clicks that are about to teach: said once each, before the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .images import Image
from .points import check_points

Warn = Callable[[str, str], None]
BLANK = "every pixel is the same, so there is nothing to learn from."


def tell_about_image(name: str, image: Image, warn: Warn) -> None:
    """Say what was left out of an image or taken for granted on opening it."""
    for text in (*image.notes, *image.assumptions):
        warn(f"{name}: {text}", "")


def tell_about_clicks(name: str, points: np.ndarray, shape: Sequence[int], warn: Warn) -> None:
    """Say where two clicks (N, 2) probably lie on one nucleus."""
    for finding in check_points(points, shape):
        if finding.kind == "close":
            warn(f"{name}: {finding.message}", "Two clicks on one nucleus cut it in two: remove one of them.")


def tell_about_area(name: str, complete: bool | None, regions: bool, warn: Warn) -> None:
    """Say what a region is taken for where a person did not say that it is clicked completely."""
    if regions and complete is False:
        warn(
            f"{name}: nobody said that every nucleus in its regions is clicked; what lies between the clicks there is "
            "taken for background all the same.",
            "Click the rest, or draw the region smaller.",
        )


def not_finite(raw: np.ndarray) -> int:
    """How many of the numbers (h, w, C) of a file are missing."""
    return int((~np.isfinite(raw)).sum()) if raw.dtype.kind == "f" else 0


def tell_about_pixels(name: str, missing: int, size: int, warn: Warn) -> None:
    """Say how much of the numbers that were read, in all areas of an image, is missing."""
    if missing:
        warn(f"{name}: {missing / size:.2%} of its numbers are not finite (NaN or infinite); they count as 0.", "")


def tell_about_unclicked(name: str, areas: int, warn: Warn) -> None:
    """Say that some of an image's areas hold no click."""
    if areas:
        some = "an area holds no click and is" if areas == 1 else f"{areas} areas hold no click and are"
        warn(f"{name}: {some} left out.", "")


def is_blank(pixels: np.ndarray) -> bool:
    """Whether all pixels (h, w, C) are the same."""
    return bool((pixels == pixels[:1, :1]).all())


def tell_about_blank(name: str, in_part: bool, told: Told) -> None:
    """Say that an image is blank, or one of its areas."""
    if in_part:
        told.leave_out(f"{name}: in one of its areas {BLANK}", "That area is left out. Export the image again.")
    else:
        told.leave_out(f"{name}: {BLANK}", "It is left out. Export the image again.")


class Told:
    """Says what a person should know, and keeps what costs clicks: where too few are left, that is the cause.

    Parameters
    ----------
    warn : callable
        Given message and hint.
    """

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self.lost: list[tuple[str, str]] = []

    def __call__(self, message: str, hint: str) -> None:
        self._warn(message, hint)

    def leave_out(self, message: str, remedy: str) -> None:
        """Say what is left out and what to do about it."""
        self._warn(message, remedy)
        self.lost.append((message, remedy))

    def remember(self, message: str, remedy: str) -> None:
        """What is worth saying only where too little is left."""
        self.lost.append((message, remedy))


def too_few(clicks: int, least: int, images: int, lost: Sequence[tuple[str, str]]) -> NucleiError:
    """The message for too few clicks: clicks that are there but cannot be used are the first thing to know.

    Parameters
    ----------
    clicks, least : int
        How many there are and should be.
    images : int
        For training, with clicks or without.
    lost : sequence of (message, remedy)
        What cost clicks.
    """
    message = f"Only {clicks} click{'s' * (clicks != 1)}; {least} is the least that works."
    if lost:
        why, remedy = lost[0]
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        return NucleiError(f"{message} Left out{more}: {why}", remedy or "Mend that, or click more nuclei.")
    if not images:
        return NucleiError(
            f"{message} No image is for training: all are for validation or test.", "Choose images for training."
        )
    if not clicks:
        whose = "The training image has" if images == 1 else f"None of the {images} training images has"
        whose += " no clicks." if images == 1 else " clicks."
        return NucleiError(
            f"{message} {whose}",
            "Click 60 nuclei in a small area. In a folder of files, the clicks of images/a.tif are points/a.csv.",
        )
    return NucleiError(message, "Click more nuclei: 60 in a small area are a good start.")
