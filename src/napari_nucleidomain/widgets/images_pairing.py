"""Many images and many files of outlines or clicks: which belongs to which, guessed and checked. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .images_attach import check_labels
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.data.pairing import Guess

    from .entry import ImageEntry
    from .points_files import Imported

What = Literal["labels", "points"]
State = Literal["none", "checking", "fits", "wrong"]


@dataclass
class Choice:
    """The file chosen for an image as its outlines or as its clicks.

    Attributes
    ----------
    file : Path or None
    why : str
        "same name" and the like; "" where a person chose.
    state : {"none", "checking", "fits", "wrong"}
    words : str
        What the file holds, or why it does not fit.
    """

    file: Path | None = None
    why: str = ""
    state: State = "none"
    words: str = ""


@dataclass
class Row:
    """An image with what was found for it."""

    entry: ImageEntry
    choices: dict[What, Choice] = field(default_factory=dict)


@dataclass
class Found:
    """Files by what they can be, and those that can be neither with the reason."""

    labels: list[Path] = field(default_factory=list)
    points: list[Path] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)


def candidates(paths: Iterable[Path], images: Sequence[Path | None]) -> list[Path]:
    """Files that may be attached, out of files and folders (and their subfolders of labels and points).

    Parameters
    ----------
    paths : iterable of Path
        A file that was named is taken whatever it is called.
    images : sequence of Path or None
        Files of the images in the list, which are no labels.
    """
    from napari_nucleidomain.data.labels_io import LABEL_SUFFIXES
    from napari_nucleidomain.data.pairing import attachable
    from napari_nucleidomain.data.points import POINT_SUFFIXES
    from napari_nucleidomain.data.readers import is_zarr

    taken = {one.resolve() for one in images if one is not None}
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or is_zarr(path):
            found.append(path)
            continue
        for folder in (path, *sorted(one for one in path.iterdir() if one.is_dir() and not is_zarr(one))):
            # Beside images only what can be no image; in a folder of its own everything.
            mixed = any(one is not None and one.parent.resolve() == folder.resolve() for one in images)
            suffixes = {*LABEL_SUFFIXES, *POINT_SUFFIXES} - {".json"}
            found += [
                one
                for one in sorted(folder.iterdir())
                if not one.name.startswith(".")
                and (attachable(one) if mixed else one.suffix.lower() in suffixes)
                and (one.is_file() or is_zarr(one))
            ]
    return list(dict.fromkeys(one for one in found if one.resolve() not in taken))


def sort_files(files: Iterable[Path]) -> Found:
    """What each file can be (in a thread): GeoJSON and ROI zips are looked into."""
    from napari_nucleidomain.data.pairing import kind_of

    found = Found()
    for file in files:
        try:
            kind = kind_of(file)
        except NucleiError as error:
            if "both" in error.message:
                # Points with the regions they are complete in.
                found.points.append(file)
            else:
                found.problems.append((file, error.message))
            continue
        (found.labels if kind == "labels" else found.points).append(file)
    return found


def guess_rows(entries: Sequence[ImageEntry], found: Found) -> tuple[list[Row], list[Path]]:
    """A row for each image that can be used, and the files that belong to none.

    Images of one name are told apart by their folder only by hand.
    """
    from napari_nucleidomain.data.pairing import guess_files

    good = [entry for entry in entries if not entry.problem]
    names = [_file_name(entry) for entry in good]
    rows = [Row(entry) for entry in good]
    used: set[Path] = set()
    kinds: tuple[tuple[What, list[Path]], ...] = (("labels", found.labels), ("points", found.points))
    for what, files in kinds:
        guesses: list[Guess] = guess_files(names, files)
        for row, guess in zip(rows, guesses, strict=True):
            row.choices[what] = Choice(guess.file, guess.why, "checking" if guess.file else "none")
            if guess.file is not None:
                used.add(guess.file)
    left = [file for file in (*found.labels, *found.points) if file not in used]
    return rows, left


def _file_name(entry: ImageEntry) -> str:
    from napari_nucleidomain.data.readers import plain_name

    return plain_name(entry.path) if entry.path is not None else entry.name


def check(entry: ImageEntry, what: What, file: Path) -> str:
    """Read a file as outlines or clicks of an image and say what it holds (in a thread).

    Raises
    ------
    NucleiError
        It does not fit; the message says why.
    """
    from .points_files import import_file

    if entry.image is None:
        raise NucleiError(f"{entry.name} is not open yet.", "Try again in a moment.")
    if what == "labels":
        labels, notes, _ = check_labels(file, entry)
        number = int(np.count_nonzero(np.unique(labels)))
        return count(number, "outline") + (f". {notes}" if notes else "")
    found: Imported = import_file(file, entry)
    parts = [count(found.new_points, "new click")]
    if found.new_regions:
        parts.append(count(found.new_regions, "region"))
    return ", ".join(parts)


def add_clicks(entry: ImageEntry, file: Path) -> Imported:
    """Clicks and regions of a file for an image; see `import_file`."""
    from .points_files import import_file

    return import_file(file, entry)
