"""Does *Check 50 nuclei* tell the truth: simulated persons on real images with complete outlines.

    python benchmarks/spotcheck.py [--persons 200]

Otsu + watershed on images of kumar (train, val) and tnbc; each person judges 50 nuclei and 20 squares drawn with a seed
of their own, as the outlines would. For each image: the true object F1, how far the estimates lie from it, and how
often the 95 % interval holds it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, data_folder, print_table, write_results

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.instances.classical import fit_classical, segment_classical

# The person of the tests.
sys.path.insert(0, str(HERE.parent / "tests" / "instances"))
from checker import Checker


def row_of(image: Path, labels: Path, persons: int) -> dict[str, Any]:
    """One image."""
    opened = open_image(image)
    pixels = np.asarray(opened.levels[0])
    found = segment_classical(pixels, fit_classical(pixels, opened.rgb))[0]
    checker = Checker(found, read_labels(labels).labels)
    verdicts = [checker.look(seed) for seed in range(persons)]
    f1 = [one.f1 for one in verdicts if one.f1 is not None]
    precision = [one.precision for one in verdicts if one.precision is not None]
    away = np.array([one.value for one in f1]) - checker.f1
    return {
        "image": image.stem[:24],
        "nuclei": len(checker.ids),
        "f1": checker.f1,
        "mean": float(np.mean([one.value for one in f1])),
        "sd": float(away.std()),
        "within 0.05": float(np.mean(np.abs(away) <= 0.05)),
        "width": float(np.mean([one.high - one.low for one in f1])),
        "f1 held": float(np.mean([one.low - 1e-9 <= checker.f1 <= one.high + 1e-9 for one in f1])),
        "precision held": float(np.mean([one.low - 1e-9 <= checker.precision <= one.high + 1e-9 for one in precision])),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with kumar/ and tnbc/ (default: NUCLEIDOMAIN_DATA)")
    parser.add_argument("--persons", type=int, default=200)
    parser.add_argument("--most", type=int, default=12, help="images of each set")
    args = parser.parse_args()
    rows = []
    for part in ("kumar/train", "kumar/val", "tnbc/train", "tnbc/val"):
        folder = data_folder(args.data) / part
        for image in sorted(folder.glob("images/*"))[: args.most]:
            labels = image.parent.parent / "labels" / f"{image.stem}.png"
            if labels.exists():
                rows.append(row_of(image, labels, args.persons))
    print_table(rows)
    numbers = [name for name in rows[0] if name not in ("image", "nuclei")]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in numbers}
    print_table([{"images": len(rows), **mean}])
    write_results("spotcheck", {"persons": args.persons, "rows": rows, "mean": mean})


if __name__ == "__main__":
    main()
