"""Where a prediction's labels go: in memory first, or for a slide straight into a file, block by block."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import disk_error, replace_with_retry
from napari_nucleidomain.contracts.shown import shown
from napari_nucleidomain.data.folders import write_folder_atomic
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.labels_large import Placed
from napari_nucleidomain.data.labels_out import FORMATS, write_labels
from napari_nucleidomain.data.labels_zarr import LabelsZarrWriter
from napari_nucleidomain.data.regions import Region, read_regions
from napari_nucleidomain.inference.segment import Segmentation

from .arrays import write_arrays
from .folder import RunFolder
from .job import PredictJob, pixel_sizes

KEPT = ".labels.tif"
KEPT_LARGE = ".labels.ome.zarr"


class Output:
    """The results of one image.

    Parameters
    ----------
    run : RunFolder
    job : PredictJob
    image : Image
    name : str
        Of the results.

    Raises
    ------
    NucleiError
        The format is none, or cannot hold a slide.
    """

    def __init__(self, run: RunFolder, job: PredictJob, image: Image, name: str) -> None:
        self._run, self._job, self._image, self._name = run, job, image, name
        self._writer: LabelsZarrWriter | None = None
        sides = tuple(int(n) for n in image.spatial_shape)
        if job.plane is not None:
            sides = sides[-2:]
        box = job.box or [[0, n] for n in sides]
        self._origin = tuple(max(0, int(start)) for start, _ in box)
        area = np.prod([max(0, min(n, stop) - max(0, start)) for (start, stop), n in zip(box, sides, strict=False)])
        # Whether labels are written to disk as they are made.
        self.large = int(area) > job.large_px
        if job.format not in FORMATS:
            raise NucleiError(f"There is no format {job.format!r}.", f"Choose one of: {', '.join(FORMATS)}.")
        if self.large and job.out and job.format == "png":
            raise NucleiError(
                f"{name} is too large for a PNG, which cannot be written piece by piece.", "Choose tif or zarr."
            )

    def place(self, shape: tuple[int, ...]) -> Any:
        """What labels are written into; see `inference.assemble.Wishes`."""
        if not self.large:
            return np.zeros(shape, dtype=np.uint32)
        aside = self._run.path / "tiles" / self._name / "labels.ome.zarr"
        self._writer = LabelsZarrWriter(aside, shape, self._pixel_size(len(shape)), shown(self._name), self._origin)
        return self._writer

    @cached_property
    def _regions(self) -> list[Region]:
        return read_regions(Path(self._job.region)) if self._job.region else []

    @property
    def inside(self) -> Callable[[tuple[slice, ...]], np.ndarray] | None:
        """Which pixels of a block lie in the regions; None where the job names none."""
        return self._inside if self._job.region else None

    def _inside(self, block: tuple[slice, ...]) -> np.ndarray:
        shape = tuple(piece.stop - piece.start for piece in block)
        corner = tuple(piece.start + o for piece, o in zip(block, self._origin, strict=True))
        mask = np.zeros(shape, dtype=bool)
        for region in self._regions:
            sides = zip(region.bounds, corner[-2:], shape[-2:], strict=True)
            if all(low < start + n and high > start for (low, high), start, n in sides):
                mask |= region.mask(shape, offset=corner)
        return mask

    def write(self, found: Segmentation, check: Callable[[], None]) -> Path:
        """Labels where the user wants them, labels and scores beside the run.

        Parameters
        ----------
        found : Segmentation
        check : callable
            Called often while a slide is written; may raise to stop.

        Returns
        -------
        Path
            The labels the user asked for.
        """
        tables = {
            "ids": np.arange(1, len(found.scores) + 1),
            "scores": found.scores,
            "uncertainty": found.uncertainty,
            "origin": np.asarray(found.origin),
        }
        write_arrays(self._run.result_folder / f"{self._name}.npz", tables, compressed=True)
        size = self._pixel_size(len(found.labels.shape))
        labels = Placed(found.labels, (0,) * len(found.labels.shape), found.labels.shape, check)
        if self._writer is None:
            kept = self._run.result_folder / f"{self._name}{KEPT}"
            write_labels(found.labels, kept, format="tif", pixel_size_um=size)
        else:
            kept = self._run.result_folder / f"{self._name}{KEPT_LARGE}"
            self._writer.finish(check)
        out = kept
        if self._job.out:
            out = Path(self._job.out) / f"{self._name}{FORMATS[self._job.format]}"
            if self._writer is not None and self._job.format == "zarr":
                write_folder_atomic(out, lambda aside: shutil.copytree(found.labels.path, aside))
            else:
                write_labels(
                    found.labels if self._writer is None else labels,
                    out,
                    format=self._job.format,
                    pixel_size_um=size,
                    image_name=self._name,
                    offset=found.origin,
                    channels=self._image.file_channels,
                )
        if self._writer is not None:
            _move(self._writer.path, kept)
        return out

    def _pixel_size(self, ndim: int) -> tuple[float, ...] | None:
        return pixel_sizes(self._job.pixel_size_um, self._image.pixel_size_um, ndim)


def _move(source: Path, target: Path) -> None:
    """Put a finished folder into its place."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(target)
        replace_with_retry(source, target)
    except OSError as error:
        raise disk_error(error, target) from error
