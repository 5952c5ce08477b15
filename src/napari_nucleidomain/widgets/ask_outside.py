"""The question before a run that was made elsewhere writes outside its folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_nucleidomain.contracts import NucleiError, WritesOutside

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder

    from .inline import Inline


def ask_outside(message: Inline, run: RunFolder, error: WritesOutside, go_on: Callable[[], object]) -> None:
    """Ask whether it may, and go on with it where the person says so.

    Parameters
    ----------
    message : Inline
        Where it is asked.
    run : RunFolder
    error : WritesOutside
        Where it would write.
    go_on : callable
        Once it is allowed.
    """
    from napari_nucleidomain.runs.foreign import allow_writing_outside

    def allow() -> None:
        try:
            allow_writing_outside(run)
        except NucleiError as failed:
            message.say_error(failed)
            return
        message.clear()
        go_on()

    message.say(
        "warning",
        error.message,
        "What is there under the same names would be replaced. Allow it only if you know who made this run.",
        Write_there=allow,
        Leave_it=message.clear,
    )
