"""One image of the session, and everything a person said about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_nucleidomain.data.corrections import StoredCorrections
    from napari_nucleidomain.data.images import Image

Use = Literal["train", "check", "predict"]


@dataclass(eq=False)
class ImageEntry:
    """An image in the list, with its clicks, regions, outlines and layers.

    Attributes
    ----------
    id : str
        Unique in the project and safe as a file name; clicks are kept in `points/ID.csv`.
    name : str
        What the list and the layers are called.
    path : Path or None
        The image file; None where a layer had no file and has not been copied into the project yet.
    understanding : dict
        The user's corrections, as JSON of `data.images.Understanding`.
    image : Image or None
        The opened image; None until it is first needed, or when it cannot be read (see `problem`).
    points : numpy.ndarray, shape (N, D), float64
        One click inside each nucleus, pixels of the full resolution, (y, x) or (z, y, x); also while no layer
        shows them.
    regions : list of numpy.ndarray, shape (V, D)
        Corners of every region, in the same pixels; a rectangle has four.
    labels : Path or None
        Nuclei outlines (an instance label image), where there are any.
    corrections : StoredCorrections or None
        Outlines of a part of the image that the person corrected and wants learned from.
    complete : bool
        The person said that every nucleus inside the regions is clicked; never ticked for them.
    use : {"train", "check", "predict"}
        "train": train and check; "check": only check; "predict": neither.
    group : str
        Patient, slide or culture; images of one group are never split between training and checking.
    domain : str
        "" or "source" (with outlines elsewhere) or "target".
    problem : str
        Why the image cannot be used; "" when it can.
    layers : dict
        Role ("image", "clicks", "regions", "outlines", "nuclei:MODEL", ...) -> the layer now or last in the viewer.
        An image whose channels are apart has "image", "image:1", ...
    hidden : set of str
        Roles whose layer the user removed from the viewer; nothing is lost, "Show again" brings it back.
    borrowed : bool
        The image layer is the user's own: we never remove it.
    ticked : bool
        Chosen in the list, for predicting many at once.
    thumbnail : numpy.ndarray or None, shape (48, 48, 3), uint8
    reading : bool
        The file is being opened in the background.
    plane_axes, planes : str, list of int
        As in `data.images.Image`, and the planes with clicks, while the image is not open.
    outlines_clicked : tuple or None
        For which clicks and outlines it was looked up whether every outline is clicked, and the answer.
    """

    id: str
    name: str
    path: Path | None = None
    understanding: dict[str, Any] = field(default_factory=dict)
    image: Image | None = None
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    regions: list[np.ndarray] = field(default_factory=list)
    labels: Path | None = None
    corrections: StoredCorrections | None = None
    complete: bool = False
    use: Use = "train"
    group: str = ""
    domain: str = ""
    problem: str = ""
    layers: dict[str, Layer] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    borrowed: bool = False
    ticked: bool = True
    thumbnail: np.ndarray | None = None
    reading: bool = False
    plane_axes: str = ""
    planes: list[int] = field(default_factory=list)
    outlines_clicked: tuple[Any, bool] | None = None

    @property
    def ndim(self) -> int:
        """Number of spatial axes of the clicks: those of the image as it is shown."""
        layer = self.layers.get("image")
        if layer is not None:
            return int(layer.ndim)
        return len(shown_axes(self.image)) if self.image is not None else int(self.points.shape[1])

    @property
    def pixel_size_um(self) -> tuple[float, ...] | None:
        """Micrometres per pixel of each spatial axis, where known."""
        return self.image.pixel_size_um if self.image is not None else None

    def has(self, what: str) -> bool:
        """Whether there are "points", "regions" or "labels"."""
        return {"points": len(self.points) > 0, "regions": bool(self.regions), "labels": self.labels is not None}[what]


def shown_axes(image: Image) -> str:
    """Axes of an image as the viewer shows them: all but the channels, e.g. "YX", "ZYX", "TYX"."""
    return "".join(axis for axis in image.axes if axis != "C")


def free_id(name: str, taken: Iterable[str]) -> str:
    """A file-name-safe id made from a name and unlike those taken.

    Safe on Windows too: no reserved characters or device names, no trailing dot; letters of every language stay.
    """
    stem = re.sub(r"[^\w.\-]+", "_", name, flags=re.UNICODE).strip("._")[:60] or "image"
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", stem):
        stem = f"image_{stem}"
    # Windows and macOS hold "A.csv" and "a.csv" for one file.
    used = {one.casefold() for one in taken}
    number, result = 1, stem
    while result.casefold() in used:
        number += 1
        result = f"{stem}-{number}"
    return result
