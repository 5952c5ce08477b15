"""Images small enough to train on in seconds: bright discs on dark ground, and their centres as clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

SIDE = 96
# Networks and crops of a few pixels: what is tested is the way, not the result.
SMALL = [
    *("--set", "network=small", "--set", "width=4", "--set", "depth=2", "--set", "crop_px=48", "--set", "batch=2"),
    *("--set", "imagenet=false", "--set", "restarts=1", "--set", "precision=32-true"),
]


def centres(count: int = 36, side: int = SIDE) -> np.ndarray:
    """A jittered lattice, float64 (count, 2)."""
    rows = int(np.ceil(np.sqrt(count)))
    step = side / rows
    lattice = np.stack(np.meshgrid(*[np.arange(rows) * step + step / 2] * 2, indexing="ij"), -1).reshape(-1, 2)
    shift = np.random.default_rng(1).uniform(-step / 8, step / 8, lattice.shape)
    return np.rint(lattice + shift)[:count]


def labels_of(points: np.ndarray, shape: tuple[int, int] = (SIDE, SIDE), radius: float = 4.5) -> np.ndarray:
    """Discs numbered 1..N."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.uint32)
    for number, (row, column) in enumerate(points, start=1):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number
    return labels


def image_of(labels: np.ndarray) -> np.ndarray:
    """Grey uint8."""
    noise = np.random.default_rng(2).integers(0, 20, labels.shape)
    return (np.where(labels > 0, 190, 30) + noise).astype(np.uint8)


def write_clicks(path: Path, points: np.ndarray) -> Path:
    """A CSV as napari writes it."""
    names = [f"axis-{axis}" for axis in range(np.shape(points)[1])]
    lines = [",".join(["index", *names])]
    lines += [",".join([str(number), *map(str, point)]) for number, point in enumerate(np.asarray(points))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_dataset(root: Path, image: np.ndarray, points: np.ndarray | None) -> Path:
    """A plain folder with one training image."""
    (root / "train" / "images").mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(root / "train" / "images" / "a.tif", image)
    if points is not None:
        write_clicks(root / "train" / "points" / "a.csv", points)
    return root
