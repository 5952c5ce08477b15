"""Numbers as a person would say them."""

from __future__ import annotations

import time


def duration(seconds: float) -> str:
    """Say a length of time: "40 s", "3 min", "1 h 20 min", "17 h", "4 days"."""
    seconds = max(0.0, seconds)
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours >= 72:
        return f"{round(hours / 24)} days"
    if hours >= 10:
        return f"{round(minutes / 60)} h"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def clock(at: float) -> str:
    """Time of day "14:32" of seconds since 1970, on this computer's clock."""
    return time.strftime("%H:%M", time.localtime(at))


def day_and_clock(at: float) -> str:
    """ "14:32" for today, "21 Nov 14:32" for another day."""
    then = time.localtime(at)
    today = time.localtime()
    if (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday):
        return time.strftime("%H:%M", then)
    return f"{then.tm_mday} {time.strftime('%b %H:%M', then)}"


def count(number: int, one: str, many: str | None = None) -> str:
    """ "1 click", "1,204 clicks"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def file_size(number: float) -> str:
    """Bytes as "12 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def checked_sentence(values: dict[str, float]) -> str:
    """ "112 of 120 found, 5 merged, 9 extra"; empty where there are no scores.

    Parameters
    ----------
    values : dict
        Metric name -> value, of `contracts.events.CHECKS`; a `total` and `found` are needed.
    """
    for prefix in ("outlines", "points"):
        total = values.get(f"{prefix}_total")
        if total:
            break
    else:
        return ""
    parts = [f"{round(values.get(f'{prefix}_found', 0)):,} of {round(total):,} found"]
    parts += [
        f"{round(values[key]):,} {word}"
        for key, word in ((f"{prefix}_merged", "merged"), (f"{prefix}_extra", "extra"))
        if values.get(key)
    ]
    return ", ".join(parts)


def density_words(number: int, area_px: float, pixel_size_um: tuple[float, ...] | None, ndim: int = 2) -> str:
    """ "312 / mm²" where the pixel size is known, else "41 per 1000 × 1000 px"; of volumes "/ mm³" or per 100³ voxels.

    Parameters
    ----------
    area_px : float
        Pixels analysed (voxels in 3D: the density is then by volume).
    pixel_size_um : tuple of float or None
        Micrometres per pixel for each spatial axis.
    ndim : int
        Axes of the result.
    """
    if area_px <= 0:
        return ""
    if pixel_size_um and len(pixel_size_um) == 2:
        area_mm2 = area_px * pixel_size_um[0] * pixel_size_um[1] * 1e-6
        return f"{number / area_mm2:,.0f} / mm²"
    if pixel_size_um and len(pixel_size_um) == 3:
        volume = area_px * pixel_size_um[0] * pixel_size_um[1] * pixel_size_um[2] * 1e-9
        # So many in so little: what is counted says three digits at most.
        return f"{float(f'{number / volume:.3g}'):,.0f} / mm³"
    each = "100 × 100 × 100 voxels" if ndim == 3 else "1000 × 1000 px"
    return f"{number / area_px * 1e6:,.0f} per {each}"
