"""A training as a folder that holds all it needs: copied anywhere, run with `nucleidomain run FOLDER`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.contracts.files import disk_error, remove_with_retry
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import ATTACHED, Example
from napari_nucleidomain.inference.model_files import SINGLE_FILE_SUFFIX, copy_model

from .folder import RunFolder
from .job import JOB_FILE, TrainJob
from .portable_script import SCRIPT_FILE, write_script
from .spare import require_space
from .store import file_name

_KINDS = ("image", *ATTACHED)
_FOLDERS = {"image": "images", **{kind: kind.removesuffix("_in") for kind in ATTACHED}}
_SPARE_BYTES = 50 * 2**20


def portable_size(job: TrainJob) -> int:
    """Bytes that `write_portable` will copy.

    Raises
    ------
    NucleiError
        The training images cannot be read.
    """
    files = {path for example in open_dataset(job.data, check=False) for path in _files(example).values()}
    return sum(_size(path) for path in files) + (_size(Path(job.parent)) if job.parent else 0)


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    require_space(folder, portable_size(job) + _SPARE_BYTES)
    try:
        copied = _copy_data(dataset, folder / "data", told or (lambda done: None), stop or (lambda: False))
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


def _files(example: Example) -> dict[str, Path]:
    """What an example is made of; for more files of an image see `_others`."""
    return {kind: path for kind in _KINDS if (path := getattr(example, kind)) is not None}


def _others(path: Path) -> list[Path]:
    """The other files of an OME-TIFF whose planes lie in several; it names them, and they lie beside it."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return []
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            many = [series for series in tif.series if series.is_multifile]
            files = {Path(page.parent.filehandle.path) for one in many for page in one.pages if page is not None}
    except (OSError, ValueError, tifffile.TiffFileError):
        # Damaged: it is copied as it is, and the training says what is wrong with it.
        return []
    return sorted(one for one in files if one.name != path.name)


def _size(path: Path) -> int:
    try:
        files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path, *_others(path)]
        return sum(one.stat().st_size for one in files)
    except OSError as error:
        raise NucleiError(
            f"{path} cannot be read: {error.strerror or error}.", "Put it back, or take it off."
        ) from error


def _copy_data(dataset: Dataset, folder: Path, told: Callable[[int], None], stop: Callable[[], bool]) -> Path:
    places: dict[Path, Path] = {}
    taken: set[str] = set()
    done, examples = 0, []
    for example in dataset:
        changes = {}
        for kind, path in _files(example).items():
            if stop():
                raise StopRun
            if path not in places:
                names = [path.name, *(other.name for other in _others(path))]
                places[path] = _free_place(folder / _FOLDERS[kind], names, taken)
                _copy(path, places[path])
                for other in _others(path):
                    _copy(other, places[path].with_name(other.name))
                done += _size(path)
                told(done)
            changes[kind] = places[path]
        examples.append(example.changed(**changes))
    return Dataset(folder, examples, name=dataset.name).save(home=folder)


def _free_place(folder: Path, names: list[str], taken: set[str]) -> Path:
    """A place under the files' own names, in a numbered folder where others have them: names are shown to people."""
    number, place = 1, folder
    # Windows and Macs do not tell A.tif from a.tif.
    while taken & {str(place / name).casefold() for name in names}:
        number += 1
        place = folder / str(number)
    taken |= {str(place / name).casefold() for name in names}
    return place / names[0]


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise NucleiError(f"{source} is not there.", "Put it back, or take the image off the list.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    except (OSError, shutil.Error) as error:
        raise disk_error(error, target) from error
