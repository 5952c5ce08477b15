"""Made-up images: dark discs on a light ground, or bright ones on a dark ground, with their truth and clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.points import write_points


def discs(side: int = 140, gap: int = 26, radius: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth labels (side, side) int32 and clicks (N, 2): discs on a jittered grid."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels, clicks = np.zeros((side, side), np.int32), []
    for y in range(gap // 2, side - gap // 2 + 1, gap):
        for x in range(gap // 2, side - gap // 2 + 1, gap):
            centre = np.array([y, x]) + rng.uniform(-3, 3, 2)
            clicks.append(np.rint(centre))
            labels[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2] = len(clicks)
    return labels, np.array(clicks, float)


def stained(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """An H&E-like picture of labels, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    colour = np.where((labels > 0)[..., None], (0.40, 0.25, 0.60), (0.90, 0.70, 0.85))
    return np.rint(255 * np.clip(colour + rng.normal(0, 0.04, colour.shape), 0, 1)).astype(np.uint8)


def write_folder(
    folder: Path, pictures: list[np.ndarray], clicks: list[np.ndarray], labels: list[np.ndarray]
) -> Dataset:
    """A plain folder of training images."""
    for name in ("images", "points", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (picture, points, truth) in enumerate(zip(pictures, clicks, labels, strict=True)):
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        if len(points):
            write_points(points, folder / "points" / f"{number}.csv")
        Image.fromarray(truth.astype(np.uint16)).save(folder / "labels" / f"{number}.png")
    return open_dataset(folder)
