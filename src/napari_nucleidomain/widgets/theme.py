"""Colours of the viewer's present theme, and those of ours that must be read in both and by the colour-blind."""

from __future__ import annotations

from qtpy.QtGui import QColor

# Okabe and Ito (2008), "Color universal design": told apart with every common colour blindness.
CURVES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")


def theme_colour(name: str) -> QColor:
    """A colour of napari's present theme: "background", "foreground", "text", "secondary", "error", "warning"."""
    from napari.settings import get_settings
    from napari.utils.theme import get_theme

    theme = get_theme(get_settings().appearance.theme)
    return QColor(getattr(theme, name).as_hex())
