"""PNG, JPEG and BMP: decoded whole, on first use."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.axes import READ_ERRORS

from .base import RawImage, damaged, truncated

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
BMP = b"BM"


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
            pixels = self._decode(self.path)
            if pixels.shape != self.shape or pixels.dtype != self.dtype:
                raise ValueError(f"decoded to {pixels.shape} {pixels.dtype} instead of {self.shape} {self.dtype}")
            self._pixels = pixels
        part: np.ndarray = self._pixels[key]
        return part

    def forget(self) -> None:
        """Give the memory back; the next read decodes again."""
        self._pixels = None


def read_raster(path: Path, start: bytes, palette: str = "colour") -> RawImage:
    """Open a PNG, JPEG or BMP.

    Parameters
    ----------
    path : Path
        The file.
    start : bytes
        Its first bytes, which tell the kind.
    palette : {"colour", "index"}
        Whether a PNG with a colour table is read as its colours, or as the numbers that stand in it (label images).

    Returns
    -------
    RawImage

    Raises
    ------
    NucleiError
        The file is truncated or damaged.
    """
    try:
        if start.startswith(PNG):
            shape, dtype, decode = _png(path, palette)
            kind = "PNG"
        elif start.startswith(JPEG):
            shape, dtype, decode = _jpeg(path)
            kind = "JPEG"
        else:
            shape, dtype, decode = _by_pillow(path)
            kind = "BMP"
    except NucleiError:
        raise
    except READ_ERRORS as error:
        raise damaged(path, error) from error
    pixels = DecodedLater(path, shape, dtype, decode)
    raw = RawImage([pixels], "YXC" if len(shape) == 3 else "YX", kind, close=pixels.forget)
    if len(shape) == 3:
        raw.rgb = shape[2] >= 3
        raw.alpha = shape[2] == 4
    return raw


def _png(path: Path, palette: str) -> tuple[tuple[int, ...], Any, Any]:
    """Header of a PNG and how to decode it; walks the chunks to see that the file is whole."""
    size = path.stat().st_size
    transparent = False
    with open(path, "rb") as handle:
        handle.seek(8)
        header = b""
        kind = b""
        while kind != b"IEND":
            chunk = handle.read(8)
            if len(chunk) < 8:
                raise truncated(path)
            length, kind = struct.unpack(">I4s", chunk)
            if kind == b"IHDR":
                header = handle.read(length)
                handle.seek(4, 1)
            else:
                transparent |= kind == b"tRNS"
                handle.seek(length + 4, 1)
            if handle.tell() > size:
                raise truncated(path)
    if len(header) != 13:
        raise ValueError("no header")
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    samples = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour]
    if colour == 3 and palette == "index":
        return (height, width), np.uint8, _pillow_indices
    if colour == 3 or depth < 8:
        if depth == 1 and colour == 0:
            return (height, width), np.bool_, _pillow_bool
        return (height, width) + ((3,) if colour == 3 else ()), np.uint8, _pillow_rgb if colour == 3 else _pillow_grey
    shape = (height, width) if samples == 1 else (height, width, samples)
    dtype = np.uint16 if depth == 16 else np.uint8
    if transparent and colour in (0, 2):
        # A colour declared transparent makes some decoders add alpha; the samples themselves are what counts.
        return (
            shape,
            dtype,
            lambda p: _png_decode(p)[..., :3].reshape(shape) if samples == 3 else _first(_png_decode(p)),
        )
    return shape, dtype, _png_decode


def _png_decode(path: Path) -> np.ndarray:
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def _first(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0] if pixels.ndim == 3 else pixels


def _jpeg(path: Path) -> tuple[tuple[int, ...], Any, Any]:
    """Header of a JPEG through Pillow (no pixels), and a look for its end mark."""
    shape, dtype, _ = _by_pillow(path)
    with open(path, "rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - 65536))
        if b"\xff\xd9" not in handle.read():
            raise truncated(path)
    return shape, dtype, _pillow_rgb if len(shape) == 3 else _pillow_grey


def _by_pillow(path: Path) -> tuple[tuple[int, ...], Any, Any]:
    with _pillow(path) as image:
        width, height = image.size
        grey = image.mode in {"L", "1"}
    return ((height, width), np.uint8, _pillow_grey) if grey else ((height, width, 3), np.uint8, _pillow_rgb)


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


def _pillow_grey(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image.convert("L"))


def _pillow_bool(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image.convert("1"))


def _pillow_indices(path: Path) -> np.ndarray:
    with _pillow(path) as image:
        return np.asarray(image)
