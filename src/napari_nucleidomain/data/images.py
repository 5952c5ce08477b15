"""An image: pixels opened lazily, with axes, channels, pixel size and pyramid levels, and what a person corrected.

Coordinates everywhere in this package: the centre of the first pixel is 0.0, that of the next 1.0, rows before columns.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .axes import LazyArray
from .guesses import Look, look_at, nuclei_channel_by_name
from .interpret import Meaning, interpret
from .readers import RawImage, from_array, plain_name, read_file
from .sampling import crop_boxes, overview_level
from .understanding import ImageKind, Question, Understanding

Box = Sequence[slice | tuple[int, int]]
_HASHED_WHOLE = 4_000_000  # numbers; larger images are hashed by a sample
_PICKED_MOST = 1 << 24  # pixels; of larger images an overview reads a smaller level
_SAMPLE = 250_000  # pixels looked at for guesses
# What can be said on the command line of a question that nobody is there to answer.
_OPTIONS = {"axes": "--axes (predict)", "series": "--series (predict)", "pixel_size": "--pixel-size Z,Y,X"}


class Image:
    """Pixels opened lazily, and what is known about them. Made by `open_image`.

    Attributes
    ----------
    name : str
        Without folder and suffix.
    path : Path or None
        None for arrays.
    format : str
        For people.
    axes : str
        Out of ``TZYXC`` in this order, such as ``"YXC"``.
    shape : tuple of int
        One length per axis of `axes` (level 0).
    dtype : numpy.dtype
        Native byte order.
    rgb : bool
        Whether the channels are the colours of one picture.
    channel_names : list of str
        Of the channels that `read` gives.
    spatial_axes : str
        ``"YX"``, or ``"ZYX"`` where planes are one volume.
    plane_axes : str
        Axes that are neither spatial nor channels: each combination is a *plane* (``""``, ``"T"``, ``"Z"``, ``"TZ"``).
    pixel_size_um : tuple of float or None
        Micrometres per spatial axis.
    pixel_size_source : {"file", "user", None}
    levels : list of LazyArray
        Pyramid with the largest first, each with the axes `axes`; transparency left out.
    level_scales : list of tuple of float
        Pixels of level 0 per pixel of the level, per spatial axis.
    understanding : Understanding
        The corrections that were applied.
    notes : list of str
        What was dropped or taken for granted on opening.
    metadata : dict
        What else the file tells (magnification).
    """

    def __init__(self, raw: RawImage, meaning: Meaning, source: Any, name: str, understanding: Understanding) -> None:
        self._raw = raw
        self._meaning = meaning
        self._source = source
        self.name = name
        self.path: Path | None = source if isinstance(source, Path) else None
        self.format = raw.format
        self.understanding = understanding
        self.axes = meaning.axes
        self.levels = [
            LazyArray(level, meaning.source_axes, meaning.axes, meaning.fixed, meaning.limit, self.name)
            for level in raw.levels
        ]
        self.shape = self.levels[0].shape
        self.dtype = self.levels[0].dtype
        self.rgb = meaning.rgb
        self.channels = meaning.channels
        self.channel_names = meaning.channel_names
        self.spatial_axes = meaning.spatial_axes
        self.plane_axes = meaning.plane_axes
        self.pixel_size_um = meaning.pixel_size_um
        self.pixel_size_source = meaning.pixel_size_source
        self.notes = list(meaning.notes)
        self.metadata = dict(raw.metadata)
        self.level_scales = [
            tuple(a / max(b, 1) for a, b in zip(self.spatial_shape, self._spatial(level), strict=True))
            for level in self.levels
        ]

    # -- shape --------------------------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Spatial axes: 2 or 3."""
        return len(self.spatial_axes)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Lengths of the spatial axes at level 0."""
        return self._spatial(self.levels[0])

    def level_shape(self, level: int) -> tuple[int, ...]:
        """Lengths of the spatial axes at a level."""
        return self._spatial(self.levels[level])

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Lengths of `plane_axes`."""
        return tuple(self.shape[self.axes.index(a)] for a in self.plane_axes)

    @property
    def n_planes(self) -> int:
        """How many planes there are to segment each for itself; 1 for a single picture or volume."""
        return math.prod(self.plane_shape)

    @property
    def n_channels(self) -> int:
        """Channels that `read` gives."""
        return len(self.channels)

    @property
    def file_channels(self) -> int:
        """Channels of the file, read or not; the colours of a picture count as one."""
        return 1 if self.rgb or "C" not in self.axes else int(self.shape[self.axes.index("C")])

    def _spatial(self, level: LazyArray) -> tuple[int, ...]:
        return tuple(level.shape[self.axes.index(a)] for a in self.spatial_axes)

    # -- pixels -------------------------------------------------------------------------------------------------------

    @property
    def measured_channels(self) -> tuple[tuple[int, ...], list[str]]:
        """Channels whose intensities are measured, with their names: all of the file, used for nuclei or not.

        Of a colour picture only those that are used: the others are no stains of their own.
        """
        names = self._meaning.all_channel_names
        if self._raw.rgb or self.rgb or len(names) < len(self.channels):
            return tuple(self.channels), list(self.channel_names)
        return tuple(range(len(names))), list(names)

    def read(
        self,
        box: Box | None = None,
        level: int = 0,
        plane: int | None = None,
        channels: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Read pixels; only the tiles of the file that are needed are decoded.

        Parameters
        ----------
        box : sequence of slice or (start, stop), optional
            One per spatial axis, in pixels of `level`; all by default.
        level : int
            Pyramid level.
        plane : int, optional
            Which plane, counted over `plane_axes` with the last fastest; by default `understanding.plane`, else 0.
            On a volume without plane axes: this z plane alone, as a 2D picture (`box` has then two axes).
        channels : sequence of int, optional
            Of the file; by default those that are used, `channels`.

        Returns
        -------
        ndarray (*spatial, C)
            Native number type.

        Raises
        ------
        NucleiError
            The pixels are damaged.
        ValueError
            The box leaves the image.
        """
        array = self.levels[level]
        axes = self.spatial_axes
        at: dict[str, int] = {}
        if plane is not None and not self.plane_axes and self.ndim == 3:
            axes, at = "YX", {"Z": self._checked(plane, self.shape[self.axes.index("Z")])}
            at["Z"] = min(int(at["Z"] / self.level_scales[level][0]), self.level_shape(level)[0] - 1)
        elif self.plane_axes:
            index = self._checked(self.default_plane if plane is None else plane, self.n_planes)
            places = np.unravel_index(index, self.plane_shape)
            at = {a: int(i) for a, i in zip(self.plane_axes, places, strict=True)}
            at = {a: min(i, array.shape[self.axes.index(a)] - 1) for a, i in at.items()}
        elif plane:
            self._checked(plane, 1)
        spans = dict(zip(axes, self._spans(box, axes, array), strict=True))
        key = tuple(at[a] if a in at else spans.get(a, slice(None)) for a in self.axes)
        block = array[key]
        if "C" not in self.axes:
            block = block[..., None]
        elif (wanted := tuple(self.channels if channels is None else channels)) != tuple(range(block.shape[-1])):
            block = block[..., list(wanted)]
        # Never a view into the user's array: what is read may be changed by whoever reads it.
        return np.ascontiguousarray(block) if array.fresh else np.array(block, order="C")

    @property
    def default_plane(self) -> int:
        """The plane read when none is named."""
        return min(self.understanding.plane or 0, self.n_planes - 1)

    def _checked(self, index: int, count: int) -> int:
        if not 0 <= index < count:
            raise NucleiError(f"{self.name} has {count} plane(s); there is no plane {index}.", "Planes count from 0.")
        return index

    def _spans(self, box: Box | None, axes: str, array: LazyArray) -> list[slice]:
        sizes = [array.shape[self.axes.index(a)] for a in axes]
        if box is None:
            return [slice(0, n) for n in sizes]
        spans = []
        for part, n in zip(box, sizes, strict=True):
            start, stop, step = (part.start, part.stop, part.step) if isinstance(part, slice) else (*part, None)
            start, stop = 0 if start is None else start, n if stop is None else stop
            if not 0 <= start <= stop <= n:
                raise ValueError(f"{start}:{stop} leaves the image, which has {n} pixels there")
            spans.append(slice(int(start), int(stop), step))
        return spans

    def overview_level(self, max_side: int = 1024) -> tuple[int, tuple[int, ...]]:
        """Level and stride that `overview` reads: its pixel i is pixel ``i * step`` of the level, per spatial axis."""
        return overview_level([self.level_shape(k) for k in range(len(self.levels))], max_side)

    def overview(self, max_side: int = 1024, plane: int | None = None, *, exact: bool = False) -> np.ndarray:
        """A small version of the whole image, for constants that must not depend on the tile.

        Parameters
        ----------
        max_side : int
            Longest side in pixels; a volume has at most ``4 * max_side**2`` voxels.
        plane : int, optional
            As in `read`: of a volume without plane axes it is a z plane, seen as the flat picture it would be alone.
        exact : bool
            Pick from full resolution, so that the same pixels give the same overview with and without a pyramid, whose
            levels are averages in some files. Slides above 16 million pixels are too slow for that.

        Returns
        -------
        ndarray (*spatial, C)
            Pixels picked at equal distances from the smallest level that is large enough; native number type.
        """
        flat = plane is not None and not self.plane_axes and self.ndim == 3
        shapes = [self.level_shape(k)[-2:] if flat else self.level_shape(k) for k in range(len(self.levels))]
        if exact and math.prod(shapes[0]) <= _PICKED_MOST:
            shapes = shapes[:1]
        level, step = overview_level(shapes, max_side)
        box = [slice(0, n, s) for n, s in zip(shapes[level], step, strict=True)]
        return self.read(box, level, plane if flat or self.plane_axes else None)

    # -- what it seems to show ----------------------------------------------------------------------------------------

    def _crops(self, wanted: int) -> list[np.ndarray]:
        """Crops on a regular grid with about `wanted` pixels in all, or the whole when it is not larger."""
        planes = sorted({0, self.n_planes // 2, self.n_planes - 1})
        boxes = crop_boxes(self.spatial_shape, wanted // len(planes))
        return [self.read(box, plane=p if self.plane_axes else None) for p in planes for box in boxes]

    @functools.cached_property
    def look(self) -> Look:
        """What a sample of the pixels shows; the first use reads them."""
        pixels = np.concatenate([c.reshape(-1, self.n_channels) for c in self._crops(_SAMPLE)])
        named = [self.channel_names[k] for k in range(self.n_channels)] if self._meaning.names_from_file else []
        return look_at(pixels[:: max(1, len(pixels) // _SAMPLE)], self.rgb, named)

    @property
    def kind(self) -> ImageKind:
        """``"h&e"``, ``"fluorescence"`` or ``"other"``: what the user said, else a guess from a sample of pixels."""
        return self.understanding.kind or self.look.kind

    @property
    def reasons(self) -> list[str]:
        """Why `kind` is what it is, in sentences."""
        return ["You said so."] if self.understanding.kind else list(self.look.reasons)

    @property
    def third_axis_reason(self) -> str:
        """Why the axis beside rows and columns is what it is taken for; "" where there is none."""
        return self._meaning.third_axis_reason

    @property
    def nuclei_channel(self) -> int | None:
        """Channel (among those that `read` gives) that shows the nuclei; None for bright-field colours, or if unknown.

        By the user's word, by name (DAPI, Hoechst, 405), the only channel, or the strongest colour of a dark picture.
        """
        said = self.understanding.nuclei_channel
        if said is not None:
            return self.channels.index(said) if said in self.channels else None
        if self.n_channels == 1:
            return 0
        if self._meaning.names_from_file and not self.rgb:
            named = nuclei_channel_by_name(self.channel_names)
            if named is not None:
                return named
        if self.rgb and self.kind == "fluorescence":
            return self.look.strongest
        return None

    @property
    def warnings(self) -> list[str]:
        """What a person should know before using the image; reads a sample of pixels."""
        found = list(self.notes)
        if self.look.not_finite == 1.0:
            found.append(
                "None of its numbers is finite (all are NaN or infinite), so that there is nothing to find in it. "
                "Export it again."
            )
        elif self.look.not_finite:
            found.append(
                f"{self.look.not_finite:.2%} of its numbers are not finite (NaN or infinite); they count as 0."
            )
        if self.look.constant and self.look.not_finite < 1.0:
            found.append(
                "Every pixel looked at is the same: there is probably nothing in it. "
                "If it should show nuclei, export it again."
            )
        return found

    @property
    def assumptions(self) -> list[str]:
        """What was taken for granted about pages, series and voxels, for a run in which nobody can be asked."""
        return [
            f"{question.text} Taken: {question.assumed}. Say it in Images, or with {self._option(question)}."
            for question in self._meaning.questions
            if question.topic in _OPTIONS
        ]

    @property
    def size_doubts(self) -> list[str]:
        """Why the pixel size is not known although the file says something of it; empty where it is known."""
        said = [] if self.pixel_size_um else list(self._raw.size_doubts)
        return said + [text for text in self.assumptions if "--pixel-size" in text]

    @staticmethod
    def _option(question: Question) -> str:
        """What says it on the command line, with the size where one can be guessed."""
        guesses = [fields["pixel_size_um"] for fields in question.options.values() if "pixel_size_um" in fields]
        return f"--pixel-size {guesses[0]:.4g}" if guesses else _OPTIONS[question.topic]

    @property
    def channel_question(self) -> Question | None:
        """Which channel shows the nuclei, where neither a name nor anybody says it."""
        if self.rgb or self.n_channels < 2 or self.nuclei_channel is not None:
            return None
        text = f"Which of its {self.n_channels} channels shows the nuclei is not said"
        if self._meaning.names_from_file:
            text += f": none of {', '.join(n[:30] for n in self.channel_names[:8])} is named for a stain of nuclei"
        return Question("nuclei_channel", f"{text}.", {}, "the mean of all")

    @property
    def questions(self) -> list[Question]:
        """What the file leaves open and a person can answer; reads a sample of pixels of colour pictures."""
        asked = list(self._meaning.questions)
        if self.rgb and self.n_channels == 3 and self.understanding.rgb is None and self.look.equal_channels:
            options: dict[str, dict[str, Any]] = {"grey": {"channels": [0], "rgb": False}, "colour": {"rgb": True}}
            asked.append(Question("rgb", "All three colours are equal: is this a grey image?", options, "colour"))
        if (channel := self.channel_question) is not None:
            asked.append(channel)
        return asked

    # -- identity -----------------------------------------------------------------------------------------------------

    def digest(self) -> str:
        """A stable hash of the pixels (all of a small image, a fixed sample of a large one) and of their meaning.

        Independent of path, file format and axis order in the file.
        """
        facts = {
            "axes": self.axes,
            "spatial": self.spatial_axes,
            "shape": self.shape,
            "dtype": self.dtype.str.lstrip("<>|="),
            "channels": self.channels,
            "rgb": self.rgb,
            "pixel": [round(s, 6) for s in self.pixel_size_um] if self.pixel_size_um else None,
        }
        digest = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16)
        if math.prod(self.shape) <= _HASHED_WHOLE:
            planes = range(self.n_planes) if self.plane_axes else [None]
            crops = [self.read(plane=p) for p in planes]
        else:
            crops = self._crops(_SAMPLE)
        for crop in crops:
            little = crop.astype(crop.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(little).tobytes())
        return digest.hexdigest()

    def describe(self) -> str:
        """One line for a list: ``RGB 1000×1000 · 0.25 µm/px``."""
        what = "RGB" if self.rgb else f"{self.n_channels} channels" if self.n_channels > 1 else "grey"
        size = "×".join(str(n) for n in self.spatial_shape)
        planes = f" · {self.n_planes} {'moments' if self.plane_axes == 'T' else 'planes'}" if self.n_planes > 1 else ""
        pixel = f" · {self.pixel_size_um[-1]:.3g} µm/px" if self.pixel_size_um else ""
        return f"{what} {size}{planes}{pixel}"

    @property
    def layout(self) -> tuple[object, ...]:
        """How the pixels lie in the file, whatever is said of them: equal where the same can be said of two images."""
        raw = self._raw
        level = raw.levels[0]
        sizes = zip(raw.axes, level.shape, strict=False)
        # As many planes or channels mean as much; images of one kind differ in height, width, depth and duration.
        counted = tuple(int(size) for axis, size in sizes if axis in "CQ")
        return raw.axes, len(level.shape), counted, np.dtype(level.dtype).str, raw.rgb, raw.alpha

    def reopened(self, understanding: Understanding) -> Image:
        """The same image with other corrections."""
        return open_image(self._source, understanding, name=self.name)

    def close(self) -> None:
        """Let the file go (Windows cannot rename or delete an open file); the image cannot be read afterwards."""
        self._raw.close()
        self._raw.levels = []
        self.levels = []

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # A child process opens the file itself; open files do not travel.
        return (open_image, (self._source, self.understanding, self.name))

    def __repr__(self) -> str:
        return f"<Image {self.name!r} {self.axes} {self.shape} {self.dtype} {self.format}>"


def open_image(source: Any, understanding: Understanding | None = None, name: str | None = None) -> Image:
    """Open an image lazily.

    Parameters
    ----------
    source : str, Path, array, or list of arrays
        A TIFF, OME-TIFF, ImageJ TIFF, SVS or other tiled TIFF, OME-Zarr, PNG, JPEG, GIF, BMP or NPY, told apart by
        their content; or a numpy, dask or zarr array; or the levels of a pyramid, the largest first.
    understanding : Understanding, optional
        A person's corrections.
    name : str, optional
        By default the file's name without suffix.

    Returns
    -------
    Image

    Raises
    ------
    NucleiError
        The file is absent, empty, truncated, damaged, of no known kind, or holds no pixels; or the corrections do not
        fit it.
    """
    said = understanding or Understanding()
    if isinstance(source, (str, os.PathLike)):
        source = Path(source)
        raw = read_file(source, said.series)
        name = name or plain_name(source)
    else:
        raw = from_array(source)
        name = name or "image"
    try:
        return Image(raw, interpret(raw, said, name), source, name, said)
    except BaseException:
        raw.close()
        raise
