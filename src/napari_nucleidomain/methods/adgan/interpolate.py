"""Between the two domains: one content painted with labels that are mixtures of both (section 5.5, Fig. 14)."""

from __future__ import annotations

import numpy as np
import torch

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.networks.adgan import IMAGES, MASKS, domain_label

from .lessons import as_batch
from .segment import AdganSegmenter


@torch.inference_mode()
def interpolate(segmenter: AdganSegmenter, work: np.ndarray, *, mask: bool = False, intervals: int = 10) -> np.ndarray:
    """Paint a picture as a mask, as an image, and as what lies between.

    Parameters
    ----------
    segmenter : AdganSegmenter
        A trained model.
    work : ndarray (*spatial) float32
        At work scale, in [-1, 1], sides multiples of 4. Painted as a whole.
    mask : bool
        Whether it is a drawn mask and no image.
    intervals : int
        The paper's is 10.

    Returns
    -------
    ndarray (intervals + 1, *spatial) float32
        In [-1, 1]; the first is the mask, the last the image.

    Raises
    ------
    NucleiError
        There is no interval.
    """
    if intervals < 1:
        raise NucleiError(f"Between mask and image there cannot be {intervals} intervals.", "Give 1 or more.")
    device, generator = segmenter.device, segmenter.generator
    content = generator.encoder(as_batch(work[None], device), domain_label(MASKS if mask else IMAGES, 1, device))
    first, last = (domain_label(one, 1, device) for one in (MASKS, IMAGES))
    shares = torch.linspace(0, 1, intervals + 1).tolist()
    # One after another: volumes are large.
    made = [generator.decoder(content, torch.lerp(first, last, share))[0, 0].float().cpu().numpy() for share in shares]
    return np.stack(made)
