"""The figure of docs/methods/adgan.md: one picture painted with domain labels from mask to image (section 5.5).

    python docs/figure_domain_labels.py MODEL IMAGE [--seed 0] [--out docs/images/adgan-labels.png]

MODEL is a trained adgan model of flat images, IMAGE one that it has not learned from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.instances.synthesis import MaskSettings, draw_mask, semi_major_of
from napari_nucleidomain.methods.adgan.brightness import brightness_of
from napari_nucleidomain.methods.adgan.facts import read_facts
from napari_nucleidomain.methods.adgan.interpolate import interpolate
from napari_nucleidomain.methods.adgan.lessons import painted
from napari_nucleidomain.methods.adgan.pictures import to_work, work_factors
from napari_nucleidomain.methods.adgan.segment import load, read_config

_GAP, _TWICE = 4, 2
_FULL = 0.2


def piece_of(work: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """Of crops on a grid the one that is as full as can still be looked through."""
    from skimage.filters import threshold_otsu

    bright = work > threshold_otsu(work)
    steps = [range(0, max(1, n - side + 1), 8) for n, side in zip(work.shape, sides, strict=True)]
    corners = [(y, x) for y in steps[0] for x in steps[1]]
    y, x = min(corners, key=lambda at: abs(bright[at[0] : at[0] + sides[0], at[1] : at[1] + sides[1]].mean() - _FULL))
    return work[y : y + sides[0], x : x + sides[1]]


def rows(folder: Path, path: Path, seed: int) -> list[np.ndarray]:
    """(12, Y, X) each: what is given, then from mask to image; of an image, and of a drawn mask."""
    card = load_card(folder)
    segmenter, config, facts = load(folder, card, "cpu"), read_config(card), read_facts(card)
    image = open_image(path)
    unit = brightness_of(image, None).to_unit(image.read(tuple((0, n) for n in image.spatial_shape)))
    factors = work_factors(
        facts.diameter_px, config.work_diameter(card.ndim), config.resize, facts.spacing, facts.stretch
    )
    given = piece_of(to_work(unit, factors, config.gamma), facts.crop)
    e = (config.eccentricity_least, config.eccentricity_most)
    low, high = (semi_major_of(size * factors[-1], 2, e) for size in (facts.low_px, facts.high_px))
    masks = MaskSettings(facts.crop, facts.count, (low, high), e, rim=config.rim)
    drawn = painted(draw_mask(masks, np.random.default_rng(seed)), config.form)
    return [
        np.concatenate([given[None], interpolate(segmenter, given)]),
        np.concatenate([drawn[None], interpolate(segmenter, drawn, mask=True)]),
    ]


def put_together(pictures: list[np.ndarray]) -> np.ndarray:
    """One picture, uint8: rows below each other, what was given set apart."""
    lines = []
    for row in pictures:
        parts = []
        for number, one in enumerate(row):
            grey = np.rint((np.clip(one, -1, 1) + 1) * 127.5).astype(np.uint8)
            gap = 3 * _GAP if number == 0 else _GAP
            parts += [grey, np.full((grey.shape[0], gap), 255, np.uint8)]
        lines += [
            np.concatenate(parts[:-1], 1),
            np.full((_GAP, sum(part.shape[1] for part in parts[:-1])), 255, np.uint8),
        ]
    return np.repeat(np.repeat(np.concatenate(lines[:-1]), _TWICE, 0), _TWICE, 1)


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images" / "adgan-labels.png")
    arguments = parser.parse_args()
    whole = put_together(rows(arguments.model, arguments.image, arguments.seed))
    write_atomic(arguments.out, lambda aside: Picture.fromarray(whole).save(aside, optimize=True))
    print(arguments.out)


if __name__ == "__main__":
    main()
