"""Where QuPath begins to count on a slide.

OpenSlide gives some slides (MIRAX, Leica, Zeiss) bounds: the box in which anything was scanned. QuPath shows only that
box and counts pixels from its corner (``openslide.bounds-x``, ``-y``), unless the image was added with ``--no-crop``;
nothing in its GeoJSON says so (qupath issue 820, ``OpenSlideImageServer.java``). A TIFF converted from the whole canvas
of such a slide counts from the canvas' corner: outlines found on it must be moved before they fit the slide itself, and
those drawn on the slide before they fit the TIFF. Nobody but the person knows which of the two QuPath had open. Slides
that are read here as they are (SVS, NDPI, the one region of a Leica SCN) count as QuPath does.
"""

from __future__ import annotations

import re
from typing import Any

from napari_nucleidomain.contracts import NucleiError

KEY = "slide_bounds"
_HINT = "Look for openslide.bounds-x and openslide.bounds-y in the slide's properties, and give them as X,Y."


def bounds_in(description: str) -> dict[str, int] | None:
    """The bounds that a converter kept in a TIFF's description (``vips tiffsave --properties`` does).

    Parameters
    ----------
    description : str

    Returns
    -------
    dict or None
        ``x``, ``y``, ``width``, ``height`` in pixels of the full resolution; None unless all four are there.
    """
    found = {}
    for key in ("x", "y", "width", "height"):
        named = re.search(rf"openslide\.bounds-{key}\b\W*(?:</name>\s*<value[^>]*>\s*)?(\d+)", description)
        if named is None:
            return None
        found[key] = int(named[1])
    return found


def qupath_origin(image: Any) -> tuple[int, int] | None:
    """(y, x) of the first pixel that QuPath shows of the slide an image was converted from; None where it is unknown.

    Parameters
    ----------
    image : Image
        Must still have the slide's full size: a picture of the box alone counts as QuPath does.
    """
    bounds = image.metadata.get(KEY)
    if not bounds:
        return None
    height, width = image.spatial_shape[-2:]
    reaches = bounds["x"] + bounds["width"] <= width and bounds["y"] + bounds["height"] <= height
    return (bounds["y"], bounds["x"]) if reaches else None


def parse_origin(text: str, image: Any | None) -> tuple[int, int]:
    """(y, x) from "X,Y", or from "slide", which asks the image.

    Raises
    ------
    NucleiError
        Neither, or the image does not know it.
    """
    if text == "slide":
        origin = qupath_origin(image) if image is not None else None
        if origin is None:
            raise NucleiError("This image does not tell the bounds of a slide that it was converted from.", _HINT)
        return origin
    found = re.fullmatch(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*", text)
    if found is None:
        raise NucleiError(f"{text!r} is no place: it must be X,Y or the word slide.", _HINT)
    return int(found[2]), int(found[1])
