"""Whether a TIFF is whole, seen from its chain of page descriptions alone (TIFF 6.0, section 2; BigTIFF)."""

from __future__ import annotations

import struct
from pathlib import Path

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FOUR_GIGABYTES = 1 << 32
_MOST_PAGES = 20_000


def chain_is_whole(path: Path) -> bool:
    """Follow the pages of a TIFF and check that every description lies inside the file.

    Parameters
    ----------
    path : Path
        A TIFF or BigTIFF.

    Returns
    -------
    bool
        False where a page or a value points behind the end of the file, as in a file that was cut short. Always True
        for classic TIFFs of 4 GB and more, in which some writers let offsets overflow.
    """
    size = path.stat().st_size
    with open(path, "rb") as handle:
        head = handle.read(16)
        if len(head) < 8:
            return False
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        if not big and size >= _FOUR_GIGABYTES:
            return True
        if big and len(head) < 16:
            return False
        count_format, offset_format, entry_format = ("Q", "Q", "HHQ8s") if big else ("H", "I", "HHI4s")
        inline = 8 if big else 4
        entry_size = struct.calcsize(order + entry_format)
        at = struct.unpack(order + offset_format, head[8:16] if big else head[4:8])[0]
        seen: set[int] = set()
        while at and at not in seen and len(seen) < _MOST_PAGES:
            seen.add(at)
            handle.seek(at)
            counted = handle.read(struct.calcsize(count_format))
            if len(counted) < struct.calcsize(order + count_format):
                return False
            n = struct.unpack(order + count_format, counted)[0]
            if at + n * entry_size > size:
                return False
            entries = handle.read(n * entry_size)
            following = handle.read(inline)
            if len(entries) < n * entry_size or len(following) < inline:
                return False
            for _, kind, number, value in struct.iter_unpack(order + entry_format, entries):
                needed = _SIZES.get(kind, 0) * number
                if needed > inline and struct.unpack(order + offset_format, value)[0] + needed > size:
                    return False
            at = struct.unpack(order + offset_format, following)[0]
    return True
