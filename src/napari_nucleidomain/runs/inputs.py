"""What a training works on, kept in its run folder from its start: clicking on while it trains changes nothing for it.

Clicks, areas, outlines and corrections are copied; images are named where they are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import (
    LISTS,
    disk_error,
    read_json,
    remove_folder,
    replace_with_retry,
    write_json,
)
from napari_nucleidomain.data.dataset import FILE_NAME, Dataset, file_digest, open_dataset
from napari_nucleidomain.data.example import ATTACHED

from .copying import copy_data, files_of, size_of_input
from .folder import RunFolder
from .job import TrainJob
from .places import project_of, to_real, to_stored
from .spare import require_space

INPUTS = "inputs"
# Beside the copies: what they were, and what had to be left out of them.
RECORD = "inputs.json"


def training_inputs(run: RunFolder, space: int) -> Dataset:
    """The dataset of a training: at its first start copied from where the job says, from then on the copy.

    Parameters
    ----------
    run : RunFolder
        Of a training; this process owns it.
    space : int
        Bytes that it needs beside the copies.

    Returns
    -------
    Dataset
        With the problems there were at the start.

    Raises
    ------
    NucleiError
        The data cannot be used, the disk is too small, or an image is gone with which the training was begun.

    Notes
    -----
    As long as nothing was learned the copy is made anew, so that what was wrong with the data can be mended.
    """
    job = run.job
    assert isinstance(job, TrainJob)
    require_space(run.path, space)
    learned = run.has_checkpoint or run.model_folder is not None
    copied = (run.path / INPUTS).exists() or (run.path / RECORD).exists()
    data = Path(job.data)
    if copied and (learned or not data.exists()):
        return _read(run, job, space)
    if learned or data.absolute().is_relative_to(run.path.absolute()):
        # Begun by an earlier version, which made no copy; or a job folder for a cluster, which holds all there is.
        return _sized(open_dataset(data), job)
    dataset = _sized(open_dataset(data), job).in_order_of_content()
    _put(run, _copy(run, dataset, space))
    problems = [[to_stored(str(path), run.path), why] for path, why in dataset.problems]
    write_json(run.path / RECORD, {"stamp": _stamp(run.path / INPUTS), "left_out": problems})
    copy = _read(run, job, space)
    # For the message where too few clicks are left; a training that has learned had enough.
    copy.lost = dataset.lost
    return copy


def inputs_begun_with(run: RunFolder) -> Dataset:
    """What `training_inputs` gave the process that owns the run, for another one that only reads."""
    job = run.job
    assert isinstance(job, TrainJob)
    if (run.path / INPUTS).exists():
        return open_dataset(run.path / INPUTS, was=_was(run, job))
    return _sized(open_dataset(job.data), job)


def _sized(dataset: Dataset, job: TrainJob) -> Dataset:
    """The dataset with the pixel size that the job names; what it lacks in the images, the model would lack."""
    if job.pixel_size_um:
        sizes = job.pixel_size_um
        said = sizes[0] if len(sizes) == 1 else list(sizes)
        dataset.all = [one.changed(understanding=one.understanding.changed(pixel_size_um=said)) for one in dataset.all]
    return dataset


def needed_to_train(run: RunFolder, job: TrainJob) -> list[Path]:
    """What a training would have to find if it were executed once more."""
    own = run.path / INPUTS / FILE_NAME
    return _images(run, job) if own.exists() else [Path(job.data)]


def _images(run: RunFolder, job: TrainJob) -> list[Path]:
    return [one.image for one in open_dataset(run.path / INPUTS, check=False, was=_was(run, job))]


def _was(run: RunFolder, job: TrainJob) -> Path | None:
    """Where the copy was written, for a run that was taken out of its project: the images stayed there."""
    alone = project_of(run.path) is None and job.written_in is not None
    return Path(job.written_in or "") / INPUTS if alone else None


def _copy(run: RunFolder, dataset: Dataset, space: int) -> Path:
    """Copy everything but the images, to a folder aside."""
    aside = run.path / f".{INPUTS}"
    remove_folder(aside)
    files = {path for example in dataset for path in files_of(example, ATTACHED).values()}
    require_space(run.path, space + sum(size_of_input(path) for path in files))
    copy_data(dataset, aside, ATTACHED, project_of(run.path) or run.path)
    return aside


def _put(run: RunFolder, aside: Path) -> None:
    remove_folder(run.path / INPUTS)
    try:
        replace_with_retry(aside, run.path / INPUTS)
    except OSError as error:
        raise disk_error(error, run.path / INPUTS) from error


def _stamp(folder: Path) -> str:
    """A hash of the copies; empty where one is missing or the dataset file is damaged."""
    own = folder / FILE_NAME
    try:
        files = {path for one in open_dataset(own, check=False) for path in files_of(one, ATTACHED).values()}
        parts = sorted(f"{path.name} {file_digest(path)}" for path in (own, *files))
    except NucleiError:
        return ""
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _read(run: RunFolder, job: TrainJob, space: int) -> Dataset:
    record = _record(run)
    if record is not None and _stamp(run.path / INPUTS) != record["stamp"]:
        _mend(run, job, record["stamp"], space)
    gone = [path for path in _images(run, job) if not path.exists()]
    # To go on without it would be to begin again with other data, and what was learned would be lost.
    if gone:
        raise _changed(f"{gone[0]} is not there any more")
    dataset = open_dataset(run.path / INPUTS, was=_was(run, job))
    if dataset.problems:
        path, why = dataset.problems[0]
        raise _changed(f"{path} cannot be used any more ({why})")
    for stored, why in record["left_out"] if record else []:
        dataset.problems.append((Path(to_real(stored, run.path, job.written_in)), why))
    return dataset


def _record(run: RunFolder) -> dict[str, Any] | None:
    """What was written of the copies; None where that is lost, and they must be trusted."""
    try:
        content = read_json(run.path / RECORD, LISTS)
        return {
            "stamp": str(content["stamp"]),
            "left_out": [(str(stored), str(why)) for stored, why in content["left_out"]],
        }
    except (NucleiError, KeyError, TypeError, ValueError):
        return None


def _mend(run: RunFolder, job: TrainJob, stamp: str, space: int) -> None:
    """Copy once more where a copy is damaged; it must be what it was."""
    if Path(job.data).exists():
        dataset = _sized(open_dataset(job.data), job)
        # Runs of earlier versions took the images in the order of their names.
        for one in (dataset.in_order_of_content(), dataset):
            aside = _copy(run, one, space)
            if _stamp(aside) == stamp:
                _put(run, aside)
                return
            remove_folder(aside)
    raise NucleiError(
        f"The copy of the clicks that this training was begun with is damaged ({run.path / INPUTS}), and the clicks in "
        f"{job.data} are others now.",
        "Put the folder back from a backup, or start a new training.",
    )


def _changed(what: str) -> NucleiError:
    return NucleiError(f"{what}; this training was begun with it.", "Put it back and go on, or start a new training.")
