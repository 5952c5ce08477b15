"""What a project takes of the disk, and what of it can go: never clicks, models, corrections or a result not saved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import is_half, remove_folder, remove_with_retry
from napari_nucleidomain.contracts.paths import is_link, wrong_name
from napari_nucleidomain.data.labels_large import open_labels
from napari_nucleidomain.data.labels_out import boxes

from .folder import RunFolder
from .job import PredictJob, TrainJob
from .ownership import Ownership
from .predict_output import KEPT, KEPT_LARGE
from .store import Project

Kind = Literal["previews", "working files", "halves", "copies"]
KINDS: dict[Kind, str] = {
    "previews": "previews of trainings and predictions that have ended",
    "working files": "what finished trainings and predictions needed to go on",
    "halves": "left over from deleting, and from processes that were killed",
    "copies": "results that were saved elsewhere too and not changed by hand since",
}
# Ticked from the start; a copy is what Review shows, so losing it is the person's choice.
USUAL: tuple[Kind, ...] = ("previews", "working files", "halves")
# Formats that hold every pixel of the labels.
_WHOLE = ("tif", "ome-tif", "zarr")
_OLD_SECONDS = 3600.0
# Pixels a side of what is compared at once.
_BLOCK = 2048
_ENDED = ("finished", "stopped", "failed", "interrupted")


@dataclass(frozen=True)
class DiskUse:
    """Bytes of a project by what they are for."""

    images: int
    trainings: int
    predictions: int
    previews: int
    models: int
    other: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.images + self.trainings + self.predictions + self.previews + self.models + self.other


@dataclass(frozen=True)
class Removable:
    """Something that can go.

    Attributes
    ----------
    paths : tuple of Path
        Files and folders.
    run : Path or None
        The run they belong to; it must not begin to work meanwhile.
    saved : tuple of Path
        Of copies: for each of `paths` the file that must hold the same labels when it goes.
    """

    kind: Kind
    name: str
    paths: tuple[Path, ...]
    size: int
    run: Path | None = None
    saved: tuple[Path, ...] = ()


def disk_use(project: Project) -> DiskUse:
    """Measure a project. Reads every file's size; not for an event loop."""
    trainings = predictions = previews = 0
    for run in project.runs():
        shown = size_of(run.path / "previews")
        rest = size_of(run.path) - shown
        previews += shown
        if _is_training(run):
            trainings += rest
        else:
            predictions += rest
    images, models, whole = size_of(project.data), size_of(project.models_folder), size_of(project.path)
    other = max(0, whole - images - models - trainings - predictions - previews)
    return DiskUse(images, trainings, predictions, previews, models, other)


def removable(project: Project) -> list[Removable]:
    """What can go, the largest first. Looks at every run; not for an event loop."""
    found = [one for run in project.runs() for one in _of_run(run)]
    found += _leftovers(project)
    return sorted((one for one in found if one.size > 0), key=lambda one: -one.size)


def clean(chosen: Iterable[Removable], told: Callable[[int], None] | None = None) -> tuple[int, list[str]]:
    """Remove what was chosen.

    Parameters
    ----------
    told : callable, optional
        Given the bytes that are free so far.

    Returns
    -------
    freed : int
        Bytes.
    problems : list of str
        What could not go, and why.
    """
    freed, problems = 0, []
    for one in chosen:
        try:
            freed += _remove(one)
        except NucleiError as error:
            problems.append(f"{one.name}: {error.message}")
        if told:
            told(freed)
    return freed, problems


def size_of(path: Path) -> int:
    """Bytes of a file or of all files in a folder; what vanishes meanwhile counts for nothing."""
    return sum(size for _, size in _files(path))


def _files(path: Path) -> Iterator[tuple[Path, int]]:
    try:
        if path.is_symlink() or path.is_file():
            yield path, path.lstat().st_size
            return
        with os.scandir(path) as entries:
            names = [Path(entry.path) for entry in entries]
    except OSError:
        return
    for one in names:
        yield from _files(one)


def _is_training(run: RunFolder) -> bool:
    try:
        return isinstance(run.job, TrainJob)
    except NucleiError:
        # Damaged: by its name, which a person sees, too.
        return "-train-" in run.name


def _of_run(run: RunFolder) -> list[Removable]:
    try:
        job, state = run.job, run.state
    except NucleiError:
        # A damaged folder is for a person to look at.
        return []
    if state not in _ENDED:
        return []
    found = [_one("previews", run, [run.path / "previews"])]
    if state == "finished":
        # Of a training that was stopped, failed or was interrupted they are what it could go on from.
        found.append(_one("working files", run, [run.path / name for name in ("checkpoint", "stages", "tiles")]))
        if isinstance(job, PredictJob):
            found.append(_copies(run, job))
    return found


def _one(kind: Kind, run: RunFolder, paths: list[Path]) -> Removable:
    there = tuple(path for path in paths if path.exists())
    return Removable(kind, run.name, there, sum(size_of(path) for path in there), run.path)


def _copies(run: RunFolder, job: PredictJob) -> Removable:
    """Labels in a run folder that lie, pixel for pixel, in the folder the person chose as well."""
    found: dict[Path, Path] = {}
    last = run.last_event()
    if is_link(run.result_folder):
        return _one("copies", run, [])
    for record in run.summary().get("images", []):
        saved, name = Path(record["labels"]), str(record["name"])
        if job.format not in _WHOLE or run.path in saved.parents or not saved.exists() or wrong_name(name):
            continue
        mine = [one for one in run.result_folder.iterdir() if one.name.startswith(f"{name}.")]
        labels = [one for one in mine if one.name in (f"{name}{KEPT}", f"{name}{KEPT_LARGE}")]
        # Anything else beside them is a person's work: what the program had found before, corrections.
        if {one.name for one in mine if one not in labels} <= {f"{name}.json", f"{name}.npz"}:
            # Written over or changed by hand since? What is older is looked at only when it comes to removing.
            newer = last is None or saved.stat().st_mtime > last.time
            found |= {one: saved for one in labels if not newer or _same_labels(one, saved)}
    # A file reached by two paths is no copy of itself.
    found = {one: saved for one, saved in found.items() if not saved.samefile(one)}
    return replace(_one("copies", run, list(found)), saved=tuple(found.values()))


def _same_labels(one: Path, other: Path) -> bool:
    """Whether two files hold the same labels; read block by block."""
    try:
        with open_labels(one) as first, open_labels(other) as second:
            return first.shape == second.shape and all(
                np.array_equal(np.asarray(first[box]), np.asarray(second[box])) for box in boxes(first.shape, _BLOCK)
            )
    except (NucleiError, OSError, ValueError):
        # Damaged or removed meanwhile: no copy.
        return False


def _leftovers(project: Project) -> list[Removable]:
    """Folders that were being deleted, and halves of files of processes that were killed, an hour ago or more."""
    before = time.time() - _OLD_SECONDS
    paths = list(project.runs_folder.glob(".deleted-*")) + list(project.path.glob(".probe-*"))
    # Folders of models are put right by whoever lists models.
    paths += [one for one in project.models_folder.glob(".*") if is_half(one.name) and one.is_file()]
    inside = [project.path, project.data, project.data / "points", project.data / "regions"]
    inside += [project.worker_folder, project.worker_folder / "queue", project.path / "viewer"]
    inside += [run.path for run in project.runs()]
    for folder in inside:
        paths += [one for one in folder.glob(".*") if is_half(one.name)]
    found = []
    for path in paths:
        try:
            old = path.name.startswith(".deleted-") or path.stat().st_mtime < before
        except OSError:
            continue
        if old:
            found.append(Removable("halves", path.name, (path,), size_of(path)))
    return found


def _remove(one: Removable) -> int:
    if one.run is None:
        return _remove_paths(one)
    if not one.run.exists():
        return 0
    # While we have it, nobody can begin to go on with it; a run that began meanwhile has it and keeps everything.
    ownership = Ownership(one.run)
    try:
        # Looked at now, for the saved file may have been replaced since it was listed.
        same = {path for path, saved in zip(one.paths, one.saved, strict=False) if _same_labels(path, saved)}
        if one.kind != "copies" or len(same) == len(one.paths):
            return _remove_paths(one)
        raise NucleiError("what was saved elsewhere has other labels now, so this is no copy.", "")
    finally:
        ownership.release()


def _remove_paths(one: Removable) -> int:
    freed = 0
    for path in one.paths:
        before = size_of(path)
        if path.is_dir() and not path.is_symlink():
            remove_folder(path)
        else:
            remove_with_retry(path)
        freed += before - size_of(path)
    if any(path.exists() for path in one.paths):
        raise NucleiError("some of it is in use or may not be removed.", "Close what has it open, and try again.")
    return freed
