"""Corrected outlines of a part of an image, kept so that a training can use them: every version in files of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.contingency import pair_counts
from napari_nucleidomain.instances.labelimage import as_labels, compact

from .labels_io import read_labels
from .labels_out import write_labels
from .regions import Region, read_regions, regions_mask, write_regions


@dataclass(frozen=True)
class StoredCorrections:
    """One version on disk.

    Attributes
    ----------
    labels, regions : Path
        A label image of the image's size, and GeoJSON of the part that was looked through.
    nuclei : int
        Outlines with a pixel in the part.
    """

    labels: Path
    regions: Path
    nuclei: int


def store_corrections(
    folder: Path,
    name: str,
    labels: np.ndarray,
    regions: Sequence[Region],
    before: StoredCorrections | None = None,
    pixel_size_um: Sequence[float] | None = None,
) -> StoredCorrections:
    """Write a new version; what was corrected before elsewhere in the image stays in it.

    Parameters
    ----------
    folder : Path
        Of the project's corrections.
    name : str
        Of the image, safe as a file name; the version's number is added.
    labels : ndarray (Y, X), integers
        Of the whole image's size. Nuclei that lie partly inside the regions are kept whole, so that a later version can
        join on to them; only their pixels inside count.
    regions : sequence of Region
        In which every nucleus is outlined now, and nothing else.
    before : StoredCorrections, optional
        The version this one goes on from. Where both say something, the new one is right.
    pixel_size_um : sequence of float, optional

    Returns
    -------
    StoredCorrections

    Raises
    ------
    NucleiError
        The regions hold no pixel of the image, the version before cannot be read, or the disk is full.
    """
    inside = regions_mask(regions, labels.shape)
    kept = _touching(as_labels(labels), inside)
    if not inside.any():
        raise NucleiError("The area lies outside the image.", "Draw or show a part of the image.")
    areas = list(regions)
    if before is not None:
        old = read_labels(before.labels).labels
        if old.shape != labels.shape:
            raise NucleiError(
                f"The corrections made earlier are of another size: {before.labels.name}.",
                "Take them out of the training images first.",
            )
        earlier = read_regions(before.regions)
        known = regions_mask(earlier, old.shape)
        kept = _laid_over(old, known, kept, inside)
        areas, inside = [*earlier, *areas], inside | known
    kept, _ = compact(kept)
    number = 1 + max(_numbers(folder, name), default=0)
    path = folder / f"{name}-{number}.tif"
    # The part first: a label image without one is never taken for complete.
    drawn = write_regions(areas, path.with_suffix(".geojson"))
    return StoredCorrections(
        write_labels(kept, path, "tif", pixel_size_um), drawn, len(np.unique(kept[inside & (kept > 0)]))
    )


def _numbers(folder: Path, name: str) -> list[int]:
    pattern = re.compile(re.escape(name) + r"-(\d+)")
    found = (pattern.fullmatch(path.stem) for path in folder.glob("*")) if folder.is_dir() else ()
    return [int(match[1]) for match in found if match]


def _touching(labels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Only the nuclei with a pixel inside, whole."""
    small, ids = compact(labels)
    found = np.zeros(len(ids) + 1, bool)
    found[small[inside]] = True
    found[0] = False
    return np.where(found[small], small, 0)


def _laid_over(old: np.ndarray, known: np.ndarray, new: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """New labels where `inside`, old ones where else they are `known`; a nucleus that lies in both is one."""
    below, old_ids = compact(old)
    above, new_ids = compact(new)
    number = np.concatenate([[0], np.arange(1, len(old_ids) + 1) + len(new_ids)])
    taken = _superseded(below, above, inside)
    for under, over in taken.items():
        number[under] = over
    free = set(taken.values())
    for under, over in _across(below, above, inside):
        # Two nuclei that were told apart earlier stay two, whatever joins them outside what was looked at.
        if under not in taken and over not in free:
            number[under] = over
            taken[under] = over
            free.add(over)
    older = number[below]
    result = np.where(above > 0, above, older)
    result[known] = older[known]
    result[inside] = above[inside]
    return result.astype(np.uint32)


def _superseded(below: np.ndarray, above: np.ndarray, inside: np.ndarray) -> dict[int, int]:
    """Old nuclei that lie mostly in the new part, by the new one that took most of what lies there."""
    whole = np.bincount(below.ravel())
    there = np.bincount(below[inside], minlength=len(whole))
    under, over, shared = pair_counts(
        np.where(inside, below, 0), above, int(below.max(initial=0)), int(above.max(initial=0))
    )
    return {
        int(u): int(v)
        for u, v, n in zip(under, over, shared, strict=True)
        if 2 * there[u] > whole[u] and 2 * n > there[u]
    }


def _across(below: np.ndarray, above: np.ndarray, inside: np.ndarray) -> list[tuple[int, int]]:
    """Old and new nuclei that touch across the new part's border and overlap beyond it; longest contact first."""
    one, other = np.where(inside, 0, below), np.where(inside, above, 0)
    touching = []
    for axis in range(2):
        first, second = (np.moveaxis(part, axis, 0) for part in (one, other))
        for a, b in ((first[:-1], second[1:]), (first[1:], second[:-1])):
            both = (a > 0) & (b > 0)
            touching.append(np.stack([a[both], b[both]], axis=1))
    pairs, contact = np.unique(np.concatenate(touching), axis=0, return_counts=True)
    under, over, shared = pair_counts(below, above, int(below.max(initial=0)), int(above.max(initial=0)))
    overlap = {(int(u), int(v)): int(n) for u, v, n in zip(under, over, shared, strict=True)}
    area_below, area_above = np.bincount(below.ravel()), np.bincount(above.ravel())
    found = [(int(u), int(v)) for u, v in pairs[np.argsort(-contact, kind="stable")]]
    return [(u, v) for u, v in found if 2 * overlap.get((u, v), 0) > min(area_below[u], area_above[v])]


def box_round_changes(before: np.ndarray, now: np.ndarray, margin: int) -> tuple[slice, ...] | None:
    """The box round all nuclei that differ between two label images.

    Parameters
    ----------
    before, now : ndarray (Y, X), integers, same shape
    margin : int
        Pixels left about them.

    Returns
    -------
    tuple of slice or None
        None where nothing differs.
    """
    changed = before != now
    if not changed.any():
        return None
    touched = changed.copy()
    for labels in (before, now):
        ids = np.unique(labels[changed])
        touched |= np.isin(labels, ids[ids > 0])
    sides = []
    for axis, length in enumerate(now.shape):
        hit = np.flatnonzero(touched.any(axis=tuple(k for k in range(now.ndim) if k != axis)))
        sides.append(slice(max(0, int(hit[0]) - margin), min(length, int(hit[-1]) + 1 + margin)))
    return tuple(sides)
