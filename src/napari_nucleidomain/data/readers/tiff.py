"""TIFF in all its kinds: plain, OME, ImageJ, pyramids and slides. The pixels stay in the file until asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.axes import READ_ERRORS, UNKNOWN

from .base import RawImage, damaged, not_an_image, truncated
from .ome_parts import mended_ome_xml
from .tiff_chain import Chain, walk
from .tiff_facts import describe
from .tiff_open import OpenedTiff, lies_in
from .tiff_pixels import open_levels

_NAMES = {"ome": "OME-TIFF", "imagej": "ImageJ TIFF", "svs": "Aperio SVS", "ndpi": "Hamamatsu NDPI", "scn": "Leica SCN"}
# Without the value of one of these a page has no pixels: size, strips, tiles.
_NEEDED = {256, 257, 258, 273, 279, 322, 323, 324, 325}
_LOOKED_THROUGH = 256  # pages


def read_tiff(path: Path, series: int | None = None, palette: str = "colour") -> RawImage:
    """Open a TIFF.

    Parameters
    ----------
    path : Path
        Any TIFF or BigTIFF.
    series : int, optional
        Which image of a file with several; the largest that lies in the file itself by default.
    palette : {"colour", "index"}
        Whether pixels become the colours they stand for, or stay the numbers in the file (label images).

    Returns
    -------
    RawImage

    Raises
    ------
    NucleiError
        The file is truncated or damaged, holds no picture, or has no image of that number.
    """
    tif: Any = None
    try:
        # NDPI stretches the format's 32-bit offsets.
        chain = walk(path) if path.suffix.lower() != ".ndpi" else Chain()
        tif, notes = _opened(path, chain)
        try:
            raw = _read(path, tif, series, palette, chain)
        except NucleiError:
            raise
        except READ_ERRORS:
            if not tif.is_ome:
                raise
            # The description makes no sense, but the pages may.
            tif.close()
            tif = OpenedTiff(path, chain, is_ome=False)
            raw = _read(path, tif, series, palette, chain)
            raw.notes.append("Its OME description contradicts its pages and was left out.")
        raw.notes[:0] = notes
        return raw
    except NucleiError:
        if tif is not None:
            tif.close()
        raise
    except READ_ERRORS as error:
        if tif is not None:
            tif.close()
        raise damaged(path, error) from error


def _opened(path: Path, chain: Chain) -> tuple[OpenedTiff, list[str]]:
    """The file, its OME description made to fit what is there; and what is missing or was renamed."""
    tif = OpenedTiff(path, chain)
    text = tif.stated_ome_metadata if tif.is_ome else None
    if not text:
        return tif, []
    mended, notes = mended_ome_xml(text, path, len(tif.pages))
    if mended == text:
        return tif, notes
    tif.close()
    flags = {"is_ome": False} if mended is None else {"omexml": mended}
    return OpenedTiff(path, chain, **flags), notes


def _read(path: Path, tif: Any, wanted: int | None, palette: str, chain: Chain) -> RawImage:
    found = [s for s in tif.series if s.shape and len(s.shape) >= 2]
    if not found:
        raise not_an_image(path, "the TIFF holds no picture") if len(tif.pages) else truncated(path)
    index = _choose(path, tif, found, wanted)
    series = found[index]
    _check_complete(path, tif, series, chain)
    axes, dropped = _axes(series)
    raw = RawImage(
        levels=[],
        axes=axes,
        format=_NAMES.get(series.kind, "TIFF pyramid" if len(series.levels) > 1 else "TIFF"),
        close=tif.close,
    )
    raw.notes += [*dropped, *_doubts(tif, chain)]
    open_levels(path, tif, series, raw, palette)
    if series.kind not in {"svs", "ndpi", "scn", "bif", "philips"} and len(found) > 1:
        raw.series_names = [s.name or f"image {k + 1}" for k, s in enumerate(found)]
        raw.metadata["series"] = index
    describe(tif, series, list(tif.series).index(series), raw)
    return raw


def _choose(path: Path, tif: Any, found: Sequence[Any], wanted: int | None) -> int:
    """The largest image; of a file that names others as parts of its experiment, one whose pixels it holds itself."""
    if wanted is not None:
        if wanted >= len(found):
            raise NucleiError(f"{path.name} holds {len(found)} image(s); there is no number {wanted}.", "Count from 0.")
        return wanted

    def held(series: Any) -> int:
        if series.kind not in {"ome", "mmstack", "ndtiff"}:
            return 2
        pages = [page for page in series if page is not None]
        own = sum(lies_in(page, tif) for page in pages)
        return 2 if own == len(pages) else 1 if own else 0

    return max(range(len(found)), key=lambda k: (held(found[k]), found[k].size, -k))


def _axes(series: Any) -> tuple[str, list[str]]:
    """Letters of a series; unknown letters become ``Q``."""
    known = {"S": "C", "C": "C", "T": "T", "Z": "Z", "Y": "Y", "X": "X"}
    axes = "".join(known.get(a, UNKNOWN) for a in series.axes)
    if axes.count("C") > 1:
        # Channels that are colours each (an ImageJ composite of RGB): only one of the two axes can be channels.
        at = series.axes.index("C")
        axes = axes[:at] + UNKNOWN + axes[at + 1 :]
    odd = [a for a in series.axes if a not in known and a not in "QIRE"]
    return axes, [f"An axis named {a} in the file has no known meaning." for a in odd]


def _check_complete(path: Path, tif: Any, series: Any, chain: Chain) -> None:
    """Compare where the pixels should lie with the length of the file; looks at no pixel."""
    if chain.was_cut or any(tag in _NEEDED for _, tag in chain.lost):
        raise truncated(path)
    if series.dataoffset is not None and lies_in(series[0], tif):
        if series.dataoffset + series.nbytes > tif.filehandle.size:
            raise truncated(path)
        return
    if (chain.beyond or chain.circle) and not series.is_multifile and _declared(tif, series) > len(tif.pages):
        raise truncated(path)
    pages = [p for level in series.levels for p in (level.pages[0], level.pages[-1])]
    if len(series.pages) <= _LOOKED_THROUGH:
        pages += [p for level in series.levels for p in level.pages]
    for page in pages:
        if page is None:
            continue
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        # Philips leaves empty rows of tiles out; in any other file they are lost.
        few = len(ends) < math.prod(page.chunked) and series.kind != "philips"
        if not ends or few or max(ends) > page.parent.filehandle.size:
            raise truncated(path)


def _declared(tif: Any, series: Any) -> int:
    """How many pages the file says it has, where it says so; else 0."""
    if tif.is_imagej:
        return int((tif.imagej_metadata or {}).get("images", 0))
    if series.kind == "ome":
        return len(tif.pages) + sum(page is None for page in series)
    shaped = tif.pages.first.is_shaped and tif.shaped_metadata
    if shaped and series.kind != "shaped":
        return 0
    text = tif.description
    if text.startswith('{"shape"'):
        import json

        try:
            shape = json.loads(text)["shape"]
            return int(math.prod(int(n) for n in shape) // max(1, tif.pages.first.size))
        except (ValueError, TypeError, KeyError, RecursionError):
            return 0
    return 0


def _doubts(tif: Any, chain: Chain) -> list[str]:
    """What is odd about a file whose pixels are all there."""
    found = []
    count = len(chain.pages)
    if chain.beyond is not None:
        text = f"Behind its {count} page(s) the file points to one more that is not there"
        found.append(f"{text}. If it should hold more than {count}, it was not copied to the end.")
    elif chain.circle:
        found.append(f"Its pages point back at each other; each of the {count} is read once.")
    if chain.lost:
        tags = sorted({tag for _, tag in chain.lost})
        named = ", ".join(map(str, tags[:5]))
        found.append(f"Details that lie behind the end of the file were left out (tag {named}).")
    if tif.refused:
        text = f"It names {len(tif.refused)} part(s) outside its own folder ({tif.refused[0][:80]!r})"
        found.append(f"{text}, which were not opened.")
    return found
