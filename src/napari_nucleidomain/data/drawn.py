"""Outlines as they were drawn, before anybody decided what is a nucleus: made valid, measured, taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.instances.outlines import Polygon

if TYPE_CHECKING:
    import shapely

# A part is a speck beside one of so many times its area.
_SPECK = 10
_MANY_PARTS = 5
_FEW_CORNERS, _MOST_CROSSINGS = 500, 200_000


@dataclass(frozen=True)
class Drawn:
    """One outline of a file.

    Attributes
    ----------
    number : int
        Of its entry in the file, counted from 1.
    polygons : tuple of Polygon
        Its parts, in pixel edges. The rings of one polygon are filled by the even-odd rule.
    shape : shapely.Geometry
        The same area, valid: (x, y) stand as (row, column).
    nucleus : int
        Id that was written with it; 0 for none.
    kind : str
        What the file says it is; see `qupath.object_kind`. "rectangle" for one of ImageJ.
    plane : tuple of int
        Where it lies in a stack.
    """

    number: int
    polygons: tuple[Polygon, ...]
    shape: shapely.Geometry = field(repr=False, compare=False)
    nucleus: int = 0
    kind: str = ""
    plane: tuple[int, ...] = ()

    @property
    def area(self) -> float:
        """In square pixels."""
        return float(self.shape.area)

    def moved(self, offset: np.ndarray) -> Drawn:
        """With `offset` (y, x) taken off."""
        if not np.any(offset):
            return self
        from shapely.affinity import translate

        shifted = tuple(Polygon(p.exterior - offset, tuple(h - offset for h in p.holes)) for p in self.polygons)
        return replace(self, polygons=shifted, shape=translate(self.shape, -float(offset[0]), -float(offset[1])))


def from_polygons(rings: Sequence[Sequence[np.ndarray]], number: int, **more: Any) -> Drawn | None:
    """An outline of polygons, each an outer ring and its holes; None where nothing of it has an area.

    Rings that cross themselves, and holes that are not inside, are made valid: of what a ring winds round twice nothing
    is inside, as in ImageJ.
    """
    import shapely

    polygons: list[Polygon] = []
    shapes: list[Any] = []
    for outer, *holes in rings:
        shape = shapely.Polygon(outer, holes)
        if not shape.is_valid:
            shape = _mended(outer, holes)
            polygons += _polygons_of(shape)
        else:
            polygons.append(Polygon(outer, tuple(holes)))
        shapes.append(shape)
    whole = shapes[0] if len(shapes) == 1 else shapely.union_all(shapes)
    return Drawn(number, tuple(polygons), whole, **more) if whole.area > 0 else None


def from_rings(rings: Sequence[np.ndarray], number: int, **more: Any) -> Drawn | None:
    """An outline of rings that are filled by the even-odd rule, as ImageJ's composites are; see `from_polygons`."""
    import shapely

    kept = [ring for ring in rings if len(ring) >= 3]
    shapes = [_valid(shapely.Polygon(ring)) for ring in kept]
    if not shapes:
        return None
    whole = _areas(reduce(shapely.symmetric_difference, shapes))
    if len(kept) == 1 and not shapely.Polygon(kept[0]).is_valid:
        polygons = _polygons_of(whole)
        return Drawn(number, tuple(polygons), whole, **more) if polygons else None
    return Drawn(number, (Polygon(kept[0], tuple(kept[1:])),), whole, **more) if whole.area > 0 else None


def _valid(shape: Any) -> Any:
    import shapely

    if shape.is_valid:
        return shape
    # What crosses itself hundreds of thousands of times would take minutes, and is no outline.
    return shapely.Polygon() if _tangled(shape) else _areas(shapely.make_valid(shape))


def _tangled(shape: Any) -> bool:
    """Whether a ring crosses itself more often than anybody draws, judged by some of its sides."""
    import shapely

    corners = shapely.get_coordinates(shape)
    if len(corners) < _FEW_CORNERS:
        return False
    sides = shapely.linestrings(np.stack([corners[:-1], corners[1:]], axis=1))
    some = sides[:: max(1, len(sides) // 100)]
    hits = shapely.STRtree(sides).query(some, predicate="crosses").shape[1]
    return bool(hits * len(sides) / len(some) > _MOST_CROSSINGS)


def _mended(outer: np.ndarray, holes: Sequence[np.ndarray]) -> Any:
    import shapely

    area = _valid(shapely.Polygon(outer))
    for hole in holes:
        area = shapely.difference(area, _valid(shapely.Polygon(hole)))
    return _areas(area)


def _areas(shape: Any) -> Any:
    """What of a shape has an area: mending leaves lines and points beside it."""
    import shapely

    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = [one for one in shapely.get_parts(shape) if one.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _polygons_of(shape: Any) -> list[Polygon]:
    import shapely

    def ring(one: Any) -> np.ndarray:
        return np.asarray(shapely.get_coordinates(one)[:-1], np.float64)

    return [
        Polygon(ring(part.exterior), tuple(ring(hole) for hole in part.interiors))
        for part in shapely.get_parts(shape)
        if part.geom_type == "Polygon" and part.area > 0
    ]


def taken_apart(found: Sequence[Drawn]) -> tuple[list[Drawn], list[str]]:
    """Outlines that hold many nuclei as their parts, one for each; and lines that say so.

    One outline of parts that lie far from each other, or of many, is what programs make when they merge or when they
    write one outline for a class. Two or three parts close to each other are fragments of one nucleus, and specks
    belong to what they lie beside.
    """
    result: list[Drawn] = []
    many = fragments = pieces = 0
    for one in found:
        parts = _separate(one, alone=len(found) == 1)
        if len(parts) == 1:
            result.append(one)
            fragments += len(one.polygons) > 1 or one.shape.geom_type == "MultiPolygon"
            continue
        many, pieces = many + 1, pieces + len(parts)
        result += [
            replace(one, polygons=tuple(_polygons_of(part)), shape=part, nucleus=0, kind=_unboxed(one.kind))
            for part in parts
        ]
    notes = []
    if many:
        what = "1 outline has" if many == 1 else f"{many:,} outlines have"
        notes.append(f"{what} {pieces:,} separate parts{' in all' * (many > 1)}: each counts as a nucleus of its own.")
    if fragments:
        what = "1 outline has" if fragments == 1 else f"{fragments:,} outlines have"
        notes.append(f"{what} parts close to each other, which count as one nucleus.")
    return result, notes


def _unboxed(kind: str) -> str:
    return "" if kind == "rectangle" else kind


def _separate(one: Drawn, alone: bool) -> list[Any]:
    """Its parts as nuclei of their own, or itself; a single outline of a file is more likely all of its nuclei."""
    import shapely

    parts = shapely.get_parts(one.shape)
    if len(parts) < 2:
        return [one.shape]
    areas = shapely.area(parts)
    whole = np.flatnonzero(areas * _SPECK >= areas.max())
    if len(whole) < 2 or not (alone or len(whole) >= _MANY_PARTS or _far_apart(parts[whole])):
        return [one.shape]
    kept = parts[whole]
    specks = np.setdiff1d(np.arange(len(parts)), whole)
    if not len(specks):
        return list(kept)
    nearest = shapely.STRtree(kept).nearest(parts[specks])
    return [
        shapely.union_all([part, *parts[specks[nearest == k]]]) if (nearest == k).any() else part
        for k, part in enumerate(kept)
    ]


def _far_apart(parts: np.ndarray) -> bool:
    """Whether a part lies farther from the others than the largest of them is wide."""
    import shapely

    wide = 2 * np.sqrt(float(shapely.area(parts).max()) / np.pi)
    gaps = [min(float(shapely.distance(one, other)) for other in parts if other is not one) for one in parts]
    return max(gaps) > wide
