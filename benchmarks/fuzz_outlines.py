"""Drawn files of outlines, read back: GeoJSON and ImageJ ROI zips with odd entries, regions, and every version's words.

Each file holds nuclei drawn at random, in random order, and with them entries that are none: rings without area, NaN,
text, missing geometry, properties of another kind, lines, damaged regions; a field or region round all; duplicates.
The oracle fills the valid nuclei alone, by shapely: all must come back, and nothing else but what a line tells.

    python benchmarks/fuzz_outlines.py [--drawn 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import print_table, write_results

SIDE = 220
_LEFT_OUT = re.compile("passed over|left out")
_WORDS = {
    "0.2": ("PathDetectionObject", "PathCellObject", "PathAnnotationObject", "PathTileObject", "TMACoreObject"),
    "0.3": ("detection", "cell", "annotation", "tile", "tma_core"),
    "0.5": ("detection", "cell", "annotation", "tile", "tmaCore"),
}


def nuclei(rng: np.random.Generator) -> list[np.ndarray]:
    """Outlines (N, 2) of x, y that lie apart, of 3 to 30 corners."""
    found: list[np.ndarray] = []
    step = int(rng.choice([22, 28, 40]))
    places = [(y, x) for y in range(step, SIDE - step, step) for x in range(step, SIDE - step, step)]
    rng.shuffle(places)
    for y, x in places[: int(rng.integers(3, 20))]:
        turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 30))))
        if np.diff([*turn, turn[0] + 2 * np.pi]).max() > 2.5:
            turn = np.linspace(0, 2 * np.pi, 8, endpoint=False)
        radius = rng.uniform(0.25, 0.42) * step * rng.uniform(0.8, 1.0, len(turn))
        ring = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
        found.append(np.round(ring, int(rng.choice([0, 1, 3]))) if rng.random() < 0.5 else ring)
    return [ring for ring in found if shapely.Polygon(ring).is_valid and shapely.Polygon(ring).area > 12]


def filled(rings: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each nucleus the pixels whose centres it holds, and those whose centres it holds or has on its edge."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    shapes = [shapely.Polygon(ring) for ring in rings]
    return [
        (shapely.contains_xy(shape.buffer(-1e-4), x, y), shapely.contains_xy(shape.buffer(1e-4), x, y))
        for shape in shapes
    ]


def closed(ring: np.ndarray) -> list[list[float]]:
    """As GeoJSON wants it."""
    return [*ring.tolist(), ring[0].tolist()]


def polygon(rings: list[Any]) -> dict[str, Any]:
    """A GeoJSON polygon."""
    return {"type": "Polygon", "coordinates": rings}


FIELD = np.array([[2, 2], [SIDE - 2, 2], [SIDE - 2, SIDE - 2], [2, SIDE - 2]], float)
# Entries of which nothing can be drawn: all are passed over, and told.
ODD: dict[str, Callable[[], Any]] = {
    "no area": lambda: feature(polygon([[[5, 5], [5, 5], [5, 5], [5, 5]]])),
    "two corners": lambda: feature(polygon([[[5, 5], [9, 9]]])),
    "a line as a ring": lambda: feature(polygon([[[5, 5], [9, 9], [7, 7], [5, 5]]])),
    "NaN": lambda: feature(polygon([[[5, 5], [float("nan"), 9], [9, 5], [5, 5]]])),
    "infinite": lambda: feature(polygon([[[5, 5], [float("inf"), 9], [9, 5], [5, 5]]])),
    "huge": lambda: feature(polygon([[[5, 5], [1e300, 9], [9, 5], [5, 5]]])),
    "5,000 digits": lambda: feature(polygon([[[5, 5], [int("9" * 250), 9], [9, 5], [5, 5]]])),
    "text": lambda: feature(polygon([[["a", 5], [9, 9], [9, 5]]])),
    "one level short": lambda: feature(polygon([[5, 5], [9, 9], [9, 5]])),
    "one level deep": lambda: feature(polygon([[[[5, 5], [9, 9], [9, 5]]]])),
    "empty": lambda: feature(polygon([])),
    "empty ring": lambda: feature(polygon([[]])),
    "None as a ring": lambda: feature(polygon([None])),
    "no coordinates": lambda: feature({"type": "Polygon"}),
    "empty MultiPolygon": lambda: feature({"type": "MultiPolygon", "coordinates": []}),
    "no geometry": lambda: feature(None),
    "geometry a text": lambda: feature("x"),
    "geometry a list": lambda: feature([1]),
    "unknown shape": lambda: feature({"type": "Circle", "coordinates": [5, 5], "radius": 4}),
    "properties a list": lambda: {**feature(polygon([[[5, 5], [9, 9], [9, 5]]])), "properties": [1]},
    "properties a text": lambda: {**feature(polygon([[[5, 5], [9, 9], [9, 5]]])), "properties": "x"},
    "nucleus a text": lambda: {**feature(polygon([[[5, 5], [9, 9], [9, 5]]])), "nucleusGeometry": "x"},
    "no feature": lambda: 7,
    "null": lambda: None,
    "type a number": lambda: {"type": 3},
    "line": lambda: feature({"type": "LineString", "coordinates": [[1, 1], [9, 9]]}),
    "point": lambda: feature({"type": "Point", "coordinates": [3, 3]}),
    "outside": lambda: feature(polygon([closed(np.array([[900, 900], [910, 900], [910, 910.0]]))])),
}


def feature(geometry: Any, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A GeoJSON feature."""
    return {"type": "Feature", "geometry": geometry, "properties": {} if properties is None else properties, **more}


def _typed(item: dict[str, Any], version: str, kind: int) -> dict[str, Any]:
    """With the word of a version of QuPath for a kind of object."""
    word = _WORDS[version][kind]
    if version == "0.2":
        item["id"] = word
    else:
        item["properties"] = {**item["properties"], {"0.3": "object_type", "0.5": "objectType"}[version]: word}
    return item


def geojson(rng: np.random.Generator, rings: list[np.ndarray], folder: Path) -> tuple[Path, list[str]]:
    """A file of nuclei and others; and what was mixed in."""
    mixed: list[str] = []
    version = str(rng.choice(["none", *_WORDS]))
    # Detections, cells or annotations.
    kind = int(rng.choice([0, 0, 1, 2]))
    items = [_nucleus(rng, ring, kind) for ring in rings]
    if version != "none":
        items = [_typed(item, version, kind) for item in items]
    for name in rng.choice(list(ODD), int(rng.integers(0, 4)), replace=False):
        items.append(ODD[name]())
        mixed.append(str(name))
    if rng.random() < 0.5:
        region = feature(polygon([closed(FIELD)]), {"isLocked": True, "name": "field"})
        what = 2 if rng.random() < 0.7 else int(rng.choice([3, 4]))
        items.append(_typed(region, version, what) if version != "none" else region)
        mixed.append("field")
    if rng.random() < 0.2:
        items.append(json.loads(json.dumps(items[0])))
        mixed.append("twice")
    order = rng.permutation(len(items))
    items = [items[k] for k in order]
    return _written(rng, items, folder, mixed), mixed


def _nucleus(rng: np.random.Generator, ring: np.ndarray, kind: int) -> dict[str, Any]:
    coordinates = closed(ring) if rng.random() < 0.8 else ring.tolist()
    if rng.random() < 0.2:
        coordinates = [[*pair, 0.0] for pair in coordinates]
    geometry = polygon([coordinates])
    if rng.random() < 0.1:
        geometry = {"type": "MultiPolygon", "coordinates": [[coordinates]]}
    if rng.random() < 0.1:
        geometry = {"type": "GeometryCollection", "geometries": [geometry]}
    label: Any = rng.choice(np.array([1, 2.5, float("nan"), float("inf"), 2**40, -3, "x", None], object))
    measurements: Any = {"Label": label} if rng.random() < 0.5 else [{"name": "Label", "value": label}]
    properties: dict[str, Any] = {"measurements": measurements} if rng.random() < 0.5 else {}
    if rng.random() < 0.2:
        properties["classification"] = "Tumor"
    if kind == 1 and rng.random() < 0.7:
        middle = ring.mean(axis=0)
        around = closed(middle + (ring - middle) * 1.15)
        return feature(polygon([around]), properties, nucleusGeometry=geometry)
    return feature(geometry, properties)


def _written(rng: np.random.Generator, items: list[Any], folder: Path, mixed: list[str]) -> Path:
    """As a collection, a bare list or lines; in some encoding; plain or packed."""
    how = str(rng.choice(["collection", "list", "lines", "children"]))
    if how == "lines" and len(items) > 1:
        text = "\n".join(json.dumps(one) for one in items)
    elif how == "list":
        text = json.dumps(items, indent=int(rng.integers(0, 3)))
    else:
        if how == "children" and isinstance(items[0], dict) and items[0].get("type") == "Feature" and len(items) > 2:
            items = [{**items[0], "childObjects": items[1:3]}, *items[3:]]
        text = json.dumps({"type": "FeatureCollection", "features": items})
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    content = text.encode(str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])))
    mixed.append(how)
    pack = str(rng.choice(["plain", "plain", "gz", "zip"]))
    if pack == "zip":
        with zipfile.ZipFile(folder / "a.zip", "w") as packed:
            packed.writestr("cells.geojson", content)
            packed.writestr("__MACOSX/._cells.geojson", b"clutter")
        return folder / "a.zip"
    path = folder / "a.geojson"
    path.write_bytes(gzip.compress(content) if pack == "gz" else content)
    return path


def rois(rng: np.random.Generator, rings: list[np.ndarray], folder: Path) -> tuple[Path, list[str]]:
    """A zip for Fiji of nuclei and others; and what was mixed in."""
    from roifile import ROI_TYPE, ImagejRoi

    mixed: list[str] = []
    items: list[tuple[str, bytes]] = []
    for k, ring in enumerate(rings):
        roi = ImagejRoi.frompoints(ring.astype(np.float32))
        roi.roitype = ROI_TYPE(int(rng.choice([ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED])))
        items.append((f"{k}.roi", bytes(roi.tobytes())))
    whole = items[0][1]
    if rng.random() < 0.5:
        box = ImagejRoi(roitype=ROI_TYPE.RECT, top=2, left=2, bottom=SIDE - 2, right=SIDE - 2)
        kind = str(rng.choice(["rectangle", "oval", "rounded", "polygon"]))
        if kind == "oval":
            box = ImagejRoi(roitype=ROI_TYPE.OVAL, top=-60, left=-60, bottom=SIDE + 60, right=SIDE + 60)
        elif kind == "rounded":
            box.rounded_rect_arc_size = 12
        elif kind == "polygon":
            box = ImagejRoi.frompoints(FIELD.astype(np.float32))
        items.append(("field.roi", bytes(box.tobytes())))
        mixed.append(f"field {kind}")
    odd: dict[str, Callable[[], bytes]] = {
        "cut": lambda: whole[: int(rng.integers(0, 70))],
        "noise": lambda: rng.bytes(200),
        "other magic": lambda: b"Jout" + whole[4:],
        "line": lambda: bytes(ImagejRoi(roitype=ROI_TYPE.LINE, x2=5.0, y2=5.0).tobytes()),
        "empty rectangle": lambda: bytes(ImagejRoi(roitype=ROI_TYPE.RECT, top=5, left=5, bottom=5, right=9).tobytes()),
        "infinite oval": lambda: bytes(_oval(float("inf")).tobytes()),
        "NaN oval": lambda: bytes(_oval(float("nan")).tobytes()),
        "huge oval": lambda: bytes(_oval(1e30).tobytes()),
        "two corners": lambda: bytes(ImagejRoi.frompoints(np.array([[3, 3], [9, 9]], np.float32)).tobytes()),
        "bad path": lambda: bytes(_composite(np.array([7, 1, 1, 4], np.float32)).tobytes()),
        "path of NaN": lambda: bytes(_composite(np.array([0, np.nan, 1, 1, 5, 5, 4], np.float32)).tobytes()),
    }
    for name in rng.choice(list(odd), int(rng.integers(0, 4)), replace=False):
        items.append((f"odd {name}.roi", odd[str(name)]()))
        mixed.append(str(name))
    if rng.random() < 0.2:
        items.append(("copy.roi", whole))
        mixed.append("twice")
    path = folder / "RoiSet.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for k in rng.permutation(len(items)):
            packed.writestr(*items[k])
    return path, mixed


def _oval(size: float) -> Any:
    from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

    roi = ImagejRoi(roitype=ROI_TYPE.OVAL, options=ROI_OPTIONS.SUB_PIXEL_RESOLUTION)
    roi.xd = roi.yd = 4.0
    roi.widthd = roi.heightd = size
    return roi


def _composite(path: np.ndarray) -> Any:
    from roifile import ROI_TYPE, ImagejRoi

    return ImagejRoi(roitype=ROI_TYPE.RECT, multi_coordinates=path, shape_roi_size=len(path))


def judge(path: Path, rings: list[np.ndarray], mixed: list[str]) -> str:
    """What became of a file: "right", or what is wrong."""
    from napari_nucleidomain.contracts import NucleiError
    from napari_nucleidomain.data.labels_io import read_labels

    try:
        found = read_labels(path, (SIDE, SIDE))
    except NucleiError as error:
        return f"refused: {str(error)[:120]}"
    except Exception:  # noqa: BLE001 - whatever else comes is what is looked for
        return f"traceback: {traceback.format_exc(limit=-1)[-160:]}"
    numbers = set()
    for inside, reach in filled(rings):
        there = np.unique(found.labels[inside])
        best = int(there[0])
        if len(there) > 1 or not best or ((found.labels == best) & ~reach).any():
            return "a nucleus is lost or changed"
        numbers.add(best)
    if len(numbers) < len(rings):
        return "nuclei are one"
    if set(np.unique(found.labels).tolist()) - {0} != numbers:
        return "something that is no nucleus"
    silent = [name for name in mixed if name not in ("collection", "list", "lines", "children")]
    told = sum(int(first[0]) for note in found.notes if (first := re.match(r"\d+", note)) and _LEFT_OUT.search(note))
    return "right" if told == len(silent) else f"silent: {silent}; {found.notes}"


def main() -> None:
    """Draw, read, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drawn", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows, wrong = [], []
    for name, draw in (("GeoJSON", geojson), ("ROI zip", rois)):
        became: Counter[str] = Counter()
        for k in range(arguments.drawn):
            rng = np.random.default_rng([arguments.seed, len(name), k])
            rings = nuclei(rng)
            if len(rings) < 2:
                rings = [FIELD[:, :] * 0.08 + [20, 20], FIELD * 0.08 + [60, 20]]
            with tempfile.TemporaryDirectory() as folder:
                path, mixed = draw(rng, rings, Path(folder))
                result = judge(path, rings, mixed)
            became[result.split(":")[0]] += 1
            if (k + 1) % 250 == 0:
                print(f"{name}: {k + 1} of {arguments.drawn}", file=sys.stderr, flush=True)
            if result != "right":
                wrong.append({"kind": name, "drawing": k, "mixed in": mixed, "result": result})
        kinds = ("right", "refused", "traceback", "silent")
        counts = {kind: became[kind] for kind in kinds}
        other = sum(became.values()) - sum(counts.values())
        rows.append({"format": name, "drawn": arguments.drawn, **counts, "other": other})
    print_table(rows)
    for one in wrong[:20]:
        print(one)
    write_results("fuzz_outlines", {"rows": rows, "wrong": wrong[:50]})


if __name__ == "__main__":
    main()
