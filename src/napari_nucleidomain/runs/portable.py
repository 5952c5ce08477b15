"""A training as a folder that holds all it needs: copied anywhere, run with `nucleidomain run FOLDER`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import disk_error, remove_with_retry
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.inference.model_files import SINGLE_FILE_SUFFIX, copy_model

from .copying import KINDS, copy_data, files_of, size_of_input
from .folder import RunFolder
from .job import JOB_FILE, TrainJob
from .portable_script import SCRIPT_FILE, write_script
from .spare import require_space
from .store import file_name

_SPARE_BYTES = 50 * 2**20


def portable_size(job: TrainJob) -> int:
    """Bytes that `write_portable` will copy.

    Raises
    ------
    NucleiError
        The training images cannot be read.
    """
    files = {path for example in open_dataset(job.data, check=False) for path in files_of(example).values()}
    return sum(size_of_input(path) for path in files) + (size_of_input(Path(job.parent)) if job.parent else 0)


def write_portable(
    job: TrainJob, folder: Path | str, told: Callable[[int], None] | None = None, stop: Callable[[], bool] | None = None
) -> RunFolder:
    """Write a run folder with a copy of everything a training reads; paths in it are relative to it.

    When the training finishes or is stopped, its model lies in the folder as one file, NAME.nucleidomain. `job.sh`
    in it is a SLURM script.

    Parameters
    ----------
    job : TrainJob
        What to do; where its model is published is left out.
    folder : Path or str
        Empty, or not there yet.
    told : callable, optional
        Given the bytes copied so far.
    stop : callable, optional
        Asked between files; True ends the copying and removes what was copied.

    Returns
    -------
    RunFolder

    Raises
    ------
    NucleiError
        The folder holds something, an image is gone, or the disk is too small.
    StopRun
        `stop` said so.
    """
    folder = Path(folder).absolute()
    if (folder / JOB_FILE).exists():
        raise NucleiError(f"{folder} holds a run already.", "Choose an empty folder.")
    if folder.exists() and (not folder.is_dir() or any(not one.name.startswith(".") for one in folder.iterdir())):
        raise NucleiError(f"{folder} is not empty.", "Choose an empty folder.")
    dataset = open_dataset(job.data, check=False)
    # What cannot be read is told where it is trained.
    with contextlib.suppress(NucleiError):
        dataset = dataset.in_order_of_content()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    require_space(folder, portable_size(job) + _SPARE_BYTES)
    try:
        copied = copy_data(dataset, folder / "data", KINDS, folder / "data", told, stop)
        if job.parent:
            copy_model(job.parent, folder / "parent")
        changes = {
            "data": str(copied),
            "parent": str(folder / "parent") if job.parent else None,
            "publish": None,
            "pack": str(folder / f"{file_name(job.name)}{SINGLE_FILE_SUFFIX}"),
            "device": "auto",
            "background": False,
        }
        write_script(folder)
        # Last: a folder that was copied only in part is no run.
        return RunFolder.create(folder, job.model_copy(update=changes))
    except BaseException:
        for half in (folder / "data", folder / "parent"):
            shutil.rmtree(half, ignore_errors=True)
        remove_with_retry(folder / SCRIPT_FILE)
        raise
