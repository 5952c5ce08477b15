"""Paths in a run's files: written so that the project they lie in can be moved and copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import read_json
from napari_nucleidomain.data.example import real_path, stored_path

PROJECT_FILE = "project.json"
# Of a summary: where a model was published, where images were made.
_FOLDERS = ("published", "synthetic")


def project_of(folder: Path) -> Path | None:
    """The project a run folder lies in; None for one that stands alone."""
    return next((one for one in folder.absolute().parents if (one / PROJECT_FILE).is_file()), None)


def project_id(project: Path) -> str | None:
    """The id a project was given when it was made, by which a run knows its own; None where it has none."""
    try:
        found = read_json(project / PROJECT_FILE)
    except NucleiError:
        # Damaged: whoever opens the project is told; a run in it counts as one from elsewhere.
        return None
    known = found.get("id") if isinstance(found, dict) else None
    return known if isinstance(known, str) and known else None


def to_stored(path: str, folder: Path) -> str:
    """A path as a run's file holds it: relative to the run folder where it lies in the project, else absolute.

    Parameters
    ----------
    path : str
        Absolute, or relative to the working folder.
    folder : Path
        The run folder.
    """
    return stored_path(Path(path), folder, project_of(folder) or folder)


def to_real(text: str, folder: Path, was: str | None = None) -> str:
    """The reverse of `to_stored`, for where the run folder is now.

    Parameters
    ----------
    text : str
        What the file holds; absolute paths, which earlier versions wrote, stay as they are.
    folder : Path
        The run folder.
    was : str, optional
        Where the run folder was when the path was written. One that was taken out of its project alone still finds
        what it left there.
    """
    alone = was is not None and project_of(folder) is None
    return str(real_path(text, folder, Path(was or "") if alone else None))


def record_to_real(record: dict[str, Any], folder: Path, was: str | None = None) -> dict[str, Any]:
    """What is known of one image's result, with the paths of where the folder is now."""
    real = {key: to_real(record[key], folder, was) for key in ("image", "labels") if isinstance(record.get(key), str)}
    return {**record, **real}


def summary_to_real(summary: dict[str, Any], folder: Path, was: str | None = None) -> dict[str, Any]:
    """A last event's summary, with the paths of where the folder is now."""
    real = dict(summary)
    if isinstance(summary.get("images"), list):
        real["images"] = [record_to_real(one, folder, was) for one in summary["images"]]
    for key in _FOLDERS:
        if isinstance(summary.get(key), str):
            real[key] = to_real(summary[key], folder, was)
    return real


def record_to_stored(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The reverse of `record_to_real`."""
    return {**record, **{key: to_stored(record[key], folder) for key in ("image", "labels") if record.get(key)}}


def summary_to_stored(summary: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The reverse of `summary_to_real`."""
    stored = dict(summary)
    if summary.get("images"):
        stored["images"] = [record_to_stored(one, folder) for one in summary["images"]]
    stored |= {key: to_stored(summary[key], folder) for key in _FOLDERS if summary.get(key)}
    return stored
