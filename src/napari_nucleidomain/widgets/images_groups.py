"""Images of one patient, slide or culture stay on one side of the split between learning and checking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

SIDES = ("train", "check")


def mates(entries: Sequence[ImageEntry], entry: ImageEntry, group: str) -> list[ImageEntry]:
    """The other images of a group that are learned from or used for checking."""
    return [one for one in entries if one is not entry and group and one.group == group and one.use in SIDES]


def divided(entries: Sequence[ImageEntry]) -> list[str]:
    """Groups that lie on both sides."""
    sides: dict[str, set[str]] = {}
    for one in entries:
        if one.group and one.use in SIDES and not one.problem:
            sides.setdefault(one.group, set()).add(one.use)
    return sorted(group for group, uses in sides.items() if len(uses) > 1)


def set_use(session: Session, entry: ImageEntry, use: str) -> str | None:
    """Change what an image is used for, and with it the rest of its group.

    Returns
    -------
    str or None
        What was changed beside it, for the person; "" for nothing; None where nothing may be changed.
    """
    others = [one for one in mates(session.images, entry, entry.group) if use in SIDES and one.use != use]
    if not all(session.touch(one, "use", use=use) for one in (entry, *others)):
        return None
    return f"Also {_these(others)} of the group {entry.group}: a group stays on one side." if others else ""


def set_group(session: Session, entry: ImageEntry, group: str) -> str | None:
    """Put an image into a group ("" takes it out); it is used as that group is. Returns as `set_use`."""
    others = mates(session.images, entry, group)
    changes: dict[str, Any] = {"group": group}
    if others and entry.use in SIDES and entry.use != others[0].use:
        changes["use"] = others[0].use
    if not session.touch(entry, "use", **changes):
        return None
    if "use" not in changes:
        return ""
    said = "checking only, as" if changes["use"] == "check" else "training, as"
    return f"{entry.name} is used for {said} {_these(others)} of the group {group}: a group stays on one side."


def _these(others: Sequence[ImageEntry]) -> str:
    return others[0].name if len(others) == 1 else f"the other {count(len(others), 'image')}"
