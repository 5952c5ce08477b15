"""What is kept back of outlined areas to check with: strips, or whole areas where these are too small to spare one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .outlined import Lessons, Outlined


def kept_back_in(lessons: Lessons) -> list[list[Any]]:
    """Image name and box (top, bottom, left, right) of everything that is checked with."""
    return [
        [one.name, top, top + one.known.shape[0], left, left + one.known.shape[1]]
        for one in lessons.check
        for top, left in (one.origin,)
    ]


def spare_areas(teach: Sequence[Outlined], wanted: int) -> tuple[list[Outlined], list[Outlined]]:
    """Whole images to teach and to check with.

    Parameters
    ----------
    teach : sequence of Outlined
    wanted : int
        Nuclei to check with.

    Returns
    -------
    teach, check : list of Outlined
        Images are taken evenly over the list until there are enough nuclei, at most half of them; areas of one image
        stay together.
    """
    names = list(dict.fromkeys(one.name for one in teach))
    nuclei = {name: sum(one.nuclei for one in teach if one.name == name) for name in names}
    total = max(1, sum(nuclei.values()))
    chosen: list[str] = []
    step = max(2, int(total / max(1, wanted)))
    for name in names[step - 1 :: step]:
        if sum(nuclei[one] for one in chosen) >= wanted:
            break
        chosen.append(name)
    check = [one for one in teach if one.name in chosen and one.nuclei]
    return [one for one in teach if one.name not in chosen], check
