"""The clicked areas of a dataset's images, each with the part that teaches and the part kept back to check with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.areas import Window, clicked_areas
from napari_nucleidomain.data.coverage import clicks_every_outline, covers_image
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.keepback import CHECK_ENOUGH, keep_back, lie_in, moved
from napari_nucleidomain.data.telling import (
    Told,
    is_blank,
    not_finite,
    tell_about_area,
    tell_about_blank,
    tell_about_pixels,
    tell_about_unclicked,
    too_few,
)
from napari_nucleidomain.inference.seen import intensity_of
from napari_nucleidomain.instances.labelimage import compact

from .config import SpnIenConfig
from .marks import Marks, read_marks, uses_outlines
from .pseudo_labels import INSTANCE_IGNORED

FEWEST_CLICKS = 20


@dataclass(frozen=True)
class Clicked:
    """One image, or one of the areas of it that lie far apart.

    Attributes
    ----------
    name, path : str
        Of the image; those of its areas are alike.
    image : Image
        Opened lazily, for previews and checks.
    origin : tuple of int
        Corner, in the image, of the window about the clicked area. Only that window is read, so that a slide costs
        no more memory than what was clicked of it; `pixels`, `points`, `inside` and `labels` are in its coordinates.
    pixels : ndarray (H, W, C) float32
        In the unit range.
    points : ndarray (N, 2)
        Clicks that teach: inside `inside`. None where all that is known is that there is no nucleus.
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
    known : ndarray (H, W) int32 or None
        Outlines that a person corrected: 1..N nuclei, 0 background, -1 where nothing was corrected. Nothing of it is
        kept back, unless there would be nothing else to check with.
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
    known: np.ndarray | None = None

    @property
    def corrected(self) -> int:
        """Nuclei whose outlines were corrected."""
        return 0 if self.known is None else len(np.unique(self.known[self.known > 0]))

    def digest(self) -> str:
        """Of all that training sees of it."""
        code = hashlib.blake2b(digest_size=12)
        for array in (self.pixels, self.points, np.packbits(self.inside)):
            code.update(np.ascontiguousarray(array).tobytes())
        for outlines in (self.labels, self.known):
            if outlines is not None:
                code.update(np.ascontiguousarray(outlines).tobytes())
        return code.hexdigest()


def load_clicked(dataset: Dataset, config: SpnIenConfig, warn: Callable[[str, str], None]) -> list[Clicked]:
    """Every training image with clicks.

    Raises
    ------
    NucleiError
        There are too few clicks to learn from, images differ in channels, or outlines are needed and absent.
    """
    found: list[list[Clicked]] = []
    told = Told(warn)
    examples = dataset.examples(split="train")
    for example in examples:
        areas = _load(example, config, told)
        blank = [one for one in areas if is_blank(one.pixels)]
        if blank:
            tell_about_blank(blank[0].name, len(blank) < len(areas), told)
        found.append([one for one in areas if not is_blank(one.pixels)])
    every = [one for areas in found for one in areas]
    total = sum(len(one.points) for one in every)
    if total < FEWEST_CLICKS:
        kinds = {"points", "corrected", "labels"} if uses_outlines(config) else {"points", "corrected"}
        lost = [(str(one), one.hint) for one in dataset.lost if kinds.intersection(one.kinds)]
        raise too_few(total, FEWEST_CLICKS, len(examples), lost + told.lost)
    channels = sorted({one.pixels.shape[-1] for one in every})
    if len(channels) > 1:
        raise NucleiError(
            f"The training images differ in channels: {' and '.join(map(str, channels))}.",
            "Choose the same channels in all of them, or leave some images out.",
        )
    share = min(config.keep_back, CHECK_ENOUGH / total)
    return [one for areas in found for one in _with_checks(areas, share)]


def _with_checks(areas: list[Clicked], share: float) -> list[Clicked]:
    """The same areas of an image, a part of each of which is kept back."""
    made = [_with_check(one, share) for one in areas]
    if any(one.check_box is not None for one in made):
        return made
    if any(one.known is not None for one in areas):
        # Better checked with a part of what was corrected than not at all.
        made = [_with_check(one, share, spare_known=False) for one in areas]
    if len(areas) < 2 or any(one.check_box is not None for one in made):
        return made
    # Each is too small to spare five clicks; then the largest gives for all, at most half of what it has.
    most = max(range(len(areas)), key=lambda number: len(areas[number].points))
    wanted = share * sum(len(one.points) for one in areas)
    made[most] = _with_check(areas[most], min(0.5, wanted / len(areas[most].points)))
    return made


def _with_check(one: Clicked, share: float, *, spare_known: bool = True) -> Clicked:
    """The same area less what is kept back of it."""
    sure = np.zeros(one.inside.shape, bool)
    if one.known is not None and spare_known:
        sure = one.inside & (one.known != INSTANCE_IGNORED)
    taught = lie_in(one.points, sure)
    if len(one.points) == 0 or taught.all() or not (one.inside & ~sure).any():
        return one
    strip, checks, mask, inside, points = keep_back(one.points[~taught], one.inside & ~sure, share)
    if strip is None:
        return one
    # What a person corrected teaches, wherever it lies.
    inside, points = inside | sure, np.concatenate([points, one.points[taught]])
    known = one.known if one.known is None or spare_known else np.where(inside, one.known, INSTANCE_IGNORED)
    box = (moved(strip[0], one.origin[0]), moved(strip[1], one.origin[1]))
    return replace(one, points=points, inside=inside, check_box=box, check_points=checks, check_mask=mask, known=known)


def _load(example: Example, config: SpnIenConfig, warn: Told) -> list[Clicked]:
    """The clicked areas of one image; none where nothing in it is clicked."""
    image = example.open()
    marks = read_marks(example, image, config, warn)
    if marks is None:
        return []
    shape = (int(image.spatial_shape[0]), int(image.spatial_shape[1]))
    regions = example.load_regions(image)
    tell_about_area(example.name, example.complete, bool(regions), warn)
    areas = []
    taught = np.zeros(len(marks.points), bool)
    clicks = marks.points[~marks.sure]
    whole = marks.outlined or (not regions and _is_whole(example, image, marks, shape))
    for window, inside in clicked_areas(example.name, shape, regions, clicks, whole, warn, marks.corrected_in):
        origin = (window[0].start, window[1].start)
        within = lie_in(marks.points - origin, inside)
        taught |= within
        areas.append((window, inside, marks.points[within] - origin))
    if not taught.all():
        warn.leave_out(
            f"{example.name}: {int((~taught).sum())} clicks lie outside every region and are left out.",
            "Draw the regions round them, or remove the regions.",
        )
    sure = np.zeros((1, 1), bool) if marks.known is None else marks.known != INSTANCE_IGNORED
    clicked = [area for area in areas if len(area[2]) or (marks.known is not None and sure[area[0]].any())]
    tell_about_unclicked(example.name, len(areas) - len(clicked), warn)
    return _read_areas(example, image, marks, clicked, warn)


def _read_areas(
    example: Example,
    image: Image,
    marks: Marks,
    areas: list[tuple[Window, np.ndarray, np.ndarray]],
    warn: Callable[[str, str], None],
) -> list[Clicked]:
    """Each area (window, mask, points in it) with its pixels."""
    intensity = intensity_of(image)
    made, missing, size = [], 0, 0
    for (rows, columns), inside, own in areas:
        raw = image.read(((rows.start, rows.stop), (columns.start, columns.stop)))
        missing, size = missing + not_finite(raw), size + raw.size
        made.append(
            Clicked(
                name=example.name,
                path=str(example.image),
                image=image,
                pixels=intensity.to_unit(raw),
                points=own,
                inside=inside,
                check_box=None,
                check_points=np.zeros((0, 2)),
                check_mask=None,
                labels=None if marks.labels is None else marks.labels[rows, columns],
                known=_known_in(marks.known, rows, columns),
                origin=(rows.start, columns.start),
            )
        )
    tell_about_pixels(example.name, missing, size, warn)
    return made


def _is_whole(example: Example, image: Image, marks: Marks, shape: tuple[int, int]) -> bool:
    """Whether the clicks are all nuclei of the image: somebody said so, or outlines beside them have no others."""
    points = marks.points
    if marks.sure.all():
        return False
    if marks.known is not None and covers_image(points, shape):
        # Those in the corrected part count for covering the image, not for the area round the others.
        return True
    if example.complete is not None or example.labels is None or covers_image(points, shape):
        return bool(example.complete)
    labels = example.load_labels(image)
    return labels is not None and clicks_every_outline(points, labels)


def _known_in(known: np.ndarray | None, rows: slice, columns: slice) -> np.ndarray | None:
    """The part of the corrected outlines in a window, renumbered; None where nothing there was corrected."""
    part = None if known is None else known[rows, columns]
    if part is None or not (part != INSTANCE_IGNORED).any():
        return None
    small, _ = compact(np.maximum(part, 0))
    return np.where(part == INSTANCE_IGNORED, part, small).astype(np.int32)
