"""Saves of a project that has come into other hands: kept under names of their own, never over others' work. No Qt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, read_json, write_json

from . import storage
from .storage import LIST_FILE, SCHEMA, Content, as_corners, as_regions

if TYPE_CHECKING:
    from napari_nucleidomain.runs.presence import ProjectHold

# Counted from the clicks, or a state of the moment: nothing that a person said.
_COUNTED = {"clicks", "regions", "planes", "plane_axes", "readable"}


class KeptAside(NucleiError):
    """What was to be saved lies in files of its own, because another viewer has had the project meanwhile."""

    def __init__(self, files: Sequence[Path]) -> None:
        names = ", ".join(f"{one.parent.name}/{one.name}" for one in files)
        super().__init__(
            f"Another viewer has had this project meanwhile. What you did last was not written over its work: "
            f"it is kept in the project as {names}.",
            "Open the project again once it is free. Clicks and regions are added with Points > Import, "
            "outlines by dragging the file into napari.",
        )
        self.files = list(files)


def save(content: Content, hold: ProjectHold | None) -> None:
    """`storage.write`, while the project is still ours (in a thread).

    Parameters
    ----------
    content : Content
    hold : ProjectHold or None
        None where the project is known to be lost.

    Raises
    ------
    KeptAside
        It is not, and something would have been lost.
    NucleiError
        The disk is full, away or read-only.
    """
    if hold is not None:
        with hold.writing() as ours:
            if ours:
                storage.write(content)
                return
    files = _keep_aside(content)
    if files:
        raise KeptAside(files)


def free_name(path: Path) -> Path:
    """A name beside a file that none has yet: cells.csv, cells.kept-1.csv, cells.kept-2.csv."""
    number = 1
    while (kept := path.with_name(f"{path.stem}.kept-{number}{path.suffix}")).exists():
        number += 1
    return kept


def _keep_aside(content: Content) -> list[Path]:
    """Write what differs from what lies there now."""
    from napari_nucleidomain.data.points import write_points
    from napari_nucleidomain.data.regions import write_regions

    files = []
    plane_axes = {item["id"]: item["plane_axes"] for item in content.items}
    for name, points in content.points.items():
        path = content.folder / "points" / f"{name}.csv"
        if not _same_points(path, points):
            files.append(write_points(points, free_name(path)))
    for name, corners in content.regions.items():
        path = content.folder / "regions" / f"{name}.geojson"
        if not _same_regions(path, corners):
            files.append(write_regions(as_regions(corners, plane_axes[name]), free_name(path)))
    path = content.folder / LIST_FILE
    items = [item for item in content.items if item["id"] in content.points]
    if not _same_items(path, items):
        files.append(write_json(free_name(path), {"schema_version": SCHEMA, "images": items}))
    return files


def _same_points(path: Path, points: np.ndarray) -> bool:
    from napari_nucleidomain.data.points import read_points

    try:
        there = read_points(path) if path.exists() else np.zeros((0, 2))
    except NucleiError:
        return False
    return len(there) == len(points) and (not len(points) or np.array_equal(there, points))


def _same_regions(path: Path, corners: list[np.ndarray]) -> bool:
    from napari_nucleidomain.data.regions import read_regions

    try:
        there = as_corners(read_regions(path)) if path.exists() else []
    except NucleiError:
        return False
    return len(there) == len(corners) and all(
        one.shape == other.shape and np.allclose(one, other) for one, other in zip(there, corners, strict=True)
    )


def _same_items(path: Path, items: list[dict[str, Any]]) -> bool:
    """Whether the list says of these images what is said here."""
    try:
        listed = {item["id"]: _said(item) for item in read_json(path, LISTS)["images"]}
    except (NucleiError, KeyError, TypeError):
        return not items
    return all(listed.get(item["id"]) == _said(item) for item in items)


def _said(item: dict[str, Any]) -> Any:
    # As it would be read again: tuples are lists there.
    return json.loads(json.dumps({key: value for key, value in item.items() if key not in _COUNTED}))
