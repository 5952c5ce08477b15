"""Do the scores that a person can have without outlines foretell the true ones, for models good and bad?

    python benchmarks/score_truth.py [--work benchmarks/out/annotation_economy] [--persons 40]

The models of `annotation_economy.py` (20 to 400 clicks, from scratch and trained on). For each: the F1 of
its kept-back clicks (its card), what *Check 50 nuclei* says when simulated persons judge as the outlines would, and the
true object F1 (IoU 0.5) and point F1 on the images it was clicked in and on the test images. Writes a picture, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, data_folder, print_table, write_results

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.instances.pointscores import score_points
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.runs.predict import LoadedModels

# The person of the tests.
sys.path.insert(0, str(HERE.parent / "tests" / "instances"))
from checker import Checker

# Per click.
_COUNTS = ("found", "merged", "missed", "extra")
_COLOURS = {"kumar": "#0072B2", "tnbc": "#D55E00"}


def facts_of(model: str, images: list[Path], persons: int) -> dict[str, float]:
    """True scores on images, and the mean and spread of what persons who check 50 nuclei are told."""
    segmenter, _ = LoadedModels().get(model, "auto", {})
    true, by_points, told, away, counts = [], [], [], [], []
    for path in images:
        folder = path.parent.parent
        truth = read_labels(next((folder / "labels").glob(f"{path.stem}.*"))).labels
        found = segment(open_image(path), segmenter, Scale(1.0, "as it is")).labels
        true.append(score_labels(found, truth, hausdorff=False).at[0.5].f1)
        points = score_points(found, read_points(folder / "points" / f"{path.stem}.csv"))
        by_points.append(points.point_f1)
        counts.append([getattr(points, name) / max(1, points.n_clicks) for name in _COUNTS])
        checker = Checker(found, truth)
        said = [checker.look(seed).f1 for seed in range(persons)]
        values = np.array([one.value for one in said if one is not None])
        told.append(float(values.mean()))
        away.append(float(np.mean(np.abs(values - checker.f1) <= 0.05)))
    return {
        "f1": float(np.mean(true)),
        "point_f1": float(np.mean(by_points)),
        "check50": float(np.mean(told)),
        "check50 within 0.05": float(np.mean(away)),
        **dict(zip(_COUNTS, np.mean(counts, axis=0).tolist(), strict=True)),
    }


def rows_of(name: str, work: Path, data: Path, persons: int) -> list[dict[str, Any]]:
    """Every model of a set."""
    state = json.loads((work / name / "state.json").read_text())
    rows = []
    for key, row in state.items():
        if "model" not in row:
            continue
        clicks = key.rsplit(" ", 1)[1]
        plain = "-none" if key.startswith("no region") else ""
        clicked = [one.image for one in open_dataset(work / name / f"clicks-{clicks}{plain}.json", check=False).all]
        card = json.loads((Path(row["model"]) / "card.json").read_text())
        kept = next(one for one in card["scores"] if one["name"] == "point_f1")
        others = sorted((data / name / "test" / "images").iterdir())[:2]
        here, there = (facts_of(row["model"], images, persons) for images in (clicked, others))
        rows.append(
            {"set": name, "model": key, "kept-back": kept["value"], "on": kept["on"]}
            | {f"{score}, own": value for score, value in here.items()}
            | {f"{score}, test": value for score, value in there.items()}
        )
        print(key, {k: v for k, v in rows[-1].items() if k != "on"}, flush=True)
    return rows


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Estimate against truth as SVG: kept-back clicks at the left, Check 50 at the right."""
    side, gap = 300, 70
    panels = (("kept-back", "F1 of kept-back clicks", "f1, own"), ("check50, own", "Check 50 nuclei", "f1, own"))
    parts = []
    for number, (key, title, truth) in enumerate(panels):
        left = 60 + number * (side + gap)

        def at(x: float, y: float, left: int = left) -> tuple[float, float]:
            return left + x * side, 40 + (1 - y) * side

        parts.append(f'<rect x="{left}" y="40" width="{side}" height="{side}" fill="none" stroke="#888"/>')
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = at(0, 0.05), at(0.95, 1), at(1, 0.95), at(0.05, 0)
        parts.append(f'<polygon points="{ax},{ay} {bx},{by} {cx},{cy} {dx},{dy}" fill="#888" opacity="0.25"/>')
        parts.append(f'<text x="{left}" y="28">{title}</text>')
        parts.append(f'<text x="{left + side / 2}" y="{40 + side + 36}" text-anchor="middle">estimate</text>')
        for tick in (0.0, 0.5, 1.0):
            x, y = at(tick, tick)
            parts.append(f'<text x="{x}" y="{40 + side + 16}" text-anchor="middle" font-size="11">{tick}</text>')
            parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end" font-size="11">{tick}</text>')
        for row in rows:
            x, y = at(row[key], row[truth])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLOURS[row["set"]]}" opacity="0.8"/>')
    for number, (name, colour) in enumerate(_COLOURS.items()):
        x = 60 + 90 * number
        parts.append(f'<circle cx="{x}" cy="{40 + side + 58}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="{40 + side + 62}">{name}</text>')
    middle = 40 + side / 2
    parts.append(f'<text x="18" y="{middle}" transform="rotate(-90 18 {middle})" text-anchor="middle">true F1</text>')
    size = f'width="{60 + 2 * side + gap + 20}" height="{40 + side + 80}"'
    style = 'font-family="sans-serif" font-size="13"'
    # Without per cent: some viewers know no size to take them of.
    ground = f'<rect {size} fill="white"/>'
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{ground}{"".join(parts)}</svg>\n')


def main() -> None:
    """Table, JSON and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=HERE / "out" / "annotation_economy")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["kumar", "tnbc"])
    parser.add_argument("--persons", type=int, default=40)
    parsed = parser.parse_args()
    rows = [row for name in parsed.sets for row in rows_of(name, parsed.work, data_folder(parsed.data), parsed.persons)]
    print_table([{key: value for key, value in row.items() if key != "on"} for row in rows])
    far = {
        f"{key} against {truth}": float(np.mean([abs(row[key] - row[truth]) <= 0.05 for row in rows]))
        for key, truth in (
            ("kept-back", "f1, own"),
            ("kept-back", "point_f1, own"),
            ("kept-back", "f1, test"),
            ("check50, own", "f1, own"),
        )
    }
    print_table([{"models": len(rows), **far}])
    write_results("score_truth", {"persons": parsed.persons, "rows": rows, "share within 0.05": far})
    picture(rows, HERE.parent / "docs" / "images" / "score-truth.svg")


if __name__ == "__main__":
    main()
