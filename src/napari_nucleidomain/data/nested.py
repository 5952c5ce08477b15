"""Outlines that hold others: regions, boxes and cells are no nuclei; a nucleus drawn twice is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .drawn import Drawn
from .odd import named

# An outline lies in another one with more than this share of it.
_INSIDE = 0.5
_WHOLLY = 0.95
# Two outlines that share so much of what they cover (IoU) are one nucleus.
_SAME = 0.7
# A cell has at most so many times the area of its nucleus, and at least this.
_CELL = (1 / 0.85, 8.0)
# What is so much smaller than an outline is surely in it where a point of it is.
_SMALL = 50
# Specks in a nucleus are smaller than this share of the other nuclei; more of them than `_FEW` are not expected.
_SPECK = 0.25
_FEW = 6
# So much larger than all others, and holding none of them: worth a word.
_LARGE = 25


@dataclass
class Sorted:
    """What outlines turned out to be; all but `kept` are left out.

    Attributes
    ----------
    kept : list of int
        Places in what was given.
    regions, boxes, cells, twice : list of int
        Places of outlines round several others, of rectangles round one, of cells round their nucleus, and of what was
        drawn twice.
    holding, overlapping, large : list of int
        Kept all the same: what holds others, overlaps them, or is much larger than all others.
    """

    kept: list[int] = field(default_factory=list)
    regions: list[int] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    holding: list[int] = field(default_factory=list)
    overlapping: list[int] = field(default_factory=list)
    large: list[int] = field(default_factory=list)
    inside: int = 0


def sort_out(found: Sequence[Drawn], *, numbered: bool = False) -> tuple[list[int], list[str]]:
    """Which outlines are nuclei, whatever their order in the file; and lines on what was done with the others.

    Parameters
    ----------
    found : sequence of Drawn
    numbered : bool
        Whether each bears the number of its nucleus: then one in the hole of another does not lie inside that.

    Returns
    -------
    list of int
        Places in `found` of those that are kept, ascending.
    list of str
    """
    planes = sorted({one.plane for one in found})
    whole = Sorted()
    for plane in planes:
        places = [k for k, one in enumerate(found) if one.plane == plane]
        part = _of_plane([found[k] for k in places], numbered)
        for name in ("kept", "regions", "boxes", "cells", "twice", "holding", "overlapping", "large"):
            getattr(whole, name).extend(places[k] for k in getattr(part, name))
        whole.inside += part.inside
    whole.kept.sort()
    return whole.kept, _notes(whole, found)


def _of_plane(found: list[Drawn], numbered: bool) -> Sorted:
    import shapely

    result = Sorted()
    if len(found) < 2:
        result.kept = list(range(len(found)))
        return result
    shapes = np.array([one.shape for one in found], object)
    filled = shapes if numbered else np.array([_filled(one) for one in shapes], object)
    areas = shapely.area(filled)
    outer, inner, share = _inside(shapes, filled, areas)
    rectangle = np.array([one.kind == "rectangle" for one in found]) | _is_rectangle(shapes)
    left = np.zeros(len(found), bool)
    for k in np.unique(outer).tolist():
        held = inner[outer == k]
        if rectangle[k] and not rectangle[held].all():
            (result.regions if len(held) > 1 else result.boxes).append(k)
            left[k] = True
        elif len(held) > 1 and not _is_nucleus(k, held, areas, outer, inner):
            result.regions.append(k)
            left[k] = True
    cells = _cells(outer, inner, share, areas, left)
    result.cells = cells
    left[cells] = True
    rest = np.flatnonzero(~left)
    twice, overlapping = _beside(shapes[rest], areas[rest])
    result.twice = rest[twice].tolist()
    left[result.twice] = True
    result.kept = np.flatnonzero(~left).tolist()
    still = ~left[outer] & ~left[inner]
    result.holding = np.unique(outer[still]).tolist()
    result.inside = len(np.unique(inner[still]))
    nested = set(outer[still].tolist()) | set(inner[still].tolist())
    result.overlapping = [k for k in rest[overlapping].tolist() if k not in nested and not left[k]]
    result.large = _far_larger(np.array(result.kept), areas)
    return result


def _filled(shape: Any) -> Any:
    """A shape without its holes."""
    import shapely

    parts = shapely.get_parts(shape)
    if not shapely.get_num_interior_rings(parts).any():
        return shape
    return shapely.union_all(shapely.polygons(shapely.get_exterior_ring(parts)))


def _is_rectangle(shapes: np.ndarray) -> np.ndarray:
    """Which shapes are rectangles along rows and columns."""
    import shapely

    bounds = shapely.bounds(shapes)
    box = (bounds[:, 2] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 1])
    flat: np.ndarray = np.isclose(shapely.area(shapes), box, rtol=1e-6)
    return flat


def _inside(shapes: np.ndarray, filled: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of outlines of which the second, smaller one lies in the first, and with which share of it."""
    import shapely

    tree = shapely.STRtree(shapely.point_on_surface(shapes))
    outer, inner = tree.query(filled, predicate="contains")
    smaller = (areas[inner] < areas[outer]) & (outer != inner)
    outer, inner = outer[smaller], inner[smaller]
    share = np.ones(len(outer))
    near = areas[inner] * _SMALL > areas[outer]
    # A point of it says enough of what is much smaller.
    shared = shapely.area(shapely.intersection(filled[outer[near]], filled[inner[near]]))
    share[near] = shared / areas[inner[near]]
    kept = (share > _INSIDE) & (share * areas[inner] / (areas[outer] + (1 - share) * areas[inner]) < _SAME)
    thin = (share >= _WHOLLY) & (areas[outer] >= _CELL[0] * areas[inner])
    kept |= thin
    return outer[kept], inner[kept], share[kept]


def _is_nucleus(k: int, held: np.ndarray, areas: np.ndarray, outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether what holds several others is a nucleus with specks in it: of the size of others that hold none."""
    peers = np.setdiff1d(np.arange(len(areas)), np.concatenate([held, outer, [k]]))
    like = peers[3 * areas[peers] >= areas[k]]
    if len(like) < (2 if len(held) < _FEW else 5) or 2 * areas[like].sum() < areas[peers].sum():
        return False
    return bool((areas[held] >= _SPECK * np.median(areas[like])).sum() < 2)


def _cells(outer: np.ndarray, inner: np.ndarray, share: np.ndarray, areas: np.ndarray, left: np.ndarray) -> list[int]:
    """Cells round nuclei: where at least half of the outlines that lie in no other hold exactly one smaller one."""
    here = ~left[outer] & ~left[inner]
    outer, inner, share = outer[here], inner[here], share[here]
    holders, number = np.unique(outer, return_counts=True)
    ratio = areas[outer] / areas[inner]
    fits = (share >= _WHOLLY) & (ratio >= _CELL[0]) & (ratio <= _CELL[1])
    cells = np.intersect1d(holders[number == 1], outer[fits])
    top = np.setdiff1d(np.flatnonzero(~left), inner)
    return cells.tolist() if len(cells) >= 2 and 2 * len(cells) >= len(top) else []


def _beside(shapes: np.ndarray, areas: np.ndarray) -> tuple[list[int], list[int]]:
    """Places of outlines that were drawn twice, and of those that overlap others by a pixel or more."""
    import shapely

    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    a, b = a[a < b], b[a < b]
    shared = shapely.area(shapely.intersection(shapes[a], shapes[b]))
    over = shared >= np.minimum(1.0, 0.5 * np.minimum(areas[a], areas[b]))
    a, b, shared = a[over], b[over], shared[over]
    same = shared / (areas[a] + areas[b] - shared) >= _SAME
    partners: dict[int, list[int]] = {}
    for one, other in zip(a[same].tolist(), b[same].tolist(), strict=True):
        partners.setdefault(one, []).append(other)
        partners.setdefault(other, []).append(one)
    kept: set[int] = set()
    twice = []
    bounds = shapely.bounds(shapes)
    # The largest stays, of two of one size one by its place: the order in the file must not matter.
    for k in sorted(partners, key=lambda k: (-round(float(areas[k]), 6), *bounds[k].tolist(), -k)):
        if any(other in kept for other in partners[k]):
            twice.append(k)
        else:
            kept.add(k)
    gone = np.isin(a, twice) | np.isin(b, twice)
    return sorted(twice), np.unique(np.concatenate([a[~gone], b[~gone]])).tolist()


def _far_larger(kept: np.ndarray, areas: np.ndarray) -> list[int]:
    if len(kept) < 4:
        return []
    large = areas[kept] > _LARGE * np.median(areas[kept])
    return [int(k) for k in kept[large]] if large.sum() * 10 <= len(kept) or large.sum() == 1 else []


def _notes(whole: Sorted, found: Sequence[Drawn]) -> list[str]:
    def where(places: list[int]) -> str:
        return f"({named(list(dict.fromkeys(found[k].number for k in places)))})"

    def start(places: list[int], one: str, many: str) -> str:
        return f"1 outline {one}" if len(places) == 1 else f"{len(places):,} outlines {many}"

    notes = []
    if whole.regions:
        text = start(whole.regions, "holds several others and is", "hold several others each and are")
        notes.append(f"{text} left out: a region, no nucleus {where(whole.regions)}.")
    if whole.boxes:
        text = start(whole.boxes, "is a rectangle round another one and is", "are rectangles round another one and are")
        notes.append(f"{text} left out: a box, no nucleus {where(whole.boxes)}.")
    if whole.cells:
        notes.append(
            f"{len(whole.cells):,} outlines hold exactly one other each, as cells hold their nuclei: those inside are "
            f"taken, and the {len(whole.cells):,} round them left out."
        )
    if whole.twice:
        verb = "covers" if len(whole.twice) == 1 else "cover"
        notes.append(
            f"{len(whole.twice):,} of the outlines {verb} the same place as another and {_were(whole.twice)} left out: "
            f"drawn twice {where(whole.twice)}."
        )
    if whole.holding:
        text = start(whole.holding, "holds smaller ones", "hold smaller ones")
        notes.append(f"{text} ({whole.inside:,} in all): all count, and the smaller lie on top {where(whole.holding)}.")
    if whole.overlapping:
        notes.append(f"{len(whole.overlapping):,} outlines overlap: where two do, the smaller lies on top.")
    if whole.large:
        text = start(whole.large, "is", "are")
        notes.append(
            f"{text} more than {_LARGE} times as large as most, but hold{'s' * (len(whole.large) == 1)} none: "
            f"is it a region? Remove it if so {where(whole.large)}."
        )
    return notes


def _were(places: list[int]) -> str:
    return "was" if len(places) == 1 else "were"
