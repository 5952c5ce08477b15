"""The outlined areas of a dataset's images: those that teach, and those that are kept back to check with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.areas import clicked_areas
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.known import UNKNOWN, known_map, with_corrections
from napari_nucleidomain.data.telling import (
    Told,
    Warn,
    is_blank,
    not_finite,
    tell_about_blank,
    tell_about_image,
    tell_about_pixels,
)
from napari_nucleidomain.inference.seen import intensity_of
from napari_nucleidomain.instances.labelimage import boxes, compact
from napari_nucleidomain.instances.reused import part_reused

# Of fewer pixels neither a box nor a mask can be learned.
LEAST_PX = 8


@dataclass(frozen=True)
class Outlined:
    """One image, or one of the areas of it that lie far apart.

    Attributes
    ----------
    name, path : str
        Of the image; those of its areas are alike.
    image : Image
        Opened lazily, for previews and checks.
    origin : tuple of int
        Corner, in the image, of the window that was read; `pixels` and `known` are in its coordinates.
    pixels : ndarray (H, W, C) float32
        In the unit range.
    known : ndarray (H, W) int32
        1..N nuclei, 0 background, -1 where nothing is known: outside the regions, nuclei that a region's edge cuts,
        specks of less than 8 px, and what is kept back.
    corrected : int
        Nuclei whose outlines a person corrected.
    group : str
        Patient or slide; empty where the image stands alone.
    """

    name: str
    path: str
    image: Image
    origin: tuple[int, int]
    pixels: np.ndarray
    known: np.ndarray
    corrected: int = 0
    group: str = ""

    @property
    def source(self) -> str:
        """What must lie as a whole on one side of a split: the group, or the image that stands alone."""
        return f"group {self.group}" if self.group else self.path

    @property
    def nuclei(self) -> int:
        """Outlines in it."""
        return int(self.known.max(initial=0))

    def centres(self) -> np.ndarray:
        """Middle of each nucleus' box in the window; ndarray (N, 2) float64."""
        return (boxes(np.maximum(self.known, 0), self.nuclei).sum(2) - 1) / 2.0

    def sides(self) -> np.ndarray:
        """Height and width of each nucleus' box in px; ndarray (N, 2) float64."""
        return np.diff(boxes(np.maximum(self.known, 0), self.nuclei), axis=2)[:, :, 0].astype(float)

    def digest(self) -> str:
        """Of all that training sees of it."""
        code = hashlib.blake2b(digest_size=12)
        for array in (self.pixels, self.known):
            code.update(np.ascontiguousarray(array).tobytes())
        return code.hexdigest()


def load_areas(example: Example, warn: Told) -> list[Outlined]:
    """The outlined areas of one image; none where nothing in it is outlined."""
    image = example.open()
    corrections = example.load_corrections(image)
    labels = example.load_labels(image, lambda note: warn(f"{example.name}: {note}", ""))
    if labels is None and corrections is None:
        return []
    if image.ndim == 3 and len(image.spatial_shape) == 3:
        raise NucleiError(f"{example.name} is a volume; this method works on flat images.", "Choose one plane of it.")
    tell_about_image(example.name, image, warn)
    if labels is None:
        assert corrections is not None
        known, regions = known_map(corrections, whole_only=True), []
        drawn = len(compact(corrections.labels * corrections.inside)[1])
    else:
        known = compact(labels)[0] if corrections is None else with_corrections(labels, corrections, whole_only=True)
        regions = example.load_regions(image)
        drawn = int(known.max(initial=0))
    corrected_in = example.load_corrected_in() if corrections is not None else []
    known, spans, reused = part_reused(known, boxes(known, int(known.max(initial=0))), UNKNOWN)
    if reused:
        _tell_about_reused(example.name, reused, warn)
    shape = (int(known.shape[0]), int(known.shape[1]))
    whole = labels is not None and not regions
    intensity = intensity_of(image)
    made, missing, size, blank, specks, inside_of = [], 0, 0, 0, 0, 0
    areas = clicked_areas(example.name, shape, regions, np.zeros((0, 2)), whole, warn, [] if whole else corrected_in)
    for (rows, columns), inside in areas:
        part, small = _without_specks(_inside(known, spans, (rows, columns), inside))
        specks, inside_of = specks + small, inside_of + small + int(part.max(initial=0))
        raw = image.read(((rows.start, rows.stop), (columns.start, columns.stop)))
        missing, size = missing + not_finite(raw), size + raw.size
        pixels = intensity.to_unit(raw)
        if is_blank(pixels):
            blank += 1
            continue
        corrected = 0
        if corrections is not None:
            corrected = len(np.unique(part[corrections.inside[rows, columns] & (part > 0)]))
        origin = (rows.start, columns.start)
        made.append(Outlined(example.name, str(example.image), image, origin, pixels, part, corrected, example.group))
    if blank:
        tell_about_blank(example.name, bool(made), warn)
    tell_about_pixels(example.name, missing, size, warn)
    if inside_of < drawn and not whole:
        _tell_about_cut(example.name, drawn, inside_of, warn)
    if specks:
        _tell_about_specks(example.name, specks, sum(one.nuclei for one in made), warn)
    return made


def _tell_about_cut(name: str, drawn: int, inside: int, told: Told) -> None:
    """Say that regions, or the part that was corrected, hold few of the outlines."""
    outlines = f"{drawn:,} outline{'s' * (drawn != 1)}"
    remedy = "Enlarge the region: nuclei that its edge cuts do not teach."
    if inside:
        told.remember(
            f"{name}: of {outlines} only {inside:,} {'lie' + 's' * (inside == 1)} wholly inside its regions.", remedy
        )
    else:
        told.leave_out(f"{name}: {outlines}, none of which lies wholly inside its regions.", remedy)


def _tell_about_specks(name: str, specks: int, others: int, told: Told) -> None:
    some = "1 outline of less" if specks == 1 else f"{specks:,} outlines of less"
    message = f"{name}: {some} than {LEAST_PX} pixels {'is' if specks == 1 else 'are'} left out."
    if specks > others:
        told.leave_out(
            message, "They are too small to learn from: enlarge the image (twice or more) and outline it there."
        )
    else:
        # A few slips are not why there are too few nuclei.
        told(message, "Slips of the brush do no harm; nuclei this small are seen in an enlarged image only.")


def _tell_about_reused(name: str, count: int, warn: Warn) -> None:
    ids = "1 id is used twice" if count == 1 else f"{count:,} ids are used twice"
    warn(
        f"{name}: {ids}, for nuclei far apart; each is taken as a nucleus of its own.",
        "Some programs count only to 255: save the outlines again as a 16-bit image, so that no two that touch have "
        "one number.",
    )


def _inside(known: np.ndarray, spans: np.ndarray, window: tuple[slice, slice], inside: np.ndarray) -> np.ndarray:
    """What is known in a window: nothing outside the mask, nor of nuclei that reach out of it.

    `spans` are the boxes of all nuclei in the image, so that only the window is looked at.
    """
    part = known[window]
    bounds = np.array([(side.start, side.stop) for side in window])
    cut = np.append(False, ((spans[:, :, 0] < bounds[:, 0]) | (spans[:, :, 1] > bounds[:, 1])).any(1))
    cut[np.maximum(part[~inside], 0)] = True
    cut[0] = False
    sure = inside & (part != UNKNOWN) & ~cut[np.maximum(part, 0)]
    return renumbered(np.where(sure, part, UNKNOWN))


def _without_specks(known: np.ndarray) -> tuple[np.ndarray, int]:
    """Make nuclei of too few pixels unknown; and how many."""
    areas = np.bincount(np.maximum(known, 0).ravel())
    small = areas < LEAST_PX
    small[0] = False
    if not small.any():
        return known, 0
    return renumbered(np.where(small[np.maximum(known, 0)], UNKNOWN, known)), int(small.sum())


def renumbered(known: np.ndarray) -> np.ndarray:
    small, _ = compact(np.maximum(known, 0))
    return np.where(known == UNKNOWN, UNKNOWN, small).astype(np.int32)
