"""What lies over nuclei in real images, drawn in by a program: ink, scale bars, padding; debris, hot pixels, fibres.

Nothing here knows of the program that is tested.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Drawn = tuple[np.ndarray, np.ndarray]

# Felt pens on glass, as colours of what they let through (sRGB); each is varied.
_PENS = {
    "black": (22, 20, 24),
    "blue": (28, 62, 165),
    "green": (20, 110, 60),
    "red": (190, 30, 35),
}


def draw(pixels: np.ndarray, rgb: bool, kind: str, seed: int) -> Drawn:
    """The picture with something drawn over it, and where (Y, X) bool.

    Parameters
    ----------
    pixels : ndarray (Y, X, C)
    rgb : bool
        Whether it is stained tissue in colour; else fluorescence.
    kind : str
        One of `BRIGHT_FIELD` or `FLUORESCENCE`.
    seed : int
    """
    makers = BRIGHT_FIELD if rgb else FLUORESCENCE
    return makers[kind](pixels.copy(), np.random.default_rng([seed, *kind.encode()]))


def _stroke(shape: tuple[int, int], rng: np.random.Generator, width: float) -> np.ndarray:
    """A bent line of round points across part of the image."""
    side = min(shape)
    start, angle = rng.uniform(0.1, 0.9, 2) * shape, rng.uniform(0, 2 * np.pi)
    place, bend = [start], rng.uniform(-1, 1) / side
    for _ in range(int(rng.uniform(0.4, 1.2) * side)):
        angle += bend + rng.normal(0, 0.3 / side**0.5)
        place.append(place[-1] + [np.sin(angle), np.cos(angle)])
    from scipy.ndimage import distance_transform_edt

    blank = np.ones(shape, bool)
    points = np.rint(place).astype(int)
    inside = ((points >= 0) & (points < shape)).all(axis=1)
    blank[tuple(points[inside].T)] = False
    return np.asarray(distance_transform_edt(blank) <= width / 2) if not blank.all() else ~blank


def _pen(name: str) -> Callable[[np.ndarray, np.random.Generator], Drawn]:
    def pen(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
        from scipy.ndimage import gaussian_filter

        shape = pixels.shape[:2]
        mask = np.zeros(shape, bool)
        for _ in range(rng.integers(1, 4)):
            mask |= _stroke(shape, rng, rng.uniform(0.02, 0.09) * min(shape))
        colour = np.clip(np.array(_PENS[name]) + rng.integers(-10, 11, 3), 4, 250)
        thickness = rng.uniform(0.75, 1.1) + 0.08 * gaussian_filter(rng.normal(size=shape), 6) * 6
        edge = gaussian_filter(mask.astype(float), rng.uniform(0.6, 1.6)) * thickness
        density = -np.log10(colour / 255) * edge[..., None]
        light = pixels.astype(float) * 10**-density + rng.normal(0, 2, pixels.shape)
        return np.clip(np.rint(light), 0, 255).astype(pixels.dtype), edge > 0.05

    return pen


def _bar(value_bright: int | None) -> Callable[[np.ndarray, np.random.Generator], Drawn]:
    def bar(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
        height, width = pixels.shape[:2]
        long, thick = int(rng.uniform(0.15, 0.4) * width), max(3, int(rng.uniform(0.01, 0.03) * height))
        top = int(rng.choice([0.04, 0.9]) * height)
        left = int(rng.choice([0.05, 0.95 - long / width]) * width)
        mask = np.zeros((height, width), bool)
        mask[top : top + thick, left : left + long] = True
        mask |= _text(mask.shape, f"{rng.integers(1, 20) * 10} µm", top + thick + 2, left, max(10, height // 28))
        value = value_bright if value_bright is not None else _top(pixels)
        pixels[mask] = value
        return pixels, mask

    return bar


def _text(shape: tuple[int, int], text: str, top: int, left: int, size: int) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("L", shape[::-1])
    ImageDraw.Draw(page).text((left, min(top, shape[0] - size - 4)), text, fill=255, font=ImageFont.load_default(size))
    return np.asarray(page) > 64


def _padding(value: int | None) -> Callable[[np.ndarray, np.random.Generator], Drawn]:
    def padding(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
        mask = np.zeros(pixels.shape[:2], bool)
        for side in rng.permutation(4)[: rng.integers(1, 4)]:
            deep = int(rng.uniform(0.03, 0.25) * mask.shape[side % 2])
            edge = [slice(None)] * 2
            edge[side % 2] = slice(0, deep) if side < 2 else slice(mask.shape[side % 2] - deep, None)
            mask[tuple(edge)] = True
        pixels[mask] = _top(pixels) if value is None else value
        return pixels, mask

    return padding


def _top(pixels: np.ndarray) -> float:
    """The brightest number of the pixels' type, or what the camera of a picture in few of its bits ends at."""
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else float(pixels.max())


def _levels(pixels: np.ndarray) -> tuple[float, float]:
    """Ground, and how much the brighter nuclei stand out from it."""
    ground, bright = np.percentile(pixels, [20, 99.5])
    return float(ground), float(max(bright - ground, 1))


def _roomy(pixels: np.ndarray, times: float) -> tuple[np.ndarray, float]:
    """The picture as of a camera with 16 bits, in whose range something much brighter than nuclei fits; that value."""
    ground, bright = _levels(pixels)
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16) * np.uint16(16)
        ground, bright = ground * 16, bright * 16
    return pixels, min(ground + times * bright, _top(pixels))


def _debris(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
    from scipy.ndimage import gaussian_filter

    pixels, value = _roomy(pixels, rng.uniform(4, 15))
    shape = pixels.shape[:2]
    light = np.zeros(shape)
    for _ in range(rng.integers(1, 7)):
        size = rng.uniform(0.01, 0.05) * min(shape)
        texture = gaussian_filter(rng.normal(size=shape), size / 2)
        centre = rng.uniform(0, 1, 2) * shape
        near = np.hypot(*(axis - c for axis, c in zip(np.indices(shape), centre, strict=True)))
        light = np.maximum(light, (near / size + texture / texture.std() * 0.3 < 1) * rng.uniform(0.5, 1))
    return _lit(pixels, gaussian_filter(light, rng.uniform(0.5, 2)), value)


def _lit(pixels: np.ndarray, light: np.ndarray, value: float) -> Drawn:
    """Light added, in parts of `value` above the ground; covered is what shines as bright as a tenth of a nucleus."""
    ground, bright = _levels(pixels)
    added = light[..., None] * (value - ground)
    made = np.clip(np.rint(pixels + added), 0, _top(pixels)).astype(pixels.dtype)
    return made, added[..., 0] > 0.1 * bright


def _hot(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
    pixels, value = _roomy(pixels, rng.uniform(4, 30))
    mask = rng.random(pixels.shape[:2]) < rng.uniform(0.0005, 0.005)
    pixels[mask] = value
    # A single pixel covers no nucleus.
    return pixels, np.zeros_like(mask)


def _fibre(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
    from scipy.ndimage import gaussian_filter

    pixels, value = _roomy(pixels, rng.uniform(3, 12))
    shape = pixels.shape[:2]
    mask = np.zeros(shape, bool)
    for _ in range(rng.integers(1, 3)):
        mask |= _stroke(shape, rng, rng.uniform(0.006, 0.02) * min(shape))
    uneven = 0.8 + 0.2 * np.clip(gaussian_filter(rng.normal(size=shape), 8) * 20, -1, 1)
    return _lit(pixels, gaussian_filter(mask.astype(float), rng.uniform(0.6, 2)) * uneven, value)


def _saturated(pixels: np.ndarray, rng: np.random.Generator) -> Drawn:
    from scipy.ndimage import gaussian_filter

    pixels, _ = _roomy(pixels, 4)
    shape, value = pixels.shape[:2], _top(pixels)
    light = np.zeros(shape)
    for _ in range(rng.integers(1, 5)):
        size, centre = rng.uniform(0.01, 0.06) * min(shape), rng.uniform(0, 1, 2) * shape
        near = np.hypot(*(axis - c for axis, c in zip(np.indices(shape), centre, strict=True)))
        light = np.maximum(light, near < size)
    # Brighter than the camera can tell: cut off at its end, with a halo of scattered light.
    return _lit(pixels, 1.5 * gaussian_filter(light, 1) + 0.01 * gaussian_filter(light, 0.02 * min(shape)), value)


BRIGHT_FIELD: dict[str, Callable[[np.ndarray, np.random.Generator], Drawn]] = {
    **{f"{name} pen": _pen(name) for name in _PENS},
    "black bar": _bar(0),
    "white bar": _bar(255),
    "black padding": _padding(0),
    "white padding": _padding(255),
}
FLUORESCENCE: dict[str, Callable[[np.ndarray, np.random.Generator], Drawn]] = {
    "debris": _debris,
    "hot pixels": _hot,
    "fibre": _fibre,
    "saturated spots": _saturated,
    "white bar": _bar(None),
    "black padding": _padding(0),
    "white padding": _padding(None),
}
