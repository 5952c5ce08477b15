"""A figure for the paper: the image with outlines, a scale bar, in print resolution. For threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import write_atomic

from .export import Snapshot

_MOST_PIXELS = 50_000_000
_NICE = (1, 2, 5)
# As on screen, see `review_show`.
_OPACITY = 0.6


@dataclass(frozen=True)
class FigureStyle:
    """How it looks.

    Attributes
    ----------
    dpi : int
        Written into the file.
    enlarge : int
        Each image pixel becomes this many, so that outlines are thin.
    box : list of [start, stop] or None
        Part of the image; None: where the result is.
    colour : tuple of int
        Of outlines.
    classes : ndarray (Y, X) integers or None
        What is coloured by `table`, in the place of the result (an error map); None: its labels.
    table : ndarray (K, 4) float or None
        Colour of each number, 0 to 1, as on screen; None: outlines only.
    least_side : int
        Pixels of the figure's longer side; smaller parts are enlarged further.
    plane : int or None
        Of a volume: the plane of the image to draw.
    """

    dpi: int = 300
    enlarge: int = 2
    box: list[list[int]] | None = None
    colour: tuple[int, int, int] = (240, 228, 66)
    classes: np.ndarray | None = None
    table: np.ndarray | None = None
    least_side: int = 1000
    plane: int | None = None


def write_figure(result: Snapshot, file: Path, style: FigureStyle) -> Path:
    """Draw and write a PNG or TIFF.

    Raises
    ------
    NucleiError
        There is no image under the result, it does not reach into the plane, the part is too large, or the file cannot
        be written.
    """
    from PIL import Image as Picture

    picture = draw_figure(result, style)
    dpi = (style.dpi, style.dpi)
    return write_atomic(file, lambda aside: Picture.fromarray(picture).save(aside, dpi=dpi))


def draw_figure(result: Snapshot, style: FigureStyle) -> np.ndarray:
    """The figure's pixels, (Y, X, 3) uint8.

    Raises
    ------
    NucleiError
        As `write_figure`.
    """
    if result.image is not None and len(result.labels.shape) == 3 and style.plane is not None:
        result, style = _plane_of(result, style, style.plane)
    if result.image is None or len(result.labels.shape) != 2:
        raise NucleiError("A figure needs a flat image under the result.", "Choose a result of a flat image.")
    box = style.box or [[o, o + n] for o, n in zip(result.origin, result.labels.shape, strict=True)]
    inner = [(max(a, o), min(b, o + n)) for (a, b), o, n in zip(box, result.origin, result.labels.shape, strict=True)]
    if any(b <= a for a, b in inner):
        raise NucleiError("The result lies outside what is on screen.", "Move it into view.")
    enlarge = max(1, style.enlarge, -(-style.least_side // max(b - a for a, b in inner)))
    if np.prod([b - a for a, b in inner]) * enlarge**2 > _MOST_PIXELS:
        raise NucleiError("This part is too large for one figure.", "Zoom in, and choose what is on screen.")
    pixels = display_pixels(result.image.read(inner, plane=result.plane), result)
    place = tuple(slice(a - o, b - o) for (a, b), o in zip(inner, result.origin, strict=True))
    labels = np.asarray(result.labels[place])
    picture = np.kron(pixels, np.ones((enlarge, enlarge, 1), np.uint8))
    if style.table is None:
        picture[inner_edges(np.kron(labels, np.ones((enlarge, enlarge), labels.dtype)))] = style.colour
    else:
        classes = labels if style.classes is None else np.asarray(style.classes[place])
        colours = style.table[np.minimum(classes, len(style.table) - 1)]
        colours = np.repeat(np.repeat(colours, enlarge, axis=0), enlarge, axis=1)
        part = colours[..., 3:] * _OPACITY
        picture = np.round(picture * (1 - part) + colours[..., :3] * 255 * part).astype(np.uint8)
    size = result.pixel_size_um[-1] / enlarge if result.pixel_size_um else None
    return draw_scale_bar(picture, size)


def _plane_of(result: Snapshot, style: FigureStyle, plane: int) -> tuple[Snapshot, FigureStyle]:
    """One plane of a result in 3D, as the flat result it would be alone."""
    at = plane - result.origin[0]
    if not 0 <= at < result.labels.shape[0]:
        raise NucleiError("The result does not reach into this plane.", "Move the slider to a plane of the result.")
    flat = replace(
        result,
        labels=np.asarray(result.labels[at]),
        origin=result.origin[1:],
        plane=plane,
        pixel_size_um=result.pixel_size_um[1:] if result.pixel_size_um else None,
    )
    return flat, replace(style, classes=None if style.classes is None else style.classes[at])


def display_pixels(pixels: np.ndarray, result: Snapshot) -> np.ndarray:
    """Any image as 8-bit colours: one channel grey, two or three as magenta, green and blue."""
    if result.image is not None and result.image.rgb and pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        return pixels.copy()
    values = np.nan_to_num(pixels.astype(np.float32))
    low, high = np.percentile(values, (0.5, 99.8), axis=(0, 1))
    unit = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1)
    if unit.shape[-1] == 1:
        return (np.repeat(unit, 3, axis=-1) * 255).astype(np.uint8)
    if result.image is not None and result.image.rgb:
        return (unit[..., :3] * 255).astype(np.uint8)
    # Magenta and green are told apart by the colour-blind.
    tints = np.array([[1, 0, 1], [0, 1, 0], [0, 0.4, 1], [1, 1, 0]], np.float32)
    mixed = sum(unit[..., k, None] * tints[k % len(tints)] for k in range(unit.shape[-1]))
    return (np.clip(mixed, 0, 1) * 255).astype(np.uint8)


def inner_edges(labels: np.ndarray) -> np.ndarray:
    """Pixels of nuclei that have another value beside, above or below them: outlines that do not grow nuclei."""
    edge = np.zeros(labels.shape, dtype=bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge & (labels > 0)


def scale_bar_um(width_um: float) -> float:
    """A round length of about a fifth of the width."""
    wanted = width_um / 5
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(n * power for n in _NICE if n * power <= wanted * (1 + 1e-9)))


def draw_scale_bar(picture: np.ndarray, pixel_um: float | None) -> np.ndarray:
    """Put a scale bar into the lower right corner; without a pixel size none is drawn, because it would be a guess."""
    if not pixel_um or min(picture.shape[:2]) < 60:
        return picture
    from PIL import Image as Picture
    from PIL import ImageDraw, ImageFont

    height, width = picture.shape[:2]
    length = scale_bar_um(width * pixel_um)
    pixels = round(length / pixel_um)
    drawn = Picture.fromarray(picture)
    pen = ImageDraw.Draw(drawn)
    thick, margin = max(3, height // 120), max(8, height // 40)
    font = ImageFont.load_default(size=max(12, height // 28))
    text = f"{length:g} µm"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    box = (width - margin - pixels, height - margin - thick, width - margin - 1, height - margin - 1)
    place = (box[0] + (pixels - (right - left)) / 2 - left, box[1] - (bottom - top) - thick - top)
    # A dark rim makes the bar readable on white tissue and on a black field alike.
    pen.rectangle((box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2), fill=(0, 0, 0))
    pen.rectangle(box, fill=(255, 255, 255))
    pen.text(place, text, font=font, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(drawn)
