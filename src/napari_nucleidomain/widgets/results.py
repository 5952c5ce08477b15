"""Predictions that lie on disk: finding those of an image, and reading one. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, read_json
from napari_nucleidomain.data.npz import read_npz

from .view import same_file

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image
    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.store import Project

LARGE = 100_000_000
_MOST_RUNS = 300


@dataclass(frozen=True)
class Stored:
    """One image's result in a prediction's run folder.

    Attributes
    ----------
    name : str
        The result's name in the run folder.
    model : str
        Name of the model, "otsu" for the classical method.
    origin : tuple of int
        Where its box begins, in pixels of the image.
    plane : int or None
        Plane of the image it was made on, where there is a choice.
    when : float
        Seconds since 1970.
    """

    run: RunFolder
    name: str
    model: str
    image: Path
    nuclei: int
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    plane: int | None
    pixel_size_um: float | None
    scale_reason: str
    when: float
    seconds: float

    @property
    def labels_file(self) -> Path:
        """The label image kept in the run folder: a pyramid for a slide."""
        large = self.run.result_folder / f"{self.name}.labels.ome.zarr"
        return large if large.exists() else self.run.result_folder / f"{self.name}.labels.tif"

    @property
    def found_file(self) -> Path:
        """What the program found, kept when a person changed the result by hand."""
        from napari_nucleidomain.runs.folder import FOUND

        return self.run.result_folder / f"{self.name}{FOUND}"

    @property
    def edited(self) -> bool:
        """Whether a person changed it by hand."""
        return self.found_file.exists()

    @property
    def hidden(self) -> np.ndarray:
        """Ids of `found_file` that a filter hid when a person began to change it, (N,) int64."""
        record = read_json(self.run.result_folder / f"{self.name}.json", LISTS)
        return np.array(record.get("hidden", []), dtype=np.int64)

    @property
    def area_px(self) -> float:
        """Pixels (voxels) that were looked at: the regions where the job was limited to them."""
        from napari_nucleidomain.data.regions import read_regions

        job: Any = self.run.job
        whole = float(np.prod(self.shape))
        if not job.region:
            return whole
        # A region goes down through all planes of a volume.
        planes = float(np.prod(self.shape[:-2]))
        try:
            return min(whole, planes * float(sum(region.area for region in read_regions(job.region)))) or whole
        except NucleiError:
            # The regions' file was cleared away; the box is the next best.
            return whole

    @property
    def model_folder(self) -> str:
        """The model that made it; "" for the classical method."""
        from napari_nucleidomain.runs.job import CLASSICAL

        job: Any = self.run.job
        return "" if job.model == CLASSICAL else str(job.model)

    @property
    def threshold_shift(self) -> float:
        """How much fainter or brighter than by itself the classical method was told to look, -1 to 1."""
        job: Any = self.run.job
        shift = job.settings.get("threshold_shift", 0.0)
        return float(shift) if self.model_folder == "" and isinstance(shift, int | float) else 0.0

    @property
    def role(self) -> str:
        """Role of its layer, see `ImageEntry.layers`."""
        return f"nuclei:{self.run.name}:{self.name}"


@dataclass
class Loaded:
    """A result's pixels and what the model says of each nucleus.

    Attributes
    ----------
    labels : ndarray (*spatial) uint32, or list of such (a pyramid, for large results)
    scores, uncertainty : ndarray (N,) float32
        Of id k at k - 1; NaN for nuclei changed or added by hand.
    """

    stored: Stored
    labels: Any
    scores: np.ndarray
    uncertainty: np.ndarray

    @property
    def large(self) -> bool:
        """Whether it is shown as a pyramid and cannot be changed by hand."""
        return isinstance(self.labels, list)


def find_results(project: Project, image: Path | None) -> list[Stored]:
    """Results of an image, newest first. Reads files; not for the event loop."""
    from napari_nucleidomain.runs.job import PredictJob

    found: list[Stored] = []
    for run in project.runs()[:_MOST_RUNS]:
        try:
            if isinstance(run.job, PredictJob):
                found += [one for one in results_of(run) if image is None or same_file(one.image, image)]
        except NucleiError:
            # A half-written run has no results.
            continue
    return found


def results_of(run: RunFolder) -> list[Stored]:
    """Every finished image of a prediction."""
    from napari_nucleidomain.runs.places import record_to_real

    found = []
    for record in sorted(one for one in run.result_folder.glob("*.json") if not one.name.startswith(".")):
        try:
            found.append(
                _stored(
                    run, record_to_real(read_json(record, LISTS), run.path, run.job.written_in), record.stat().st_mtime
                )
            )
        except (NucleiError, KeyError, TypeError, ValueError, OSError):
            # A damaged record is no result; the image can be predicted again.
            continue
    return [one for one in found if one.labels_file.exists()]


def _stored(run: RunFolder, record: dict[str, Any], when: float) -> Stored:
    job: Any = run.job
    ref = next((ref for ref in job.images if ref.path == record["image"]), None)
    understood = (ref.understanding or {}) if ref is not None else {}
    return Stored(
        run=run,
        name=str(record["name"]),
        model=model_name(job.model),
        image=Path(record["image"]),
        nuclei=int(record["nuclei"]),
        origin=tuple(int(part) for part in record["origin"]),
        shape=tuple(int(part) for part in record["shape"]),
        plane=record["plane"] if record.get("plane") is not None else plane_of(job, understood),
        pixel_size_um=record.get("pixel_size_um"),
        scale_reason=str(record.get("scale_reason", "")),
        when=when,
        seconds=float(record.get("seconds", 0.0)),
    )


def plane_of(job: Any, understood: dict[str, Any]) -> int | None:
    """The plane a job looks at: said in the job for a volume, in the corrections for a stack or film."""
    return job.plane if job.plane is not None else understood.get("plane")


def model_name(model: str) -> str:
    """What a model is called: its folder's name."""
    return Path(model).name if model else "otsu"


def load_result(stored: Stored) -> Loaded:
    """Read a result.

    Raises
    ------
    NucleiError
        Its files are gone or damaged.
    """
    from napari_nucleidomain.data.labels_io import read_labels

    tables = stored.run.result_folder / f"{stored.name}.npz"
    try:
        file = read_npz(tables)
        scores, uncertainty = file["scores"], file["uncertainty"]
    except (OSError, ValueError, KeyError) as error:
        raise NucleiError(f"The scores of {stored.name} cannot be read.", "Predict this image again.") from error
    if stored.labels_file.suffix == ".zarr":
        return Loaded(stored, _levels(stored.labels_file), scores, uncertainty)
    if int(np.prod(stored.shape)) > LARGE:
        return Loaded(stored, _pyramid(stored.labels_file), scores, uncertainty)
    labels = read_labels(stored.labels_file).labels
    if stored.edited:
        found = read_labels(stored.found_file).labels
        scores, uncertainty = known_of(found, labels, scores), known_of(found, labels, uncertainty)
    return Loaded(stored, labels, scores, uncertainty)


def known_of(found: np.ndarray, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What the model said of each nucleus, without those that a person changed or added.

    Parameters
    ----------
    found, labels : ndarray of the same shape
        As the program made them, and as they are now.
    values : ndarray (N,)
        Of id k of `found` at k - 1.

    Returns
    -------
    ndarray (M,) float32
        Of id k of `labels` at k - 1, M >= N; NaN where nothing is known.
    """
    # A person may paint with any number; the table cannot have that many rows.
    top = max(len(values), min(int(labels.max(initial=0)), labels.size))
    kept = np.full(top, np.nan, np.float32)
    kept[: len(values)] = values
    changed = found != labels
    touched = np.union1d(found[changed], labels[changed]).astype(np.int64)
    kept[touched[(touched > 0) & (touched <= top)] - 1] = np.nan
    return kept


def _levels(path: Path) -> list[Any]:
    """Levels of a pyramid on disk, all read only where they are looked at."""
    from napari_nucleidomain.data.readers import read_file

    return list(read_file(path).levels)


def _pyramid(path: Path) -> list[Any]:
    """Levels of a large label image: full resolution read when looked at, coarser ones in memory."""
    from napari_nucleidomain.data.readers import read_file

    full = read_file(path).levels[0]
    step = 4
    coarse = np.zeros([-(-side // step) for side in full.shape], dtype=np.uint32)
    # Of a volume each plane that is kept is read alone: a band of them may not fit into memory.
    band = step * 256 if full.ndim == 2 else 1
    for start in range(0, full.shape[0], band if full.ndim == 2 else step):
        block = np.asarray(full[start : start + band])
        kept = block[(slice(None, None, step),) * full.ndim]
        coarse[start // step : start // step + len(kept)] = kept
    levels = [full, coarse]
    while max(levels[-1].shape) > 2048:
        levels.append(levels[-1][(slice(None, None, 2),) * full.ndim])
    return levels


def lead_of(plane: int | None, ndim: int, image: Image | None) -> tuple[int, ...]:
    """Place of a flat result along the axes of a stack or volume: one number for each axis before (y, x).

    Parameters
    ----------
    plane : int or None
        Plane the result was made on.
    ndim : int
        Axes of the result.
    image : Image or None
    """
    if image is None or plane is None:
        return ()
    if image.plane_axes:
        return tuple(int(part) for part in np.unravel_index(plane, image.plane_shape))
    return (int(plane),) if len(image.spatial_shape) > ndim else ()


def in_dimensions(
    labels: np.ndarray, origin: tuple[int, ...], lead: tuple[int, ...]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Labels and origin with the axes of the image as it is shown."""
    return labels.reshape((1,) * len(lead) + labels.shape), (*lead, *origin)
