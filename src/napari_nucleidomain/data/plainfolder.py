"""Plain folders as datasets: ``{train,val,test}/{images,labels,points,regions}``, or parts of it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .example import SPLITS, Example, Split
from .points import POINT_SUFFIXES
from .readers import IMAGE_SUFFIXES, looks_like_image, plain_name

_KINDS = {
    "points": ("points", POINT_SUFFIXES),
    "labels": ("labels", (*IMAGE_SUFFIXES, ".geojson")),
    "regions": ("regions", (".geojson", ".json")),
}
_CLUTTER = {"thumbs.db", "desktop.ini"}  # what Windows leaves in folders of images
# Endings that other programs add to the name of an image's labels.
_ADDED = ("", "_labels", "_label", "_masks", "_mask", "-labels", ".labels")


def examples_in(folder: Path) -> tuple[list[Example], list[tuple[Path, str]]]:
    """Find the examples of a plain folder.

    Parameters
    ----------
    folder : Path
        With ``train``, ``val``, ``test`` folders of ``images``, ``labels``, ``points``, ``regions``; or
        these four alone; or nothing but images (all train).

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
    for path in sorted(images.iterdir()):
        if images is folder and path.is_dir() and path.name in _KINDS:
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
        for path in sorted((folder / sub).iterdir()) if (folder / sub).is_dir() else ():
            if path.name.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            owner = owner_of(plain_name(path), by_name)
            if owner is None:
                problems.append((path, f"There is no image {plain_name(path)} for it."))
            elif kind in attached[owner]:
                problems.append((path, f"The image {owner} has other {kind} already, {attached[owner][kind].name}."))
            else:
                attached[owner][kind] = path
    examples = [Example(image=path, split=split, **attached[name]) for name, path in by_name.items()]  # type: ignore[arg-type]
    return examples, problems


def owner_of(name: str, images: Collection[str]) -> str | None:
    """The image a file belongs to by its name: the same, or the image's with `_labels` and the like behind it."""
    for ending in _ADDED:
        if name.endswith(ending) and name[: len(name) - len(ending)] in images:
            return name[: len(name) - len(ending)]
    return None
