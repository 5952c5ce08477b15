"""Pixel sizes written in every way files know, right and wrong ones: read as written, or unknown; never a wrong number.

The oracle is the value that was written.

    python benchmarks/fuzz_pixel_size.py --cases 1000
"""

from __future__ import annotations

import argparse
import collections
import logging
import math
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from common import print_table, write_results
from PIL import Image as Pillow

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image

GREY = np.random.default_rng(0).integers(0, 255, (16, 20), dtype=np.uint8)
RGB = np.dstack([GREY, GREY[::-1], GREY])
PRINTED = (72, 90, 96, 100, 120, 150, 180, 200, 240, 254, 300, 360, 400, 600, 720, 1200, 1440, 2400, 4800, 9600)
UNITS = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "Å": 1e-4}
OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="20" SizeY="16" SizeZ="1" '
    'SizeC="1" SizeT="1" {}><TiffData/></Pixels></Image></OME>'
)
Rng = np.random.Generator
# What a file truly says in µm; None where it says nothing that is a microscope's.
Case = tuple[str, float | None]


def believable(size: float | None) -> float | None:
    """The size, where a microscope can have it."""
    return size if size is not None and math.isfinite(size) and 0.02 <= size <= 20 else None


def drawn(rng: Rng) -> float:
    """Mostly a microscope's pixel, sometimes nonsense."""
    odd = [0.0, -0.5, math.inf, math.nan, 1e308, 1e-308, 1e9, 42.3, 0.001, 25400.0]
    return float(rng.choice(odd)) if rng.random() < 0.3 else float(np.exp(rng.uniform(np.log(0.03), np.log(15))))


def written(rng: Rng, value: float) -> tuple[str, float]:
    """A number as text, and the number that this text is."""
    form = str(rng.choice(["{:.6g}", "{:.4f}", "{:.5e}", "{:.5E}", "{!r}", "{:+.6f}"]))
    text = form.format(value)
    exact = float(text)
    return (text.replace(".", ",") if rng.random() < 0.3 else text), exact


def resolution(rng: Rng, path: Path) -> Case:
    """TIFF resolution tags, of printers too."""
    unit = str(rng.choice(["INCH", "CENTIMETER", "MILLIMETER", "MICROMETER", "NONE"]))
    unit_um = {"INCH": 25400.0, "CENTIMETER": 1e4, "MILLIMETER": 1e3, "MICROMETER": 1.0, "NONE": 0.0}[unit]
    if rng.random() < 0.4 and unit in ("INCH", "CENTIMETER"):
        density = int(rng.choice(PRINTED)) * unit_um / 25400
        density = [density, round(density), round(density, 2)][int(rng.integers(0, 3))]
        expected = None
    else:
        size = abs(drawn(rng))
        size = size if math.isfinite(size) and 1e-5 < size < 1e6 else 0.3
        density = (unit_um or 1.0) / size
        expected = believable(size) if unit_um else None
    tifffile.imwrite(path.with_suffix(".tif"), GREY, resolution=(density, density), resolutionunit=unit, metadata=None)
    return f"{unit} {density:.7g}", expected


def ome(rng: Rng, path: Path) -> Case:
    """OME-XML with units."""
    value = drawn(rng)
    unit = str(rng.choice([*UNITS, "pixel", "reference frame", ""]))
    text, exact = written(rng, value / UNITS.get(unit, 1.0))
    named = f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"' if unit else ""
    description = OME.format(f'PhysicalSizeX="{text}" PhysicalSizeY="{text}"{named}').encode()
    tifffile.imwrite(path.with_suffix(".ome.tif"), GREY, description=description, metadata=None)
    known = unit in UNITS or not unit
    return f"{text} {unit}", believable(exact * UNITS.get(unit, 1.0)) if known else None


def slide(rng: Rng, path: Path) -> Case:
    """Aperio's text, with stray bytes behind it."""
    text, exact = written(rng, drawn(rng))
    between = str(rng.choice([" = ", "=", " =", "= "]))
    stray = (
        bytes(rng.integers(1, 256, int(rng.integers(0, 6)), dtype=np.uint8)).replace(b"|", b"")
        if rng.random() < 0.4
        else b""
    )
    head = b"Aperio Image Library v12.0.15\r\n20x16 [0,0 20x16] (16x16) JPEG/RGB Q=70|AppMag = 20|MPP"
    description = head + between.encode() + text.encode() + b"|Left = 1|Time = " + stray
    tifffile.imwrite(
        path.with_suffix(".svs"), RGB, tile=(16, 16), photometric="rgb", description=description, metadata=None
    )
    return f"MPP{between}{text} + {stray!r}", believable(exact)


def imagej(rng: Rng, path: Path) -> Case:
    """ImageJ's unit and resolution."""
    size = abs(drawn(rng))
    size = size if math.isfinite(size) and 1e-4 < size < 1e5 else 0.7
    unit = str(rng.choice(["micron", "um", "\\u00B5m", "nm", "mm", "cm", "pixel", "inch"]))
    factor = {"micron": 1.0, "\\u00B5m": 1.0, "inch": 25400.0, **UNITS}.get(unit)
    density = (factor or 1.0) / size
    density = density if 1e-6 < density < 4e6 else 1.0
    tifffile.imwrite(
        path.with_suffix(".tif"), GREY, imagej=True, metadata={"unit": unit}, resolution=(density, density)
    )
    return f"{unit} {density:.6g}", believable(factor / density) if factor else None


def picture(rng: Rng, path: Path) -> Case:
    """PNG, JPEG and BMP."""
    printed = rng.random() < 0.5
    dpi = float(rng.choice(PRINTED)) if printed else 25400 / float(np.exp(rng.uniform(np.log(0.5), np.log(6))))
    ending = str(rng.choice([".png", ".jpg", ".bmp"]))
    dpi = dpi if ending == ".png" else float(round(dpi))
    Pillow.fromarray(RGB).save(path.with_suffix(ending), dpi=(dpi, dpi))
    return f"{ending} {dpi:.7g} dpi", None if printed else believable(25400 / dpi)


def multiscale(rng: Rng, path: Path) -> Case:
    """OME-Zarr with units."""
    units = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "angstrom": 1e-4, "second": None, "": None}
    unit = str(rng.choice(list(units)))
    value = drawn(rng)
    value = value if math.isfinite(value) else 1e9
    factor = units[unit]
    group = zarr.open_group(str(path.with_suffix(".zarr")), mode="w", zarr_format=2)
    group.create_array("0", shape=GREY.shape, chunks=GREY.shape, dtype="u1")[:] = GREY
    axes = [{"name": a, "type": "space", **({"unit": unit} if unit else {})} for a in "yx"]
    scale = value / factor if factor else value
    moved = [{"type": "scale", "scale": [scale, scale]}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": moved}]}]
    return f"{unit} {scale:.6g}", believable(value) if factor else None


WAYS: dict[str, Callable[[Rng, Path], Case]] = {
    "TIFF tags": resolution, "OME-XML": ome, "SVS": slide, "ImageJ": imagej, "PNG, JPEG, BMP": picture,
    "OME-Zarr": multiscale,
}  # fmt: skip


def judged(found: float | None, doubts: list[str], expected: float | None) -> str:
    """In one word what came of it."""
    if expected is None:
        return "unknown, right" if found is None else "WRONG SIZE"
    if found is None:
        # Some true sizes are a printer's to the last digit.
        return "unknown, said" if doubts else "unknown, silent"
    return "read" if math.isclose(found, expected, rel_tol=1e-3) else "WRONG SIZE"


def main() -> None:
    """Draw, write, read, compare."""
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    rows: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in WAYS}
    wrong: list[Any] = []
    with tempfile.TemporaryDirectory() as place:
        for k in range(given.cases):
            name = list(WAYS)[k % len(WAYS)]
            folder = Path(place) / str(k)
            folder.mkdir()
            said, expected = WAYS[name](rng, folder / "a")
            (file,) = folder.iterdir()
            try:
                with open_image(file) as image:
                    size = image.pixel_size_um
                    outcome = judged(size[-1] if size else None, image.size_doubts, expected)
            except NucleiError as error:
                outcome, said = "REFUSED", f"{said}: {error}"
            except Exception:  # noqa: BLE001 - the outcome that is looked for
                outcome, said = "TRACEBACK", f"{said}: {traceback.format_exc(limit=-2)}"
            rows[name][outcome] += 1
            if outcome.isupper() or outcome == "unknown, silent":
                wrong.append({"way": name, "said": said, "expected": expected, "outcome": outcome})
    table = [{"way": name, "files": sum(c.values()), **c} for name, c in rows.items()]
    print_table(table, ["way", "files", *sorted({k for row in table for k in row} - {"way", "files"})])
    for one in wrong[:30]:
        print(one)
    write_results("fuzz_pixel_size", {"cases": given.cases, "seed": given.seed, "ways": table, "wrong": wrong})


if __name__ == "__main__":
    main()
