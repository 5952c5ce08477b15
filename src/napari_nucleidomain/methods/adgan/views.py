"""Small pictures that show what a state of the generator does, beside the nuclei it finds."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.instances.synthesis import MaskSettings, draw_mask

from .lessons import painted
from .segment import AdganSegmenter


def pictures_of(
    segmenter: AdganSegmenter, masks: MaskSettings, form: str, rng: np.random.Generator, work: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """A piece of an image and what is painted over it; a drawn mask and the image that is made of it.

    Parameters
    ----------
    segmenter : AdganSegmenter
    masks : MaskSettings
    form : {"instance", "semantic"}
    rng : numpy.random.Generator
    work : ndarray (*spatial) float32, optional
        A piece at work scale, in [-1, 1].

    Returns
    -------
    dict of ndarray float32
        In [-1, 1]: `picture` and `painted` where a piece was given; `synthetic_mask`, `synthetic_image`.
    """
    mask = painted(draw_mask(masks, rng), form)
    shown = {"synthetic_mask": mask, "synthetic_image": segmenter.image_of(mask)}
    if work is not None:
        shown |= {"picture": np.asarray(work, np.float32), "painted": segmenter.paint_work(work)}
    return shown
