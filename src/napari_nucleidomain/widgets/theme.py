"""Colours of the viewer's present theme, and those of ours that must be read in both and by the colour-blind."""

from __future__ import annotations

from qtpy.QtGui import QColor

# Okabe and Ito (2008), "Color universal design": told apart with every common colour blindness.
CURVES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")


# Text of ours on a dark and on a light ground: at least 4.5 : 1 on both grounds of either theme (WCAG 2.1, 1.4.3).
_TEXT = {"link": ("#7CC7F2", "#00527F"), "warning": ("#E69F00", "#7A4300")}


def theme_colour(name: str) -> QColor:
    """A colour of the viewer's present theme: "background", "foreground", "text", "secondary", "error", "warning".

    The viewer in front may have another theme than the settings say: a shortcut changes it for that window only.
    """
    from napari.settings import get_settings
    from napari.utils.theme import get_theme
    from napari.viewer import current_viewer

    viewer = current_viewer()
    theme = get_theme(viewer.theme if viewer is not None else get_settings().appearance.theme)
    return QColor(getattr(theme, name).as_hex())


def text_colour(name: str) -> QColor:
    """A colour for text, "link" or "warning", that can be read on the present theme's ground."""
    dark, light = _TEXT[name]
    return QColor(dark if theme_colour("background").lightness() < 128 else light)
