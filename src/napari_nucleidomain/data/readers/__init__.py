"""One reader for each family of files, chosen by what stands in the file rather than by its name."""

from __future__ import annotations

from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import refuse_special
from napari_nucleidomain.data.pixel_size import settled

from .array import NPY, from_array, read_npy
from .base import RawImage, damaged, not_an_image, truncated
from .in_file import Watched
from .raster import BMP, GIF, JPEG, PNG, read_raster
from .zarr_ome import is_zarr, labels_in, read_zarr
from .zarr_store import ZIP, ZIP_ENDINGS

__all__ = [
    "IMAGE_SUFFIXES",
    "RawImage",
    "entries_of",
    "from_array",
    "is_zarr",
    "labels_in",
    "looks_like_image",
    "plain_name",
    "read_file",
]

IMAGE_SUFFIXES = (
    ".tif", ".tiff", ".btf", ".svs", ".ndpi", ".scn", ".bif", ".qptiff", ".lsm", ".stk", ".flex",
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".npy", ".zarr",
)  # fmt: skip
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_OTHERS = {
    ".czi": "Zeiss CZI",
    ".lif": "Leica LIF",
    ".nd2": "Nikon ND2",
    ".oib": "Olympus OIB",
    ".oif": "Olympus OIF",
    ".vsi": "Olympus VSI",
    ".mrxs": "3DHISTECH MRXS",
    ".ims": "Imaris",
    ".dcm": "DICOM",
    ".isyntax": "Philips iSyntax",
}


def looks_like_image(path: Path) -> bool:
    """Whether a file or folder in a folder of images is meant to be one, by its name alone."""
    # cellpose lays its own files beside the images.
    if path.name.startswith(".") or path.name.lower().endswith("_seg.npy"):
        return False
    if path.name.lower().endswith(ZIP_ENDINGS):
        return path.is_file()
    return path.suffix.lower() in IMAGE_SUFFIXES and (path.is_file() or path.suffix.lower() == ".zarr")


def entries_of(folder: Path) -> list[Path]:
    """What lies in a folder.

    Raises
    ------
    NucleiError
        It cannot be looked into.
    """
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise NucleiError(
            f"The folder {folder} cannot be opened: {error.strerror or error}.",
            "Check that you may read it and try again.",
        ) from error


def plain_name(path: Path) -> str:
    """A file's name without its suffix, also a double one such as ``.ome.tif``."""
    stem = path.stem
    if path.name.lower().endswith(".zarr.zip"):
        stem = path.name[: -len(".zarr.zip")]
    return stem[:-4] if stem.lower().endswith(".ome") else stem or path.name


def read_file(path: Path, series: int | None = None, palette: str = "colour") -> RawImage:
    """Open an image file of any kind.

    Parameters
    ----------
    path : Path
        A file, or the folder of an OME-Zarr, or a zip of it (``.zarr.zip``, ``.ozx``).
    series : int, optional
        Which image of a file with several.
    palette : {"colour", "index"}
        How a picture with a colour table is read.

    Returns
    -------
    RawImage

    Raises
    ------
    NucleiError
        The file is absent, empty, truncated, damaged or no image.
    """
    raw = _opened(path, series, palette)
    raw.pixel_size, raw.size_doubts = settled(raw.pixel_size)
    return raw


def _opened(path: Path, series: int | None, palette: str) -> RawImage:
    if path.is_dir():
        if is_zarr(path) or path.suffix.lower() == ".zarr":
            return _watched(read_zarr(path, series), path)
        raise not_an_image(path, "it is a folder")
    known = _OTHERS.get(path.suffix.lower())
    if known:
        raise NucleiError(
            f"{path.name} is a {known} file, which cannot be opened directly.",
            "Save it as OME-TIFF with Fiji (Bio-Formats Exporter) or QuPath and open that.",
        )
    refuse_special(path)
    try:
        with open(path, "rb") as handle:
            start = handle.read(16)
    except FileNotFoundError as error:
        raise NucleiError(f"{path} is not there.", "Was it moved or renamed? Choose the file again.") from error
    except OSError as error:
        raise NucleiError(
            f"{path.name} cannot be opened: {error.strerror or error}.",
            "Check that you may read the file and try again.",
        ) from error
    if not start:
        raise NucleiError(f"{path.name} is empty (0 bytes).", "Copy the file again from where it came from.")
    if start.startswith(_TIFF):
        from .tiff import read_tiff

        return read_tiff(path, series, palette)
    if start.startswith((PNG, JPEG, BMP, *GIF)):
        return read_raster(path, start, palette)
    if start.startswith(NPY):
        return read_npy(path)
    if start.startswith(ZIP) and path.name.lower().endswith(ZIP_ENDINGS):
        return read_zarr(path, series)
    if any(magic.startswith(start) for magic in (*_TIFF, *GIF, PNG, JPEG, NPY)):
        raise truncated(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise damaged(path, ValueError(f"its first bytes are not those of a {path.suffix[1:].upper()} file"))
    raise not_an_image(path)


def _watched(raw: RawImage, path: Path) -> RawImage:
    """A Zarr whose folder is removed while it is read would go on as an empty image."""

    def whole() -> bool:
        return is_zarr(path)

    raw.levels = [Watched(level, whole, path.name) for level in raw.levels]
    return raw
