"""One rule for pixel sizes, whatever file they come from: what a microscope can have; everything else is unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

LEAST_UM, MOST_UM = 0.02, 20.0
# Planes of serial sections or a light sheet lie further apart than pixels do.
MOST_APART_UM = 1000.0
# Pixels of a microscope are square, or nearly: twice as long as wide is a wrong number.
_UNEQUAL = 2.0
# Of scanners and printers beyond those that are larger than any microscope's pixel (1270 dpi are 20 µm).
_PRINTERS = (1440, 1800, 2400, 2880, 3200, 3600, 4000, 4800, 5400, 5760, 6400, 7200, 9600, 12800, 19200)
_INCH_UM, _CM_UM = 25400.0, 10000.0
_UNREADABLE = math.nan

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf(?:inity)?|nan)\b", re.IGNORECASE)
_MICROMETRES = {
    "m": 1e6, "meter": 1e6, "meters": 1e6, "metre": 1e6, "metres": 1e6,
    "cm": 1e4, "centimeter": 1e4, "centimeters": 1e4, "centimetre": 1e4, "centimetres": 1e4,
    "mm": 1e3, "millimeter": 1e3, "millimeters": 1e3, "millimetre": 1e3, "millimetres": 1e3,
    "µm": 1.0, "um": 1.0, "µ": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometers": 1.0,
    "micrometre": 1.0, "micrometres": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometers": 1e-3, "nanometre": 1e-3, "nanometres": 1e-3,
    "pm": 1e-6, "picometer": 1e-6, "picometre": 1e-6,
    "å": 1e-4, "angstrom": 1e-4, "angstroms": 1e-4,
    "in": _INCH_UM, "inch": _INCH_UM, "inches": _INCH_UM,
}  # fmt: skip


def number(said: Any) -> float | None:
    """A number as files write it.

    Parameters
    ----------
    said : str, number, bytes or None
        Digits with a point or a decimal comma and perhaps an exponent; a unit or stray characters may follow, but no
        further digits.

    Returns
    -------
    float or None
        NaN where something is said that is not one clear number; None where nothing is.
    """
    if said is None or isinstance(said, bool):
        return None
    if isinstance(said, bytes):
        said = said.decode("latin-1")
    if not isinstance(said, str):
        try:
            return float(said)
        except (TypeError, ValueError, OverflowError):
            return _UNREADABLE
    text = said.strip("\x00 \t\r\n\"'")
    if not text:
        return None
    found = _NUMBER.match(text)
    rest = text[found.end() :] if found is not None else ""
    # A second number, or an exponent that is cut off: nobody knows which was meant.
    if found is None or re.search(r"\d", rest) or rest[:1] in ("e", "E"):
        return _UNREADABLE
    try:
        return float(found.group().replace(",", "."))
    except ValueError:
        return _UNREADABLE


def to_micrometres(value: float, unit: str | None) -> float | None:
    """Convert a length; whether a microscope can have it is for `settled` to say.

    Parameters
    ----------
    value : float
        Length in `unit`.
    unit : str or None
        Such as "µm", "micrometer", "nm", "mm". None means micrometres, as OME does.

    Returns
    -------
    float or None
        None where the unit is not one of length ("pixel", "reference frame").
    """
    name = "µm" if unit is None else str(unit).replace("\\u00B5", "µ").replace("\u03bc", "µ").replace("Â", "")
    name = name.strip("\x00 \t\r\n")
    factor = _MICROMETRES.get(name.lower())
    return value * factor if factor is not None else None


def from_density(per_unit: float, unit_um: float) -> float | None:
    """Pixel size from a resolution tag.

    Parameters
    ----------
    per_unit : float
        Pixels in one unit of length.
    unit_um : float
        That unit in µm.

    Returns
    -------
    float or None
        µm. None for a screen's or a printer's resolution, in whatever unit and however rounded: it says how large the
        picture is to be shown.
    """
    if not math.isfinite(per_unit) or not per_unit > 0:
        return None
    size = unit_um / per_unit
    # 1200 dpi and less; every file that came past an office program has one of them.
    if size >= MOST_UM * 0.999:
        return None
    if unit_um >= _CM_UM:
        # Rounded to whole pixels an inch, a centimetre or a metre (PNG).
        for dpi in _PRINTERS:
            if abs(per_unit - dpi * unit_um / _INCH_UM) < 1.0:
                return None
    return size


def from_densities(x: float, y: float, unit_um: float) -> dict[str, float]:
    """Pixel size along rows and columns from a resolution tag; empty where it is a printer's."""
    sizes = {"Y": from_density(y, unit_um), "X": from_density(x, unit_um)}
    return {axis: size for axis, size in sizes.items() if size is not None} if all(sizes.values()) else {}


def from_aperio(text: str) -> tuple[float | None, float | None]:
    """Pixel size in µm and magnification from the description of an SVS file; either may be None, or unusable."""
    found = []
    for name in ("MPP", "AppMag"):
        # The fields are separated by bars; what stands behind the number must not hold another one.
        field = re.search(rf"(?:^|[|;\r\n\s]){name}\s*[=:]([^|\r\n;]*)", text)
        found.append(number(field[1]) if field else None)
    return found[0], found[1]


def guess_from_magnification(magnification: Any) -> float | None:
    """What a slide scanner's pixel mostly measures at a magnification: 0.25 µm at 40×; None where that makes none."""
    value = number(magnification)
    return 10.0 / value if value is not None and 1 <= value <= 160 else None


def plausible(size: float | None) -> bool:
    """Whether a microscope's pixel can be so many µm wide."""
    return size is not None and LEAST_UM * 0.999 <= size <= MOST_UM * 1.001


def settled(sizes: Mapping[str, float | None]) -> tuple[dict[str, float], list[str]]:
    """What can be believed of the sizes that a file gives.

    Parameters
    ----------
    sizes : mapping of str to float
        Z, Y and X to µm, as far as the file gives them; NaN for something that is no number.

    Returns
    -------
    dict of str to float
        Those that are a microscope's.
    list of str
        One sentence where something is not used.
    """
    given = {axis: float(size) for axis, size in sizes.items() if size is not None and axis in "ZYX"}
    y, x = given.get("Y"), given.get("X")
    flat = {axis: size for axis, size in given.items() if axis != "Z"}
    wrong = [size for size in flat.values() if not plausible(size)]
    unknown = "The pixel size counts as unknown."
    if wrong:
        said = f"{_said(wrong[0])} as the size of a pixel; a microscope's has {LEAST_UM:g} to {MOST_UM:g} µm."
        return {}, [f"The file gives {said} {unknown}"]
    if x and y and not 1 / _UNEQUAL <= x / y <= _UNEQUAL:
        return {}, [f"The file gives pixels of {y:.3g} × {x:.3g} µm, so unequal that it must be a mistake. {unknown}"]
    if len(flat) == 1:
        return {}, [f"The file gives only one side of a pixel. {unknown}"]
    z = given.get("Z")
    if z is not None and not LEAST_UM / 2 <= z <= MOST_APART_UM:
        text = f"The file gives {_said(z)} as the distance between planes, which cannot be. It counts as unknown."
        return flat, [text]
    return given, []


def _said(size: float) -> str:
    return f"{size:.3g} µm" if math.isfinite(size) else "no usable number"
