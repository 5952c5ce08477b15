"""Synthetic masks a second on one core: every row of AD-GAN's Table 9, in its own form and with grey rims.

`python benchmarks/adgan_masks.py`: patches of 256 × 256 pixels and 64 × 128 × 128 voxels. Aims: 200 and 2 a second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import print_table, write_results

from napari_nucleidomain.instances.synthesis import TABLE_9, MaskSettings, SyntheticMask, draw_mask

AIM = {2: 200.0, 3: 2.0}


def per_second(make: Callable[[SyntheticMask], Any], settings: MaskSettings, seconds: float) -> float:
    """Masks drawn and put into a form, per second of this process's CPU time."""
    rng = np.random.default_rng(0)
    make(draw_mask(settings, rng))
    began, count = time.process_time(), 0
    while (passed := time.process_time() - began) < seconds:
        make(draw_mask(settings, rng))
        count += 1
    return count / passed


def main() -> None:
    """Table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU seconds for each figure")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, paper in TABLE_9.items():
        settings = paper.settings()
        rng = np.random.default_rng(1)
        masks = [draw_mask(settings, rng) for _ in range(60 if paper.ndim == 2 else 6)]
        speeds = {
            "semantic/s": per_second(SyntheticMask.semantic, settings, arguments.seconds),
            "instance/s": per_second(SyntheticMask.instance, settings, arguments.seconds),
        }
        rows.append(
            {
                "preset": name,
                "ndim": paper.ndim,
                "form": paper.form,
                "wanted": float(np.mean([mask.wanted for mask in masks])),
                "drawn": float(np.mean([len(mask.nuclei) for mask in masks])),
                "covered": float(np.mean([(mask.labels > 0).mean() for mask in masks])),
                **speeds,
                "aim": AIM[paper.ndim],
                "met": min(speeds.values()) >= AIM[paper.ndim],
            }
        )
    print_table(rows)
    write_results("adgan_masks", {"seconds_each": arguments.seconds, "rows": rows})


if __name__ == "__main__":
    main()
