"""How many nuclei of which size a synthetic mask holds, and what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError


@dataclass(frozen=True)
class MaskSettings:
    """What synthetic masks are drawn from (AD-GAN, section 5.3.2).

    Parameters
    ----------
    shape : tuple of 2 or 3 int
        Sides of the mask in pixels, (Y, X) or (Z, Y, X).
    count : tuple of 2 int
        Fewest and most nuclei; the number wanted is drawn evenly from both on, inclusive.
    semi_major : tuple of 2 float
        a of Eq. 8, the longest semi-axis, shortest and longest, in pixels of the last axis.
    eccentricity : tuple of 2 float
        e of Eq. 8. In 3D both shorter axes have one of their own.
    spacing : tuple of float, optional
        Pixel size per axis, in any unit; nuclei are round in that unit. Default: the same along all axes.
    rim : float
        Part of a nucleus's depth that is grey in the instance form. The authors' code says 0.5.
    tries : int
        After so many nuclei in a row that find no room a mask is left as it is (100 in the authors' code).

    Raises
    ------
    NucleiError
        A range is upside down or out of bounds, nuclei are larger than the image, or there is no room for the fewest.
    """

    shape: tuple[int, ...]
    count: tuple[int, int]
    semi_major: tuple[float, float]
    eccentricity: tuple[float, float] = (0.25, 0.75)
    spacing: tuple[float, ...] | None = None
    rim: float = 0.5
    tries: int = 100

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise NucleiError(f"Synthetic masks of shape {self.shape} cannot be drawn.", "Give two or three sides.")
        if len(self.step) != self.ndim or not (np.isfinite(self.step) & (self.step > 0)).all():
            raise NucleiError(
                f"The pixel size {self.spacing} does not fit masks of {self.ndim} axes.",
                f"Give {self.ndim} sizes above 0.",
            )
        _in_order("number of nuclei", self.count, 0, np.inf)
        _in_order("semi-major axis", self.semi_major, 1, np.inf)
        _in_order("eccentricity", self.eccentricity, 0, 0.999)
        if not 0 <= self.rim < 1:
            raise NucleiError(f"The grey rim cannot be {self.rim:g} of a nucleus.", "Give a number from 0 to below 1.")
        if self.tries < 1:
            raise NucleiError("Nuclei need at least one try to find room.", "Set the number of tries to 1 or more.")
        self._refuse_impossible()

    def _refuse_impossible(self) -> None:
        sides = np.array(self.shape) * self.step
        least = self.semi_major[0]
        if 2 * least > sides.max():
            raise NucleiError(
                f"Nuclei of {2 * least:g} pixels are larger than the image ({self._says()}).",
                "Make the nuclei smaller or the image larger.",
            )
        # Centres lie in the image, so that nuclei reach beyond it by a semi-major axis at most.
        narrow = least * np.sqrt(1 - self.eccentricity[1] ** 2)
        ball = (np.pi if self.ndim == 2 else 4 / 3 * np.pi) * least * narrow ** (self.ndim - 1)
        if self.count[0] * ball > np.prod(sides + 2 * least):
            raise NucleiError(
                f"{self.count[0]} nuclei of at least {2 * least:g} pixels find no room in the image ({self._says()}).",
                "Ask for fewer or smaller nuclei.",
            )

    def _says(self) -> str:
        return " × ".join(map(str, self.shape)) + " pixels"

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def step(self) -> np.ndarray:
        """(ndim,) pixel size per axis in units of the last axis's."""
        spacing = np.ones(self.ndim) if self.spacing is None else np.asarray(self.spacing, float)
        return spacing / spacing[-1] if len(spacing) and spacing[-1] > 0 else spacing * np.nan


def _in_order(name: str, limits: Sequence[float], lowest: float, highest: float) -> None:
    low, high = limits
    if not lowest <= low <= high <= highest:
        bounds = f"from {lowest:g} on" if highest == np.inf else f"between {lowest:g} and {highest:g}"
        raise NucleiError(
            f"The {name} cannot range from {low:g} to {high:g}.", f"Give the smaller number first, {bounds}."
        )


def semi_major_of(diameter: float, ndim: int, eccentricity: tuple[float, float] = (0.25, 0.75)) -> float:
    """a of Eq. 8 for nuclei that have, in the middle, the area (volume) of a disc (ball) of a diameter.

    Parameters
    ----------
    diameter : float
        In any unit.
    ndim : {2, 3}
    eccentricity : tuple of 2 float
        Range of e.

    Returns
    -------
    float
        In the same unit.
    """
    e = np.linspace(*eccentricity, 101)
    # The area goes with one shorter axis, the volume with two: (b/a)^(1/2), ((b/a)(c/a))^(1/3).
    mean = np.mean((1 - e**2) ** (1 / (2 * ndim)))
    return float(diameter / 2 / mean ** (ndim - 1))
