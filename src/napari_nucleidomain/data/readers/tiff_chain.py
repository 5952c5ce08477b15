"""The chain of page descriptions of a TIFF (TIFF 6.0, section 2; BigTIFF): where it leaves the file or runs in circles.

A pointer behind the end of the file is no proof that the file was cut short: writers leave stray ones behind the last
page, and values of private tags get lost in copies. What matters is whether the pixels are there, see `tiff`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FOUR_GIGABYTES = 1 << 32
_MOST_PAGES = 20_000
_MOST_TAGS = 4096  # more than this are no tags, to tifffile either
_DESCRIPTION = 270
_A_PAGE_HAS = {256, 257}  # width and height
# A further page begins about as far on as the pages before it did.
_STRIDES = 2.5


@dataclass
class Chain:
    """What a walk along the pages found.

    Attributes
    ----------
    pages : list of int
        Where each page description that can be read begins.
    beyond : int or None
        A pointer to a further page that lies behind the end of the file, or to something that is no page.
    circle : bool
        The last page points back to an earlier one.
    open_end : bool
        The file ends with the last tag of its last page, without the pointer that says that it is the last.
    lost : list of (int, int)
        Page and tag whose value lies behind the end of the file.
    size : int
        Of the file.
    """

    pages: list[int] = field(default_factory=list)
    beyond: int | None = None
    circle: bool = False
    open_end: bool = False
    lost: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0

    @property
    def was_cut(self) -> bool:
        """Whether a copy broke off: the description is behind the end, too, or the next page of a regular stack is."""
        if self.beyond is None or self.beyond < self.size - 8:
            return False
        if (0, _DESCRIPTION) in self.lost:
            return True
        if len(self.pages) < 3:
            return False
        strides = [b - a for a, b in zip(self.pages, self.pages[1:], strict=False)]
        if min(strides) <= 0:
            return False
        return self.beyond - self.pages[-1] <= _STRIDES * max(strides)


def walk(path: Path) -> Chain:
    """Follow the pages of a TIFF.

    Parameters
    ----------
    path : Path
        A TIFF or BigTIFF.

    Returns
    -------
    Chain
        Without doubts for classic TIFFs of 4 GB and more, in which some writers let offsets overflow.
    """
    chain = Chain(size=path.stat().st_size)
    with open(path, "rb") as handle:
        head = handle.read(16)
        if len(head) < 8:
            return chain
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        if (big and len(head) < 16) or (not big and chain.size >= _FOUR_GIGABYTES):
            return chain
        at = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
        seen: set[int] = set()
        while at and len(chain.pages) < _MOST_PAGES:
            if at in seen:
                chain.circle = True
                break
            seen.add(at)
            following = _page(handle, chain, at, order, big)
            if following is None:
                chain.beyond = at
                break
            at = following
    return chain


def _page(handle: BinaryIO, chain: Chain, at: int, order: str, big: bool) -> int | None:
    """Note one page; where the next begins (0: nowhere). None where there is no page at that place."""
    number, offset, entry = ("Q", "Q", "HHQ8s") if big else ("H", "I", "HHI4s")
    inline, entry_size = (8, 20) if big else (4, 12)
    if at >= chain.size:
        return None
    handle.seek(at)
    counted = handle.read(struct.calcsize(number))
    if len(counted) < struct.calcsize(number):
        return None
    count = struct.unpack(order + number, counted)[0]
    if count > _MOST_TAGS:
        return None
    entries, following = handle.read(count * entry_size), handle.read(inline)
    if len(entries) < count * entry_size:
        return None
    described = list(struct.iter_unpack(order + entry, entries))
    if chain.pages and not {tag for tag, *_ in described} >= _A_PAGE_HAS:
        # The pointer leads into pixels or text.
        return None
    for tag, kind, n, value in described:
        needed = _SIZES.get(kind, 0) * n
        if needed > inline and struct.unpack(order + offset, value)[0] + needed > chain.size:
            chain.lost.append((len(chain.pages), tag))
    chain.pages.append(at)
    chain.open_end = len(following) < inline
    return 0 if chain.open_end else int(struct.unpack(order + offset, following)[0])
