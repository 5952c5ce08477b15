"""Plain folders as datasets: ``{train,val,test}/{images,labels,points,regions}``, or parts of it."""

from __future__ import annotations

import glob
from pathlib import Path

from .example import SPLITS, Example, Split
from .labels_io import LABEL_SUFFIXES
from .pairing import owner_of
from .points import POINT_SUFFIXES
from .readers import entries_of, looks_like_image, plain_name

_KINDS = {
    "points": ("points", POINT_SUFFIXES),
    "labels": ("labels", LABEL_SUFFIXES),
    "regions": ("regions", (".geojson", ".json")),
}
_CLUTTER = {"thumbs.db", "desktop.ini"}  # what Windows leaves in folders of images
# Beside an image, what cellpose saves: the first that is there is taken.
_BESIDE = ("_seg.npy", "_cp_masks.tif", "_cp_masks.png", "_rois.zip")


def examples_in(folder: Path) -> tuple[list[Example], list[tuple[Path, str]]]:
    """Find the examples of a plain folder.

    Parameters
    ----------
    folder : Path
        With ``train``, ``val``, ``test`` folders of ``images``, ``labels``, ``points``, ``regions``; or
        these four alone; or nothing but images (all train). What cellpose saved beside an image
        (``_seg.npy``, ``_cp_masks``, ``_rois.zip``) is taken as its outlines where there are no others.

    Returns
    -------
    examples : list of Example
        Sorted by split and name; images are not opened.
    problems : list of (Path, str)
        Files that belong to no image, and two images of one name.
    """
    parts: list[tuple[Path, Split]] = [(folder / s, s) for s in SPLITS if (folder / s).is_dir()]
    if not parts:
        parts = [(folder, "train")]
    examples: list[Example] = []
    problems: list[tuple[Path, str]] = []
    for part, split in parts:
        found, wrong = _part(part, split)
        examples += found
        problems += wrong
    return examples, problems


def _part(folder: Path, split: Split) -> tuple[list[Example], list[tuple[Path, str]]]:
    images = folder / "images" if (folder / "images").is_dir() else folder
    problems: list[tuple[Path, str]] = []
    by_name: dict[str, Path] = {}
    for path in sorted(entries_of(images)):
        if (images is folder and path.is_dir() and path.name in _KINDS) or is_beside(path):
            continue
        if not is_text(path.name):
            problems.append((path, "Its name holds bytes that are no text in any language. Rename it."))
            continue
        if not looks_like_image(path):
            if not path.name.startswith(".") and path.name.lower() not in _CLUTTER and images is not folder:
                problems.append((path, f"{path.name} does not have the name of an image."))
        elif plain_name(path) in by_name:
            problems.append((path, f"There is another image of this name, {by_name[plain_name(path)].name}."))
        else:
            by_name[plain_name(path)] = path
    attached: dict[str, dict[str, Path]] = {name: {} for name in by_name}
    for kind, (sub, suffixes) in _KINDS.items():
        for path in sorted(entries_of(folder / sub)) if (folder / sub).is_dir() else ():
            if path.name.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            owner = owner_of(plain_name(path), by_name)
            if owner is None:
                problems.append((path, f"There is no image {plain_name(path)} for it."))
            elif kind in attached[owner]:
                problems.append((path, f"The image {owner} has other {kind} already, {attached[owner][kind].name}."))
            else:
                attached[owner][kind] = path
    for name, path in by_name.items():
        beside = next((path.with_name(name + end) for end in _BESIDE if path.with_name(name + end).is_file()), None)
        if beside is not None and "labels" not in attached[name]:
            attached[name]["labels"] = beside
    examples = [Example(image=path, split=split, **attached[name]) for name, path in by_name.items()]  # type: ignore[arg-type]
    return examples, problems


def is_text(name: str) -> bool:
    """Whether a name can be written down, as in a dataset file."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_beside(path: Path) -> bool:
    """Whether a file is one that cellpose laid beside an image that is there, and no image itself."""
    for ending in _BESIDE:
        if path.name.endswith(ending):
            name = path.name[: len(path.name) - len(ending)]
            return any(
                plain_name(one) == name and looks_like_image(one) for one in path.parent.glob(f"{glob.escape(name)}.*")
            )
    return False
