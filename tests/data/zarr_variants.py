"""OME-Zarr stores as many programs write them: drawn at random, with what must come out of each.

Used by the property test and, for many more of them, by `benchmarks/fuzz_zarr.py`. The oracle is the array that was
written: every pixel bears its own number, so that no two places can be mixed up.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image

from .zarr_case import UNITS as _UNITS
from .zarr_case import Case, level_of, put_array
from .zarr_changes import CHANGES

__all__ = ["CHANGES", "draw", "outcome", "put_array"]

_LAYOUTS = ("yx", "cyx", "zyx", "tyx", "czyx", "zcyx", "tcyx", "tczyx", "yxc", "tzcyx")
_TYPES = {"t": "time", "c": "channel"}


def draw(rng: random.Random, folder: Path, changes: int | None = None, only: str | None = None) -> Case:
    """Write a store with some of its description changed (`only`: this change alone)."""
    axes = rng.choice(_LAYOUTS)
    lengths = {"t": rng.randint(2, 5), "c": rng.randint(2, 6), "z": rng.randint(2, 7), "y": 41, "x": 34}
    shape = [lengths[a] for a in axes]
    array = np.arange(int(np.prod(shape)), dtype=np.uint32).reshape(shape)
    version = rng.choice(["0.4", "0.4", "0.5", "0.5", "0.3", "0.2", "0.1"])
    case = Case(folder / "case.ome.zarr", axes, array, rng.randint(1, 3), {}, [], {}, 3 if version == "0.5" else 2)
    _describe(case, version, lengths, rng)
    _write_arrays(case, separator=rng.choice("./"), consolidated=False)
    names = sorted(CHANGES)
    chosen = [only] if only else rng.sample(names, rng.choice([0, 1, 1, 1, 2, 2, 3]) if changes is None else changes)
    for name in chosen:
        if CHANGES[name](case, rng) is not False:
            case.changes.append(name)
    _write_attributes(case)
    for _, act in sorted(case.last, key=lambda one: one[0]):
        act()
    return case


def _describe(case: Case, version: str, lengths: dict[str, int], rng: random.Random) -> None:
    """Metadata as the version has them; before 0.4 there are no pixel sizes, before 0.3 no names of axes."""
    scale: dict[str, Any] = {"version": version, "name": "a", "datasets": []}
    if version in ("0.4", "0.5"):
        case.sizes = {a.upper(): _UNITS[a] for a in case.axes if a in _UNITS}
        scale["axes"] = [
            {"name": a, "type": _TYPES.get(a, "space"), **({"unit": "micrometer"} if a in _UNITS else {})}
            for a in case.axes
        ]
    elif version == "0.3" or len(case.axes) != 5 or case.axes != "tczyx":
        scale["version"] = "0.3"
        scale["axes"] = list(case.axes)
    for level in range(case.levels):
        entry: dict[str, Any] = {"path": str(level)}
        if case.sizes:
            factor = {"y": 2**level, "x": 2**level}
            sizes = [_UNITS.get(a, 1.0) * factor.get(a, 1) for a in case.axes]
            entry["coordinateTransformations"] = [{"type": "scale", "scale": sizes}]
        scale["datasets"].append(entry)
    case.meta = {"multiscales": [scale]}
    if "c" in case.axes and rng.random() < 0.6:
        case.names = ["DAPI", "GFP", "RFP", "Cy5", "Brightfield", "Cy7"][: lengths["c"]]
        case.meta["omero"] = {"channels": [{"label": n, "window": {"start": 0, "end": 9}} for n in case.names]}


def _write_arrays(case: Case, separator: str, consolidated: bool) -> None:
    group = zarr.open_group(str(case.path), mode="w", zarr_format=case.zarr_format)
    for level in range(case.levels):
        pixels = level_of(case, level)
        put_array(group, str(level), pixels, separator)


def _write_attributes(case: Case) -> None:
    if case.zarr_format == 2:
        (case.path / ".zattrs").write_text(json.dumps(case.meta))
        return
    inner = {"version": "0.5", **case.meta}
    content = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": inner}}
    (case.path / "zarr.json").write_text(json.dumps(content))


def outcome(case: Case) -> tuple[str, str]:
    """What became of a store: right, said (something is otherwise, and a note or question says so), refused, silent or
    traceback; and in words why."""
    try:
        image = open_image(case.path)
        try:
            said = [*image.warnings, *image.assumptions, *(q.text for q in image.questions)]
            wrong = _differences(case, image)
        finally:
            image.close()
    except NucleiError as error:
        text = str(error)
        python = any(word in text for word in ("Error", "NoneType", "zip()", "object", "argument", "Traceback"))
        return ("traceback" if python else "refused"), text
    except Exception as error:  # noqa: BLE001 - whatever else is raised is what is looked for
        return "traceback", f"{type(error).__name__}: {error}"
    if not wrong:
        return "right", ""
    return ("said" if said else "silent"), f"{'; '.join(wrong)} | {' '.join(said)}"


def _differences(case: Case, image: Any) -> list[str]:
    """Where the opened image is not what was written."""
    wrong = []
    order = [a for a in "tzyxc" if a in case.axes]
    pixels = case.array.transpose([case.axes.index(a) for a in order])
    letters = "".join(order).upper()
    if image.axes != letters or image.shape != pixels.shape or not np.array_equal(np.asarray(image.levels[0]), pixels):
        wrong.append(f"{image.axes} {image.shape} for {letters} {pixels.shape}")
    else:
        for level in image.levels[1:]:
            step = round(pixels.shape[letters.index("Y")] / level.shape[letters.index("Y")])
            key = tuple(slice(None, None, step) if a in "YX" else slice(None) for a in letters)
            if not np.array_equal(np.asarray(level), pixels[key]):
                wrong.append(f"a level {level.shape} that is none")
    if len(image.levels) < case.levels:
        wrong.append(f"{len(image.levels)} of {case.levels} levels")
    expected = tuple(case.sizes[a] for a in image.spatial_axes) if set(image.spatial_axes) <= set(case.sizes) else None
    found = image.pixel_size_um
    if (found is None) != (expected is None) or (expected is not None and not np.allclose(found, expected)):
        wrong.append(f"pixel size {found} for {expected}")
    names = image._meaning.all_channel_names if image._meaning.names_from_file else []
    if case.names and names != case.names:
        wrong.append(f"names {names} for {case.names}")
    return wrong
