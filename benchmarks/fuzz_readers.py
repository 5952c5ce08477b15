"""Damaged files of every format, opened and read in child processes with limits of time and memory.

Small files are cut, flipped and spliced (2,000, seeded). Right is a clear refusal, or for images the pixels that
tifffile, Pillow or numpy give for the same damaged file; wrong is a traceback, a hang, a crash, or too much memory.

    python benchmarks/fuzz_readers.py --cases 2000
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SECONDS, MEMORY_GB = 20, 3
TIFFS: dict[str, dict[str, Any]] = {
    "plain": {}, "strips": {"rowsperstrip": 8}, "tiles_zlib": {"tile": (16, 16), "compression": "zlib"},
    "lzw": {"compression": "lzw", "predictor": True}, "packbits": {"compression": "packbits"},
    "zstd": {"compression": "zstd"}, "big": {"bigtiff": True, "compression": "zlib"}, "big_endian": {"byteorder": ">"},
    "bare": {"metadata": None}, "imagej": {"imagej": True}, "ome": {"ome": True, "metadata": {"axes": "YX"}},
}  # fmt: skip


def make(folder: Path) -> list[Path]:
    """Whole files of every format that is read."""
    import tifffile
    import zarr
    from PIL import Image
    from roifile import ImagejRoi, roiwrite

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (40, 56), dtype=np.uint8)
    rgb = rng.integers(0, 255, (40, 56, 3), dtype=np.uint8)
    stack = rng.integers(0, 60000, (6, 40, 56), dtype=np.uint16)
    labels = np.zeros((40, 56), np.uint16)
    labels[4:14, 4:14], labels[20:30, 30:44] = 1, 2
    for name, options in TIFFS.items():
        tifffile.imwrite(folder / f"{name}.tif", grey, **options)
    tifffile.imwrite(folder / "jpeg.tif", rgb, photometric="rgb", tile=(16, 16), compression="jpeg")
    tifffile.imwrite(folder / "rgb.tif", rgb, photometric="rgb")
    tifffile.imwrite(
        folder / "palette.tif", grey, photometric="palette", colormap=rng.integers(0, 65535, (3, 256)).astype("u2")
    )
    tifffile.imwrite(folder / "cmyk.tif", np.dstack([rgb, grey]), photometric="separated", compression="zlib")
    tifffile.imwrite(folder / "stack.ome.tif", stack, ome=True, metadata={"axes": "ZYX"}, compression="zlib")
    tifffile.imwrite(folder / "stack_ij.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "stack.tif", stack, photometric="minisblack", compression="zlib", metadata=None)
    text = "Aperio Image Library v12\r\n56x40 Q=70|AppMag = 20|MPP = 0.4990"
    tifffile.imwrite(folder / "slide.svs", rgb, tile=(16, 16), photometric="rgb", description=text, metadata=None)
    tifffile.imwrite(folder / "labels.tif", labels)
    picture = Image.fromarray(rgb)
    for name, made in (
        ("rgb.png", picture), ("rgb.bmp", picture), ("rgb.jpg", picture), ("palette.gif", picture.quantize(64)),
        ("palette.png", picture.quantize(64)), ("rgba.png", Image.fromarray(np.dstack([rgb, grey]))),
        ("grey16.png", Image.fromarray(stack[0])), ("cmyk.jpg", picture.convert("CMYK")),
        ("labels.png", Image.fromarray(labels)),
    ):  # fmt: skip
        made.save(folder / name)
    np.save(folder / "grey.npy", grey)
    np.save(folder / "stack.npy", stack)
    outlines = [[[4, 4], [14, 4], [14, 14], [4, 14], [4, 4]], [[30, 20], [44, 20], [44, 30], [30, 30], [30, 20]]]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [o]}} for o in outlines
    ]
    (folder / "o.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    rois = [ImagejRoi.frompoints(np.array(o[:-1], float)) for o in outlines]
    rois[0].tofile(folder / "one.roi")
    roiwrite(folder / "rois.zip", rois)
    (folder / "points.csv").write_text("index,axis-0,axis-1\n0,9,9\n1,25,37\n")
    masks: Any = {"masks": labels, "outlines": labels, "filename": "a.tif"}
    np.save(folder / "cells_seg.npy", masks, allow_pickle=True)
    for version in (2, 3):
        group = zarr.open_group(str(folder / f"v{version}.zarr"), mode="w", zarr_format=version)  # type: ignore[arg-type]
        group.create_array("0", shape=grey.shape, chunks=(20, 28), dtype="u1")[:] = grey
        axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
        moved = [{"type": "scale", "scale": [0.5, 0.5]}]
        scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": moved}]}]}
        group.attrs.update(scales if version == 2 else {"ome": {"version": "0.5", **scales}})
    return sorted(folder.iterdir())


def damaged(raw: bytes, other: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """One kind of damage to a file's bytes."""
    kind = str(rng.choice(["cut", "flip", "flip head", "splice", "fill"]))
    data = bytearray(raw)
    size = max(1, len(data))
    at = int(rng.integers(0, size))
    if kind == "cut":
        return kind, bytes(data[:at])
    if kind.startswith("flip"):
        reach = min(size, 400) if "head" in kind else size
        for _ in range(int(rng.integers(1, 12))):
            place = int(rng.integers(0, reach))
            data[place] ^= 1 << int(rng.integers(0, 8))
        return kind, bytes(data)
    length = int(rng.integers(1, max(2, size // 3)))
    if kind == "fill":
        data[at : at + length] = bytes([int(rng.choice([0, 255]))]) * len(data[at : at + length])
        return kind, bytes(data)
    begin = int(rng.integers(0, max(1, len(other))))
    data[at : at + length] = other[begin : begin + length]
    return kind, bytes(data)


def _damage(source: Path, target: Path, others: list[Path], rng: np.random.Generator) -> str:
    if source.is_dir():
        shutil.copytree(source, target)
        source = target = sorted(p for p in target.rglob("*") if p.is_file())[int(rng.integers(0, 1 << 20)) % 4]
    files = [p for p in others if p.is_file()]
    kind, data = damaged(source.read_bytes(), files[int(rng.integers(0, len(files)))].read_bytes(), rng)
    target.write_bytes(data)
    return kind


def read_all(path: Path) -> str:
    """Open a file with every reader that takes it; in words what came out."""
    from napari_nucleidomain.contracts import NucleiError
    from napari_nucleidomain.data.images import open_image
    from napari_nucleidomain.data.labels_io import LABEL_SUFFIXES, read_labels
    from napari_nucleidomain.data.points import POINT_SUFFIXES, read_points
    from napari_nucleidomain.data.regions import read_regions

    told = []
    ending = path.suffix.lower()
    if ending not in (".csv", ".geojson", ".zip", ".roi") and not path.name.endswith("_seg.npy"):
        try:
            with open_image(path) as image:
                _ = (image.kind, image.warnings, image.questions)
                pixels = image.read()
                told.append("read" if _agrees(path, image, pixels) else "OTHER PIXELS")
        except NucleiError:
            told.append("refused")
    calls: list[Any] = [lambda: read_labels(path, (40, 56))] if ending in LABEL_SUFFIXES else []
    calls += [lambda: read_points(path, 2)] if ending in POINT_SUFFIXES else []
    calls += [lambda: read_regions(path)] if ending == ".geojson" else []
    for call in calls:
        try:
            call()
            told.append("read")
        except NucleiError:
            told.append("refused")
    bad = [one for one in told if one.isupper()]
    return bad[0] if bad else "read" if "read" in told else "refused"


def _agrees(path: Path, image: Any, pixels: np.ndarray) -> bool:
    """Whether the library of the format gives the same numbers; True where they are converted or it reads nothing."""
    import tifffile
    from PIL import Image

    try:
        if path.suffix in (".tif", ".svs"):
            with tifffile.TiffFile(path) as tif:
                k = int(image.metadata.get("series", 0))
                whole = tif.series[k].asarray()
                odd = str(getattr(tif.series[k].keyframe.photometric, "name", "")) not in ("MINISBLACK", "RGB", "YCBCR")
                if odd or image.notes:
                    return True
        elif path.suffix in (".png", ".bmp", ".gif", ".jpg"):
            whole = np.asarray(Image.open(path).convert("RGB" if image.rgb else None))
            if image.notes:
                return True
        elif path.suffix == ".npy":
            whole = np.load(path)
        else:
            return True
    except Exception:  # noqa: BLE001 - whatever the library cannot read is nothing to compare with
        return True
    return whole.size != pixels.size or bool(
        np.array_equal(np.sort(whole, axis=None), np.sort(pixels, axis=None), equal_nan=whole.dtype.kind == "f")
    )


def child(folder: Path) -> None:
    """Read the cases whose names come in, one line each; answer each with what happened."""
    import logging
    import resource
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    limit = int(MEMORY_GB * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit * 3, limit * 3))
    # Imports are not what is timed.
    import tifffile  # noqa: F401
    import zarr  # noqa: F401

    from napari_nucleidomain.data import images, labels_geojson, labels_io, labels_rois, points, regions  # noqa: F401
    from napari_nucleidomain.data.readers import tiff  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        began = time.monotonic()
        try:
            answer = read_all(folder / line.strip())
        except MemoryError:
            answer = "MEMORY"
        except BaseException as error:  # noqa: BLE001 - the outcome that is looked for
            answer = f"TRACEBACK {type(error).__name__}: {str(error)[:100]!r}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps([answer, round(time.monotonic() - began, 2), round(peak, 2)]), flush=True)


class Child:
    """A process that reads cases; started anew when it dies or hangs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def ask(self, name: str) -> tuple[str, float, float]:
        """What became of one case: the outcome, seconds, and the largest memory so far in GB."""
        import threading

        if self._process is None:
            command = [sys.executable, __file__, "--child", str(self._folder)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self._process.stdout is not None
            self._process.stdout.readline()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(name + "\n")
        process.stdin.flush()
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        began = time.monotonic()
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            self._process = None
            late = time.monotonic() - began >= SECONDS
            return ("HANG" if late else f"CRASH {process.wait()}"), time.monotonic() - began, 0.0
        answer, seconds, peak = json.loads(line)
        return answer, seconds, peak

    def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


def main() -> None:
    """Make the cases, read them, print a table."""
    from common import print_table, write_results

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that came out wrong")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    rng = np.random.default_rng(given.seed)
    rows: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    wrong: list[dict[str, Any]] = []
    slowest = peak = 0.0
    with tempfile.TemporaryDirectory() as place:
        whole, cases = Path(place) / "whole", Path(place) / "cases"
        whole.mkdir()
        cases.mkdir()
        files = make(whole)
        reader = Child(cases)
        for k in range(given.cases):
            source = files[k % len(files)]
            target = cases / f"{k}{source.name[source.name.index('.') :]}"
            if source.name.endswith("_seg.npy"):
                target = cases / f"{k}_seg.npy"
            kind = _damage(source, target, files, rng)
            outcome, seconds, memory = reader.ask(target.name)
            slowest, peak = max(slowest, seconds), max(peak, memory)
            word = outcome.split()[0]
            rows[source.suffix.lower()][word] += 1
            if word.isupper():
                wrong.append({"file": source.name, "case": k, "damage": kind, "outcome": outcome})
                if given.keep:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    where = given.keep / target.name
                    shutil.copytree(target, where, dirs_exist_ok=True) if target.is_dir() else shutil.copy(
                        target, where
                    )
            shutil.rmtree(target) if target.is_dir() else os.remove(target)
        reader.close()
    table = [{"format": name, "files": sum(c.values()), **c} for name, c in sorted(rows.items())]
    columns = ["format", "files", *sorted({key for row in table for key in row} - {"format", "files"})]
    print_table(table, columns)
    print(f"slowest {slowest:.1f} s, largest process {peak:.2f} GB, {len(wrong)} wrong of {given.cases}")
    for one in wrong[:40]:
        print(one)
    content = {"cases": given.cases, "seed": given.seed, "formats": table, "wrong": wrong}
    write_results("fuzz_readers", {**content, "slowest_seconds": slowest, "largest_process_gb": peak})


if __name__ == "__main__":
    main()
