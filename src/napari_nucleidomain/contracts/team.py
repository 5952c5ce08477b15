"""What a training on several devices may ask of its processes.

One process owns the run. The others, one for each further device, only compute gradients: each step they are told
which one it is, draw the same numbers as the owner, and make their share of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .errors import NucleiError


class TeamLink(Protocol):
    """The processes of one training, as one of them sees the others.

    Attributes
    ----------
    rank : int
        0 in the process that owns the run.
    devices : tuple of str
        One for each process; that of this one is `devices[rank]`.
    """

    rank: int
    devices: tuple[str, ...]

    def send(self, **values: Any) -> None:
        """Tell JSON-able values to all others. Of rank 0 only."""
        ...

    def receive(self) -> dict[str, Any]:
        """Wait for what rank 0 tells next. Of the others only.

        Raises
        ------
        StopRun
            It told the end.
        """
        ...

    def meet(self, said: str = "", meanwhile: Callable[[], None] | None = None) -> None:
        """Come together before something that all must do at once, so that nobody waits there for one that is gone.

        Nobody goes on before all are there. In the middle of a step rank 0 obeys a stop here where another keeps it
        waiting, so nothing of the step may have been applied before the last meeting in it.

        Parameters
        ----------
        said : str
            Must be the same in all.
        meanwhile : callable, optional
            Called several times a second by rank 0 while it waits; may raise.

        Raises
        ------
        NucleiError
            In rank 0: another process has ended, or works on something else.
        StopRun, Interrupted
            In rank 0, in a step: it was asked for, and another process does not come.
        """
        ...

    def until(self, done: Callable[[], bool], meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for the end of what all do at once.

        Parameters
        ----------
        done : callable
            Whether it has ended here; asked often.
        meanwhile : callable, optional
            As in `meet`, whose errors this raises too.
        """
        ...

    def lost(self, why: str) -> NucleiError:
        """What to raise where an exchange broke off.

        Parameters
        ----------
        why : str
            What the exchange itself says of it.
        """
        ...

    def at_end(self, action: Callable[[bool], None]) -> None:
        """Have something done when the training has ended.

        `action` is told whether all processes still live and do the same now.
        """
        ...
