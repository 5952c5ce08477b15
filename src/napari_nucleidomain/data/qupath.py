"""What QuPath says an object is, in the words of all its versions."""

from __future__ import annotations

from typing import Any, Literal

ObjectKind = Literal["", "annotation", "detection", "cell", "tile", "core", "root"]
# Longest words first: a "tma core annotation" is a core.
_WORDS: tuple[tuple[str, ObjectKind], ...] = (
    ("tma", "core"),
    ("root", "root"),
    ("tile", "tile"),
    ("cell", "cell"),
    ("detection", "detection"),
    ("annotation", "annotation"),
)
_PROPERTIES = ("objectType", "object_type", "objecttype", "pathObjectType")


def object_kind(feature: dict[str, Any]) -> ObjectKind:
    """What an object is: ``objectType`` (0.4 and later), ``object_type`` (0.3), or the feature's id (0.2).

    Parameters
    ----------
    feature : dict
        A GeoJSON feature.

    Returns
    -------
    str
        "annotation", "detection", "cell", "tile", "core" (of a tissue microarray), "root" (the whole image), or ""
        where nothing is said.
    """
    properties = feature.get("properties")
    told = [properties.get(name) for name in _PROPERTIES] if isinstance(properties, dict) else []
    for said in told:
        if isinstance(said, str) and (kind := _kind(said)):
            return kind
    # Version 0.2 writes its class there; later ones a number of the object, and other programs whatever they like.
    name = feature.get("id")
    if isinstance(name, str) and name.startswith(("Path", "TMA")) and name.endswith("Object"):
        return _kind(name)
    return "cell" if feature.get("nucleusGeometry") else ""


def _kind(said: str) -> ObjectKind:
    text = said.casefold()
    return next((kind for word, kind in _WORDS if word in text), "")
