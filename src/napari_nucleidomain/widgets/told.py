"""Whether the end of a run was told to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder


def mark_told(run: RunFolder | None) -> bool:
    """Note in the run's folder that its end was told; whether it had not been."""
    if run is None:
        return False
    told = run.path / "told"
    if told.exists():
        return False
    try:
        told.touch()
    except OSError:
        # A project that cannot be written tells nothing, rather than the same at every start.
        return False
    return True
