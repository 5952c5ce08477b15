"""Tables over all images: a row per nucleus, a row per image. For threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .export import Snapshot, measure_result
from .results import Stored, find_results, load_result
from .review_sample import checked_row
from .view import same_file
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.runs.store import Project


def write_all_images(project: Project, entries: Sequence[tuple[str, Path | None, Any]], folder: Path) -> str:
    """Write `nuclei.csv` and `images.csv` of the latest result of every image in the list.

    Parameters
    ----------
    entries : sequence of (name, path, opened image or None)

    Returns
    -------
    str
        What was written, in words; images without a result are named.

    Raises
    ------
    NucleiError
        No image has a result, or a file cannot be written.
    """
    from napari_nucleidomain.data.measuring import stack_rows
    from napari_nucleidomain.data.tables import stack_tables, write_table

    stored = find_results(project, None)
    tables, rows, without, failed = [], [], [], []
    for name, path, image in entries:
        latest = next((one for one in stored if same_file(one.image, path)), None)
        if latest is None:
            without.append(name)
            continue
        try:
            snapshot = snapshot_of_stored(latest, name, image)
            table = measure_result(snapshot)
        except NucleiError as error:
            # A file that was moved must not cost the table of the others.
            failed.append((name, error))
            continue
        tables.append((name, table))
        rows.append({**image_row(snapshot, table), **checked_row(latest, snapshot.labels)})
    if failed and not tables:
        raise failed[0][1]
    if not tables:
        raise NucleiError("No image in the list has a result yet.", "Find nuclei in Predict first.")
    write_table(stack_tables(tables), folder / "nuclei.csv")
    write_table(stack_rows(rows), folder / "images.csv")
    words = f"nuclei.csv and images.csv of {count(len(tables), 'image')} in {folder}"
    words += f"; without a result: {', '.join(without)}" if without else ""
    return words + "".join(f"; left out: {name} ({error.message})" for name, error in failed)


def snapshot_of_stored(stored: Stored, name: str, image: Any) -> Snapshot:
    """A stored result with the image under it, opened where it is not."""
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.understanding import Understanding
    from napari_nucleidomain.runs.job import pixel_sizes

    loaded = load_result(stored)
    job: Any = stored.run.job
    if image is None:
        ref = next((ref for ref in job.images if ref.path == str(stored.image)), None)
        understood = Understanding.from_json(ref.understanding) if ref is not None and ref.understanding else None
        image = open_image(stored.image, understood)
    return Snapshot(
        name=name,
        labels=loaded.labels[0] if loaded.large else loaded.labels,
        origin=stored.origin,
        pixel_size_um=pixel_sizes(job.pixel_size_um, image.pixel_size_um, len(stored.shape)),
        image=image,
        plane=stored.plane,
        scores=loaded.scores,
        uncertainty=loaded.uncertainty,
        model=stored.model,
        when=stored.when,
        area_px=stored.area_px,
        threshold_shift=stored.threshold_shift,
    )


def image_row(result: Snapshot, table: dict[str, np.ndarray]) -> dict[str, Any]:
    """A row of `images.csv`; see `data.measuring.image_row`."""
    from napari_nucleidomain.data import measuring

    analysed = result.area_px or float(np.prod(np.shape(result.labels)))
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.when)) if result.when else ""
    ndim = len(np.shape(result.labels))
    return measuring.image_row(result.name, table, ndim, analysed, result.pixel_size_um, result.model, date)
