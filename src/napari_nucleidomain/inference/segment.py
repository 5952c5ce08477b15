"""From an image and a model to one label image: tiles, batches, stitching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError, Segmenter
from napari_nucleidomain.instances.stitching import Grid, Tile, TileInstances

from .assemble import Wishes, assemble
from .batching import Batcher
from .doubts import doubts
from .scale import Scale
from .seen import seen
from .tile_store import TileStore
from .tiles import TileReader, model_shape, resize

if TYPE_CHECKING:
    from napari_nucleidomain.data.images import Image


@dataclass(frozen=True)
class Segmentation:
    """Nuclei of one image or of a box in it.

    Attributes
    ----------
    labels : ndarray (*box shape) uint32, or the file `Wishes.place` made
        0 background, 1..N.
    origin : tuple of int
        Corner of the box in pixels of the image at full resolution.
    scores, uncertainty : ndarray (N,) float32
        Of nucleus k at k - 1, both in [0, 1].
    scale : Scale
        How the image was scaled for the model.
    """

    labels: Any
    origin: tuple[int, ...]
    scores: np.ndarray
    uncertainty: np.ndarray
    scale: Scale


@dataclass(frozen=True)
class Hooks:
    """What the caller wants to hear while it takes its time."""

    progress: Callable[[int, int], None] = lambda done, total: None
    piece: Callable[[tuple[int, ...], np.ndarray], None] = lambda origin, labels: None
    check: Callable[[], None] = lambda: None
    warn: Callable[[str, str], None] = lambda message, hint: None


def spatial_shape(image: Image, ndim: int, plane: int | None) -> tuple[tuple[int, ...], int | None]:
    """The image's spatial shape as a model of `ndim` axes sees it, and the plane it looks at.

    Raises
    ------
    NucleiError
        A 3D model meets a 2D image, or a 2D model meets a volume and no plane was chosen.
    """
    shape = tuple(image.spatial_shape)
    if len(shape) == ndim:
        return shape, None
    if ndim == 3:
        raise NucleiError(f"{image.name} is a flat image and the model works on volumes.", "Choose a 2D model.")
    if plane is None:
        raise NucleiError(
            f"{image.name} is a volume of {shape[0]} planes and the model works on flat images.",
            "Choose a plane (on the command line --plane N, counted from 0), or a 3D model.",
        )
    if not 0 <= plane < shape[0]:
        raise NucleiError(f"{image.name} has no plane {plane}: it has 0 to {shape[0] - 1}.", "Choose another plane.")
    return shape[1:], plane


def check_channels(image: Image, segmenter: Segmenter) -> None:
    """Refuse an image whose channels are not those of the model.

    Raises
    ------
    NucleiError
        The numbers differ.
    """
    have, want = image.n_channels, segmenter.spec.channels
    if want and have != want:
        hint = "Choose a model for images like this one, or give it images with all its channels."
        if have > want:
            which = "which channel" if want == 1 else f"which {want} channels"
            option = "--channels " + ",".join("IJ"[:want]) + (",..." if want > 2 else "")
            hint = f"Choose {which} to use (on the command line {option}), or a model for images like this one."
        raise NucleiError(f"{image.name} has {have} channel{'s' * (have != 1)}, the model was trained on {want}.", hint)


def segment(
    image: Image,
    segmenter: Segmenter,
    scale: Scale,
    *,
    box: tuple[tuple[int, int], ...] | None = None,
    plane: int | None = None,
    store: TileStore | None = None,
    hooks: Hooks | None = None,
    wishes: Wishes | None = None,
) -> Segmentation:
    """Find the nuclei of an image, or of a box in it.

    The grid of tiles is anchored at the image's origin, so that a box gives the nuclei the whole image gives.

    Parameters
    ----------
    image : Image
        Opened lazily.
    segmenter : Segmenter
        The model.
    scale : Scale
        Model pixels per image pixel.
    box : tuple of (start, stop), optional
        In pixels at full resolution; the whole image when absent.
    plane : int, optional
        z plane of a volume for a 2D model.
    store : TileStore, optional
        Where tile results are kept; tiles that are there already are not computed again.
    hooks : Hooks, optional
        Progress, pieces as they come, stop, warnings.
    wishes : Wishes, optional
        Where labels are written and which are kept; all of them, in memory, when absent.

    Returns
    -------
    Segmentation

    Raises
    ------
    NucleiError
        Channels or axes do not fit, the box lies outside, or memory is too small for one tile.
    """
    hooks = hooks or Hooks()
    store = store or TileStore()
    check_channels(image, segmenter)
    shape, plane = spatial_shape(image, segmenter.spec.ndim, plane)
    whole = tuple((0, side) for side in shape)
    wanted = _inside(box, shape, image.name) if box else whole
    view = seen(image, plane)
    for told in view.tissue.told():
        hooks.warn(f"{image.name}: {told}.", "")
    reader = TileReader(image, scale.factor, plane, shape, view)
    grid = Grid(model_shape(shape, scale.factor), segmenter.spec.tile, segmenter.spec.halo)
    tiles = _tiles_of(grid, shape, wanted)
    constants = segmenter.prepare(image, plane, scale.factor)
    _compute(segmenter, constants, reader, grid, tiles, store, wanted, hooks)
    labels, painted, kept = assemble(grid, tiles, store, reader, wanted, wishes or Wishes(), segmenter.spec.least_px)
    for message, hint in doubts(labels, constants, segmenter.spec, scale.factor):
        hooks.warn(f"{image.name}: {message}", hint)
    return Segmentation(
        labels, tuple(start for start, _ in wanted), painted.scores[kept], painted.uncertainty[kept], scale
    )


def _inside(box: tuple[tuple[int, int], ...], shape: tuple[int, ...], name: str) -> tuple[tuple[int, int], ...]:
    clipped = tuple((max(0, int(a)), min(side, int(b))) for (a, b), side in zip(box, shape, strict=True))
    if any(stop <= start for start, stop in clipped):
        raise NucleiError(f"The area to segment lies outside {name}.", "Move the view or the region over the image.")
    return clipped


def _tiles_of(grid: Grid, shape: tuple[int, ...], box: tuple[tuple[int, int], ...]) -> list[Tile]:
    """Tiles whose window meets the box, those at its middle first: what is looked at comes first."""
    ratios = [model / side for model, side in zip(grid.shape, shape, strict=True)]
    model_box = [(a * r, b * r) for (a, b), r in zip(box, ratios, strict=True)]
    middle = [(a + b) / 2 for a, b in model_box]
    # Only these can meet the box; a slide has too many tiles to ask each.
    near = [
        range(max(0, int((start - tile) // stride)), min(count, int(stop // stride) + 1))
        for (start, stop), tile, stride, count in zip(model_box, grid.tile, grid.stride, grid.counts, strict=True)
    ]

    def meets(tile: Tile) -> bool:
        pairs = zip(tile.window, model_box, strict=True)
        return all(piece.start < stop and piece.stop > start for piece, (start, stop) in pairs)

    def distance(tile: Tile) -> float:
        pairs = zip(tile.core, middle, strict=True)
        return sum(((piece.start + piece.stop) / 2 - centre) ** 2 for piece, centre in pairs)

    return sorted((tile for tile in map(grid.at, product(*near)) if meets(tile)), key=distance)


def _compute(
    segmenter: Segmenter,
    constants: object,
    reader: TileReader,
    grid: Grid,
    tiles: list[Tile],
    store: TileStore,
    box: tuple[tuple[int, int], ...],
    hooks: Hooks,
) -> None:
    todo = [tile for tile in tiles if tile.index not in store]
    done = len(tiles) - len(todo)
    hooks.progress(done, len(tiles))
    following = 0
    for tile, result in Batcher(segmenter, constants, lambda t: reader.read(t.window), hooks.warn).run(todo):
        hooks.check()
        store.put(tile.index, result)
        done += 1
        hooks.progress(done, len(tiles))
        following = _show(tile, result, reader, box, hooks, following)


def _show(
    tile: Tile,
    result: TileInstances,
    reader: TileReader,
    box: tuple[tuple[int, int], ...],
    hooks: Hooks,
    following: int,
) -> int:
    """Hand the tile's core to the viewer with ids of its own; they are provisional until all is stitched."""
    inner = tuple(
        slice(core.start - window.start, core.stop - window.start)
        for core, window in zip(tile.core, tile.window, strict=True)
    )
    labels = result.labels[inner].astype(np.uint32)
    labels[labels > 0] += np.uint32(following)
    origin = tuple(core.start for core in tile.core)
    if reader.factor != 1.0:
        place = reader.image_box(tile.core)
        labels = resize(labels, tuple(stop - start for start, stop in place), order=0)
        origin = tuple(start for start, _ in place)
    cut = tuple(
        slice(max(0, a - o), max(0, min(size, b - o)))
        for (a, b), o, size in zip(box, origin, labels.shape, strict=True)
    )
    piece = labels[cut]
    if piece.size:
        hooks.piece(tuple(o + c.start for o, c in zip(origin, cut, strict=True)), piece)
    return following + len(result.scores)
