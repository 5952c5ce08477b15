"""From choices to the job of a prediction. No widgets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_nucleidomain.runs.job import PredictJob
    from napari_nucleidomain.runs.store import Project

    from .predict_where import Target


def make_job(
    project: Project,
    target: Target,
    *,
    model: str,
    device: str,
    pixel_size_um: float | None = None,
    diameter_px: float | None = None,
    settings: dict[str, Any] | None = None,
) -> PredictJob:
    """The job for what was chosen.

    Raises
    ------
    NucleiError
        The regions cannot be written.
    """
    from napari_nucleidomain.data.regions import write_regions
    from napari_nucleidomain.runs.job import PredictJob

    region = None
    if target.regions:
        # Its own copy: regions that are drawn later belong to later predictions.
        region = write_regions(target.regions, project.worker_folder / "regions" / f"{time.time_ns()}.geojson")
    return PredictJob(
        model=model,
        name=Path(model).name,
        images=target.images,
        box=target.box,
        region=str(region) if region is not None else None,
        plane=target.plane,
        out=str(target.out) if target.out is not None else None,
        format=target.format,
        device=device,
        pixel_size_um=pixel_size_um,
        diameter_px=diameter_px,
        settings=settings or {},
        background=True,
    )
