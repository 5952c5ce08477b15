"""The image list of a project on disk: `data/images.json`, clicks and regions as files anyone can read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError, WriteError
from napari_nucleidomain.contracts.files import LISTS, read_json, replace_with_retry, write_json
from napari_nucleidomain.contracts.paths import wrong_name

from .entry import ImageEntry

if TYPE_CHECKING:
    from napari_nucleidomain.data.corrections import StoredCorrections
    from napari_nucleidomain.data.regions import Region
    from napari_nucleidomain.runs.store import Project

LIST_FILE = "images.json"
SCHEMA = 1


@dataclass
class Content:
    """What one save writes. Arrays are those of the entries, which are replaced and never changed.

    Attributes
    ----------
    items : list of dict
        The list of images, as in the file.
    removed : list of dict
        Images taken off the list; their clicks stay on disk and come back with them.
    points, regions : dict
        Id -> clicks, corners, of what changed.
    training : dict
        As `Session.training`.
    """

    folder: Path
    items: list[dict[str, Any]] = field(default_factory=list)
    removed: list[dict[str, Any]] = field(default_factory=list)
    points: dict[str, np.ndarray] = field(default_factory=dict)
    regions: dict[str, list[np.ndarray]] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def snapshot(
    project: Project,
    entries: Sequence[ImageEntry],
    changed: Iterable[str],
    removed: Sequence[ImageEntry] = (),
    training: Mapping[str, Any] | None = None,
) -> Content:
    """Copy what is to be saved, on the event loop and quickly."""
    content = Content(Path(project.data), training=dict(training or {}))
    changed = set(changed)
    for entry in entries:
        content.items.append(_item(entry, content.folder))
        if entry.id in changed:
            content.points[entry.id] = entry.points
            content.regions[entry.id] = list(entry.regions)
    content.removed = [_item(entry, content.folder) for entry in removed]
    return content


def write(content: Content) -> None:
    """Write a snapshot (in a thread): clicks first, then the lists that name them.

    Images that another viewer added to the same project in the meantime stay in the list. On a full disk the clicks
    take the place that was kept back for them.

    Raises
    ------
    NucleiError
        The disk is full, away or read-only. The clicks may have been saved all the same; then the message says so.
    """
    from napari_nucleidomain.runs.spare import Spare

    spare = Spare(content.folder)
    try:
        _write(content)
    except WriteError:
        if not spare.kept:
            raise
        spare.give_up()
        _write(content)
    if not spare.kept:
        try:
            spare.keep()
        except WriteError as error:
            raise WriteError(
                "The disk is full: your clicks are saved, but the next ones may find no place.",
                "Free some space before you go on.",
            ) from error


def _write(content: Content) -> None:
    from napari_nucleidomain.data.points import write_points
    from napari_nucleidomain.data.regions import write_regions

    from .training_files import write_dataset

    plane_axes = {item["id"]: item["plane_axes"] for item in content.items}
    for name, points in content.points.items():
        write_points(points, content.folder / "points" / f"{name}.csv")
    for name, regions in content.regions.items():
        write_regions(as_regions(regions, plane_axes[name]), content.folder / "regions" / f"{name}.geojson")
    known = {item["id"] for item in (*content.items, *content.removed)}
    stored = read_list(content.folder)
    items = [*content.items, *(item for item in stored["images"] if item["id"] not in known)]
    removed = [*content.removed, *(item for item in stored["removed"] if item["id"] not in known)]
    training = {**stored["training"], **content.training}
    write_json(
        content.folder / LIST_FILE,
        {"schema_version": SCHEMA, "images": items, "removed": removed, "training": training},
    )
    write_dataset(content.folder, items)


def read_entries(project: Project) -> tuple[list[ImageEntry], list[ImageEntry]]:
    """The images of a project, with their clicks and regions, and those that were taken off the list.

    A damaged file of clicks is kept under another name and becomes the entry's problem.

    Raises
    ------
    NucleiError
        The list was made by a later version, or is damaged; a damaged one is kept under another name.
    """
    folder = Path(project.data)
    stored = read_list(folder)
    return [_entry(item, folder) for item in stored["images"]], [_entry(item, folder) for item in stored["removed"]]


def ids_on_disk(project: Project) -> set[str]:
    """Ids under which clicks are kept, listed or not: a new image must never take one of them."""
    return {path.stem for path in (Path(project.data) / "points").glob("*.csv")}


def read_training(project: Project) -> dict[str, Any]:
    """What a person said of trainings of a project; see `Session.training`. Raises as `read_entries`."""
    return dict(read_list(Path(project.data))["training"])


def read_list(folder: Path) -> dict[str, Any]:
    path = folder / LIST_FILE
    if not path.exists():
        return {"images": [], "removed": [], "training": {}}
    try:
        stored = read_json(path, LISTS)
        listed = stored["images"]
        removed, training = stored.get("removed", []), stored.get("training", {})
        version = int(stored.get("schema_version", 0))
        for item in (*listed, *removed):
            # Clicks are written under it.
            if isinstance(item, dict) and "id" in item and (wrong := wrong_name(str(item["id"]))):
                raise ValueError(f"{item['id']!r} cannot be the name of a file, because {wrong}")
    except (NucleiError, KeyError, TypeError, ValueError, AttributeError) as error:
        kept = _set_aside(path)
        raise NucleiError(
            f"The list of images of this project is damaged. It was kept as {kept.name}.",
            "Open the images again; your clicks are in the project's folder data/points.",
        ) from error
    if version > SCHEMA:
        raise NucleiError(f"The project {folder.parent.name} was made by a later version.", "Update this program.")
    return {
        "images": [item for item in listed if isinstance(item, dict) and "id" in item],
        "removed": [item for item in removed if isinstance(item, dict) and "id" in item],
        "training": training if isinstance(training, dict) else {},
    }


def _set_aside(path: Path) -> Path:
    """Keep a damaged file under another name, so that nothing writes over it."""
    number, kept = 1, path.with_name(f"{path.stem}.damaged{path.suffix}")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")
    replace_with_retry(path, kept)
    return kept


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
    if entry.image is not None:
        entry.plane_axes, entry.planes = entry.image.plane_axes, planes_clicked(entry)
    return {
        "id": entry.id,
        "name": entry.name,
        "path": _stored_path(entry.path, folder),
        "understanding": entry.understanding,
        "labels": _stored_path(entry.labels, folder),
        "corrections": _stored_corrections(entry, folder),
        "clicks": len(entry.points),
        "regions": len(entry.regions),
        "plane_axes": entry.plane_axes,
        "planes": entry.planes,
        "complete": entry.complete,
        "use": entry.use,
        "group": entry.group,
        "domain": entry.domain,
        "readable": not entry.problem,
    }


def _entry(item: dict[str, Any], folder: Path) -> ImageEntry:
    from napari_nucleidomain.data.points import read_points
    from napari_nucleidomain.data.regions import read_regions

    entry = ImageEntry(id=str(item["id"]), name=str(item.get("name") or item["id"]))
    entry.path = real_file(item.get("path"), folder)
    entry.labels = real_file(item.get("labels"), folder)
    entry.corrections = real_corrections(item.get("corrections"), folder)
    entry.understanding = dict(item.get("understanding") or {})
    entry.complete, entry.use = bool(item.get("complete", False)), item.get("use", "train")
    entry.group, entry.domain = str(item.get("group", "")), str(item.get("domain", ""))
    entry.plane_axes, entry.planes = str(item.get("plane_axes", "")), list(item.get("planes") or [])
    if entry.path is None or not entry.path.exists():
        entry.problem = f"{entry.path or entry.name} is not there any more. Your clicks are kept."
    points, regions = folder / "points" / f"{entry.id}.csv", folder / "regions" / f"{entry.id}.geojson"
    for path in (points, regions):
        try:
            if path.exists() and path is points:
                entry.points = read_points(path)
            elif path.exists():
                entry.regions = as_corners(read_regions(path))
        except NucleiError as error:
            entry.problem = f"{error} The damaged file was kept as {_set_aside(path).name}."
    return entry


def _stored_path(path: Path | None, folder: Path) -> str | None:
    """Relative to the data folder where the file lies in the project (which can then be moved), else absolute."""
    from napari_nucleidomain.data.example import stored_path

    return None if path is None else stored_path(Path(os.path.abspath(path)), folder, folder.parent)


def _stored_corrections(entry: ImageEntry, folder: Path) -> dict[str, Any] | None:
    kept = entry.corrections
    if kept is None:
        return None
    files = {"labels": _stored_path(kept.labels, folder), "regions": _stored_path(kept.regions, folder)}
    return {**files, "nuclei": kept.nuclei}


def real_corrections(stored: Any, folder: Path) -> StoredCorrections | None:
    from napari_nucleidomain.data.corrections import StoredCorrections

    if not isinstance(stored, dict):
        return None
    labels, regions = real_file(stored.get("labels"), folder), real_file(stored.get("regions"), folder)
    if labels is None or regions is None:
        return None
    return StoredCorrections(labels, regions, int(stored.get("nuclei", 0)))


def real_file(stored: Any, folder: Path) -> Path | None:
    from napari_nucleidomain.data.example import real_path

    return real_path(str(stored), folder) if stored else None
