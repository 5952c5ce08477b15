"""What a result is of (model, image, settings, program), so that none is gone on with that is of another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import file_digest
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.readers import is_zarr

from .copying import partners
from .job import ImageRef, PredictJob

# Files up to this size are told apart by all their bytes, so that a copy of one is the same.
_WHOLE = 16 << 20
_PIECE = 1 << 16
_PIECES = 64
_WORDS = {
    "model": "the model was replaced",
    "image": "the image was changed",
    "settings": "the settings are others",
    "program": "the program is of another version",
}


def image_stamp(path: Path, *, quick: bool = False) -> str:
    """What changes where an image file is changed, at a price that hardly counts beside a prediction.

    Parameters
    ----------
    path : Path
        A file: all bytes of a small one; size, time and 64 pieces of a large one. A Zarr: its descriptions, and names,
        sizes and times of its files.
    quick : bool
        Of a Zarr only the descriptions, which takes no time: for a look at a part.

    Raises
    ------
    NucleiError
        It cannot be read.
    """
    digest = hashlib.blake2b(digest_size=12)
    try:
        if path.is_dir():
            for line in _of_folder(path, quick):
                digest.update(line.encode())
        else:
            _of_file(path, digest)
    except OSError as error:
        why = error.strerror or error
        raise NucleiError(f"{path} cannot be read: {why}.", "Check the disk, and try again.") from error
    return digest.hexdigest()


def _of_file(path: Path, digest: Any) -> None:
    with open(path, "rb") as handle:
        known = os.fstat(handle.fileno())
        digest.update(str(known.st_size).encode())
        if known.st_size <= _WHOLE:
            while block := handle.read(1 << 20):
                digest.update(block)
            return
        digest.update(str(known.st_mtime_ns).encode())
        for piece in range(_PIECES):
            handle.seek(max(0, known.st_size - _PIECE) * piece // (_PIECES - 1))
            digest.update(handle.read(_PIECE))


def _of_folder(folder: Path, quick: bool) -> Iterable[str]:
    places = [folder, *sorted(one for one in folder.iterdir() if one.is_dir())]
    for place in places if is_zarr(folder) else [folder]:
        for mark in ("zarr.json", ".zattrs", ".zgroup", ".zarray"):
            file = place / mark
            if file.is_file():
                yield f"{file.relative_to(folder).as_posix()} {file_digest(file)}\n"
    if quick:
        return
    for where, below, files in os.walk(folder):
        below.sort()
        for name in sorted(files):
            known = os.stat(os.path.join(where, name))
            yield f"{os.path.relpath(os.path.join(where, name), folder)} {known.st_size} {known.st_mtime_ns}\n"


def stamp_of(ref: ImageRef, *, quick: bool) -> str:
    """As `image_stamp`, for an image of a job."""
    return image_stamp(Path(ref.path), quick=quick)


def refuse_changed(ref: ImageRef, stamp: str, *, quick: bool) -> None:
    """Refuse an image that was written while it was looked at: its parts do not belong together.

    Raises
    ------
    NucleiError
        It was.
    """
    if stamp_of(ref, quick=quick) != stamp:
        raise NucleiError(
            f"{Path(ref.path).name} was changed while its nuclei were looked for.",
            "Another program writes it. Wait until it is whole, and try again.",
        )


def key_of(
    job: PredictJob, ref: ImageRef, image: Image, stamp: str, model: str, scale: float, ndim: int
) -> dict[str, str]:
    """What the tiles of an image are of.

    Parameters
    ----------
    job : PredictJob
    ref : ImageRef
    image : Image
        As opened.
    stamp : str
        Of the file, from before it was opened.
    model : str
        Digest of weights and card.
    scale : float
        Model pixels per image pixel.
    ndim : int
        Axes the model works on.

    Returns
    -------
    dict
        A short hash for each of the parts that can be others.
    """
    others = partners(Path(ref.path)) if image.format == "OME-TIFF" else []
    return {
        "model": _short(model),
        "image": _short([stamp, *(image_stamp(one) for one in others), ref.understanding]),
        "settings": _short([job.settings, job.plane, round(scale, 9), ndim]),
        "program": __version__,
    }


def key_of_result(job: PredictJob, tiles: Mapping[str, str]) -> dict[str, str]:
    """What a finished image is of, from what its tiles are of."""
    region = file_digest(Path(job.region)) if job.region and Path(job.region).exists() else None
    wishes = [tiles["settings"], job.box, region, job.format, job.pixel_size_um, job.diameter_px]
    return {**tiles, "settings": _short(wishes)}


def _short(content: Any) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def why_not(before: Mapping[str, Any] | None, now: Mapping[str, str]) -> str:
    """In words, why something that was found before is not of what is asked for now; "" where it is."""
    if not isinstance(before, Mapping) or not before:
        return "the program is of another version"
    changed = [words for part, words in _WORDS.items() if before.get(part) != now[part]]
    return " and ".join(changed)
