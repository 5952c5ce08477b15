"""What a question of a run is about: the pictures of a preview, in grey, and all of them in one file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from napari_nucleidomain.data.npz import read_npz

# Array of a preview -> what it is for a person; in pairs of before and after.
PICTURES = {
    "picture": "your image",
    "painted": "what it paints",
    "synthetic_mask": "a drawn mask",
    "synthetic_image": "the image it makes of it",
}
LARGE = 240
"""Shorter side of a picture in pixels, about."""
_GAP, _LINE = 8, 16
_WHITE = 255
_MOST_BYTES = 256 << 20


def read_pictures(file: Path) -> dict[str, np.ndarray]:
    """The pictures of a preview, small and in grey.

    Returns
    -------
    dict of str to ndarray (H, W) uint8
        By names of `PICTURES`; those that the preview lacks are left out. Of volumes the middle plane.

    Raises
    ------
    OSError, ValueError
        The file is gone or cut short.
    """
    content = read_npz(file, _MOST_BYTES)
    return {name: _grey(np.asarray(content[name], np.float32), name) for name in PICTURES if name in content}


def as_png(pictures: dict[str, np.ndarray]) -> bytes:
    """One PNG of several pictures side by side, each with what it is written above it.

    Parameters
    ----------
    pictures : dict of str to ndarray (H, W) uint8
        As of `read_pictures`, at least one.
    """
    from PIL import Image as Picture
    from PIL import ImageDraw

    large = {name: _enlarged(grey) for name, grey in pictures.items()}
    height = max(grey.shape[0] for grey in large.values()) + _LINE + 2 * _GAP
    width = sum(grey.shape[1] + _GAP for grey in large.values()) + _GAP
    sheet = Picture.new("L", (width, height), _WHITE)
    pen, left = ImageDraw.Draw(sheet), _GAP
    for name, grey in large.items():
        pen.text((left, _GAP), PICTURES[name], fill=0)
        sheet.paste(Picture.fromarray(grey), (left, _GAP + _LINE))
        left += grey.shape[1] + _GAP
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _enlarged(grey: np.ndarray) -> np.ndarray:
    """Small crops with every pixel a square."""
    times = max(1, LARGE // max(1, min(grey.shape)))
    return np.ascontiguousarray(grey.repeat(times, 0).repeat(times, 1))


def _grey(pixels: np.ndarray, name: str) -> np.ndarray:
    while pixels.ndim > 2:
        pixels = pixels[len(pixels) // 2]
    # Enough for the picture enlarged.
    step = max(1, min(pixels.shape) // LARGE)
    pixels = np.nan_to_num(pixels[::step, ::step])
    if name in ("picture", "synthetic_image"):
        low, high = (float(one) for one in np.percentile(pixels, (0.5, 99.8)))
    else:
        # Masks keep their range: stretched, an empty one would be all noise.
        low, high = (-1.0, 1.0) if pixels.size and pixels.min() < 0 else (0.0, max(1.0, float(pixels.max(initial=0))))
    return np.ascontiguousarray(255 * np.clip((pixels - low) / max(high - low, 1e-9), 0, 1), np.uint8)
