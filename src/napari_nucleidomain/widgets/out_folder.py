"""Where files made of an image are offered to go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session


def out_folder(session: Session, entry: ImageEntry | None) -> Path:
    """Beside the image; the project's folder for the samples in this package and where nothing may be written."""
    if entry is None or entry.path is None:
        return session.project_folder
    beside = entry.path.absolute().parent
    package = Path(__file__).absolute().parents[1]
    ours = beside.is_relative_to(package)
    return session.project_folder if ours or not os.access(beside, os.W_OK) else beside
