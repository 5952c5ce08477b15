"""A picture small enough to train on in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile


def write_scene(folder: Path) -> Path:
    """A dataset folder with a grey image of 96 × 96 px with 36 discs, and their centres as clicks."""
    lattice = np.stack(np.meshgrid(*[np.arange(6) * 16 + 8] * 2, indexing="ij"), -1).reshape(-1, 2)
    y, x = np.mgrid[:96, :96]
    image = np.random.default_rng(0).integers(20, 50, (96, 96))
    for row, column in lattice:
        image[(y - row) ** 2 + (x - column) ** 2 <= 20] += 150
    for name in ("images", "points"):
        (folder / "train" / name).mkdir(parents=True)
    tifffile.imwrite(folder / "train" / "images" / "a.tif", image.astype(np.uint8))
    lines = ["index,axis-0,axis-1", *(f"{k},{r},{c}" for k, (r, c) in enumerate(lattice))]
    (folder / "train" / "points" / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
