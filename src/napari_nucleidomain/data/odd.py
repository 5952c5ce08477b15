"""What was passed over on reading a file of outlines or clicks: counted by kind, with its place in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError

_SHOWN = 5


class Odd:
    """Entries that cannot be used, so that one of them never spoils the file and none is lost without a word.

    Attributes
    ----------
    found : dict of str to list of int or str
        What is wrong -> number (counted from 1) or name of each such entry.
    """

    def __init__(self) -> None:
        self.found: dict[str, list[int | str]] = {}

    def __len__(self) -> int:
        return sum(len(places) for places in self.found.values())

    def __call__(self, why: str, place: int | str) -> None:
        """Keep that the entry at `place` was passed over because it `why` ("has no area")."""
        places = self.found.setdefault(why, [])
        if place not in places:
            places.append(place)

    def notes(self) -> list[str]:
        """One line for each kind: "1 entry has no area and was passed over (entry 7)."."""
        return [
            f"{len(places):,} {'entry' if len(places) == 1 else 'entries'} passed over: {why} ({named(places)})."
            for why, places in self.found.items()
        ]

    def refuse(self, path: Path, things: str, hint: str) -> NucleiError:
        """The refusal of a file that holds nothing else."""
        why, places = next(iter(self.found.items()))
        more = f" (and {len(self) - 1:,} more)" if len(self) > 1 else ""
        return NucleiError(f"{path.name} holds no {things}: {named(places[:1])} cannot be used: {why}{more}.", hint)


def named(places: list[int | str]) -> str:
    """Where: "entry 7", "entries 1, 2, 3, 4, 5, ...", or names."""
    shown = ", ".join(f"{place}" for place in places[:_SHOWN]) + (", ..." if len(places) > _SHOWN else "")
    if all(isinstance(place, str) for place in places):
        return shown
    return f"{'entry' if len(places) == 1 else 'entries'} {shown}"


def strict(path: Path, hint: str) -> Callable[[str, int | str], None]:
    """In place of an `Odd`: the first entry that cannot be used refuses the file."""

    def refuse(why: str, place: int | str) -> None:
        raise NucleiError(f"{path.name}: {named([place])} cannot be used: {why}.", hint)

    return refuse


def likes_joined(notes: Iterable[str], most: int = 2) -> list[str]:
    """Notes of many files, those that differ only in names and numbers as one line with their count.

    Parameters
    ----------
    notes : iterable of str
        Each begins with the name of its file and a colon or space.
    most : int
        So many of a kind are shown one by one.
    """
    kinds: dict[str, list[str]] = {}
    for note in dict.fromkeys(notes):
        kinds.setdefault(re.sub(r"[\d.,]+|\([^)]*\)", "#", note.partition(" ")[2]), []).append(note)
    result = []
    for those in kinds.values():
        result += those if len(those) <= most else [f"{those[0]} Likewise {len(those) - 1:,} more files."]
    return result
