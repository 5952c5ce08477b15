"""What a method says that can make labelled images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np


class SynthesisWish(BaseModel):
    """What synthetic images are to look like. None leaves it to the method, which goes by its training images.

    Attributes
    ----------
    shape : tuple of int
        (Y, X) or (Z, Y, X) in pixels of the training images.
    diameter : tuple of 2 float
        Smallest and largest nucleus, in pixels of the last axis.
    nuclei : tuple of 2 int
        Fewest and most in an image.
    eccentricity : tuple of 2 float
        Roundest (0 is a circle) and longest (near 1 is a needle).
    bits : {8, 16}
        Of the images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    shape: tuple[int, ...] | None = None
    diameter: tuple[float, float] | None = None
    nuclei: tuple[int, int] | None = None
    eccentricity: tuple[float, float] | None = None
    bits: Literal[8, 16] = 8


@dataclass(frozen=True)
class SyntheticImage:
    """One image and its nuclei.

    Attributes
    ----------
    image : ndarray (*shape) uint8 or uint16
    labels : ndarray (*shape) uint16 or uint32
        0 background, ids 1..N, none left out.
    wanted : int
        Nuclei that were to be drawn; more than there are where not all found room.
    """

    image: np.ndarray
    labels: np.ndarray
    wanted: int


class Synthesis(Protocol):
    """Makes images of a complete wish; without torch until `make` is called.

    Attributes
    ----------
    wish : SynthesisWish
        With nothing left open.
    spacing : tuple of float
        Pixel size per axis in units of the last one's.
    pixel_size_um : tuple of float or None
        Per axis.
    """

    wish: SynthesisWish
    spacing: tuple[float, ...]
    pixel_size_um: tuple[float, ...] | None

    def make(self, segmenter: Any, rng: np.random.Generator) -> SyntheticImage:
        """One image, of the model that `load` gave; the same state of `rng` gives the same image."""
        ...
