"""From the name of an image to one that its results can bear on every system, with room for what is put behind it."""

from __future__ import annotations

import hashlib
import re

from napari_nucleidomain.contracts.paths import DEVICES, FORBIDDEN

_LONGEST = 180  # bytes; ".labels.ome.zarr" and the names of halves come on top, and 255 are the most
_ODD = re.compile(f"(?:{FORBIDDEN.pattern}|[\ud800-\udfff])+")


def result_name(name: str) -> str:
    """The same where it can be the name of a file everywhere; else as near to it as possible.

    Parameters
    ----------
    name : str
        Of an image, without its ending.

    Returns
    -------
    str
        Without characters that some system refuses, no device of Windows, without a dot or space at its end, and not
        too long; one that was cut ends in a mark of its own, so that names that begin alike stay apart.
    """
    made = _ODD.sub("_", name).rstrip(". ").lstrip(" ") or "image"
    if DEVICES.fullmatch(made):
        made = f"image_{made}"
    if len(made.encode("utf-8")) > _LONGEST:
        mark = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        cut = made.encode("utf-8")[: _LONGEST - len(mark) - 1].decode("utf-8", "ignore")
        made = f"{cut.rstrip('. ')}-{mark}"
    return made
