"""A TIFF opened through tifffile, after what its description says was looked at: it comes from anybody.

OME-XML may name further files that hold planes of the same image. tifffile opens whatever is named; here only a plain
file beside the opened one is let through, and no number of planes that no file can hold.
"""

from __future__ import annotations

import logging
import math
import re
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from .tiff_chain import Chain

# What tifffile finds odd is said in the program's own words or is of no use to anybody.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MOST_PLANES = 4_000_000
_NOT_BESIDE = "not-opened"
# What XML cannot hold; stray bytes otherwise cost the whole description.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class OpenedTiff(tifffile.TiffFile):  # type: ignore[misc]
    """A TIFF whose description was made safe and legible.

    Attributes
    ----------
    description : str
        Of the first page.
    refused : list of str
        Files that its OME-XML names and that were not opened.
    """

    def __init__(self, path: Path, chain: Chain, **flags: Any) -> None:
        self.refused: list[str] = []
        self.place = path
        super().__init__(path, **flags)
        if (chain.beyond is not None or chain.circle or chain.open_end) and hasattr(self.pages, "_offsets"):
            # tifffile follows a stray pointer into pixels, and a circle for a long time.
            self.pages._offsets, self.pages._indexed = list(chain.pages), True
        first = self.pages.first
        tag = first.tags.get(270)
        if tag is not None and isinstance(tag.value, bytes):
            # One stray byte, and tifffile knows neither an Aperio slide nor OME-XML any more.
            first.description = tag.value.decode("utf-8", "replace").strip("\x00 \r\n\t")
        self.description: str = first.description or ""

    @property
    def stated_ome_metadata(self) -> str | None:
        """OME-XML as it was written, but for bytes that XML cannot hold; its references are not to be followed."""
        text = super().ome_metadata
        return None if text is None else _NO_XML.sub("", text)

    @cached_property
    def _safe_xml(self) -> str | None:
        text = self.stated_ome_metadata
        return None if text is None else safe_ome_xml(text, self.place, self.refused)

    @property
    def ome_metadata(self) -> str | None:
        """OME-XML whose references can be followed; None where there is none, or nothing of use."""
        return self._safe_xml


def safe_ome_xml(text: str, path: Path, refused: list[str]) -> str | None:
    """OME-XML without references that lead away from a file's folder.

    Parameters
    ----------
    text : str
    path : Path
        The opened file.
    refused : list of str
        Takes the names that are not followed.

    Returns
    -------
    str or None
        None where it is not well-formed, declares entities, or has more planes than any file.
    """
    # A document type declaration is the way to make a small XML file grow without bound; OME-XML has none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, RecursionError, ValueError):
        return None
    changed = False
    for element in root.iter():
        kind = element.tag.rsplit("}", 1)[-1]
        if kind == "Pixels" and _planes(element.attrib, ("SizeZ", "SizeC", "SizeT")) > _MOST_PLANES:
            return None
        if kind == "TiffData" and max(_whole(element.get(k)) for k in _COUNTS) > _MOST_PLANES:
            return None
        name = element.get("FileName") if kind == "UUID" else None
        if name is not None and not _harmless(name, path):
            refused.append(name)
            element.set("FileName", _NOT_BESIDE)
            changed = True
    return ElementTree.tostring(root, encoding="unicode") if changed else text


_COUNTS = ("IFD", "PlaneCount", "NumPlanes", "FirstZ", "FirstC", "FirstT")


def _whole(text: str | None) -> int:
    try:
        return abs(int(text or 0))
    except ValueError:
        return 0


def _planes(sizes: Any, names: tuple[str, ...]) -> int:
    return math.prod(max(1, _whole(sizes.get(name))) for name in names)


def _leads_away(name: str) -> bool:
    """Whether it is more than the plain name of a file, on any system."""
    return not name or name in (".", "..") or any(c in name for c in "/\\:\0")


def _harmless(name: str, path: Path) -> bool:
    """Whether it names a file in the folder of the opened one (there or missing), and neither a device nor a pipe."""
    if _leads_away(name):
        return False
    try:
        beside = path.parent / name
        return beside.is_file() or not beside.exists()
    except (OSError, ValueError):
        return False


def lies_in(page: Any, tif: tifffile.TiffFile) -> bool:
    """Whether a page's pixels lie in the opened file itself."""
    return page is not None and (page.parent is tif or page.parent.filehandle.path == tif.filehandle.path)
