"""The files that a training reads, written from a project's list of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .storage import real_corrections, real_file

IMAGES_ONLY = "images_only.json"


def write_dataset(folder: Path, items: Sequence[dict[str, Any]]) -> Path:
    """Write `dataset.json`, what a training reads, from the list of images.

    Left out are images that are only predicted, that cannot be read, or that have neither clicks nor outlines nor
    corrections. Of an image whose planes are segmented each for itself, every plane with clicks becomes one example.

    Parameters
    ----------
    folder : Path
        The project's data folder.
    items : sequence of dict
        As in `images.json`.
    """
    from napari_nucleidomain.data.dataset import FILE_NAME, Dataset
    from napari_nucleidomain.data.example import Example
    from napari_nucleidomain.data.understanding import Understanding

    examples = []
    for item in items:
        image = real_file(item["path"], folder)
        known = item.get("clicks") or item.get("labels") or item.get("corrections")
        if image is None or not known or item.get("use") == "predict" or not item.get("readable", True):
            continue
        points, regions = folder / "points" / f"{item['id']}.csv", folder / "regions" / f"{item['id']}.geojson"
        corrected = real_corrections(item.get("corrections"), folder)
        said = Understanding.from_json(item["understanding"])
        one = Example(
            image=image,
            points=points if item["clicks"] else None,
            labels=real_file(item["labels"], folder),
            regions=regions if item["regions"] else None,
            corrected=corrected.labels if corrected is not None else None,
            corrected_in=corrected.regions if corrected is not None else None,
            split="val" if item.get("use") == "check" else "train",
            domain="source" if item["domain"] == "source" else "target",
            group=item["group"],
            # Without a region nothing was said about the whole image.
            complete=item["complete"] if item["regions"] else None,
            understanding=said,
        )
        here = item.get("planes")
        examples += [one.changed(understanding=said.changed(plane=plane)) for plane in here] if here else [one]
    return Dataset(folder / FILE_NAME, examples).save(home=folder.parent)


def write_images_only(folder: Path, items: Sequence[dict[str, Any]], planes: Mapping[str, Sequence[int]]) -> Path:
    """Write `images_only.json`, what a training without annotation reads: clicks and outlines are not named in it.

    Left out are images that are only predicted, that cannot be read, or that a model has made.

    Parameters
    ----------
    folder : Path
        The project's data folder.
    items : sequence of dict
        As in `images.json`.
    planes : mapping of str to sequence of int
        Of images whose planes are segmented each for itself: id -> planes to learn from, each one example.
    """
    from napari_nucleidomain.data.dataset import Dataset
    from napari_nucleidomain.data.example import Example
    from napari_nucleidomain.data.understanding import Understanding
    from napari_nucleidomain.runs.synthetic import is_synthetic

    examples = []
    for item in items:
        image = real_file(item["path"], folder)
        if image is None or is_synthetic(image) or item.get("use") == "predict" or not item.get("readable", True):
            continue
        said = Understanding.from_json(item["understanding"])
        split = "val" if item.get("use") == "check" else "train"
        one = Example(image=image, split=split, group=item["group"], understanding=said)
        here = planes.get(item["id"])
        examples += [one.changed(understanding=said.changed(plane=plane)) for plane in here] if here else [one]
    return Dataset(folder / IMAGES_ONLY, examples).save(home=folder.parent)
