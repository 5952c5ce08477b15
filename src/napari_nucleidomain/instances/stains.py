"""Haematoxylin in bright-field colour images."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.contracts import NucleiError

# Optical densities of haematoxylin, eosin and DAB in red, green and blue (Ruifrok and Johnston, AQCH 2001).
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_TO_HAEMATOXYLIN = np.linalg.inv(_STAINS)[:, 0].astype(np.float32)


def white_level(rgb: np.ndarray) -> float:
    """Value of unstained glass, as the dtype suggests: its largest integer; for floats 1, or 255 if exceeded."""
    if rgb.dtype == bool:
        return 1.0
    if rgb.dtype.kind in "iu":
        return float(np.iinfo(rgb.dtype).max)
    largest = np.nanmax(np.where(np.isfinite(rgb), rgb, 0), initial=0)
    return 1.0 if largest <= 1 else 255.0


def optical_density(rgb: np.ndarray, white: float | None = None) -> np.ndarray:
    """Decadic optical density, ``-log10(value / white)``.

    Values below 1/255 of white count as 1/255, missing ones as white.

    Parameters
    ----------
    rgb : ndarray, any real dtype
    white : float, optional
        Value of unstained glass; see `white_level`.

    Returns
    -------
    ndarray float32, same shape
    """
    white = white_level(rgb) if white is None else float(white)
    if rgb.dtype == np.uint8:
        values = np.maximum(np.arange(256), 1) / 255.0 * (255.0 / white)
        return (-np.log10(np.clip(values, 1 / 255, 1))).astype(np.float32)[rgb]
    share = np.nan_to_num(np.asarray(rgb, np.float32) / np.float32(white), nan=1.0, posinf=1.0, neginf=1.0)
    return -np.log10(np.clip(share, 1 / 255, 1))


def haematoxylin(rgb: np.ndarray, white: float | None = None) -> np.ndarray:
    """Amount of haematoxylin by colour deconvolution (Ruifrok and Johnston, AQCH 2001, their stain vectors).

    Parameters
    ----------
    rgb : ndarray (*spatial, 3 or 4), any real dtype
        A fourth channel (alpha) is ignored.
    white : float, optional
        Value of unstained glass; see `white_level`.

    Returns
    -------
    ndarray (*spatial) float32
        In optical density; slightly below 0 where other stains are misjudged.

    Raises
    ------
    NucleiError
        The last axis has not 3 or 4 channels.
    """
    if rgb.ndim < 3 or rgb.shape[-1] not in (3, 4):
        raise NucleiError(
            "Haematoxylin can only be seen in colour images (red, green, blue).",
            "Correct the kind of image, or choose the channel of the nuclei.",
        )
    return optical_density(rgb[..., :3], white) @ _TO_HAEMATOXYLIN
