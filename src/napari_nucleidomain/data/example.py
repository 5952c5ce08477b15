"""An example: an image with what is known about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .images import Image, open_image
from .labels_io import mismatch, read_labels, read_labels_of, separated
from .points import read_points
from .readers import plain_name
from .regions import Region, read_regions, regions_mask
from .understanding import Understanding

# The files an example may have beside its image.
ATTACHED = ("points", "labels", "regions", "corrected", "corrected_in")

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Domain = Literal["source", "target"]


@dataclass(frozen=True)
class Corrections:
    """Outlines that a person looked through, in a part of an image.

    Attributes
    ----------
    labels : ndarray (Y, X) uint32
        0 background; only pixels of `inside` count.
    inside : ndarray (Y, X) bool
        Where every nucleus is outlined, and nothing else.
    """

    labels: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True)
class Example:
    """An image, and its points, labels, regions, or nothing.

    Attributes
    ----------
    image : Path
        File or OME-Zarr folder.
    points, labels, regions : Path or None
        Files; each may be absent.
    corrected, corrected_in : Path or None
        Outlines that a person corrected in a part of the image (a label image of its size), and the regions that are
        this part; both or neither.
    split : {"train", "val", "test"}
        What it is used for.
    domain : {"target", "source"}
        Target: images like those to segment. Source: images of another kind that have outlines.
    group : str
        Patient or slide: examples of one group never lie in different splits. Empty: the image stands alone.
    complete : bool or None
        Whether somebody said that every nucleus is clicked: inside the regions, or in the whole image where there are
        none. None: nothing was said; then regions are taken at their word, and without one an area round the clicks is
        used unless they cover the image.
    understanding : Understanding
        What a person corrected about the image.
    """

    image: Path
    points: Path | None = None
    labels: Path | None = None
    regions: Path | None = None
    corrected: Path | None = None
    corrected_in: Path | None = None
    split: Split = "train"
    domain: Domain = "target"
    group: str = ""
    complete: bool | None = None
    understanding: Understanding = field(default_factory=Understanding)

    @property
    def name(self) -> str:
        """The image's name without folder and ending."""
        return plain_name(self.image)

    def has(self, what: str) -> bool:
        """Whether there are ``"points"``, ``"labels"``, ``"regions"`` or ``"corrected"``."""
        if what not in ATTACHED:
            raise KeyError(what)
        return getattr(self, what) is not None

    def open(self) -> Image:
        """Open the image with its corrections; see `open_image`."""
        return open_image(self.image, self.understanding)

    def load_points(self, image: Image | None = None) -> np.ndarray | None:
        """Read the clicks.

        Parameters
        ----------
        image : Image, optional
            The example's image where it is open already.

        Returns
        -------
        ndarray (N, ndim) float64 or None
            For the picture or volume that ``image.read()`` gives: of a stack whose planes are pictures of
            their own, the clicks on the plane that is used. None where there is no file.

        Raises
        ------
        NucleiError
            The file cannot be read, or has coordinates for another number of axes.
        """
        if self.points is None:
            return None
        opened = image or self.open()
        points = read_points(
            self.points,
            opened.ndim + len(opened.plane_axes),
            channels=opened.file_channels,
            pixel_size_um=opened.pixel_size_um,
        )
        return points_on_plane(points, opened, self.points.name)

    def load_labels(self, image: Image | None = None, told: Callable[[str], None] | None = None) -> np.ndarray | None:
        """Read the outlines.

        Parameters
        ----------
        image : Image, optional
            The example's image where it is open already.
        told : callable, optional
            Given what was taken for granted: that a mask was split, say.

        Returns
        -------
        ndarray (*spatial) uint32 or None
            Of the plane that is used, as in `load_points`. A mask without ids is split into its connected
            pieces. None where there is no file.

        Raises
        ------
        NucleiError
            The file cannot be read, is no label image, or differs in size from the image.
        """
        if self.labels is None:
            return None
        opened = image or self.open()
        found = separated(read_labels_of(self.labels, opened))
        labels = found.labels
        if told is not None:
            for note in found.notes:
                told(note)
        wrong = mismatch(labels.shape, opened)
        if wrong:
            raise NucleiError(f"{self.labels.name}: {wrong}", "Attach the outlines of this very image.")
        if labels.ndim > opened.ndim:
            labels = labels.reshape(-1, *opened.spatial_shape)[opened.default_plane]
        return labels

    def load_regions(self, image: Image | None = None) -> list[Region]:
        """Read the regions, those of the plane that is used; empty where there is no file.

        Raises
        ------
        NucleiError
            The file cannot be read.
        """
        if self.regions is None:
            return []
        regions = read_regions(self.regions)
        if all(r.z_range is None for r in regions):
            return regions
        opened = image or self.open()
        if opened.ndim == 3:
            return regions
        plane = opened.default_plane
        here = [r for r in regions if r.z_range is None or r.z_range[0] <= plane < r.z_range[1]]
        return [Region(r.vertices, r.holes) for r in here]

    def load_corrections(self, image: Image | None = None) -> Corrections | None:
        """Read the corrected part.

        Parameters
        ----------
        image : Image, optional
            The example's image where it is open already.

        Returns
        -------
        Corrections or None
            None where there are none.

        Raises
        ------
        NucleiError
            One of the two files is missing or cannot be read, their size differs from the image's, the image is no flat
            one, or the part lies outside it.
        """
        if self.corrected is None and self.corrected_in is None:
            return None
        if self.corrected is None or self.corrected_in is None:
            raise NucleiError(
                f"{self.name}: corrected outlines and the regions they hold in belong together; one is missing.",
                "Name both in the dataset file, or neither.",
            )
        opened = image or self.open()
        if len(opened.spatial_shape) != 2:
            raise NucleiError(f"{self.name}: corrections are for flat images.", "Correct a single plane of it.")
        labels = read_labels(self.corrected).labels
        wrong = mismatch(labels.shape, opened)
        if wrong:
            raise NucleiError(f"{self.corrected.name}: {wrong}", "Attach the corrections of this very image.")
        inside = regions_mask(self.load_corrected_in(), opened.spatial_shape)
        if not inside.any():
            raise NucleiError(
                f"{self.corrected_in.name}: every region lies outside the image.",
                "Attach the corrections of this very image.",
            )
        return Corrections(labels, inside)

    def load_corrected_in(self) -> list[Region]:
        """Read the regions in which outlines were corrected; empty where there is no file.

        Raises
        ------
        NucleiError
            The file cannot be read.
        """
        return [] if self.corrected_in is None else read_regions(self.corrected_in)

    def to_json(self, folder: Path, home: Path | None = None) -> dict[str, Any]:
        """As an entry of a dataset file in `folder`; what is at its default is left out. `home`: see `stored_path`."""
        entry: dict[str, Any] = {"image": stored_path(self.image, folder, home)}
        for key in ATTACHED:
            path = getattr(self, key)
            if path is not None:
                entry[key] = stored_path(path, folder, home)
        entry["split"] = self.split
        if self.domain != "target":
            entry["domain"] = self.domain
        if self.group:
            entry["group"] = self.group
        if self.complete is not None:
            entry["complete"] = self.complete
        said = self.understanding.to_json()
        if said:
            entry["understanding"] = said
        return entry

    @classmethod
    def from_json(cls, entry: Any, folder: Path, was: Path | None = None) -> Example:
        """Read an entry of a dataset file that lies in `folder`. `was`: see `real_path`.

        Raises
        ------
        NucleiError
            A field is missing, unknown or of the wrong kind.
        """
        if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
            raise NucleiError("An entry of the dataset names no image.", "Correct the file, or make it anew.")
        unknown = set(entry) - set(cls.__dataclass_fields__)
        if unknown:
            raise NucleiError(f"An entry of the dataset has an unknown field {sorted(unknown)[0]!r}.", "Remove it.")
        split, domain = entry.get("split", "train"), entry.get("domain", "target")
        if split not in SPLITS or domain not in ("source", "target"):
            raise NucleiError(
                f"{entry['image']}: split is {split!r} and domain is {domain!r}.",
                "A split is train, val or test; a domain is source or target.",
            )
        paths = {}
        for key in ATTACHED:
            value = entry.get(key)
            if value is not None and not isinstance(value, str):
                raise NucleiError(f"{entry['image']}: {key} is no path.", "Correct the file, or make it anew.")
            paths[key] = real_path(value, folder, was) if value else None
        return cls(
            image=real_path(entry["image"], folder, was),
            split=split,
            domain=domain,
            group=str(entry.get("group", "")),
            complete=None if entry.get("complete") is None else bool(entry["complete"]),
            understanding=Understanding.from_json(entry.get("understanding")),
            **paths,
        )

    def changed(self, **changes: Any) -> Example:
        """A copy with some fields changed."""
        return replace(self, **changes)


def points_on_plane(points: np.ndarray, image: Image, name: str) -> np.ndarray:
    """Clicks for what ``image.read()`` gives.

    Parameters
    ----------
    points : ndarray (N, ndim) or (N, len(plane_axes) + ndim)
        With the plane's coordinates in front in the second case; of these, the ones on the image's default
        plane are taken.
    image : Image
    name : str
        For the message.

    Returns
    -------
    ndarray (N, ndim) float64

    Raises
    ------
    NucleiError
        Another number of coordinates.
    """
    extra = len(image.plane_axes)
    if points.shape[1] == image.ndim:
        return points
    if extra and points.shape[1] == image.ndim + extra:
        at = np.floor(points[:, :extra] + 0.5).astype(np.int64)
        here = np.array(np.unravel_index(image.default_plane, image.plane_shape))
        return points[(at == here).all(axis=1)][:, extra:]
    raise NucleiError(
        f"{name}: the clicks have {points.shape[1]} coordinates, but the image has {image.ndim} axes.",
        "Attach the clicks of this very image.",
    )


def stored_path(path: Path, folder: Path, home: Path | None = None) -> str:
    """A path as it is written into a file in `folder`: relative, with forward slashes, so that it can be moved.

    Absolute only where no relative path exists (another drive on Windows), or where the path lies outside `home`,
    the folder that is moved as a whole.
    """
    if home is not None and not path.absolute().is_relative_to(home.absolute()):
        path, real_home = path.resolve(), home.resolve()
        if not path.is_relative_to(real_home):
            return str(path)
        # The same folder by two names (a link): said by the name we know it under.
        path = home.absolute() / path.relative_to(real_home)
    try:
        return PurePosixPath(*Path(os.path.relpath(path.absolute(), folder.absolute())).parts).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def real_path(text: str, folder: Path, was: Path | None = None) -> Path:
    """The reverse of `stored_path`; backslashes are understood on every system.

    Where the folder was moved alone, `was` is where it was when the path was written: paths out of it begin there.
    """
    path = Path(text)
    if not path.is_absolute() and "\\" in text:
        path = Path(text.replace("\\", "/"))
    if was is not None and text.startswith(".."):
        folder = was
    return path if path.is_absolute() else Path(os.path.normpath(folder.absolute() / path))
