"""The masks of the paper's experiments: Table 9 of AD-GAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .settings import MaskSettings

CROP = {2: (256, 256), 3: (64, 128, 128)}
"""Sides of the patches trained on, in pixels (section 4.2)."""


@dataclass(frozen=True)
class PaperMasks:
    """One row of Table 9. Its last column, the number of masks, is lost in the text that could be read.

    Attributes
    ----------
    title : str
        As the paper names the data.
    ndim : {2, 3}
    resize : float
        Images are scaled by this before training; sizes are pixels after it.
    semi_major : tuple of 2 float
        a of Eq. 8 in pixels.
    count : tuple of 2 int
        Nuclei in a patch.
    form : {"semantic", "instance"}
        Instance has the grey rim. The paper says which for HeLa; where it only scores instances (Cell Tracking
        Challenge) or only pixels (the others), that says it.
    """

    title: str
    ndim: Literal[2, 3]
    resize: float
    semi_major: tuple[float, float]
    count: tuple[int, int]
    form: Literal["semantic", "instance"]

    def settings(self, shape: tuple[int, ...] | None = None) -> MaskSettings:
        """For patches of a shape in pixels; the paper's when not given."""
        return MaskSettings(shape or CROP[self.ndim], self.count, self.semi_major)


TABLE_9: dict[str, PaperMasks] = {
    "hela": PaperMasks("Fluo-N2DL-HeLa (semantic segmentation)", 2, 1.0, (13, 18), (5, 40), "semantic"),
    "hacat": PaperMasks("HaCaT", 2, 1.0, (20, 30), (5, 15), "semantic"),
    "bbbc024": PaperMasks("BBBC024", 3, 1.0, (30, 35), (13, 15), "semantic"),
    "scaffold-a549": PaperMasks("Scaffold-A549", 3, 0.5, (10, 15), (50, 100), "semantic"),
    "hela-instances": PaperMasks("Fluo-N2DL-HeLa (instance segmentation)", 2, 1.0, (13, 18), (10, 40), "instance"),
    "sim-2d": PaperMasks("Fluo-N2DH-SIM+", 2, 1.0, (23, 35), (5, 13), "instance"),
    "gowt1": PaperMasks("Fluo-N2DH-GOWT1", 2, 1.0, (15, 23), (4, 12), "instance"),
    "ce": PaperMasks("Fluo-N3DH-CE", 3, 0.5, (10, 18), (2, 60), "instance"),
    "cho": PaperMasks("Fluo-N3DH-CHO", 3, 1.0, (15, 30), (6, 16), "instance"),
    "sim-3d": PaperMasks("Fluo-N3DH-SIM+", 3, 0.5, (10, 15), (2, 24), "instance"),
}
"""Named presets."""
