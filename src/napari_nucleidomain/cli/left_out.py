"""What was left out of a batch, as lines: refusals of one kind are one line with their number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_SHOWN = 3


def left_out_lines(problems: Iterable[tuple[str, str]]) -> list[str]:
    """Lines for files that were left out.

    Parameters
    ----------
    problems : iterable of (path, message)

    Returns
    -------
    list of str
        One for each kind of message, in the order they came; files of one kind are counted and the first are named.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for path, message in problems:
        kinds.setdefault(_kind(path, message), []).append((path, message))
    lines = []
    for kind, some in kinds.items():
        if len(some) == 1:
            path, message = some[0]
            # Of several folders only the path tells which file it is.
            lines.append(f"left out: {message}" if message.startswith(path) else f"left out: {path}: {message}")
            continue
        names = ", ".join(Path(path).name or path for path, _ in some[:_SHOWN])
        more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
        each = kind.removeprefix("… ")
        lines.append(f"left out: {len(some)} files ({names}{more}): {'each ' * (each != kind)}{each}")
    return lines


def _kind(path: str, message: str) -> str:
    """A message without what is the file's own: its path, its name with and without ending."""
    name = Path(path).name
    for own in sorted({path, name, Path(name).stem} - {""}, key=len, reverse=True):
        # A short stem may be part of any word, or be one: only the first is the file's.
        message = re.sub(rf"(?<![\w.]){re.escape(own)}(?!\w)", "…", message, count=1)
    return message
