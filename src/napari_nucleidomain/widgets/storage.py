"""The image list of a project on disk: `data/images.json`, clicks and regions as files anyone can read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import read_json, write_json

from .entry import ImageEntry

if TYPE_CHECKING:
    from napari_nucleidomain.data.regions import Region
    from napari_nucleidomain.runs.store import Project

LIST_FILE = "images.json"
SCHEMA = 1


@dataclass
class Content:
    """What one save writes. Arrays are those of the entries, which are replaced and never changed."""

    folder: Path
    items: list[dict[str, Any]] = field(default_factory=list)
    points: dict[str, np.ndarray] = field(default_factory=dict)
    regions: dict[str, list[np.ndarray]] = field(default_factory=dict)
    plane_axes: dict[str, str] = field(default_factory=dict)
    planes: dict[str, list[int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def snapshot(project: Project, entries: Sequence[ImageEntry], changed: Iterable[str]) -> Content:
    """Copy what is to be saved, on the event loop and quickly."""
    content = Content(Path(project.data))
    changed = set(changed)
    for entry in entries:
        content.items.append(_item(entry, content.folder))
        content.plane_axes[entry.id] = entry.image.plane_axes if entry.image is not None else ""
        if entry.use != "predict" and not entry.problem and (len(entry.points) or entry.labels is not None):
            content.used.add(entry.id)
        content.planes[entry.id] = planes_clicked(entry)
        if entry.id in changed:
            content.points[entry.id] = entry.points
            content.regions[entry.id] = list(entry.regions)
    return content


def write(content: Content) -> None:
    """Write a snapshot (in a thread): clicks first, then the lists that name them.

    Raises
    ------
    NucleiError
        The disk is full, away or read-only.
    """
    from napari_nucleidomain.data.points import write_points
    from napari_nucleidomain.data.regions import write_regions

    for name, points in content.points.items():
        write_points(points, content.folder / "points" / f"{name}.csv")
    for name, regions in content.regions.items():
        write_regions(as_regions(regions, content.plane_axes[name]), content.folder / "regions" / f"{name}.geojson")
    write_json(content.folder / LIST_FILE, {"schema_version": SCHEMA, "images": content.items})
    write_dataset(content.folder, content.items, content.planes, content.used)


def read_entries(project: Project) -> list[ImageEntry]:
    """The images of a project, with their clicks and regions; a damaged file becomes the entry's problem.

    Raises
    ------
    NucleiError
        The list is damaged or of a later version.
    """
    folder = Path(project.data)
    path = folder / LIST_FILE
    if not path.exists():
        return []
    stored = read_json(path)
    if not isinstance(stored, dict) or not isinstance(stored.get("images"), list):
        raise NucleiError(f"{path} does not hold a list of images.", "Restore it, or choose another project.")
    if int(stored.get("schema_version", 0)) > SCHEMA:
        raise NucleiError(f"The project {folder.parent.name} was made by a later version.", "Update this program.")
    return [_entry(item, folder) for item in stored["images"] if isinstance(item, dict) and "id" in item]


def planes_clicked(entry: ImageEntry) -> list[int]:
    """Planes with clicks, counted as `Image.read` does; empty for a single picture or a volume."""
    image = entry.image
    if image is None or not image.plane_axes or not len(entry.points):
        return []
    lead = len(image.plane_axes)
    at = np.clip(np.floor(entry.points[:, :lead] + 0.5).astype(int), 0, np.array(image.plane_shape) - 1)
    return sorted({int(one) for one in np.ravel_multi_index(tuple(at.T), image.plane_shape)})


def as_regions(corners: Iterable[np.ndarray], plane_axes: str = "") -> list[Region]:
    """Corners as regions; one drawn on a plane that is segmented for itself holds on this plane alone."""
    from napari_nucleidomain.data.regions import Region

    found = []
    for one in corners:
        flat, planes = one[:, -2:], None
        if plane_axes and one.shape[1] > 2:
            plane = round(float(one[:, -3].mean()))
            planes = (plane, plane + 1)
        found.append(Region(np.asarray(flat, dtype=np.float64), (), planes))
    return found


def as_corners(regions: Iterable[Region]) -> list[np.ndarray]:
    """The outer corners of regions, with the plane in front where they hold on one."""
    found = []
    for region in regions:
        corners = np.asarray(region.vertices, dtype=np.float64)
        if region.z_range is not None:
            corners = np.hstack([np.full((len(corners), 1), float(region.z_range[0])), corners])
        found.append(corners)
    return found


def _item(entry: ImageEntry, folder: Path) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "path": _stored_path(entry.path, folder),
        "understanding": entry.understanding,
        "labels": _stored_path(entry.labels, folder),
        "clicks": len(entry.points),
        "regions": len(entry.regions),
        "complete": entry.complete,
        "use": entry.use,
        "group": entry.group,
        "domain": entry.domain,
        "problem": entry.problem,
    }


def _entry(item: dict[str, Any], folder: Path) -> ImageEntry:
    from napari_nucleidomain.data.points import read_points
    from napari_nucleidomain.data.regions import read_regions

    entry = ImageEntry(id=str(item["id"]), name=str(item.get("name") or item["id"]))
    entry.path = _real_path(item.get("path"), folder)
    entry.labels = _real_path(item.get("labels"), folder)
    entry.understanding = dict(item.get("understanding") or {})
    entry.complete, entry.use = bool(item.get("complete", True)), item.get("use", "train")
    entry.group, entry.domain = str(item.get("group", "")), str(item.get("domain", ""))
    try:
        points = folder / "points" / f"{entry.id}.csv"
        if points.exists():
            entry.points = read_points(points)
        regions = folder / "regions" / f"{entry.id}.geojson"
        if regions.exists():
            entry.regions = as_corners(read_regions(regions))
    except NucleiError as error:
        entry.problem = str(error)
    if not entry.problem and (entry.path is None or not entry.path.exists()):
        entry.problem = f"{entry.path or entry.name} is not there any more. Your clicks are kept."
    return entry


def _stored_path(path: Path | None, folder: Path) -> str | None:
    """Relative to the data folder where the file lies in it (the project can then be moved), else absolute."""
    if path is None:
        return None
    path = Path(os.path.abspath(path))
    base = Path(os.path.abspath(folder))
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)


def _real_path(stored: Any, folder: Path) -> Path | None:
    if not stored:
        return None
    path = Path(str(stored))
    return path if path.is_absolute() else folder / path



def write_dataset(folder: Path, items: Sequence[dict[str, Any]], planes: dict[str, list[int]], used: set[str]) -> Path:
    """Write `dataset.json`, what a training reads, from the list of images.

    Parameters
    ----------
    folder : Path
        The project's data folder.
    items : sequence of dict
        As in `images.json`.
    planes : dict
        For an image whose planes are segmented each for itself: id -> the planes that have clicks; each becomes one
        example.
    used : set of str
        Ids of the images that have clicks or outlines and may be trained on or checked with.
    """
    from napari_nucleidomain.data.dataset import FILE_NAME, Dataset
    from napari_nucleidomain.data.example import Example
    from napari_nucleidomain.data.understanding import Understanding

    examples = []
    for item in items:
        image = _real_path(item["path"], folder)
        if item["id"] not in used or image is None:
            continue
        points, regions = folder / "points" / f"{item['id']}.csv", folder / "regions" / f"{item['id']}.geojson"
        said = Understanding.from_json(item["understanding"])
        one = Example(
            image=image,
            points=points if item["clicks"] else None,
            labels=_real_path(item["labels"], folder),
            regions=regions if item["regions"] else None,
            split="val" if item["use"] == "check" else "train",
            domain="source" if item["domain"] == "source" else "target",
            group=item["group"],
            complete=item["complete"],
            understanding=said,
        )
        here = planes.get(item["id"])
        examples += [one.changed(understanding=said.changed(plane=plane)) for plane in here] if here else [one]
    return Dataset(folder / FILE_NAME, examples).save()
