"""How strong the floor is: Otsu + watershed before and after a change, on every labelled set, and with dirt drawn in.

    python benchmarks/floor.py [--data DIR] [--before CHECKOUT] [--splits train val test] [--sets NAME ...]
                               [--every N] [--drawings N] [--work DIR]

`--before` names another checkout of this program, whose method is run on the same images in a process of its own. A row
is one image: Dice of the foreground, F1 of nuclei at IoU 0.5, AJI, milliseconds a megapixel; means over the images of a
set and split. `open_corpus` counts by its parts. gonuclear3d/test is broken in the file and left out.

Then things are drawn into images that are clean (`floor_drawings.py`), `--drawings` of each kind: ink of four colours,
scale bars with text, padding; in fluorescence debris, hot pixels, fibres, saturated spots, bars, padding. Counted are
nuclei that the drawing does not touch: how many are right (IoU above 0.5) without it and with it.

Goes on where it was stopped, row by row (--work).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, data_folder, print_table, write_results
from floor_drawings import BRIGHT_FIELD, FLUORESCENCE

SETS = (
    "kumar",
    "tnbc",
    "dsb2018_u2os",
    "dsb2018_fluo256",
    "dsb2018_fluo360",
    "dsb2018_purple",
    "gonuclear3d",
    "mouse_embryo3d",
    "stardist_synth3d",
)
_CORPUS = "open_corpus"
_BROKEN = ("gonuclear3d", "test")
# Where things are drawn in: sets of clean images, of bright-field and of fluorescence.
_DRAWN_BRIGHT = ("kumar", "tnbc", "dsb2018_purple")
_DRAWN_FLUO = ("dsb2018_u2os", "dsb2018_fluo256", "dsb2018_fluo360")


def names_of(root: Path) -> list[str]:
    """Sets, and the parts of the corpus."""
    parts = sorted(one.name for one in (root / _CORPUS).glob("*") if (one / "train").is_dir())
    return [name for name in SETS if (root / name).is_dir()] + [f"{_CORPUS}/{part}" for part in parts]


def images_of(root: Path, name: str, split: str) -> list[tuple[Path, Path]]:
    """(image, labels) of a set's split."""
    folder = root / name / split
    if (name, split) == _BROKEN or not folder.is_dir():
        return []
    labels = {path.stem: path for path in (folder / "labels").glob("*")}
    return [(path, labels[path.stem]) for path in sorted((folder / "images").glob("*")) if path.stem in labels]


def clean_tasks(root: Path, names: list[str], splits: list[str], every: int) -> Iterator[dict[str, Any]]:
    """One for each image."""
    for name in names:
        for split in splits:
            for image, labels in images_of(root, name, split)[::every]:
                key = f"{name}|{split}|{image.stem}"
                yield {"key": key, "image": str(image), "labels": str(labels)}


def drawn_tasks(root: Path, number: int, split: str) -> Iterator[dict[str, Any]]:
    """`number` of each kind, over the images of the sets in turn."""
    for sets, kinds in ((_DRAWN_BRIGHT, BRIGHT_FIELD), (_DRAWN_FLUO, FLUORESCENCE)):
        lists = [images_of(root, name, split) for name in sets]
        for kind in kinds:
            for k in range(number):
                pairs = lists[k % len(lists)]
                if pairs:
                    image, labels = pairs[(k // len(lists)) % len(pairs)]
                    field = "bright-field" if kinds is BRIGHT_FIELD else "fluorescence"
                    yield {
                        "key": f"drawn {split}|{field}: {kind}|{k}",
                        "image": str(image),
                        "labels": str(labels),
                        "drawing": kind,
                        "seed": k,
                    }


def run(tasks: list[dict[str, Any]], checkout: Path, file: Path) -> dict[str, dict[str, Any]]:
    """Rows of all tasks with the program of a checkout, those in `file` from an earlier call."""
    rows: dict[str, dict[str, Any]] = {}
    if file.exists():
        rows = {row["key"]: row for row in map(json.loads, file.read_text().splitlines()) if "key" in row}
    todo = [task for task in tasks if task["key"] not in rows]
    if todo:
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
        child = subprocess.Popen(
            [sys.executable, str(HERE / "floor_rows.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert child.stdin is not None and child.stdout is not None
        with file.open("a") as out:
            for number, task in enumerate(todo, 1):
                child.stdin.write(json.dumps(task) + "\n")
                child.stdin.flush()
                line = child.stdout.readline()
                if not line:
                    raise SystemExit(f"The process for {checkout.name} ended at {task['key']}; what is done stays.")
                rows[task["key"]] = json.loads(line)
                out.write(line)
                out.flush()
                if number % 50 == 0:
                    print(f"{checkout.name}: {number} of {len(todo)}", flush=True)
        child.stdin.close()
        child.wait()
    return {task["key"]: rows[task["key"]] for task in tasks}


def table_of_sets(before: dict[str, Any] | None, after: dict[str, Any]) -> list[dict[str, Any]]:
    """Means over the images of every set and split."""
    groups: dict[str, list[str]] = defaultdict(list)
    for key in after:
        groups[key.rsplit("|", 1)[0]].append(key)
    table = []
    for group, keys in groups.items():
        row: dict[str, Any] = {"set": group.replace("|", " "), "images": len(keys)}
        for score in ("dice", "f1", "aji", "ms_per_mpx"):
            for name, rows in (("before", before), ("after", after)):
                if rows is not None:
                    digits = 4 if score != "ms_per_mpx" else 0
                    row[f"{score} {name}"] = round(float(np.mean([rows[key][score] for key in keys])), digits)
        row["told"] = sum(bool(after[key]["told"]) for key in keys)
        table.append(row)
    return table


def table_of_drawings(before: dict[str, Any] | None, after: dict[str, Any]) -> list[dict[str, Any]]:
    """Sums over the drawings of every kind."""
    groups: dict[str, list[str]] = defaultdict(list)
    for key in after:
        groups[key.rsplit("|", 1)[0]].append(key)
    table = []
    for group, keys in groups.items():
        row: dict[str, Any] = {"drawn": group.replace("|", " "), "drawings": len(keys)}
        row["nuclei"] = sum(after[key]["nuclei"] for key in keys)
        for name, rows in (("old", before), ("new", after)):
            if rows is not None:
                plain = sum(rows[key]["before"] for key in keys)
                row[f"{name}: right without"] = plain
                row[f"{name}: right with"] = sum(rows[key]["after"] for key in keys)
                row[f"{name}: fewer"] = round(1 - row[f"{name}: right with"] / max(plain, 1), 4)
                row[f"{name}: in it"] = sum(rows[key]["in_drawing"] for key in keys)
        row["told"] = sum(bool(after[key]["told"]) for key in keys)
        table.append(row)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--splits", nargs="+", default=["train", "val", "test"])
    parser.add_argument("--sets", nargs="+", help="beginnings of names")
    parser.add_argument("--every", type=int, default=1, help="only every Nth image")
    parser.add_argument("--drawings", type=int, default=51, help="of each kind")
    parser.add_argument("--drawn-on", default="train", help="split whose images are drawn on")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "nucleidomain-floor")
    parser.add_argument("--no-results", action="store_true", help="only print")
    arguments = parser.parse_args()
    root = data_folder(arguments.data)
    names = [n for n in names_of(root) if not arguments.sets or n.startswith(tuple(arguments.sets))]
    clean = list(clean_tasks(root, names, arguments.splits, arguments.every))
    drawn = list(drawn_tasks(root, arguments.drawings, arguments.drawn_on))
    arguments.work.mkdir(parents=True, exist_ok=True)
    old = new = None
    results: dict[str, Any] = {}
    for title, tasks, table in (("sets", clean, table_of_sets), ("drawings", drawn, table_of_drawings)):
        if not tasks:
            continue
        if arguments.before:
            old = run(tasks, arguments.before, arguments.work / "before.jsonl")
        new = run(tasks, HERE.parent, arguments.work / "after.jsonl")
        results[title] = table(old, new)
        print_table(results[title])
        print()
    if not arguments.no_results:
        settings = {"splits": arguments.splits, "every": arguments.every, "drawn on": arguments.drawn_on}
        write_results("floor", {"settings": settings, **results})


if __name__ == "__main__":
    main()
