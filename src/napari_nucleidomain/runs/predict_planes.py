"""Which moment and plane of an image a prediction looks at, and what is said of those it does not look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.inference.thin import thin_stack

from .job import CLASSICAL, PredictJob

Warn = Callable[[str, str], None]


def choose_view(image: Image, job: PredictJob, flat_model: bool, warn: Warn) -> tuple[Image, PredictJob]:
    """The image opened at the moment that is looked at, and the job with the plane of a volume that is.

    Parameters
    ----------
    image : Image
    job : PredictJob
    flat_model : bool
        Whether the model works on flat images, as far as its card says; the classical method takes both.
    warn : callable
        Told (message, hint) of moments and planes that are not looked at.

    Returns
    -------
    image : Image
        With `understanding.plane` where it is a film or a pile of planes.
    job : PredictJob
        `plane` is that of a volume for a flat model, else None.

    Raises
    ------
    NucleiError
        There is no such moment or plane.
    """
    lengths = dict(zip(image.plane_axes, image.plane_shape, strict=True))
    if job.time is not None and "T" not in lengths and job.time > 0:
        raise NucleiError(f"{image.name} is no film: there is no moment {job.time}.", "Leave --time out.")
    if not lengths:
        return image, _plane_of_volume(image, job, warn)
    wants_plane = job.plane is not None and ("Z" in lengths or image.ndim == 3)
    if image.ndim == 3 and wants_plane and (flat_model or job.model == CLASSICAL):
        # Moments of volumes, of which one plane is wanted: planes are then counted beside the moments.
        lengths["Z"] = image.spatial_shape[0]
        image = _opened(image, third_axis="planes")
    said = {"T": job.time, "Z": job.plane if wants_plane else None}
    if "Z" not in lengths and job.plane is not None and image.ndim == 2 and job.time is None:
        # Of a film without planes the plane that is named is a moment.
        said["T"] = job.plane
    if all(said.get(axis) is None for axis in lengths):
        if image.understanding.plane is None:
            _tell(lengths, dict.fromkeys(lengths, 0), warn)
        return image, job.model_copy(update={"plane": None})
    place = {axis: _checked(image, axis, said.get(axis) or 0, lengths) for axis in image.plane_axes}
    _tell({axis: n for axis, n in lengths.items() if said.get(axis) is None}, place, warn)
    index = int(np.ravel_multi_index([place[a] for a in image.plane_axes], [lengths[a] for a in image.plane_axes]))
    return _opened(image, plane=index), job.model_copy(update={"plane": None})


def _opened(image: Image, **changes: Any) -> Image:
    # The caller's image stays open: it may be his.
    understanding = image.understanding.changed(**changes)
    return image.reopened(understanding)


def _checked(image: Image, axis: str, index: int, lengths: dict[str, int]) -> int:
    if not 0 <= index < lengths[axis]:
        word = {"T": "moment", "Z": "plane"}[axis]
        raise NucleiError(
            f"{image.name} has {lengths[axis]} {word}s; there is no {word} {index}.",
            f"{word.capitalize()}s count from 0.",
        )
    return index


def _tell(lengths: dict[str, int], place: dict[str, int], warn: Warn) -> None:
    """Say which of several moments or planes is looked at, where nobody chose it."""
    words = {"T": ("moment", "--time"), "Z": ("plane", "--plane")}
    for axis, n in lengths.items():
        if n > 1:
            word, option = words[axis]
            warn(
                f"only {word} {place[axis] + 1} of {n} was looked at.",
                f"Another: {option} N, counted from 0; in the viewer choose it with the slider.",
            )


def _plane_of_volume(image: Image, job: PredictJob, warn: Warn) -> PredictJob:
    """The job with a plane where a volume is too thin to be one for the classical method."""
    if image.ndim != 3 or job.plane is not None or job.model != CLASSICAL:
        return job
    thin = thin_stack(image)
    if thin is None:
        return job
    if job.background:
        # The viewer shows a result as what it asked for.
        warn(
            f"{thin.sentence()}.",
            "In Images, under Third axis, choose *every plane for itself*; without that few or no nuclei are found.",
        )
        return job
    warn(
        f"{thin.sentence()}. Nuclei were looked for in plane {thin.plane} alone, the one with the most contrast.",
        "Another: --plane N, counted from 0. Where planes lie further apart than that, say it: --pixel-size Z,Y,X.",
    )
    box = job.box[-2:] if job.box else None
    return job.model_copy(update={"plane": thin.plane, "box": box})
