"""What teaches and what is kept back to check with, of a dataset's outlined images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.keepback import CHECK_ENOUGH, keep_back
from napari_nucleidomain.data.known import UNKNOWN
from napari_nucleidomain.data.telling import Told, Warn

from .outlined import Outlined, load_areas, renumbered

FEWEST_NUCLEI = 10


@dataclass(frozen=True)
class Lessons:
    """What teaches and what checks.

    Attributes
    ----------
    teach : list of Outlined
    check : list of Outlined
        Whole images that are for checking, or, where those hold no nucleus, a strip of each that teaches and they; may
        be empty.
    kept_back : bool
        Whether the latter, or whole images or groups of those that were to teach.
    """

    teach: list[Outlined]
    check: list[Outlined]
    kept_back: bool

    @property
    def known_source(self) -> bool:
        """Whether something that checks is of a patient or slide that teaches."""
        return bool({one.group for one in self.teach} & {one.group for one in self.check} - {""})


def load_outlined(dataset: Dataset, share: float, warn: Warn) -> Lessons:
    """Every image with outlines.

    Parameters
    ----------
    dataset : Dataset
    share : float
        Of the nuclei that are kept back where no image is for checking.
    warn : callable
        Given message and hint.

    Raises
    ------
    NucleiError
        There are too few outlines to learn from, or images differ in channels.
    """
    told = Told(warn)
    examples = dataset.examples(split="train")
    teach = [area for example in examples for area in load_areas(example, told)]
    total = sum(one.nuclei for one in teach)
    if total < FEWEST_NUCLEI:
        kinds = {"labels", "corrected"}
        lost = [(str(one), one.hint) for one in dataset.lost if kinds.intersection(one.kinds)]
        raise _too_few(total, examples, lost + told.lost)
    check = [area for example in dataset.examples(split="val") for area in load_areas(example, told)]
    channels = sorted({one.pixels.shape[-1] for one in teach})
    if len(channels) > 1:
        raise NucleiError(
            f"The training images differ in channels: {' and '.join(map(str, channels))}.",
            "Choose the same channels in all of them, or leave some images out.",
        )
    _tell_about_channels(check, channels[0], warn)
    check = [one for one in check if one.pixels.shape[-1] == channels[0] and (one.known != UNKNOWN).any()]
    # Tissue without a nucleus stays, since what is found there is a false alarm; last, where only some are looked at.
    check.sort(key=lambda one: not one.nuclei)
    if any(one.nuclei for one in check):
        return Lessons(teach, check, False)
    teach, kept = _spared(teach, min(round(share * total), CHECK_ENOUGH), 2 * share)
    if share and not kept:
        warn(
            "Nothing could be kept back to check with: there are too few outlined nuclei.",
            "Set an image to check only.",
        )
    return Lessons(teach, kept + check if kept else [], True)


def _tell_about_channels(check: Sequence[Outlined], channels: int, warn: Warn) -> None:
    """Say which images cannot check, since they have other channels than those that teach."""
    for others in {one.path: one for one in check if one.pixels.shape[-1] != channels}.values():
        have = others.pixels.shape[-1]
        warn(
            f"{others.name}: it is for checking and left out, since it has {have} channel{'s' * (have != 1)} and the "
            f"training images have {channels}.",
            "Choose the same channels in all of them.",
        )


def _spared(teach: list[Outlined], wanted: int, most: float) -> tuple[list[Outlined], list[Outlined]]:
    """What teaches and what checks, at most the share `most` of all.

    Whole groups where there are some and they cost no more than that; else a strip of every image, or whole images
    where each has too few nuclei for that.
    """
    total = sum(one.nuclei for one in teach)
    if any(one.group for one in teach):
        rest, whole = spare_areas(teach, wanted, most)
        if rest and 2 * sum(one.nuclei for one in whole) >= wanted:
            return rest, whole
    pairs = [_divided(one, wanted / total) for one in teach]
    strips = [back for _, back in pairs if back is not None]
    if 2 * sum(one.nuclei for one in strips) >= wanted:
        return [rest for rest, _ in pairs], strips
    rest, whole = spare_areas(teach, wanted, most)
    if rest and whole:
        return rest, whole
    return [rest for rest, _ in pairs], strips


def _too_few(total: int, examples: list[Example], lost: list[tuple[str, str]]) -> NucleiError:
    message = f"Only {total} outlined {'nucleus' if total == 1 else 'nuclei'}; {FEWEST_NUCLEI} is the least that works."
    if lost:
        why, remedy = lost[0]
        return NucleiError(f"{message} Left out: {why}", remedy or "Mend that, or outline more nuclei.")
    clicked = sum(one.points is not None for one in examples)
    if not total and clicked:
        return NucleiError(
            f"{message} The training images have clicks, and this method learns from outlines.",
            "Train from the clicks instead (spn-ien), or correct a result in Review: corrected nuclei are outlines.",
        )
    return NucleiError(
        message,
        "Attach label images in Images, or correct a result in Review. In a folder of files, the outlines of "
        "images/a.tif are labels/a.tif.",
    )


def spare_areas(teach: Sequence[Outlined], wanted: int, most: float = 0.5) -> tuple[list[Outlined], list[Outlined]]:
    """Whole images to teach and to check with; those of one group (patient, slide) stay together.

    Parameters
    ----------
    teach : sequence of Outlined
    wanted : int
        Nuclei to check with.
    most : float
        Share of the nuclei that is spared at most.

    Returns
    -------
    teach, check : list of Outlined
        Images, or groups of them, are taken evenly over the list until there are enough nuclei; where those are too
        large, others.
    """
    nuclei: dict[str, int] = {}
    for one in teach:
        nuclei[one.source] = nuclei.get(one.source, 0) + one.nuclei
    total = sum(nuclei.values())
    step = max(2, int(total / max(1, wanted)))
    sources = list(nuclei)
    evenly = sources[step - 1 :: step]
    chosen: set[str] = set()
    spared = 0
    for source in evenly + [one for one in sources if one not in evenly]:
        if spared < wanted and nuclei[source] and spared + nuclei[source] <= most * total:
            chosen.add(source)
            spared += nuclei[source]
    check = [one for one in teach if one.source in chosen and one.nuclei]
    return [one for one in teach if one.source not in chosen], check


def _divided(one: Outlined, share: float) -> tuple[Outlined, Outlined | None]:
    """The area without a strip that holds the share of its nuclei, and that strip; nuclei on the cut are in neither."""
    strip, checks, mask, rest, _ = keep_back(one.centres(), one.known != UNKNOWN, share)
    if strip is None or mask is None or not len(checks):
        return one, None
    (top, bottom), (left, right) = strip
    place = (slice(top, bottom), slice(left, right))
    back = np.full(one.known.shape, UNKNOWN, one.known.dtype)
    back[place] = np.where(mask, one.known[place], UNKNOWN)
    both = np.intersect1d(np.unique(one.known[rest]), np.unique(back[back > 0]))
    cut = np.isin(one.known, both[both > 0])
    teach = replace(one, known=renumbered(np.where(rest & ~cut, one.known, UNKNOWN)))
    kept = renumbered(np.where(cut, UNKNOWN, back)[place])
    origin = (one.origin[0] + top, one.origin[1] + left)
    check = replace(
        one, origin=origin, pixels=one.pixels[place], known=kept, corrected=min(one.corrected, int(kept.max(initial=0)))
    )
    return (teach, check) if teach.nuclei and check.nuclei else (one, None)


def kept_back_in(lessons: Lessons) -> list[list[Any]]:
    """Image name and box (top, bottom, left, right) of everything that is checked with."""
    return [
        [one.name, top, top + one.known.shape[0], left, left + one.known.shape[1]]
        for one in lessons.check
        for top, left in (one.origin,)
    ]
