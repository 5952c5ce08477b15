"""Tables whose rows are trainings: what an earlier call has done, and a model's scores on images with outlines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.runs.predict import LoadedModels


def scores_of(model: str, images: Sequence[Path], kept: Sequence[str]) -> dict[str, dict[str, float]]:
    """A model's scores by image.

    Parameters
    ----------
    model : str
        "otsu" or a model's folder.
    images : sequence of Path
        In `images` beside `labels`.
    kept : sequence of str
        Which scores, by their names in the exported table.
    """
    made, loaded = {}, LoadedModels()
    for path in images:
        image = open_image(path)
        segmenter, _ = loaded.get(model, "auto", {}, 3 if image.ndim == 3 else 2)
        truth = read_labels(next((path.parent.parent / "labels").glob(f"{path.stem}.*"))).labels
        found = segment(image, segmenter, Scale(1.0, "as it is")).labels
        row = score_labels(found, truth, hausdorff=False).as_dict()
        made[f"{path.parents[2].name}/{path.stem}"] = {key: float(row[key]) for key in kept}
    return made


def rows_so_far(file: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Rows of an earlier call with the same settings.

    Raises
    ------
    SystemExit
        They are of other settings.
    """
    if not file.exists():
        return {}
    content = json.loads(file.read_text())
    if content["settings"] != settings:
        raise SystemExit(f"{file} holds rows of {content['settings']}; name another folder with --work.")
    rows: dict[str, Any] = content["rows"]
    return rows
