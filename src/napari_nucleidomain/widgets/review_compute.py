"""What Review tells of a result: measurements, scores, errors. For threads: no Qt, no layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .export import Snapshot, measure_result
from .wording import count

HAUSDORFF_MOST = 4_000_000
_DOT = 4


@dataclass(frozen=True)
class Reference:
    """What a result is compared with.

    Attributes
    ----------
    kind : {"labels", "clicks"}
    name : str
        As in the list.
    labels : array_like or None
        In the place and of the size of the result, or of the whole image (then it is cut).
    points : ndarray (N, ndim) or None
        In pixels of the image.
    regions : list
        `data.regions.Region` inside which the clicks are complete; empty: the whole image.
    note : str
        Where it holds ("inside the region").
    """

    kind: Literal["labels", "clicks"]
    name: str
    labels: Any = None
    points: np.ndarray | None = None
    regions: Sequence[Any] = ()
    note: str = ""


@dataclass
class Assessment:
    """What there is to say of a result.

    Attributes
    ----------
    table : dict of str to ndarray (N,)
        See `instances.measure.measure`; centroids in pixels of the image.
    sentence : str
        How good, in one sentence; "" where nothing was compared.
    scores : dict of str to float
        Every score by its exact name.
    errors : ndarray uint8 or None
        `ErrorClass` of every pixel.
    error_of : dict of int to int
        Id of a nucleus of the result -> its `ErrorClass`.
    counts : dict of int to int
        `ErrorClass` -> how many, as in the sentence: of true nuclei or clicks, but false alarms of the result.
    missed : ndarray (M, ndim)
        Centres, in pixels of the image, of what the result misses.
    problem : NucleiError or None
        Why it could not be compared.
    """

    table: dict[str, np.ndarray]
    sentence: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    errors: np.ndarray | None = None
    error_of: dict[int, int] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    missed: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    note: str = ""
    problem: NucleiError | None = None


def assess_against(result: Snapshot, make: Callable[[], Reference] | Reference | None) -> Assessment:
    """`assess` against what `make` reads; where that cannot be used, the measurements alone, with the `problem`.

    Outlines that were moved or damaged must not make the result look empty.
    """
    try:
        return assess(result, make() if callable(make) else make)
    except NucleiError as error:
        if make is None:
            raise
        found = assess(result, None)
        found.problem = error
        return found


def assess(result: Snapshot, reference: Reference | None) -> Assessment:
    """Measure a result and, where there is something to compare with, score it.

    Raises
    ------
    NucleiError
        Sizes differ, or clicks and result do not meet.
    """
    found = Assessment(measure_result(result))
    if reference is None:
        return found
    if reference.kind == "clicks":
        _against_clicks(found, result, reference)
    else:
        _against_labels(found, result, reference)
    found.note = reference.note
    return found


def _against_labels(found: Assessment, result: Snapshot, reference: Reference) -> None:
    from napari_nucleidomain.instances.errormap import ErrorClass, error_map
    from napari_nucleidomain.instances.scores import score_labels

    labels = np.asarray(result.labels)
    truth = cut_to(reference.labels, result)
    errors = error_map(labels, truth)
    # Planes lie further apart than pixels: of a volume there is a distance only where its voxel size is known.
    spacing = result.pixel_size_um if labels.ndim == 3 else None
    distance = labels.size <= HAUSDORFF_MOST and (labels.ndim == 2 or spacing is not None)
    scores = score_labels(labels, truth, thresholds=(0.5, 0.7), hausdorff=distance, spacing=spacing)
    found.errors = errors.image
    found.scores = {name: float(value) for name, value in scores.as_dict().items()}
    sides = errors.table["side"] == "predicted"
    found.error_of = dict(zip(errors.table["id"][sides].tolist(), errors.table["error"][sides].tolist(), strict=True))
    missed = errors.table["id"][~sides & (errors.table["error"] == ErrorClass.MISSED)]
    found.missed = _centres(truth, missed) + np.asarray(result.origin)
    counts = errors.counts()
    true, predicted = counts["true"], counts["predicted"]
    found.counts = {int(kind): true.get(kind.name.lower(), 0) for kind in ErrorClass}
    found.counts[ErrorClass.FALSE_ALARM] = predicted.get("false_alarm", 0)
    found.sentence = _sentence(
        int(scores.n_true),
        true.get("found", 0),
        [
            (true.get("missed", 0), "missed"),
            (true.get("merged", 0), "merged"),
            (true.get("split", 0), "split"),
            (predicted.get("false_alarm", 0), "extra"),
        ],
    )


def _against_clicks(found: Assessment, result: Snapshot, reference: Reference) -> None:
    from napari_nucleidomain.data.regions import regions_mask
    from napari_nucleidomain.instances.pointscores import score_points

    labels = np.asarray(result.labels)
    ndim = labels.ndim
    points = np.asarray(reference.points, float)[:, -ndim:] - np.asarray(result.origin)
    inside = ((points >= -0.5) & (points < np.asarray(labels.shape) - 0.5)).all(axis=1)
    points = points[inside]
    mask = regions_mask(reference.regions, labels.shape, result.origin) if reference.regions else None
    scores = score_points(labels, points, mask)
    if not scores.n_clicks:
        raise NucleiError(
            "None of the clicks lies where the result is.", "Predict where you clicked, or compare otherwise."
        )
    found.scores = {name: float(value) for name, value in scores.as_dict().items()}
    found.sentence = _sentence(
        scores.n_clicks, scores.found, [(scores.missed, "missed"), (scores.merged, "merged"), (scores.extra, "extra")]
    )
    numbers = (scores.found, scores.extra, scores.missed, 0, scores.merged)
    found.counts = dict(enumerate(numbers, start=1))
    pixels = np.floor(points + 0.5).astype(int)
    if mask is not None:
        pixels = pixels[mask[tuple(pixels.T)]]
    _mark_click_errors(found, labels, pixels, mask, np.asarray(result.origin))


def _mark_click_errors(
    found: Assessment, labels: np.ndarray, pixels: np.ndarray, mask: np.ndarray | None, origin: np.ndarray
) -> None:
    """Errors as clicks show them: whole nuclei found, merged or extra, and a dot where a click has no nucleus."""
    from napari_nucleidomain.instances.errormap import ErrorClass
    from napari_nucleidomain.instances.labelimage import compact

    # A person may paint with any number; no array can be that long.
    labels, ids = compact(labels)
    at = labels[tuple(pixels.T)]
    hits = np.bincount(at, minlength=len(ids) + 1)
    kind = np.full(len(ids) + 1, int(ErrorClass.FALSE_ALARM), np.uint8)
    kind[hits == 1], kind[hits > 1], kind[0] = ErrorClass.FOUND, ErrorClass.MERGED, 0
    if mask is not None:
        # Outside the clicked area nobody knows: those are not errors and not shown as such.
        table = found.table
        names = [f"centroid_{axis}_px" for axis in ("z", "y", "x")[-labels.ndim :]]
        centres = np.stack([table[name] for name in names], axis=1) - origin
        place = np.clip(np.floor(centres + 0.5).astype(int), 0, np.asarray(labels.shape) - 1)
        outside = np.searchsorted(ids, table["id"][~mask[tuple(place.T)]]) + 1
        kind[outside[hits[outside] == 0]] = 0
    errors = kind[labels]
    missed = pixels[at == 0]
    for pixel in missed:
        box = tuple(slice(max(0, p - _DOT), p + _DOT + 1) for p in pixel)
        grids = np.ogrid[tuple(slice(s.start, min(s.stop, n)) for s, n in zip(box, labels.shape, strict=True))]
        near = sum((grid - p) ** 2 for grid, p in zip(grids, pixel, strict=True)) <= _DOT**2
        errors[box][near & (labels[box] == 0)] = ErrorClass.MISSED
    found.errors = errors
    found.missed = missed + origin
    found.error_of = {int(one): int(what) for one, what in zip(ids, kind[1:], strict=True) if what}


def cut_to(labels: Any, result: Snapshot) -> np.ndarray:
    """Labels of the whole image cut to the place of a result; those of its own size are taken as they are.

    Raises
    ------
    NucleiError
        They are of another size.
    """
    shape = tuple(result.labels.shape)
    if tuple(np.shape(labels)) == shape:
        return np.asarray(labels)
    stops = [o + n for o, n in zip(result.origin, shape, strict=True)]
    if np.ndim(labels) != len(shape) or any(stop > side for stop, side in zip(stops, np.shape(labels), strict=True)):
        have, want = "×".join(map(str, np.shape(labels))), "×".join(map(str, shape))
        raise NucleiError(f"What to compare with has {have} pixels, the result {want}.", "They must be of one image.")
    return np.asarray(labels[tuple(slice(o, s) for o, s in zip(result.origin, stops, strict=True))])


def _sentence(total: int, found: int, others: list[tuple[int, str]]) -> str:
    parts = [f"{found:,} of {total:,} found"] + [f"{number:,} {word}" for number, word in others if number]
    return ", ".join(parts)


def _centres(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Centres of mass of some ids, (len(ids), ndim)."""
    if not len(ids):
        return np.zeros((0, labels.ndim))
    where = np.nonzero(np.isin(labels, ids))
    number = np.searchsorted(np.sort(ids), labels[where])
    area = np.bincount(number, minlength=len(ids))
    return np.stack([np.bincount(number, axis, len(ids)) / area for axis in where], axis=1)


def unusual(table: dict[str, np.ndarray]) -> np.ndarray:
    """Which nuclei are far from the rest in size or shape: beyond 3.5 robust deviations, (N,) bool."""
    size = table.get("area_px", table.get("volume_px", np.zeros(0)))
    far = np.zeros(len(size), dtype=bool)
    for values in (np.log(np.maximum(size, 1)), table.get("solidity", np.zeros(len(size)))):
        if len(values) < 8:
            continue
        middle = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - middle))
        if spread > 0:
            far |= np.abs(values - middle) > 3.5 * spread
    return far


def summary_words(table: dict[str, np.ndarray]) -> str:
    """ "median area 312 px² (78 µm²) · 4 unusual in size or shape"."""
    if not len(table["id"]):
        return ""
    parts = []
    for name, unit in (("area_um2", "µm²"), ("area_px", "px²"), ("volume_um3", "µm³"), ("volume_px", "voxels")):
        if name in table:
            word = "volume" if name.startswith("volume") else "area"
            parts.append(f"median {word} {np.median(table[name]):,.0f} {unit}")
            break
    strange = int(unusual(table).sum())
    if strange:
        parts.append(f"{count(strange, 'nucleus', 'nuclei')} of unusual size or shape")
    return " · ".join(parts)


def with_errors(table: dict[str, np.ndarray], errors: dict[int, int]) -> dict[str, np.ndarray]:
    """The table with the error of each nucleus in words, where something was compared."""
    if not errors:
        return table
    from napari_nucleidomain.instances.errormap import ErrorClass

    names = {int(kind): kind.name.lower().replace("_", " ") for kind in ErrorClass if kind}
    return {**table, "error": np.array([names.get(errors.get(int(one), 0), "") for one in table["id"]], dtype="U16")}
