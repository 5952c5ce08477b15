"""The one exception whose text is written for the person at the microscope."""

from __future__ import annotations

from pathlib import Path

from .shown import shown


class NucleiError(Exception):
    """Something a user can mend.

    Parameters
    ----------
    message : str
        What is wrong, in a biologist's words, without a trailing hint.
    hint : str, optional
        What to do about it. Shown after the message, or under it in the viewer.

    Notes
    -----
    Every layer raises this for bad input; the command line prints it on one line and the docks show it inline.
    Anything else that escapes is a defect of this program and is reported with a traceback in the log.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        # Names and texts from files stand in them, and they go to terminals and labels.
        self.message = shown(message)
        self.hint = shown(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[type[NucleiError], tuple[str, str]]:
        return (type(self), (self.message, self.hint))


class WriteError(NucleiError):
    """A file could not be written: the disk is full, away or read-only.

    Nothing else of the same kind is worth trying before somebody has seen to it; a bad image, by contrast, says
    nothing about the next one.
    """


class DiskFull(WriteError):
    """The disk has no place left: whatever is written next will fail as well."""


class NotFinite(NucleiError):
    """What a network gives is not finite: its weights are damaged, or its training has diverged."""


class WritesOutside(NucleiError):
    """A run made elsewhere would write outside its folder; `targets` says where. A person may allow it."""

    def __init__(self, message: str, hint: str, targets: tuple[Path, ...]) -> None:
        super().__init__(message, hint)
        self.targets = targets

    def __reduce__(self) -> tuple[type[WritesOutside], tuple[str, str, tuple[Path, ...]]]:  # type: ignore[override]
        return (type(self), (self.message, self.hint, self.targets))
