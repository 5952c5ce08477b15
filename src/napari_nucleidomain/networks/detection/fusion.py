"""Semantic feature fusion (Liu et al., IJCAI 2019, Eq. 1-3): masks pasted over a map of the whole image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .backbone import Features
from .mask_generator import MASK_SIDE


class FusionMap(nn.Module):
    """F_0: P2, four times its size (nearest), then a 3x3 convolution to two channels.

    The convolution is done before the pixels are repeated, with the weights that neighbours of one source pixel share
    summed: the same numbers without a map of all channels at full size (1 GB for an image of 1000 x 1000).

    Parameters
    ----------
    inside : int
        Channels of the pyramid.
    """

    spread: Tensor

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, 2, 3, padding=1)
        nn.init.normal_(self.conv.weight, std=0.01)
        # spread[a, u, s]: pixel a of the four made of one source pixel reads with tap u from the source s - 1 away.
        spread = torch.zeros(4, 3, 3)
        for pixel in range(4):
            for tap in range(3):
                spread[pixel, tap, (pixel + tap - 1) // 4 + 1] = 1
        self.register_buffer("spread", spread, persistent=False)

    def forward(self, features: Features) -> Tensor:
        """(B, 2, H, W)."""
        spread = self.spread.to(self.conv.weight.dtype)
        weight = torch.einsum("ocuv,aus,bvt->oabcst", self.conv.weight, spread, spread).flatten(0, 2)
        assert self.conv.bias is not None
        fine = F.conv2d(features.p[0], weight, self.conv.bias.repeat_interleave(16), padding=1)
        return F.pixel_shuffle(fine, 4)[..., : features.size[0], : features.size[1]]


def whole_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(R, 4) int64: Eq. 1, corners rounded to whole pixels and clipped to the image."""
    height, width = size
    limit = torch.tensor([width, height, width, height], device=boxes.device)
    return torch.minimum(boxes.detach().round().long().clamp(min=0), limit)


def owners(boxes: Tensor, order: Tensor, image: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Whose box lies on top of each pixel.

    Parameters
    ----------
    boxes : Tensor
        (R, 4) int64, clipped to the image.
    order : Tensor
        (R,) int64: rows in the order of pasting, the last on top.
    image : Tensor
        (R,) int64, of the batch.
    shape : tuple of int
        B, H, W.

    Returns
    -------
    Tensor
        (B, H, W) int64, row of `boxes`, -1 where there is none.
    """
    x, y = boxes[order, 0], boxes[order, 1]
    width = (boxes[order, 2] - x).clamp(min=0)
    area = width * (boxes[order, 3] - y).clamp(min=0)
    rank = torch.repeat_interleave(torch.arange(len(order), device=boxes.device), area)
    within = torch.arange(len(rank), device=boxes.device) - (area.cumsum(0) - area)[rank]
    row = y[rank] + within // width[rank]
    column = x[rank] + within % width[rank]
    pixel = (image[order][rank] * shape[1] + row) * shape[2] + column
    top = torch.full((shape[0] * shape[1] * shape[2],), -1, dtype=torch.int64, device=boxes.device)
    top.scatter_reduce_(0, pixel, rank, "amax")
    return torch.where(top >= 0, order[top.clamp(min=0)] if len(order) else top, -1).view(shape)


def fuse(base: Tensor, masks: Tensor, boxes: Tensor, scores: Tensor, image: Tensor) -> Tensor:
    """F_N of Eq. 2: every mask, resized to its box, replaces what lies under it; the best score ends on top.

    Each pixel is read once, from the mask that ends on top of it, instead of N maps that replace each other; what is
    replaced gets no gradient either way.

    Parameters
    ----------
    base : Tensor
        F_0, (B, 2, H, W).
    masks : Tensor
        (R, 2, 28, 28) logits.
    boxes : Tensor
        (R, 4) in px; rounded to whole pixels, clipped, and left out where less than a pixel remains. No gradient.
    scores : Tensor
        (R,).
    image : Tensor
        (R,) int64, to which of the batch each belongs.

    Returns
    -------
    Tensor
        (B, 2, H, W).
    """
    if not len(masks):
        return base
    batch, _, height, width = base.shape
    corners = whole_boxes(boxes, (height, width))
    order = torch.sort(scores.detach(), stable=True).indices
    owner = owners(corners, order, image, (batch, height, width))
    at, y, x = torch.nonzero(owner >= 0, as_tuple=True)
    row = owner[at, y, x]
    x1, y1, x2, y2 = corners[row].unbind(1)
    left, right, share_x = _neighbours(x - x1, x2 - x1)
    up, down, share_y = _neighbours(y - y1, y2 - y1)
    # Channels last: one read of a mask's pixel brings both of its values.
    values = masks.to(base.dtype).permute(0, 2, 3, 1)
    share_x, share_y = share_x[:, None].to(base.dtype), share_y[:, None].to(base.dtype)
    above = values[row, up, left] * (1 - share_x) + values[row, up, right] * share_x
    below = values[row, down, left] * (1 - share_x) + values[row, down, right] * share_x
    pasted = above * (1 - share_y) + below * share_y
    return base.permute(0, 2, 3, 1).index_put((at, y, x), pasted).permute(0, 3, 1, 2)


def _neighbours(offset: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bilinear resizing of 28 to `length` pixels (pixel centres, edges repeated): what pixel `offset` reads."""
    at = ((offset + 0.5) * (MASK_SIDE / length) - 0.5).clamp(min=0)
    first = at.long().clamp(max=MASK_SIDE - 1)
    return first, (first + 1).clamp(max=MASK_SIDE - 1), at - first
