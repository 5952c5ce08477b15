"""PNG, JPEG, BMP and GIF: decoded whole, on first use."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.axes import READ_ERRORS
from napari_nucleidomain.data.pixel_size import from_densities

from .base import RawImage, damaged, too_large, truncated

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
BMP = b"BM"
GIF = (b"GIF87a", b"GIF89a")
# No decoder makes more of a byte; a header that claims more belongs to another file, or to none.
_MOST_OF_A_BYTE = 1100
_METRE_UM = 1e6


class DecodedLater:
    """An array whose shape is known from a file's header and whose pixels are decoded when first read.

    Parameters
    ----------
    path : Path
        The file.
    shape, dtype
        From the header.
    decode : callable
        Path -> ndarray of that shape.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any, decode: Any) -> None:
        self.path = path
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._decode = decode
        self._pixels: np.ndarray | None = None

    def __getitem__(self, key: Any) -> np.ndarray:
        if self._pixels is None:
            too_large(self.path, self.shape, self.dtype)
            pixels = self._decode(self.path)
            if pixels.shape != self.shape or pixels.dtype != self.dtype:
                raise ValueError(f"decoded to {pixels.shape} {pixels.dtype} instead of {self.shape} {self.dtype}")
            self._pixels = pixels
        part: np.ndarray = self._pixels[key]
        return part

    def forget(self) -> None:
        """Give the memory back; the next read decodes again."""
        self._pixels = None


@dataclass
class _Header:
    """What a picture's header says; `decode` makes an array of that shape and type of the file."""

    shape: tuple[int, ...]
    decode: Callable[[Path], np.ndarray]
    dtype: Any = np.uint8
    alpha: bool = False
    sizes: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_raster(path: Path, start: bytes, palette: str = "colour") -> RawImage:
    """Open a PNG, JPEG, BMP or GIF.

    Parameters
    ----------
    path : Path
        The file.
    start : bytes
        Its first bytes, which tell the kind.
    palette : {"colour", "index"}
        Whether a picture with a colour table is read as its colours, or as the numbers that stand in it (label images).

    Returns
    -------
    RawImage

    Raises
    ------
    NucleiError
        The file is truncated or damaged.
    """
    kinds = {PNG: "PNG", JPEG: "JPEG", **dict.fromkeys(GIF, "GIF")}
    kind = next((name for mark, name in kinds.items() if start.startswith(mark)), "BMP")
    try:
        if kind == "PNG":
            header = _png(path, palette)
        elif kind == "JPEG":
            header = _jpeg(path)
        else:
            header = _by_pillow(path, palette)
    except NucleiError:
        raise
    except (*READ_ERRORS, SyntaxError) as error:
        raise damaged(path, error) from error
    # A GIF's and a JPEG's empty ground takes next to nothing.
    if kind == "PNG" and math.prod(header.shape) / 8 > path.stat().st_size * _MOST_OF_A_BYTE:
        raise truncated(path)
    pixels = DecodedLater(path, header.shape, header.dtype, header.decode)
    raw = RawImage([pixels], "YXC" if len(header.shape) == 3 else "YX", kind, close=pixels.forget)
    raw.pixel_size, raw.alpha, raw.notes = header.sizes, header.alpha, header.notes
    if len(header.shape) == 3:
        raw.rgb = header.shape[2] >= 3
    return raw


def _png(path: Path, palette: str) -> _Header:
    """Header of a PNG and how to decode it; walks the chunks to see that the file is whole."""
    size = path.stat().st_size
    found: dict[bytes, bytes] = {}
    transparent = False
    with open(path, "rb") as handle:
        handle.seek(8)
        kind = b""
        while kind != b"IEND":
            chunk = handle.read(8)
            if len(chunk) < 8:
                raise truncated(path)
            length, kind = struct.unpack(">I4s", chunk)
            if kind in (b"IHDR", b"pHYs") and length < 64:
                found.setdefault(kind, handle.read(length))
                handle.seek(4, 1)
            else:
                transparent |= kind == b"tRNS"
                handle.seek(length + 4, 1)
            if handle.tell() > size:
                raise truncated(path)
    if len(found.get(b"IHDR", b"")) != 13:
        raise ValueError("no header")
    width, height, depth, colour = struct.unpack(">IIBB", found[b"IHDR"][:10])
    header = _png_pixels((height, width), depth, colour, transparent and palette == "colour", palette)
    physical = found.get(b"pHYs", b"")
    if len(physical) == 9 and physical[8] == 1:
        x, y = struct.unpack(">II", physical[:8])
        header.sizes = from_densities(x, y, _METRE_UM) if x and y else {}
    return header


def _png_pixels(plane: tuple[int, int], depth: int, colour: int, transparent: bool, palette: str) -> _Header:
    samples = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour]
    if colour == 3 and palette == "index":
        return _Header(plane, _pillow_indices)
    if colour == 3:
        return _Header((*plane, 4), _pillow_rgba, alpha=True) if transparent else _Header((*plane, 3), _pillow_rgb)
    if depth < 8:
        return _Header(plane, _pillow_bool, np.bool_) if depth == 1 else _Header(plane, _pillow_grey)
    dtype = np.uint16 if depth == 16 else np.uint8
    alpha = colour in (4, 6)
    if colour in (0, 2):
        # A colour that is declared transparent: the decoder makes transparency of it.
        samples, alpha = samples + transparent, transparent
    shape = plane if samples == 1 else (*plane, samples)
    return _Header(shape, lambda path: _png_decode(path, shape), dtype, alpha)


def _png_decode(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    import imagecodecs

    pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    # Transparency that was not asked for stands last.
    wanted = shape[2] if len(shape) == 3 else 1
    if pixels.ndim == 3 and pixels.shape[2] > wanted:
        pixels = pixels[..., :wanted]
    return pixels.reshape(shape)


def _jpeg(path: Path) -> _Header:
    """Header of a JPEG through Pillow (no pixels), and a look for its end mark."""
    header = _by_pillow(path, "colour")
    with open(path, "rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - 65536))
        if b"\xff\xd9" not in handle.read():
            raise truncated(path)
    return header


def _by_pillow(path: Path, palette: str) -> _Header:
    with _pillow(path) as image:
        width, height = image.size
        plane = (height, width)
        if image.mode == "P" and palette == "index":
            return _Header(plane, _pillow_indices)
        if image.mode in {"L", "1"} and "transparency" not in image.info:
            header = _Header(plane, _pillow_grey)
        elif image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
            header = _Header((*plane, 4), _pillow_rgba, alpha=palette == "colour")
        else:
            header = _Header((*plane, 3), _pillow_rgb)
        header.sizes = _density(image)
        if getattr(image, "n_frames", 1) > 1 and image.format == "GIF":
            header.notes.append(f"Only the first of its {image.n_frames} pictures is used.")
        return header


def _density(image: Any) -> dict[str, float]:
    """Pixel size from a JPEG's or a BMP's resolution, where that is a microscope's."""
    try:
        return _density_said(image, image.info)
    except (*READ_ERRORS, SyntaxError):
        # Only a description; the picture is whole without it.
        return {}


def _density_said(image: Any, info: Any) -> dict[str, float]:
    if "jfif_density" in info and info.get("jfif_unit") in (1, 2):
        x, y = info["jfif_density"]
        found = from_densities(x, y, 25400.0 if info["jfif_unit"] == 1 else 1e4) if x and y else {}
        if found:
            return found
    if image.format == "JPEG":
        exif = image.getexif()
        unit = {2: 25400.0, 3: 1e4}.get(exif.get(296, 2))
        x, y = (_rational(exif.get(code)) for code in (282, 283))
        return from_densities(x, y, unit) if unit and x and y else {}
    x, y = (_rational(v) for v in info.get("dpi", (0, 0)))
    return from_densities(x, y, 25400.0) if image.format == "BMP" and x and y else {}


def _rational(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, ArithmeticError):
        return 0.0


def _pillow(path: Path) -> Any:
    """Open with Pillow, without its limit on size: a large picture is normal here, and the header was looked at."""
    from PIL import Image as Pillow

    # The only switch Pillow has is module-wide, and its check runs inside open().
    limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        return Pillow.open(path)
    finally:
        Pillow.MAX_IMAGE_PIXELS = limit


def _pillow_rgb(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image.convert("RGB"))


def _pillow_rgba(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image.convert("RGBA"))


def _pillow_grey(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image.convert("L"))


def _pillow_bool(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image.convert("1"))


def _pillow_indices(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image)
