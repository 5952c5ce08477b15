"""OME-Zarr stores with odd descriptions, drawn at random: what comes out of them, against the arrays that were written.

`python benchmarks/fuzz_zarr.py [--count 1000] [--seed 0] [--each]`: *right* (pixels, axes, size and names as written),
*said* (something is otherwise, and a note or question says so), *refused* (a message that names what is missing),
*silent* (something is otherwise without a word), *traceback* (also Python's words in a message). `--each`: every change
once, alone.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from common import HERE, print_table, write_results

sys.path.insert(0, str(HERE.parent))
from tests.data.zarr_variants import CHANGES, draw, outcome

_OUTCOMES = ("right", "said", "refused", "silent", "traceback")


def tried(seed: str, only: str | None = None) -> dict[str, Any]:
    """One store: its changes and what became of it."""
    with tempfile.TemporaryDirectory() as folder:
        # Not every change can be made to every layout.
        for attempt in range(40):
            place = Path(folder) / str(attempt)
            place.mkdir()
            case = draw(random.Random(f"{seed}/{attempt}"), place, only=only)
            if only is None or case.changes:
                break
        what, why = outcome(case)
    return {"seed": seed, "changes": case.changes, "axes": case.axes, "outcome": what, "why": why[:300]}


def main() -> None:
    """Draw, count, tell of the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--each", action="store_true", help="every change once, alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.each:
        rows = [tried(f"{arguments.seed}/{name}", name) for name in sorted(CHANGES)]
    else:
        rows = [tried(f"{arguments.seed}/{k}") for k in range(arguments.count)]
    found = Counter(row["outcome"] for row in rows)
    print_table([{"stores": len(rows), **{name: found[name] for name in _OUTCOMES}}])
    faults = [row for row in rows if row["outcome"] in ("refused", "silent", "traceback")]
    for row in faults:
        print(f"{row['outcome']}: {', '.join(row['changes'])} ({row['axes']}): {row['why']}")
    kinds = Counter(name for row in rows for name in row["changes"])
    name = "fuzz_zarr_each" if arguments.each else "fuzz_zarr"
    write_results(name, {"outcomes": dict(found), "changes": dict(sorted(kinds.items())), "faults": faults})
    raise SystemExit(1 if found["silent"] or found["traceback"] else 0)


if __name__ == "__main__":
    main()
