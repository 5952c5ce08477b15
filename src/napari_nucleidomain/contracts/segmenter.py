"""What every trained model can do: the one path from pixels to nuclei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

    from napari_nucleidomain.data.images import Image
    from napari_nucleidomain.instances.stitching import TileInstances


@dataclass(frozen=True)
class SegmenterSpec:
    """How a model wants its tiles.

    Attributes
    ----------
    ndim : int
        2 or 3 spatial axes.
    channels : int
        Channels per pixel of a tile; 0 where any number will do.
    tile : tuple of int
        Side of a tile's window in pixels, per spatial axis, halo included.
    halo : tuple of int
        Margin at each side of a window that belongs to the neighbours' cores.
    fixed : bool
        Whether windows at the image's edge must be padded to the full tile (True) or may be smaller.
    multiple : int
        A window's sides are padded up to a multiple of this.
    batch : int
        Tiles given to `forward` at once, at first; halved when memory runs out.
    pixel_size_um, diameter_px : float or None
        Scale the model was trained at.
    least_px : int
        Nuclei with fewer pixels, once tiles are joined, are left out.
    """

    ndim: int
    channels: int
    tile: tuple[int, ...]
    halo: tuple[int, ...]
    fixed: bool = True
    multiple: int = 1
    batch: int = 1
    pixel_size_um: float | None = None
    diameter_px: float | None = None
    least_px: int = 1


@runtime_checkable
class Segmenter(Protocol):
    """A model ready to predict. Arrays in and out are numpy; what happens between is the method's business."""

    spec: SegmenterSpec

    def prepare(self, image: Image, plane: int | None, factor: float = 1.0) -> Any:
        """Constants of one image: intensity range, threshold, whatever must not differ between its tiles.

        Parameters
        ----------
        image : Image
            Opened lazily; `image.overview()` is a small version of all of it.
        plane : int or None
            The z plane that is segmented, where a 2D model looks at a volume.
        factor : float
            Pixels of a tile per pixel of the image.

        Returns
        -------
        Any
            Handed to `forward` for every tile of this image: called once an image, never once a tile.
        """
        ...

    def forward(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        """Segment tiles.

        Parameters
        ----------
        tiles : sequence of ndarray (*spatial, C), native dtype
            All of one shape.
        constants : Any
            From `prepare`.

        Returns
        -------
        list of TileInstances
            One per tile, of the tile's spatial shape.

        Raises
        ------
        MemoryError, torch.OutOfMemoryError
            The device is full; the caller tries again with fewer tiles, then with smaller ones.
        """
        ...
