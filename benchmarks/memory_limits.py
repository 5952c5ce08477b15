"""`predict` under limits of memory, from far too little to enough: it ends rightly, or refuses by name.

`python benchmarks/memory_limits.py`: every method that needs none or little training, ten limits each (of the address
space of a child process, so Linux only); a few minutes. Right is the same number of nuclei as without a limit and exit
status 0, or exit status 2 with a sentence; never a traceback, a signal, or another number.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import print_table, write_results

from napari_nucleidomain.runs.folder import RunFolder

CHILD = """
import resource, sys
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from napari_nucleidomain.cli import main
sys.exit(main(sys.argv[2:]))
"""
SIDE = 2048
# Of the address space that it takes without a limit.
SHARES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.88, 0.93, 0.97, 1.05)
TINY = (
    "ask=false", "width=4", "blocks=1", "crop_px=32", "batch=2", "style_width=8", "diameter_px=15",
)  # fmt: skip


def scene(path: Path, side: int, seed: int = 0) -> Path:
    """Discs on a dark ground."""
    import tifffile

    rng = np.random.default_rng(seed)
    pixels = rng.normal(20, 4, (side, side))
    rows, columns = np.mgrid[-8:9, -8:9]
    disc = rows**2 + columns**2 <= 50
    for row, column in rng.integers(10, side - 10, (side * side // 2500, 2)):
        part = pixels[row - 8 : row + 9, column - 8 : column + 9]
        part[disc] = 150
    tifffile.imwrite(path, pixels.clip(0, 255).astype(np.uint8))
    return path


def environment() -> dict[str, str]:
    """One thread, so that a limit means the same everywhere."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def run(limit: int, command: list[str]) -> tuple[int, str]:
    """Exit status and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(limit), *command],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=540,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(errors="replace")


def peak(command: list[str]) -> int:
    """Largest address space of the command without a limit, in bytes."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, "0", *command], env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    most = 0
    while child.poll() is None:
        try:
            text = Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            break
        found = re.search(r"VmPeak:\s+(\d+) kB", text) or re.search(r"VmSize:\s+(\d+) kB", text)
        most = max(most, int(found[1]) * 1024 if found else 0)
        time.sleep(0.02)
    child.wait()
    return most


def nuclei(project: Path) -> int | None:
    """Of the newest prediction that ended."""
    runs = sorted((project / "runs").glob("*predict*"), key=lambda one: one.stat().st_mtime)
    images = RunFolder(runs[-1]).summary().get("images") if runs else None
    return int(images[0]["nuclei"]) if images else None


def judge(code: int, said: str, found: int | None, right: int | None) -> str:
    """What came of it, in a word."""
    if "Traceback" in said or "Something went wrong inside" in said:
        return "TRACEBACK"
    if code == 0:
        return "right" if found == right else "ANOTHER NUMBER"
    if code == 2 and "nucleidomain:" in said:
        return "refused by name"
    return f"STATUS {code}"


def predict_command(model: str, image: Path, folder: Path, name: str) -> list[str]:
    """One prediction with a project and a folder of its own."""
    where = ["--out", str(folder / f"out-{name}"), "--project", str(folder / f"project-{name}")]
    return ["predict", model, str(image), *where, "--device", "cpu", "--threads", "1", "--quiet", "--share"]


def tiny_model(folder: Path) -> Path:
    """A model that has learned next to nothing: what counts is what its networks take."""
    (folder / "train").mkdir()
    scene(folder / "train" / "a.tif", 256, 1)
    sets = [part for one in TINY for part in ("--set", one)]
    where = ["--data", folder / "train", "--out", folder / "tiny", "--project", folder / "training"]
    how = ["--method", "adgan", "--preset", "quick", "--steps", "20", "--device", "cpu", "--threads", "1"]
    code, said = run(0, ["train", *map(str, where), *how, "--quiet", "--share", *sets])
    if code:
        raise SystemExit(said)
    return folder / "tiny"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=SIDE, help=f"of the image, in pixels (default: {SIDE})")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        image = scene(folder / "image.tif", arguments.side)
        for model in ("otsu", str(tiny_model(folder))):
            name = Path(model).name
            most = peak(predict_command(model, image, folder, f"{name}-free"))
            right = nuclei(folder / f"project-{name}-free")
            for share in SHARES:
                label = f"{name}-{share}"
                code, said = run(int(share * most), predict_command(model, image, folder, label))
                found = nuclei(folder / f"project-{label}") if code == 0 else None
                last = next((one for one in said.splitlines() if one.startswith("nucleidomain:")), said.strip()[-100:])
                row = {"model": name, "limit_mb": int(share * most) >> 20, "share": share, "status": code}
                row |= {"nuclei": found, "right": right, "outcome": judge(code, said, found, right), "said": last[:90]}
                rows.append(row)
                print(row, flush=True)
    print_table(rows)
    write_results("memory_limits", {"rows": rows})


if __name__ == "__main__":
    main()
