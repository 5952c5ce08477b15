"""What a person set under *Plugins > Nuclei preferences*; napari keeps it."""

from __future__ import annotations

from pathlib import Path

_PLUGIN = "napari-nucleidomain"
_DOT = 8


def dot_size() -> int:
    """Diameter of a click on the screen, in pixels."""
    return int(getattr(_general(), "dot_size", _DOT) or _DOT)


def project_folder() -> Path | None:
    """The project folder the person set; None for the usual place."""
    text = str(getattr(_general(), "project_folder", "") or "").strip()
    return Path(text).expanduser() if text else None


def _general() -> object | None:
    from napari.settings import get_plugin_settings

    try:
        return getattr(get_plugin_settings(_PLUGIN), "general", None)
    except KeyError:
        # Run from a checkout that is not installed: napari knows no manifest, and defaults hold.
        return None
