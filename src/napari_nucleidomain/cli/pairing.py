"""Which prediction belongs to which reference, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.plainfolder import owner_of
from napari_nucleidomain.data.points import POINT_SUFFIXES
from napari_nucleidomain.data.readers import IMAGE_SUFFIXES, plain_name

_SUFFIXES = (*IMAGE_SUFFIXES, *POINT_SUFFIXES)
_SHOWN = 5
_HINT = "Give the files of one image the same name: liver-1.tif in one folder, liver-1.png or liver-1.csv in the other."


def pair(predictions: Path, truth: Path) -> tuple[list[tuple[str, Path, Path]], list[list[str]]]:
    """Files that belong together by their name without endings.

    Parameters
    ----------
    predictions, truth : Path
        Two files, or two folders. In a folder of references `_labels`, `_mask` and the like may follow the name.

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
    return path.is_file() or path.suffix.lower() == ".zarr"


def _by_name(folder: Path, problems: list[list[str]]) -> dict[str, Path]:
    """Files of a folder by their plain names; what cannot be used is added to `problems`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        name = plain_name(path)
        if not _is_one(path) or path.suffix.lower() not in _SUFFIXES:
            problems.append([str(path), "it is neither labels nor points."])
        elif name in found:
            problems.append([str(path), f"{found[name].name} has the same name and is used."])
        else:
            found[name] = path
    return found


def _names(files: Sequence[str] | dict[str, Path]) -> str:
    names = sorted(files)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"
