"""A U-Net that paints ground, rims and cores, trained on any outlines; what it paints is read as AD-GAN's is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.instances.ternary import PaintSettings, nuclei_from_instances
from napari_nucleidomain.networks.small_unet import SmallUNet

_CROP, _BATCH, _RATE, _RIM = 128, 8, 1e-3, 0.5


@dataclass(frozen=True)
class Trained:
    """A network and what training it took."""

    network: SmallUNet
    steps: int
    seconds: float


def classes_of(labels: np.ndarray) -> np.ndarray:
    """(Y, X) int64: 0 ground, 1 the outer half of each nucleus' depth, 2 its core."""
    from scipy.ndimage import distance_transform_edt, find_objects

    made = np.zeros(labels.shape, np.int64)
    for k, box in enumerate(find_objects(labels.astype(np.int64)), 1):
        if box is None:
            continue
        # Where the image cuts a nucleus there is no rim.
        body = np.pad(labels[box] == k, 1)
        for axis, (part, side) in enumerate(zip(box, labels.shape, strict=True)):
            ends = [slice(None)] * 2
            if part.start == 0:
                ends[axis] = slice(0, 1)
                body[tuple(ends)] = np.take(body, [1], axis)
            if part.stop == side:
                ends[axis] = slice(-1, None)
                body[tuple(ends)] = np.take(body, [-2], axis)
        depth = distance_transform_edt(body)
        core = depth >= _RIM * depth.max()
        view = made[box]
        view[body[1:-1, 1:-1]] = 1
        view[(body & core)[1:-1, 1:-1]] = 2
    return made


def train(data: Path, *, minutes: float | None, steps: int | None, seed: int, threads: int | None) -> Trained:
    """Train on the train images of a dataset that have outlines."""
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pairs = []
    for example in open_dataset(data, check=False).examples(split="train", has="labels"):
        image = example.open()
        labels = example.load_labels(image)
        assert labels is not None
        pairs.append((_unit(image), classes_of(labels)))
    network = SmallUNet(1, 3).train()
    optimiser = torch.optim.AdamW(network.parameters(), _RATE)
    began, step, share = time.monotonic(), 0, 0.0
    while share < 1.0:
        for group in optimiser.param_groups:
            # Full for the first half, then falling to 0.
            group["lr"] = _RATE * min(1.0, 2 * (1 - share))
        x, y = _batch(pairs, rng)
        loss = F.cross_entropy(network(x), y)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        share = step / steps if steps else (time.monotonic() - began) / (60 * (minutes or 1.0))
    return Trained(network.eval(), step, time.monotonic() - began)


def _unit(image: Image) -> np.ndarray:
    fitted = IntensityRange.fit(image.overview(exact=True), image.dtype, rgb=False)
    pixels = image.read(tuple((0, side) for side in image.spatial_shape))
    return np.asarray(fitted.to_unit(pixels)[..., 0], np.float32)


def _batch(pairs: Sequence[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    images, classes = [], []
    for _ in range(_BATCH):
        pixels, truth = pairs[int(rng.integers(len(pairs)))]
        missing = [(0, max(0, _CROP - n)) for n in pixels.shape]
        pixels, truth = np.pad(pixels, missing, mode="symmetric"), np.pad(truth, missing, mode="symmetric")
        y, x = (int(rng.integers(0, n - _CROP + 1)) for n in pixels.shape)
        turns, mirror = int(rng.integers(4)), rng.random() < 0.5
        both = [np.rot90(one[y : y + _CROP, x : x + _CROP], turns) for one in (pixels, truth)]
        both = [np.flip(one, 1) if mirror else one for one in both]
        # Another exposure and another camera.
        grey = both[0] ** np.float32(np.exp(rng.uniform(-0.5, 0.5))) + rng.normal(
            0, rng.uniform(0, 0.05), both[0].shape
        )
        images.append(np.clip(grey, 0, 1).astype(np.float32))
        classes.append(both[1].copy())
    return torch.from_numpy(np.stack(images))[:, None], torch.from_numpy(np.stack(classes))


@torch.inference_mode()
def paint(network: SmallUNet, unit: np.ndarray) -> np.ndarray:
    """(Y, X) in 0..1 -> the expected level, -1 ground, 0 rim, 1 core."""
    missing = [(0, -n % network.multiple) for n in unit.shape]
    x = torch.from_numpy(np.pad(unit, missing, mode="symmetric"))[None, None]
    chance = network(x).softmax(1)[0].numpy()[:, : unit.shape[0], : unit.shape[1]]
    return np.asarray(chance[2] - chance[0])


def scores_of(
    network: SmallUNet, images: Sequence[Path], diameter: float, kept: Sequence[str]
) -> dict[str, dict[str, float]]:
    """As `rows.scores_of`."""
    made = {}
    for path in images:
        values = paint(network, _unit(open_image(path)))
        found = nuclei_from_instances(values, PaintSettings(diameter=diameter)).labels
        truth = read_labels(next((path.parent.parent / "labels").glob(f"{path.stem}.*"))).labels
        row = score_labels(found, truth, hausdorff=False).as_dict()
        made[f"{path.parents[2].name}/{path.stem}"] = {key: float(row[key]) for key in kept}
    return made
