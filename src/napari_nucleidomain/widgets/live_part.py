"""What the classical method finds in a part of an image, quickly enough to follow a slider. For threads: no Qt."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image
    from napari_nucleidomain.instances.classical import ClassicalParameters

Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Wish:
    """What is to be drawn.

    Attributes
    ----------
    image : Image
    plane : int or None
        Which plane of a stack or film (`Image.plane_axes`).
    box : tuple of (start, stop)
        One per axis that the method works on.
    shift : float
        As `ClassicalParameters.shifted`.
    regions : list of Region
        Only nuclei that lie in them, mostly; all when there are none.
    rough : bool
        Nuclei that touch may be one: what a hand that moves has time for.
    """

    image: Image
    plane: int | None
    box: Box
    shift: float
    regions: list[Any] = field(default_factory=list)
    rough: bool = False

    def of(self, other: Wish) -> bool:
        """Whether the constants that the other was drawn with hold here."""
        return self.image is other.image and self.plane == other.plane and len(self.box) == len(other.box)


@dataclass(frozen=True, eq=False)
class Drawn:
    """An answer, with what makes the next one quick.

    Attributes
    ----------
    labels : ndarray (*box shape) uint32
    count : int
        Nuclei in them.
    seconds : float
        What this took once constants and pixels were there.
    blank : bool
        Nothing in the image looks like nuclei.
    """

    wish: Wish
    labels: np.ndarray
    count: int
    seconds: float
    constants: ClassicalParameters
    block: np.ndarray
    inner: tuple[slice, ...]

    @property
    def blank(self) -> bool:
        """Whether nothing in the whole image looks like nuclei."""
        return self.constants.blank


def draw(wish: Wish, before: Drawn | None) -> Drawn:
    """The nuclei of a part of an image, as *Find nuclei* would find them with that part in one tile.

    Parameters
    ----------
    wish : Wish
    before : Drawn or None
        The last answer: of the same image the constants need not be fitted anew, of the same part the pixels not read,
        and a nucleus keeps its number, and with it its colour.

    Raises
    ------
    NucleiError
        The pixels are damaged.
    """
    if before is not None and not before.wish.of(wish):
        before = None
    constants = before.constants if before is not None else fitted(wish)
    if before is not None and before.wish.box == wish.box:
        block, inner = before.block, before.inner
    else:
        block, inner = _read(wish, constants)
    began = time.perf_counter()
    labels = _found(block, constants.shifted(wish.shift), rough=wish.rough)[inner]
    if wish.regions:
        labels = _inside(labels, wish)
    there = np.bincount(labels.ravel()) > 0
    there[0] = False
    count = int(there.sum())
    labels = np.where(there, np.cumsum(there), 0).astype(np.uint32)[labels]
    if before is not None and before.wish.box == wish.box:
        labels = steady(labels, before.labels)
    return Drawn(wish, labels, count, time.perf_counter() - began, constants, block, inner)


def _at(wish: Wish) -> Image:
    """The image as the process that predicts would open it: of a stack, the plane on screen."""
    if wish.plane is None or wish.image.default_plane == wish.plane:
        return wish.image
    return wish.image.reopened(wish.image.understanding.model_copy(update={"plane": wish.plane}))


def fitted(wish: Wish) -> ClassicalParameters:
    """Constants of the classical method for the whole image; the slow part."""
    from napari_nucleidomain.inference.classical import ClassicalSegmenter

    return ClassicalSegmenter(len(wish.box)).prepare(_at(wish), None)


def _read(wish: Wish, constants: ClassicalParameters) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Pixels with a margin, so that nuclei at the edge are whole; and where in them the part lies."""
    from napari_nucleidomain.inference.seen import seen

    shape = wish.image.spatial_shape[-len(wish.box) :]
    margins = zip(wish.box, shape, constants.halo, strict=True)
    wide = [(max(0, start - margin), min(side, stop + margin)) for (start, stop), side, margin in margins]
    inner = tuple(slice(a - low, b - low) for (a, b), (low, _) in zip(wish.box, wide, strict=True))
    block = wish.image.read(wide, plane=wish.plane)
    # As the constants were fitted: without ink, bars and the like.
    return seen(wish.image, wish.plane).clean(block, wide), inner


def _found(block: np.ndarray, constants: ClassicalParameters, *, rough: bool) -> np.ndarray:
    from napari_nucleidomain.instances.classical import foreground, segment_classical

    if not rough:
        return segment_classical(block, constants)[0]
    from skimage.measure import label

    labels = label(foreground(block, constants), connectivity=1)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.where(sizes >= constants.least_pixels, np.arange(len(sizes)), 0)[labels]


def _inside(labels: np.ndarray, wish: Wish) -> np.ndarray:
    corner = tuple(start for start, _ in wish.box)
    mask = np.zeros(labels.shape, bool)
    for region in wish.regions:
        mask |= region.mask(labels.shape, offset=corner)
    total = np.bincount(labels.ravel())
    kept = 2 * np.bincount(labels[mask], minlength=len(total)) > total
    return np.where(kept, np.arange(len(total)), 0)[labels]


def steady(labels: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The same nuclei under the numbers they had: colours go by number, and all would change with every move.

    Parameters
    ----------
    labels, before : ndarray of one shape, uint32
        0 is background.

    Returns
    -------
    ndarray uint32
        `labels`, renumbered: each takes the number of the one it covers most of, where no other covers more of that.
    """
    both = (labels > 0) & (before > 0)
    wide = np.int64(before.max(initial=0)) + 1
    codes, areas = np.unique(labels[both].astype(np.int64) * wide + before[both], return_counts=True)
    codes = codes[np.argsort(-areas, kind="stable")]
    new, old = codes // wide, codes % wide
    # The largest overlap of each new one, and of those the largest of each old one.
    first = np.sort(np.unique(new, return_index=True)[1])
    new, old = new[first], old[first]
    first = np.unique(old, return_index=True)[1]
    table = np.zeros(int(labels.max(initial=0)) + 1, np.uint32)
    table[new[first]] = old[first]
    without = np.flatnonzero(table[1:] == 0) + 1
    # Numbers that are free are taken first, so that they stay small however long somebody plays.
    free = np.setdiff1d(np.arange(1, wide + len(without)), old[first])[: len(without)]
    table[without] = free
    return table[labels]
