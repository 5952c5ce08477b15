"""Batches of augmented crops (section 4.2): image and label map go one way, boxes are read off the label map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from napari_nucleidomain.data.known import UNKNOWN
from napari_nucleidomain.networks.detection import Target
from napari_nucleidomain.training.augment import Geometry, draw_matrices, jitter_intensity, sample_views
from napari_nucleidomain.training.sampler import ALL, LATTICE, CropSampler, Planes, channels_first, lattice

from .config import PanopticConfig
from .outlined import LEAST_PX, Outlined


class Emboss(v2.Transform):
    """Relief from the upper left, mixed with the image."""

    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        """(C, H, W) in the unit range -> the same."""
        kernel = torch.tensor([[-1.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 1.0]], device=inpt.device)
        padded = F.pad(inpt[None], (1, 1, 1, 1), mode="replicate")[0]
        relief = F.conv2d(padded[:, None], kernel[None, None])[:, 0]
        share = float(torch.rand(()))
        return ((1 - share) * inpt + share * relief).clamp(0, 1)


class Sharpen(v2.Transform):
    """Twice as sharp, every channel by itself: torchvision's takes one channel or three."""

    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        """(C, H, W) in the unit range -> the same."""
        sharp: Tensor = v2.functional.adjust_sharpness(inpt[:, None], 2.0)
        return sharp[:, 0]


def paper_colours(channels: int) -> v2.Transform:
    """Blur, Gaussian noise, emboss, sharpen and channel shuffle (section 4.2); the paper gives no strengths."""
    some = [
        v2.RandomApply([v2.GaussianBlur(5, (0.1, 1.5))], 0.3),
        v2.RandomApply([v2.GaussianNoise(sigma=0.03)], 0.3),
        v2.RandomApply([Emboss()], 0.2),
        v2.RandomApply([Sharpen()], 0.3),
    ]
    if channels > 1:
        some.append(v2.RandomApply([v2.RandomChannelPermutation()], 0.2))
    return v2.Compose(some)


class Views:
    """Draws batches.

    Parameters
    ----------
    images : sequence of Outlined
    config : PanopticConfig
    device : torch.device
    """

    def __init__(self, images: Sequence[Outlined], config: PanopticConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        free = config.turn > 0 or config.zoom_least != 1 or config.zoom_most != 1
        self._geometry = Geometry((config.zoom_least, config.zoom_most), _flips(config), 0.0, config.turn)
        self._free = free
        turned = 1.42 if config.turn > 0 else 1.0
        side = int(config.crop_px * min(turned / config.zoom_least, 1.5)) if free else config.crop_px
        self._sampler = CropSampler([_planes(one) for one in images], side, [float(UNKNOWN)], config.crop_px)
        self._colours = paper_colours(images[0].pixels.shape[-1]) if config.colours == "paper" else None

    def draw(self, rng: np.random.Generator, part: slice = ALL) -> tuple[Tensor, list[Target]]:
        """A batch, or a part of it: images (B, C, S, S) in the unit range, 0 where a view leaves its crop, and targets.

        Numbers are drawn for the whole batch, so its images are the same in whichever parts they are made.
        """
        config = self._config
        smooth, sharp = self._sampler.draw(rng, config.batch, part)
        smooth, sharp = smooth.to(self._device), sharp.to(self._device)
        if self._free:
            matrices = draw_matrices(rng, config.batch, self._geometry)
            smooth, sharp, seen = sample_views(smooth, sharp, matrices[part], config.crop_px)
            sharp = torch.where(seen[:, None], sharp, torch.full_like(sharp, UNKNOWN))
        elif config.flips:
            smooth, sharp = _right_angles(smooth, sharp, rng.integers((4, 2), size=(config.batch, 2))[part])
        if config.colours == "jitter":
            smooth = jitter_intensity(smooth, rng, config.jitter, config.batch, part)
        elif self._colours is not None:
            seeds = rng.integers(2**62, size=config.batch)[part].tolist()
            smooth = torch.stack([self._coloured(one, seed) for one, seed in zip(smooth, seeds, strict=True)])
        return smooth, [_target(plane[0]) for plane in sharp]

    def _coloured(self, image: Tensor, seed: int) -> Tensor:
        """Torchvision draws from torch's own generator."""
        torch.manual_seed(seed)
        coloured: Tensor = self._colours(image)  # type: ignore[misc]
        return coloured


def _flips(config: PanopticConfig) -> str:
    return "both" if config.flips else "none"


def _planes(one: Outlined) -> Planes:
    """Image and label map; crops lie about nuclei, and about what is background far from all of them."""
    centres = one.centres()
    ground = lattice(one.known == 0)
    if len(centres) and len(ground):
        from scipy.spatial import cKDTree

        ground = ground[cKDTree(centres).query(ground)[0] > 2 * LATTICE]
    # Background is seen beside every nucleus; by itself it is worth less than a nucleus.
    most = len(centres) // 4 if len(centres) else 16
    ground = ground[np.linspace(0, len(ground) - 1, min(most, len(ground))).astype(int)]
    sharp = torch.from_numpy(one.known[None].astype(np.float32))
    return Planes(channels_first(one.pixels), sharp, np.concatenate([centres, ground]))


def _right_angles(smooth: Tensor, sharp: Tensor, drawn: np.ndarray) -> tuple[Tensor, Tensor]:
    """Flips and turns by right angles; `drawn` (B, 2) says how many turns, and whether mirrored."""
    images, labels = [], []
    for image, label, (turns, mirrored) in zip(smooth, sharp, drawn.tolist(), strict=True):
        if mirrored:
            image, label = image.flip(-1), label.flip(-1)
        images.append(torch.rot90(image, turns, (-2, -1)))
        labels.append(torch.rot90(label, turns, (-2, -1)))
    return torch.stack(images), torch.stack(labels)


def _target(plane: Tensor) -> Target:
    """Boxes and labels of a crop; crumbs of nuclei at its edge are neither nucleus nor background.

    The edge is also where the crop goes over into what was not seen. Small nuclei that lie whole in it teach.
    """
    labels = plane.long()
    values, place, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    beyond = F.pad((labels < 0).float(), (1, 1, 1, 1), value=1.0)
    edge = F.max_pool2d(beyond[None, None], 3, 1)[0, 0] > 0
    at_edge = torch.zeros_like(values, dtype=torch.bool)
    at_edge[place[edge]] = True
    values = torch.where((values > 0) & (counts < LEAST_PX) & at_edge, torch.full_like(values, UNKNOWN), values)
    return Target.of(values[place])
