"""Seams: nuclei broken by tiles, with our stitching and with the paper's; truth cut and joined again; seconds.

`NUCLEIDOMAIN_DATA=... python benchmarks/stitching.py [MODEL ...]`: tiles of the classical method and, where models of
SPN+IEN are given (with tiles of one size), those of their two ways to tell nuclei apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, print_table, write_results

from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.instances.grid import Grid
from napari_nucleidomain.instances.seams import Views, overwrite_stitch, seam_errors
from napari_nucleidomain.instances.stitching import TileInstances, stitch_array
from napari_nucleidomain.runs.job import CLASSICAL
from napari_nucleidomain.runs.predict import LoadedModels


def tiles_of(image: Image, segmenter: Any, grid: Grid, corner: tuple[int, int]) -> dict[int, TileInstances]:
    """The segmenter's nuclei of every tile of a grid that begins at `corner` of the image."""
    constants = segmenter.prepare(image, None)
    side = segmenter.spec.tile
    found = {}
    for tile in grid:
        box = tuple((piece.start + c, piece.stop + c) for piece, c in zip(tile.window, corner, strict=True))
        pixels = image.read(box)
        short = [
            (0, max(0, want - have) if segmenter.spec.fixed else 0)
            for want, have in zip(side, pixels.shape, strict=False)
        ]
        made = segmenter.forward([np.pad(pixels, [*short, (0, 0)], mode="symmetric")], constants)[0]
        cut = made.labels[tuple(slice(0, b - a) for a, b in box)]
        found[tile.index] = TileInstances(cut, made.scores, made.uncertainty)
    return found


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two label images are equal but for the numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1] and not pairs[:, 0].any()


def seam_rows(path: Path, segmenter: Any, tile: int, halo: int) -> list[dict[str, Any]]:
    """Both stitchings of the grid, judged by the grid shifted by half a stride; seams beside lines far from any."""
    image = open_image(path)
    shape = tuple(image.spatial_shape)
    shift = ((tile - 2 * halo) // 2,) * 2
    grid = Grid(shape, (tile, tile), (halo, halo))
    # The image shifted by half a stride is padded with nothing: what lies before the corner is left out of both.
    other = Grid(tuple(n - s for n, s in zip(shape, shift, strict=True)), (tile, tile), (halo, halo))
    results, shifted = tiles_of(image, segmenter, grid, (0, 0)), tiles_of(image, segmenter, other, shift)
    seams = [lines[lines > s] - s for lines, s in zip(grid.seams(), shift, strict=True)]
    middles = [lines[lines > s] - s for lines, s in zip(grid.middles(), shift, strict=True)]
    part = tuple(slice(s, None) for s in shift)
    rows = []
    methods: dict[str, Callable[[Grid, dict[int, TileInstances]], np.ndarray]] = {
        "ours": lambda g, r: stitch_array(g, r).labels,
        "paper's overwrite": lambda g, r: overwrite_stitch(g, r.__getitem__),
    }
    for name, method in methods.items():
        began = time.perf_counter()
        labels = method(grid, results)
        seconds = time.perf_counter() - began
        reference = method(other, shifted)
        views = Views(grid, results, shift)
        at, away = (seam_errors(labels[part], reference, lines, views=views) for lines in (seams, middles))
        rows.append(
            {
                "image": path.stem[:20],
                "stitching": name,
                "tiles": len(grid),
                "nuclei": int(labels.max()),
                "crossing": at.crossing,
                "broken": at.broken,
                "share": at.share,
                "by seams alone": at.broken - at.divided_within,
                "merged": at.merged,
                "lost": at.lost,
                "share away from seams": away.share,
                "seconds": seconds,
            }
        )
    return rows


def identity_rows(path: Path, tile: int, halo: int) -> list[dict[str, Any]]:
    """Truth cut on a grid, its numbers permuted in every tile, and joined again."""
    truth = read_labels(path).labels
    rng = np.random.default_rng(0)
    grid = Grid(truth.shape, (tile, tile), (halo, halo))
    cut = {}
    for one in grid:
        ids, places = np.unique(truth[one.window], return_inverse=True)
        new = np.concatenate([[0], 1 + rng.permutation(len(ids) - 1)]) if ids[0] == 0 else 1 + rng.permutation(len(ids))
        cut[one.index] = TileInstances.of(new[places].reshape(truth[one.window].shape).astype(np.uint32))
    began = time.perf_counter()
    ours = stitch_array(grid, cut).labels
    seconds = time.perf_counter() - began
    theirs = overwrite_stitch(grid, cut.__getitem__)
    return [
        {
            "image": path.stem[:20],
            "tile": tile,
            "halo": halo,
            "nuclei": len(np.unique(truth)) - 1,
            "ours identical": same_partition(ours, truth),
            "paper's identical": same_partition(theirs, truth),
            "seconds": seconds,
        }
    ]


def totals_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sums over images, per segmenter and stitching."""
    made = []
    for segmenter in dict.fromkeys(row["segmenter"] for row in rows):
        for name in ("ours", "paper's overwrite"):
            chosen = [row for row in rows if row["stitching"] == name and row["segmenter"] == segmenter]
            keys = ("crossing", "broken", "by seams alone", "merged", "lost")
            crossing, broken, alone, merged, lost = (sum(row[key] for row in chosen) for key in keys)
            away = float(np.mean([row["share away from seams"] for row in chosen]))
            made.append(
                {
                    "segmenter": segmenter,
                    "stitching": name,
                    "crossing": crossing,
                    "broken": broken,
                    "share": broken / max(1, crossing),
                    "by seams alone": alone,
                    "share by seams alone": alone / max(1, crossing),
                    "share away from seams": away,
                    "merged": merged,
                    "lost": lost,
                }
            )
    return made


def main() -> None:
    """Tables and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="folders of models of SPN+IEN, beside otsu")
    parser.add_argument("--data", type=Path, help="folder that holds kumar/")
    parser.add_argument("--tile", type=int, help="side of a tile in pixels (default: the model's; 160 without)")
    parser.add_argument("--halo", type=int, help="margin of a tile in pixels (default: the model's; 24 without)")
    arguments = parser.parse_args()
    folder = data_folder(arguments.data) / "kumar" / "val"
    images = sorted((folder / "images").glob("*.png"))
    rows, tile, halo = [], arguments.tile or 160, arguments.halo or 24
    trials: list[tuple[str, str, dict[str, Any]]] = [("otsu", CLASSICAL, {})]
    for number, model in enumerate(arguments.models, 1):
        trials += [(f"model {number}, {one}", model, {"decoder": one}) for one in ("watershed", "ien")]
        spec = LoadedModels().get(model, "cpu")[0].spec
        tile, halo = arguments.tile or spec.tile[0], arguments.halo or spec.halo[0]
    for name, model, settings in trials:
        segmenter, _ = LoadedModels().get(model, "cpu", settings)
        for path in images:
            rows += [{"segmenter": name, **row} for row in seam_rows(path, segmenter, tile, halo)]
    print_table(rows)
    identity = [
        row
        for path in sorted((folder / "labels").glob("*.png"))
        for sides in ((tile, halo), (97, 11), (256, 40))
        for row in identity_rows(path, *sides)
    ]
    print_table(identity)
    totals = totals_of(rows)
    print_table(totals)
    write_results("stitching", {"tile": tile, "halo": halo, "seams": rows, "totals": totals, "identity": identity})


if __name__ == "__main__":
    main()
