"""Random views of a crop: geometry in one resampling, then colour. All of it batched, on the tensors' device.

Order and ranges of the geometry are those of Qu et al. 2019, which SPN+IEN takes over (Liu et al., section 3.2): scale,
flips, affine about the centre, rotation, crop. Composed into one matrix a crop, so that pixels are interpolated once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Geometry:
    """How far views may differ from the crop.

    Attributes
    ----------
    scale : tuple of float
        Smallest and largest zoom.
    flips : {"horizontal", "both", "none"}
    shear : float
        Entries of the affine matrix vary by +- this about the identity.
    rotation : float
        Largest angle in degrees, either way.
    """

    scale: tuple[float, float] = (0.8, 1.25)
    flips: str = "horizontal"
    shear: float = 0.3
    rotation: float = 90.0


def draw_matrices(rng: np.random.Generator, count: int, geometry: Geometry) -> np.ndarray:
    """Matrices that take output to input positions about the crop's centre.

    Returns
    -------
    ndarray (count, 2, 2) float64, acting on (x, y)
    """
    zoom = rng.uniform(*geometry.scale, size=count)
    flip_x = np.where((rng.random(count) < 0.5) & (geometry.flips != "none"), -1.0, 1.0)
    flip_y = np.where((rng.random(count) < 0.5) & (geometry.flips == "both"), -1.0, 1.0)
    affine = np.eye(2) + rng.uniform(-geometry.shear, geometry.shear, size=(count, 2, 2))
    angle = np.deg2rad(rng.uniform(-geometry.rotation, geometry.rotation, size=count))
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    scale = np.zeros((count, 2, 2))
    scale[:, 0, 0], scale[:, 1, 1] = flip_x / zoom, flip_y / zoom
    # Forward: scale and flip, then affine, then rotation; here the way back.
    return scale @ np.linalg.inv(affine) @ np.transpose(rotation, (0, 2, 1))


def sample_views(planes: Tensor, nearest: Tensor, matrices: np.ndarray, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Look at crops through matrices.

    Parameters
    ----------
    planes : Tensor (B, C, S, S) float
        Interpolated bilinearly.
    nearest : Tensor (B, K, S, S) float
        Labels; the nearest pixel's.
    matrices : ndarray (B, 2, 2)
        From `draw_matrices`.
    size : int
        Side of the result, at most S.

    Returns
    -------
    tuple of Tensor
        (B, C, size, size), (B, K, size, size) and a bool mask (B, size, size) of what lies inside the source.
    """
    count, side = planes.shape[0], planes.shape[-1]
    dtype, device = planes.dtype, planes.device
    half = torch.arange(size, device=device, dtype=dtype) - (size - 1) / 2.0
    y, x = torch.meshgrid(half, half, indexing="ij")
    positions = torch.stack([x, y], -1).reshape(1, -1, 2)
    matrix = torch.as_tensor(matrices, dtype=dtype, device=device)
    grid = (positions @ matrix.transpose(1, 2) * (2.0 / side)).reshape(count, size, size, 2)
    inside = (grid.abs() <= 1.0).all(-1)
    smooth = F.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    sharp = F.grid_sample(nearest, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return smooth, sharp, inside


def jitter_intensity(
    images: Tensor, rng: np.random.Generator, strength: float, count: int | None = None, part: slice = slice(None)
) -> Tensor:
    """Vary brightness, contrast and each channel's gain of unit-range images, one draw a crop.

    Parameters
    ----------
    images : Tensor (B, C, H, W)
        In [0, 1].
    strength : float
        Largest relative change; 0 leaves the images alone.
    count, part
        Where `images` are a part of a batch of `count`, for all of which numbers are drawn.
    """
    if strength <= 0:
        return images
    channels = images.shape[1]
    count = len(images) if count is None else count
    gain = rng.uniform(1 - strength, 1 + strength, size=(count, channels, 1, 1))
    contrast = rng.uniform(1 - strength, 1 + strength, size=(count, 1, 1, 1))
    shift = rng.uniform(-strength / 2, strength / 2, size=(count, 1, 1, 1))

    def tensor(values: np.ndarray) -> Tensor:
        return torch.as_tensor(values[part], dtype=images.dtype, device=images.device)

    mean = images.mean((1, 2, 3), keepdim=True)
    changed = (images - mean) * tensor(contrast) + mean
    return (changed * tensor(gain) + tensor(shift)).clamp(0.0, 1.0)
