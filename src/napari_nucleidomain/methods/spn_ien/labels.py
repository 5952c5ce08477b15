"""What each clicked image teaches: labels for the SPN, instances for the IEN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from napari_nucleidomain.contracts import RunContext, SegmenterSpec
from napari_nucleidomain.contracts.run import Stage
from napari_nucleidomain.training.sampler import LATTICE, Planes, channels_first, lattice

from .clicked import Clicked
from .clustering import ClusterSettings
from .config import SpnIenConfig
from .corrected import teach_instances, teach_semantic
from .instances_pseudo import make_instances
from .models import side_multiple
from .pseudo_labels import IGNORED, INSTANCE_IGNORED, make_pseudo_labels, typical_diameter
from .voronoi import nearest_points

_PAPER_DIAMETER = 20.0


def make_semantic(run: RunContext, stage: Stage, images: Sequence[Clicked], config: SpnIenConfig) -> None:
    """Save `NUMBER.npz` with voronoi, clusters and cells of each image, and `diameter.npz`."""
    diameters = []
    for number, one in enumerate(images):
        run.check()
        diameter = _PAPER_DIAMETER
        if len(one.points):
            diameter = typical_diameter(one.pixels, one.points, one.inside)
            diameters.append(diameter)
        if config.variant == "fully" and one.labels is not None:
            truth = np.where(one.inside, (one.labels > 0).astype(np.uint8), IGNORED).astype(np.uint8)
            cells = np.where(one.inside, nearest_points(one.points, one.inside.shape)[0], 0).astype(np.int32)
            stage.save(str(number), voronoi=truth, clusters=truth, cells=cells)
            continue
        if not len(one.points):
            nothing = np.full(one.inside.shape, IGNORED, np.uint8)
            known = teach_semantic(nothing, one.known)
            stage.save(str(number), voronoi=known, clusters=known, cells=np.zeros(one.inside.shape, np.int32))
            continue
        settings = ClusterSettings(
            colour_weight=config.colour_weight,
            patch_px=config.patch_px,
            max_distance_px=config.max_distance_px,
            adaptive=config.variant != "baseline",
            fit_stride=config.fit_stride,
            restarts=config.restarts,
        )
        scale = diameter / _PAPER_DIAMETER if config.scale_to_nuclei else 1.0
        made = make_pseudo_labels(one.pixels, one.points, one.inside, settings, scale=scale, seed=run.seed)
        voronoi, clusters = (teach_semantic(part, one.known) for part in (made.voronoi, made.clusters))
        stage.save(str(number), voronoi=voronoi, clusters=clusters, cells=made.cells)
    stage.save("diameter", median=np.array([float(np.median(diameters or [_PAPER_DIAMETER]))]))


def semantic_planes(one: Clicked, maps: dict[str, np.ndarray], config: SpnIenConfig) -> Planes:
    """Image, and Voronoi and cluster labels, as tensors."""
    sharp = np.stack([maps["voronoi"], maps["clusters"]]).astype(np.float32)
    return Planes(channels_first(one.pixels), torch.from_numpy(sharp), crop_centres(one, config))


def make_instance_maps(
    run: RunContext,
    stage: Stage,
    images: Sequence[Clicked],
    maps: Sequence[dict[str, np.ndarray]],
    spn: nn.Module,
    normalise: nn.Module,
    config: SpnIenConfig,
    device: torch.device,
) -> None:
    """Save `NUMBER.npz` with the pseudo-instances of each image (Liu et al., section 2.2 "Training of IEN")."""
    areas: list[int] = []
    for number, (one, semantic) in enumerate(zip(images, maps, strict=True)):
        run.check()
        if config.variant == "fully" and one.labels is not None:
            instances = np.where(one.inside, one.labels.astype(np.int32), INSTANCE_IGNORED)
        else:
            probability = spn_probability(spn, normalise, one.pixels, config, device)
            instances = make_instances(
                probability,
                semantic["cells"],
                one.points,
                one.inside,
                nucleus_above=config.nucleus_above,
                background_below=config.background_below,
                touch_click=config.touch_click,
                least_px=config.least_px,
            )
            instances = teach_instances(instances, one.known)
        sizes = np.bincount(instances[instances > 0])
        areas += [int(size) for size in sizes if size]
        stage.save(str(number), instances=instances.astype(np.int32))
    diameter = 2.0 * float(np.sqrt(np.median(areas) / np.pi)) if areas else 0.0
    stage.save("diameter", median=np.array([diameter]))


def instance_planes(one: Clicked, instances: np.ndarray, config: SpnIenConfig) -> Planes:
    """Image, and instances, as tensors. float32 holds ids up to 16 million exactly."""
    sharp = torch.from_numpy(instances[None].astype(np.float32))
    return Planes(channels_first(one.pixels), sharp, crop_centres(one, config))


def crop_centres(one: Clicked, config: SpnIenConfig) -> np.ndarray:
    """About what crops are centred, give or take: the clicks, or a lattice over the clicked area; (N, 2) float.

    Corrected background has no clicks but is worth a look: there the lattice goes beside the clicks.
    """
    if config.crops != "clicks":
        spread = lattice(one.inside)
        # A clicked area smaller than the lattice's meshes still has its clicks.
        return spread if len(spread) or len(one.points) == 0 else one.points
    if one.known is None:
        return one.points
    spread = lattice(one.known != INSTANCE_IGNORED)
    far = nearest_points(one.points, one.inside.shape)[1][tuple(spread.astype(int).T)] > LATTICE
    return np.concatenate([one.points, spread[far]])


@torch.inference_mode()
def spn_probability(
    spn: nn.Module, normalise: nn.Module, pixels: np.ndarray, config: SpnIenConfig, device: torch.device
) -> np.ndarray:
    """Foreground probability of a whole image in overlapping windows; ndarray (H, W) float32."""
    from napari_nucleidomain.inference.tiles import pad_to
    from napari_nucleidomain.instances.stitching import Grid

    multiple = side_multiple(config)
    side = -(-384 // multiple) * multiple
    spec = SegmenterSpec(ndim=2, channels=pixels.shape[-1], tile=(side, side), halo=(32, 32))
    out = np.zeros(pixels.shape[:2], np.float32)
    for tile in Grid(pixels.shape[:2], spec.tile, spec.halo):
        window = pixels[tile.window]
        padded = pad_to(window, spec.tile)
        x = channels_first(padded)[None].to(device)
        p = spn(normalise(x)).float().softmax(1)[0, 1].cpu().numpy()
        out[tile.core] = p[: window.shape[0], : window.shape[1]][tile.inner]
    return out
