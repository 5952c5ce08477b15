"""RoIAlign over the pyramid levels."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import roi_align

LEVELS = 4
"""P2 to P5 are read; P6 only proposes."""


def levels_of(boxes: Tensor, canonical: float) -> Tensor:
    """Level each box reads, 0 for P2 to 3 for P5: Eq. 1 of Lin et al., Feature Pyramid Networks, 2017."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    level = torch.floor(4 + torch.log2(area.clamp(min=0).sqrt() / canonical) + 1e-6)
    return level.clamp(2, 1 + LEVELS).long() - 2


def pool(p: list[Tensor], boxes: list[Tensor], side: int, canonical: float, aligned: bool) -> Tensor:
    """Features of boxes.

    Parameters
    ----------
    p : list of Tensor
        P2 to P5 (more is ignored), each (B, C, h, w).
    boxes : list of Tensor
        (R_b, 4) of each image, in px.
    side : int
        Of the result.
    canonical : float
        Boxes of this side read P4.
    aligned : bool
        As in torchvision's ``roi_align``.

    Returns
    -------
    Tensor
        (R, C, side, side), the images' boxes one after the other.
    """
    # In half precision boxes would be rounded to whole pixels and more.
    together = torch.cat(boxes).float()
    image = torch.cat([torch.full((len(of),), row, device=p[0].device) for row, of in enumerate(boxes)])
    rois = torch.cat([image[:, None].to(together), together], 1)
    level = levels_of(together, canonical)
    out = together.new_zeros(len(rois), p[0].shape[1], side, side)
    for number, feature in enumerate(p[:LEVELS]):
        rows = torch.nonzero(level == number).flatten()
        if len(rows):
            scale = 1 / 2 ** (number + 2)
            part = roi_align(feature.float(), rois[rows], (side, side), scale, sampling_ratio=2, aligned=aligned)
            out = out.index_copy(0, rows, part)
    return out
