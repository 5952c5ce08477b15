"""Scores as a table that fits the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_nucleidomain.contracts.shown import shown

_GAP = 2
_LEAST_NAME = 12


def score_table(
    rows: Mapping[str, Mapping[str, Any]],
    mean: Mapping[str, float],
    deviation: Mapping[str, float],
    columns: Sequence[str],
    width: int | None = None,
) -> str:
    """Lay scores out: one line an image, then mean and standard deviation; counts without decimals.

    Parameters
    ----------
    rows : dict of str to dict
        Scores by image; a score that an image lacks is shown as ``-``.
    mean, deviation : dict of str to float
    columns : sequence of str
        Scores to show, which are the headings.
    width : int, optional
        Characters of the terminal: what is too wide is continued below, and long names of images lose their middle.
        None where nothing limits it, as in a file.

    Returns
    -------
    str
        Without a newline at the end.
    """
    counts = {name for name in columns if all(isinstance(row.get(name, 0), int) for row in rows.values())}
    cells = [[_cell(row.get(name), 0 if name in counts else 4) for name in columns] for row in rows.values()]
    cells += [[_cell(of.get(name), 1 if name in counts else 4) for name in columns] for of in (mean, deviation)]
    names = [*map(shown, rows), "mean", "sd"]
    longest = max(len(name) for name in names)
    if width is not None:
        longest = min(longest, max(_LEAST_NAME, width // 3))
    names = [_shortened(name, longest) for name in names]
    sides = [_GAP + max(len(heading), *(len(line[k]) for line in cells)) for k, heading in enumerate(columns)]
    parts = []
    for block in _blocks(sides, None if width is None else width - 1 - longest):
        lines = [" " * longest + "".join(f"{columns[k]:>{sides[k]}}" for k in block)]
        for name, line in zip(names, cells, strict=True):
            lines.append(f"{name:<{longest}}" + "".join(f"{line[k]:>{sides[k]}}" for k in block))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(value: Any, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _shortened(name: str, most: int) -> str:
    """What tells images apart stands at the beginning or at the end of their names."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def _blocks(sides: Sequence[int], room: int | None) -> list[list[int]]:
    """Columns that stand beside each other; each block holds at least one."""
    blocks: list[list[int]] = [[]]
    used = 0
    for k, side in enumerate(sides):
        if room is not None and blocks[-1] and used + side > room:
            blocks.append([])
            used = 0
        blocks[-1].append(k)
        used += side
    return blocks
