"""What every benchmark shares: the machine's facts, a table on the screen, results as JSON, where the data lie."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def data_folder(given: Path | str | None = None) -> Path:
    """The folder that holds `kumar/`, `tnbc/`, ...: as given, from NUCLEIDOMAIN_DATA, or `data/` in the checkout.

    Raises
    ------
    SystemExit
        It is not there; the message says how to name it.
    """
    folder = Path(given or os.environ.get("NUCLEIDOMAIN_DATA") or HERE.parent / "data")
    if not folder.is_dir():
        raise SystemExit(f"No data in {folder}. Give --data DIR or set NUCLEIDOMAIN_DATA (layout: docs/benchmarks.md).")
    return folder


def machine() -> dict[str, Any]:
    """What a figure depends on beside the code."""
    import psutil

    packages = {}
    for name in ("napari-nucleidomain", "torch", "torchvision", "numpy", "scikit-learn", "scikit-image", "napari"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "absent"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": _gpu(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": [round(load, 2) for load in psutil.getloadavg()],
        "packages": packages,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> str:
    if "torch" not in sys.modules:
        return "not looked for"
    torch = sys.modules["torch"]
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "none"


@contextmanager
def timed(into: dict[str, float], name: str) -> Iterator[None]:
    """Add the wall seconds of a block to `into[name]`, and its CPU seconds to `into[name + "_cpu"]`."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        into[name] = into.get(name, 0.0) + time.perf_counter() - wall
        into[f"{name}_cpu"] = into.get(f"{name}_cpu", 0.0) + time.process_time() - cpu


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Rows as aligned columns; numbers with three digits after the point."""
    columns = list(columns or (rows[0] if rows else ()))

    def cell(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str("" if value is None else value)

    table = [list(columns), *([cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[k]) for line in table) for k in range(len(columns))]
    for line in table:
        first, *rest = (
            text.ljust(width) if k == 0 else text.rjust(width)
            for k, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]))


def write_results(name: str, content: Mapping[str, Any]) -> Path:
    """Write `benchmarks/results/NAME.json` with the machine's facts."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({"machine": machine(), **content}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(f"-> {path.relative_to(HERE.parent)}")
    return path
