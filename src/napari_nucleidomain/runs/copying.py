"""Copies of the files a dataset names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.contracts.files import disk_error
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.example import ATTACHED, Example

KINDS = ("image", *ATTACHED)
_FOLDERS = {"image": "images", **{kind: kind.removesuffix("_in") for kind in ATTACHED}}


def files_of(example: Example, kinds: Sequence[str] = KINDS) -> dict[str, Path]:
    """What an example is made of, by kind; for more files of an image see `partners`."""
    return {kind: path for kind in kinds if (path := getattr(example, kind)) is not None}


def partners(path: Path) -> list[Path]:
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


def size_of_input(path: Path) -> int:
    """Bytes of a file or folder, with the other files of an image that lies in several.

    Raises
    ------
    NucleiError
        It cannot be read.
    """
    try:
        files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path, *partners(path)]
        return sum(one.stat().st_size for one in files)
    except OSError as error:
        raise NucleiError(
            f"{path} cannot be read: {error.strerror or error}.", "Put it back, or take it off."
        ) from error


def copy_data(
    dataset: Dataset,
    folder: Path,
    kinds: Sequence[str],
    home: Path,
    told: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Copy files that a dataset names, each once, and write a dataset file that names the copies.

    Parameters
    ----------
    dataset : Dataset
    folder : Path
        Where the copies go, by kind, and the dataset file, which is written last: it stands for all of them.
    kinds : sequence of str
        Of `KINDS`: what is copied. The rest is named where it is.
    home : Path
        See `Dataset.save`.
    told : callable, optional
        Given the bytes copied so far.
    stop : callable, optional
        Asked between files; True ends the copying.

    Returns
    -------
    Path
        The dataset file.

    Raises
    ------
    NucleiError
        A file is gone, or the disk does not let us.
    StopRun
        `stop` said so.
    """
    places: dict[Path, Path] = {}
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    done, examples = 0, []
    for example in dataset:
        changes = {}
        for kind, path in files_of(example, kinds).items():
            if stop and stop():
                raise StopRun
            if path not in places:
                others = partners(path)
                names = [path.name, *(other.name for other in others)]
                places[path] = _free_place(folder / _FOLDERS[kind], names, taken, numbers)
                _copy(path, places[path])
                for other in others:
                    _copy(other, places[path].with_name(other.name))
                done += size_of_input(path)
                if told:
                    told(done)
            changes[kind] = places[path]
        examples.append(example.changed(**changes))
    return Dataset(folder, examples, name=dataset.name).save(home=home)


def _free_place(folder: Path, names: list[str], taken: set[str], numbers: dict[str, int]) -> Path:
    """A place under the files' own names, in a numbered folder where others have them: names are shown to people.

    `numbers` remembers how far each name has come, for thousands may have the same one.
    """
    key = str(folder / names[0]).casefold()
    number = numbers.get(key, 1)
    place = folder if number == 1 else folder / str(number)
    # Windows and Macs do not tell A.tif from a.tif.
    while taken & {str(place / name).casefold() for name in names}:
        number += 1
        place = folder / str(number)
    taken |= {str(place / name).casefold() for name in names}
    numbers[key] = number
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
