"""The few things needed from OME-XML: channel names and physical pixel sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree

from napari_nucleidomain.data.pixel_size import number, to_micrometres


@dataclass
class OmeFacts:
    """What an OME-XML document says of one image.

    Attributes
    ----------
    channel_names : list of str
        Empty where none is named.
    pixel_size : dict of str to float
        Axis (Z, Y, X) to micrometres.
    """

    channel_names: list[str] = field(default_factory=list)
    pixel_size: dict[str, float] = field(default_factory=dict)


def read_ome_xml(text: str, index: int) -> OmeFacts:
    """Read one image's facts.

    Parameters
    ----------
    text : str
        An OME-XML document (Goldberg et al., Genome Biology 2005).
    index : int
        Which `Image` element.

    Returns
    -------
    OmeFacts
        Empty where the document is not well-formed or has no such image: it is only a description.
    """
    # A document type declaration is the way to make a small XML file grow without bound; OME-XML has none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return OmeFacts()
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return OmeFacts()
    images = [e for e in root if _local(e.tag) == "Image"]
    if not images:
        return OmeFacts()
    image = images[min(index, len(images) - 1)]
    pixels = next((e for e in image if _local(e.tag) == "Pixels"), None)
    if pixels is None:
        return OmeFacts()
    facts = OmeFacts()
    for axis in "ZYX":
        value = number(pixels.get(f"PhysicalSize{axis}"))
        size = None if value is None else to_micrometres(value, pixels.get(f"PhysicalSize{axis}Unit"))
        if size is not None:
            facts.pixel_size[axis] = size
    names = [e.get("Name") or "" for e in pixels if _local(e.tag) == "Channel"]
    facts.channel_names = names if any(names) else []
    return facts


def _local(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rsplit("}", 1)[-1]
