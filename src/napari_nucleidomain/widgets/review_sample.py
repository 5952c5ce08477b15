"""The sample of a check by eye: drawn from a result, kept with it, and told in tables and words."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.spotcheck import SpotCheck, draw_check, judge, sentence

if TYPE_CHECKING:
    from .results import Stored
    from .review_subject import Subject

LARGE = "Results this large cannot be checked here; find the nuclei of a part of the image and check that."


def draw_for(subject: Subject, ids: np.ndarray, centres: np.ndarray) -> SpotCheck:
    """Draw from a result.

    Parameters
    ----------
    ids : ndarray (N,)
    centres : ndarray (N, ndim)
        In pixels of the image.

    Raises
    ------
    NucleiError
        There is no nucleus, or the regions it was limited to cannot be read.
    """
    from napari_nucleidomain.data.regions import read_regions

    ndim, shown = centres.shape[1], subject.shown
    origin = np.asarray(shown.stored.origin[-ndim:]) if shown is not None else np.zeros(ndim, int)
    job: Any = shown.stored.run.job if shown is not None else None
    inside = None
    if job is not None and job.region and ndim == 2:
        regions = read_regions(job.region)

        def inside(middles: np.ndarray) -> np.ndarray:
            return np.any([one.contains(middles + origin) for one in regions], axis=0)  # type: ignore[no-any-return]

    shape = [int(side) for side in np.shape(subject.layer.data)[-ndim:]]
    seed = int(np.random.default_rng().integers(2**31))
    return draw_check(ids, centres - origin, shape, seed=seed, inside=inside)


def checksum(labels: Any) -> int:
    """By which a check knows whether the labels are still those it was drawn from."""
    return zlib.crc32(np.ascontiguousarray(labels, dtype=np.uint32))


def to_keep(check: SpotCheck, labels: int) -> dict[str, Any]:
    """What is kept with a result."""
    return {"drawn": check.to_json(), "labels": labels, "sentence": sentence(judge(check))}


def from_kept(kept: dict[str, Any] | None) -> tuple[SpotCheck | None, int]:
    """The check kept with a result, and the checksum of the labels it was drawn from.

    Raises
    ------
    NucleiError
        It is damaged.
    """
    if kept is None:
        return None, 0
    try:
        return SpotCheck.from_json(dict(kept["drawn"])), int(kept["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise NucleiError("The check by eye kept with this result is damaged.", "Check anew.") from error


def checked_row(stored: Stored, labels: Any) -> dict[str, Any]:
    """Columns of `images.csv` that a finished check by eye adds; none where the labels were changed since."""
    from .review_notes import read_notes

    try:
        check, of = from_kept(read_notes(stored).check)
    except NucleiError:
        # The counts are right without it; Review says what is wrong with the notes.
        return {}
    if check is None or not isinstance(labels, np.ndarray) or checksum(labels) != of:
        return {}
    verdict = judge(check)
    columns: dict[str, Any] = {"checked_by_eye": verdict.right + verdict.wrong}
    for name, estimate in (("precision", verdict.precision), ("missed", verdict.missed), ("f1", verdict.f1)):
        if estimate is not None:
            columns |= {f"{name}_by_eye": estimate.value}
            columns |= {f"{name}_by_eye_low": estimate.low, f"{name}_by_eye_high": estimate.high}
    return columns
