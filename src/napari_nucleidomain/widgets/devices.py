"""What a training or prediction may run on, told without importing torch (which costs the viewer seconds)."""

from __future__ import annotations

from functools import cache

from napari_nucleidomain.runs.computer import card_count, has_apple_gpu, has_nvidia


def devices() -> list[tuple[str, str]]:
    """(name for the job, words for the person), the usual choice first. Lists only what fits this computer."""
    found = []
    if has_nvidia():
        found.append(("cuda", "graphics card (NVIDIA)"))
    if has_apple_gpu():
        found.append(("mps", "graphics processor (Apple)"))
    best = found[0][1] if found else "processor (CPU)"
    return (
        [("auto", f"automatic: {best}"), *found, ("cpu", "processor (CPU)")] if found else [("cpu", "processor (CPU)")]
    )


@cache
def all_cards() -> tuple[str, str] | None:
    """The same for all NVIDIA cards together, which only some trainings can use; None where there are not several.

    Not for the event loop: on some systems the driver's own program is asked.
    """
    count = card_count() if has_nvidia() else 0
    return ("cuda:" + ",".join(map(str, range(count))), f"all {count} graphics cards (NVIDIA)") if count > 1 else None
