"""`nucleidomain runs --clean`: what a project takes of the disk, and what of it can go."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.cleanup import KINDS, USUAL, DiskUse, Removable, clean, disk_use, removable
from napari_nucleidomain.runs.computer import free_bytes
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.store import Project


def clean_project(arguments: argparse.Namespace) -> int:
    """Tell, and with --yes remove."""
    if not arguments.project.is_dir():
        raise NucleiError(f"There is no project in {arguments.project}.", "Name it with --project.")
    project = Project(arguments.project)
    use = disk_use(project)
    kinds = (*USUAL, "copies") if arguments.copies else USUAL
    found = [one for one in removable(project) if one.kind in kinds]
    freed, problems = clean(found) if arguments.yes else (0, [])
    if arguments.json:
        listed = [{"kind": one.kind, "bytes": one.size, "paths": [str(path) for path in one.paths]} for one in found]
        print(json.dumps({"use": asdict(use), "removable": listed, "freed": freed, "problems": problems}))
    else:
        _tell(use, found, project)
        if arguments.yes:
            print(f"\nRemoved: {_size(freed)}.")
        elif found:
            print("\nNothing was removed yet: add --yes.")
    for problem in problems:
        print(f"nucleidomain: {problem}", file=sys.stderr)
    return ExitCode.SKIPPED if problems else ExitCode.DONE


def _tell(use: DiskUse, found: list[Removable], project: Project) -> None:
    for name, size in asdict(use).items():
        print(f"{name:<14} {_size(size):>10}")
    free = free_bytes(project.path)
    print(f"{'in all':<14} {_size(use.total):>10}" + (f"; {_size(free)} are free on the disk" if free else ""))
    for kind, words in KINDS.items():
        these = [one for one in found if one.kind == kind]
        if these:
            print(f"\n{words}: {_size(sum(one.size for one in these))}")
            for one in these:
                print(f"  {_size(one.size):>10}  {one.name}: {', '.join(path.name for path in one.paths)}")
    if not found:
        print("\nThere is nothing to remove.")


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
