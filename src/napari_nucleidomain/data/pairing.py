"""Which file belongs to which image: by their names, and what kind of thing a file holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_nucleidomain.contracts import NucleiError

from .cellpose_seg import SEG_ENDING
from .geojson import POINTS, POLYGONS, is_geojson, read_features
from .labels_io import LABEL_SUFFIXES
from .labels_text import is_outlines_text
from .odd import Odd
from .points import POINT_SUFFIXES, TABLE_SUFFIXES
from .readers import entries_of, is_zarr, plain_name
from .rois import ROI_SUFFIXES, read_rois

Kind = Literal["labels", "points"]
# Endings that programs and people add to the name of an image, longest first: cellpose, Fiji, QuPath, this program.
_ADDED = (
    "_cp_outlines", "_cp_masks", "_outlines", "-outlines", "_nuclei", "-nuclei", "_labels", "-labels", ".labels",
    "_points", "-points", "_clicks", "-clicks", "_roiset", "_label", "-label", "_masks", "-masks", "_mask", "-mask",
    "_rois", "-rois", "_seg", "_roi", "_gt",
)  # fmt: skip
_SHOWN = 5
_HINT = "Give the files of one image the same name: liver-1.tif in one folder, liver-1.png or liver-1.csv in the other."


def owner_of(name: str, images: Collection[str]) -> str | None:
    """The image a file belongs to by its name: the same, or one of the two has `_labels` and the like behind it.

    Parameters
    ----------
    name : str
        Of the file, without folder and suffix.
    images : collection of str
        Names of images.

    Returns
    -------
    str or None
        One of `images`.
    """
    if name in images:
        return name
    bare = _bare(name)
    for image in images:
        if image.casefold() in (name.casefold(), bare):
            return image
    return next((image for image in images if _bare(image) == bare), None)


def _bare(name: str) -> str:
    """A name without what programs add to it, in small letters."""
    small = name.casefold()
    ending = next((one for one in _ADDED if small.endswith(one) and len(small) > len(one)), "")
    return small[: len(small) - len(ending)]


@dataclass(frozen=True)
class Guess:
    """A file for an image, and why it was taken; `file` is None where there is none."""

    file: Path | None = None
    why: str = ""


def guess_files(images: Sequence[str], files: Sequence[Path]) -> list[Guess]:
    """For each image the file that most probably belongs to it; no file is given twice.

    Parameters
    ----------
    images : sequence of str
        Names.
    files : sequence of Path

    Returns
    -------
    list of Guess
        As long as `images`. First those of the same name, those with `_mask` and the like behind it after those
        without; then those that contain the name, then those with the same numbers in it where that is unambiguous,
        and a single file for a single image.
    """
    found = [Guess() for _ in images]
    left = list(files)
    # The very name goes before one with something added: a_mask.png belongs to the image a_mask, not to a.
    for test in (_equal, _owned):
        for k, name in enumerate(images):
            # Also among equal names only the first image gets the file.
            match = next((one for one in left if test(plain_name(one), name)), None)
            if match is not None and found[k].file is None:
                found[k] = Guess(match, "same name")
                left.remove(match)
    for test, why in ((_contains, "name contains it"), (_same_numbers, "same number")):
        open_ = [k for k, one in enumerate(found) if one.file is None]
        fits = {k: [one for one in left if test(plain_name(one), images[k])] for k in open_}
        for k in open_:
            mine = fits[k]
            # Only what fits this image and no other one.
            if len(mine) == 1 and sum(mine[0] in others for others in fits.values()) == 1:
                found[k] = Guess(mine[0], why)
        left = [one for one in left if all(guess.file != one for guess in found)]
    if len(images) == len(files) == 1 and found[0].file is None:
        found[0] = Guess(files[0], "the only one")
    return found


def _equal(name: str, image: str) -> bool:
    return name.casefold() == image.casefold()


def _owned(name: str, image: str) -> bool:
    return owner_of(name, [image]) == image


def _contains(name: str, image: str) -> bool:
    """Whether a file's name has the image's in it, not in the middle of a word or number."""
    pattern = rf"(?<![^\W_]){re.escape(image.casefold())}(?![^\W_])"
    return re.search(pattern, name.casefold()) is not None


def _same_numbers(name: str, image: str) -> bool:
    numbers = [int(one) for one in re.findall(r"\d+", image)]
    return bool(numbers) and numbers == [int(one) for one in re.findall(r"\d+", name)]


def kind_of(path: Path) -> Kind:
    """Whether a file holds outlines or clicks: by its content where the suffix can mean both.

    Raises
    ------
    NucleiError
        It holds both, or is damaged.
    """
    if is_geojson(path):
        kinds = {feature["geometry"]["type"] for feature in read_features(path, Odd())}
        points, areas = bool(kinds & POINTS), bool(kinds & POLYGONS)
    elif path.suffix.lower() in ROI_SUFFIXES:
        rois, _ = read_rois(path)
        points, areas = any(len(roi.points) for roi in rois), any(roi.rings for roi in rois)
    else:
        return "points" if path.suffix.lower() in TABLE_SUFFIXES and not is_outlines_text(path) else "labels"
    if points and areas:
        raise NucleiError(
            f"{path.name} holds both points and outlines.",
            "A reference is either the outlines of all nuclei or one click in each: save one of them alone.",
        )
    # What holds neither says on reading what it holds instead; with nothing in it, it is an image without nuclei.
    return "points" if points else "labels"


def attachable(path: Path) -> bool:
    """Whether a file, by its name, may hold outlines or clicks and is more than a bare image."""
    small = path.name.casefold()
    # A bare .json may be anything: it is looked into only where a person names it.
    if is_outlines_text(path):
        return not small.startswith(".")
    if small.startswith(".") or path.suffix.lower() not in ({*LABEL_SUFFIXES, *POINT_SUFFIXES} - {".json"}):
        return False
    polygons = path.suffix.lower() in (".csv", ".tsv", ".geojson", *ROI_SUFFIXES)
    return polygons or small.endswith(SEG_ENDING) or _bare(plain_name(path)) != plain_name(path).casefold()


def no_image(path: Path) -> bool:
    """Whether a file that was given among images is, by its name, outlines or clicks and certainly no image."""
    small = path.name.casefold()
    polygons = path.suffix.lower() in (".csv", ".tsv", ".geojson", *ROI_SUFFIXES) or is_outlines_text(path)
    return path.is_file() and (polygons or small.endswith(SEG_ENDING))


def named_after(files: Sequence[Path], images: Sequence[Path]) -> list[Path]:
    """Files that by their names are the outlines of images beside them: `a_mask.tif` where `a.tif` is an image.

    Parameters
    ----------
    files : sequence of Path
        They may be among `images`.
    images : sequence of Path

    Returns
    -------
    list of Path
        Of `files`.
    """
    names = {(one.parent, plain_name(one).casefold()) for one in images}
    bare = {file: _bare(plain_name(file)) for file in files}
    return [file for file in files if bare[file] != plain_name(file).casefold() and (file.parent, bare[file]) in names]


def pair(predictions: Path, truth: Path) -> tuple[list[tuple[str, Path, Path]], list[list[str]]]:
    """Files that belong together by their name without endings.

    Parameters
    ----------
    predictions, truth : Path
        Two files, or two folders; `_labels`, `_mask` and the like may follow the names.

    Returns
    -------
    pairs : list of (name, prediction, truth)
    problems : list of [path, message]
        Files on one side only, two of one name, and files that are neither labels nor points.

    Raises
    ------
    NucleiError
        A path is not there, one is a file and the other a folder, or no two files belong together.
    """
    for path in (predictions, truth):
        if not path.exists():
            raise NucleiError(f"{path} is not there.", "Check the path.")
    if _is_one(predictions) and _is_one(truth):
        return [(plain_name(predictions), predictions, truth)], []
    if _is_one(predictions) != _is_one(truth):
        raise NucleiError("One path is a file and the other a folder.", "Give two files or two folders.")
    problems: list[list[str]] = []
    left, right = _by_name(predictions, problems), _by_name(truth, problems)
    owners = {name: owner_of(name, left) for name in right}
    matched = {owner: right[name] for name, owner in owners.items() if owner is not None}
    # The very name goes before one with something added.
    matched |= {name: right[name] for name in right if name in left}
    used = set(matched.values())
    lone = [[str(left[name]), f"no reference is named {name}."] for name in left if name not in matched]
    lone += [[str(path), f"no prediction is named {name}."] for name, path in right.items() if path not in used]
    if not matched:
        raise NucleiError(
            f"No two files of {predictions} and {truth} have the same name: predictions {_names(left)}; "
            f"references {_names(right)}.",
            _HINT,
        )
    return [(name, left[name], matched[name]) for name in sorted(matched)], problems + lone


def _is_one(path: Path) -> bool:
    return path.is_file() or path.suffix.lower() == ".zarr" or is_zarr(path)


def _by_name(folder: Path, problems: list[list[str]]) -> dict[str, Path]:
    """Files of a folder by their plain names; what cannot be used is added to `problems`."""
    found: dict[str, Path] = {}
    for path in sorted(entries_of(folder)):
        if path.name.startswith("."):
            continue
        name = plain_name(path)
        usable = path.suffix.lower() in (*LABEL_SUFFIXES, *POINT_SUFFIXES)
        if not _is_one(path) or not (usable or is_outlines_text(path) or is_geojson(path)):
            problems.append([str(path), "it is neither labels nor points."])
        elif name in found:
            problems.append([str(path), f"{found[name].name} has the same name and is used."])
        else:
            found[name] = path
    return found


def _names(files: Iterable[str]) -> str:
    names = sorted(files)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"
