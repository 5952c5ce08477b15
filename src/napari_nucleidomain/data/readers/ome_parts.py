"""OME-TIFFs of several files, of which some are missing or were renamed: the description is made to fit what is there.

The pixels of a missing file would count as 0 without a word; a renamed file would be read as pages without a meaning.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_LARGEST = 1 << 26  # bytes of a companion file
_MOST = 1 << 20  # planes
_WORDS = {"C": "channel", "Z": "plane", "T": "moment"}


@dataclass
class _Part:
    """Planes that one entry of the description places: their places in the image, and in which file they lie."""

    element: ElementTree.Element
    file: str | None
    uuid: str | None
    ifd: int
    places: list[tuple[int, ...]]


def mended_ome_xml(text: str, path: Path, pages: int) -> tuple[str | None, list[str]]:
    """OME-XML that speaks of files which are there.

    Parameters
    ----------
    text : str
        As it lies in the opened file.
    path : Path
        The opened file; parts are looked for beside it alone.
    pages : int
        How many it has itself.

    Returns
    -------
    text : str or None
        The same where nothing is amiss; None where the pages can only be read as they lie.
    notes : list of str
        What is missing or was renamed.
    """
    root = _parsed(text)
    if root is None:
        return text, []
    notes: list[str] = []
    changed = False
    companion = next((e for e in root if _local(e) == "BinaryOnly"), None)
    if companion is not None:
        found = _companion(companion.get("MetadataFile") or "", path)
        if found is None:
            name = companion.get("MetadataFile") or "another file"
            return None, [f"Its description lies in {name}, which is missing: its pages are read as they lie."]
        found.set("UUID", root.get("UUID") or companion.get("UUID") or "")
        root, changed = found, True
    images = [
        (image, pixels) for image in root if _local(image) == "Image" for pixels in image if _local(pixels) == "Pixels"
    ]
    parts = [(pixels, _parts(pixels, pages)) for _, pixels in images]
    own = _own(root, [part for _, some in parts for part in some], path, pages, notes)
    if own is None:
        return None, notes
    changed |= own
    for pixels, some in parts:
        missing = [part for part in some if part.file is not None and not _is_beside(part.file, path)]
        if missing and len(missing) < len(some):
            notes.append(_without(pixels, some, missing))
            changed = True
    return (ElementTree.tostring(root, encoding="unicode") if changed else text), notes


def _parsed(text: str) -> ElementTree.Element | None:
    # A document type declaration is the way to make a small XML file grow without bound; OME-XML has none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _is_beside(name: str, path: Path) -> bool:
    """Whether a plain file of this name lies beside the opened one."""
    if not name or name in (".", "..") or any(c in name for c in "/\\:\0"):
        return False
    try:
        return (path.parent / name).is_file()
    except (OSError, ValueError):
        return False


def _companion(name: str, path: Path) -> ElementTree.Element | None:
    if not _is_beside(name, path) or (path.parent / name).stat().st_size > _LARGEST:
        return None
    try:
        return _parsed((path.parent / name).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return None


def _number(element: ElementTree.Element, key: str, default: int = 0) -> int:
    try:
        return max(0, int(element.get(key, default)))
    except ValueError:
        return default


def _axes(pixels: ElementTree.Element) -> str:
    """Letters of the axes beside rows and columns, slowest first."""
    order = pixels.get("DimensionOrder") or "XYZCT"
    return "".join(axis for axis in reversed(order) if axis in "ZCT")


def _parts(pixels: ElementTree.Element, pages: int) -> list[_Part]:
    """Where the planes of an image lie; empty where the description makes no sense."""
    axes = _axes(pixels)
    lengths = [max(1, _number(pixels, f"Size{axis}", 1)) for axis in axes]
    # Colours lie side by side in one plane.
    samples = max((_number(e, "SamplesPerPixel", 1) for e in pixels if _local(e) == "Channel"), default=1)
    if samples > 1 and "C" in axes:
        lengths[axes.index("C")] = max(1, lengths[axes.index("C")] // samples)
    total = math.prod(lengths)
    if total > _MOST or len(axes) != 3:
        return []
    places = list(itertools.product(*(range(n) for n in lengths)))
    found = []
    for element in pixels:
        if _local(element) != "TiffData":
            continue
        first = [_number(element, f"First{axis}") for axis in axes]
        if any(at >= n for at, n in zip(first, lengths, strict=True)):
            continue
        start = sum(at * math.prod(lengths[k + 1 :]) for k, at in enumerate(first))
        uuid = next((e for e in element if _local(e) == "UUID"), None)
        count = _number(element, "PlaneCount", _number(element, "NumPlanes", 1 if element.get("IFD") else 0)) or pages
        name = uuid.get("FileName") if uuid is not None else None
        here = places[start : start + count]
        found.append(_Part(element, name, uuid.text if uuid is not None else None, _number(element, "IFD"), here))
    return found


def _own(root: ElementTree.Element, parts: list[_Part], path: Path, pages: int, notes: list[str]) -> bool | None:
    """Make parts that lie in the opened file say so; whether any was changed, None where nobody can tell which."""
    named = {(part.uuid, part.file) for part in parts if part.file is not None or part.uuid is not None}
    if not named:
        return False
    uuid = root.get("UUID")
    mine = {one for one in named if (uuid and one[0] == uuid) or (one[1] or "").casefold() == path.name.casefold()}
    renamed = ""
    if not mine:
        planes = sum(len(part.places) for part in parts)
        gone = {one for one in named if not _is_beside(one[1] or "", path)}
        if len(named) == 1 and planes <= pages:
            mine = named
        elif len(gone) == 1:
            mine = gone
        else:
            names = ", ".join(sorted(str(name)[:60] for _, name in named)[:3])
            notes.append(
                f"It was renamed after saving, or is another file: its description speaks of {names} and not of it. "
                "Its pages are read as they lie."
            )
            return None
        renamed = next(iter(mine))[1] or ""
    elif not any((one[1] or "").casefold() == path.name.casefold() for one in mine):
        renamed = next(iter(mine))[1] or ""
    for part in parts:
        if (part.uuid, part.file) in mine:
            for element in [e for e in part.element if _local(e) == "UUID"]:
                part.element.remove(element)
            part.file = part.uuid = None
            part.element.set("IFD", str(part.ifd))
            part.element.set("PlaneCount", str(len(part.places)))
    if renamed:
        notes.append(f"It was renamed after saving: its description calls it {renamed[:80]}.")
    return True


def _without(pixels: ElementTree.Element, parts: list[_Part], missing: list[_Part]) -> str:
    """Take planes of missing files out of an image where what is left is whole; the line that says so."""
    names = sorted({str(part.file)[:80] for part in missing})
    files = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    text = f"A file of this image is missing ({files})"
    if len(names) > 1:
        text = f"{len(names)} files of this image are missing ({files})"
    axes = _axes(pixels)
    lengths = [max(1, _number(pixels, f"Size{axis}", 1)) for axis in axes]
    there = {place for part in parts if part not in missing for place in part.places}
    kept = [sorted({place[k] for place in there}) for k in range(len(axes))]
    channels = [e for e in pixels if _local(e) == "Channel"]
    colours = any(_number(e, "SamplesPerPixel", 1) > 1 for e in channels)
    whole = there == set(itertools.product(*kept))
    less = [(axis, some, n) for axis, some, n in zip(axes, kept, lengths, strict=True) if len(some) < n]
    if not whole or colours or not less:
        lost = sum(len(part.places) for part in missing)
        return f"{text}: {lost} of {math.prod(lengths)} pages count as 0."
    lost_names = [channels[k].get("Name") or "" for k in range(len(channels)) if k not in kept[axes.index("C")]]
    if any(lost_names):
        text += f", with the channel{'s' * (len(lost_names) > 1)} {', '.join(n for n in lost_names if n)}"
    _reindex(pixels, [part for part in parts if part not in missing], axes, kept)
    for part in missing:
        pixels.remove(part.element)
    for k, channel in enumerate(channels):
        if k not in kept[axes.index("C")]:
            pixels.remove(channel)
    opened = "; ".join(f"{_WORDS[a]} {', '.join(str(k + 1) for k in some[:8])} of {n}" for a, some, n in less)
    return f"{text}. Only what is there was opened: {opened}."


def _reindex(pixels: ElementTree.Element, parts: Sequence[_Part], axes: str, kept: list[list[int]]) -> None:
    """Count the axes of an image anew, one entry for each plane."""
    for axis, some in zip(axes, kept, strict=True):
        pixels.set(f"Size{axis}", str(len(some)))
    for part in parts:
        at = list(pixels).index(part.element)
        pixels.remove(part.element)
        for number, place in enumerate(part.places):
            one = ElementTree.Element(part.element.tag)
            one.extend(list(part.element))
            for axis, some, index in zip(axes, kept, place, strict=True):
                one.set(f"First{axis}", str(some.index(index)))
            one.set("IFD", str(part.ifd + number))
            one.set("PlaneCount", "1")
            pixels.insert(at + number, one)
