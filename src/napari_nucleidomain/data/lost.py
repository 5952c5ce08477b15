"""What training images lost with the files that could not be used: the cause to name where nothing is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError


@dataclass(frozen=True)
class Lost:
    """Clicks, outlines or corrections of a training image that cannot be used.

    Attributes
    ----------
    kinds : tuple of str
        "points", "labels", "regions", "corrected", "corrected_in": all that went with the file.
    name : str
        Of the file that is at fault.
    message, hint : str
        What is wrong with it, and what to do.
    """

    kinds: tuple[str, ...]
    name: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.message if self.message.startswith(self.name) else f"{self.name}: {self.message}"


def from_folder(problems: Iterable[tuple[Path, str]]) -> list[Lost]:
    """Those of a plain folder's problems that are files of clicks or outlines without an image."""
    return [
        Lost((path.parent.name,), path.name, message, "Give it the name of its image, and leave one for each image.")
        for path, message in problems
        if path.parent.name in ("points", "labels") and path.parent.parent.name not in ("val", "test")
    ]


def from_entry(entry: Any, error: NucleiError) -> list[Lost]:
    """What an entry of a dataset file named that cannot be used as a whole."""
    if not isinstance(entry, dict) or entry.get("split", "train") != "train":
        return []
    kinds = tuple(kind for kind in ("points", "labels", "corrected") if entry.get(kind))
    return [Lost(kinds, Path(str(entry.get("image", "an entry"))).name, error.message, error.hint)] if kinds else []
