"""What a prediction tells while it works: progress, tiles as they come, warnings; and how it hears a stop."""

from __future__ import annotations

import contextlib
import glob
import time

import numpy as np

from napari_nucleidomain.contracts import Interrupted, StopRun
from napari_nucleidomain.contracts.events import Preview, Progress, Warned
from napari_nucleidomain.inference.segment import Hooks

from .event_log import EventWriter
from .folder import RunFolder
from .job import ImageRef
from .previews import write_preview
from .requests import Requests

# Of a slide so many tiles are kept to be shown; a viewer that is slower shows the others with the result.
_KEPT_PIECES = 256
# Share of a slide's time that joining its tiles is taken to cost.
_JOINING = 0.1
_REPORT_SECONDS = 0.2


class Report:
    """Events of one image of a prediction.

    Parameters
    ----------
    run : RunFolder
    events : EventWriter
    requests : Requests
    ref : ImageRef
    name : str
        Of the image's results.
    place : tuple of int
        Which image it is, of how many.
    large : bool
        Whether it is a slide: joining its tiles takes time of its own, and not every tile is kept to be shown.
    """

    def __init__(
        self,
        run: RunFolder,
        events: EventWriter,
        requests: Requests,
        ref: ImageRef,
        name: str,
        place: tuple[int, int],
        *,
        large: bool,
    ) -> None:
        self._run, self._events, self._requests = run, events, requests
        self._ref, self._name, self._place, self._large = ref, name, place, large
        self._began = time.monotonic()
        self._pieces = 0
        self._before: int | None = None
        self._tiles = 0
        self._said = 0.0

    def hooks(self) -> Hooks:
        """For `segment`."""
        return Hooks(self._progress, self._piece, self.check, self._warn)

    def check(self) -> None:
        """Answer pause and stop.

        Raises
        ------
        StopRun
            The user asked to stop; tiles that are done stay.
        """
        self._requests.refuse_if_lost()
        self._requests.wait_while_paused()
        if self._requests.stopped:
            raise StopRun
        if self._requests.interrupted:
            raise Interrupted

    def joining(self, done: int, total: int) -> None:
        """Tiles are being joined."""
        self.check()
        now = time.monotonic()
        if self._large and now - self._said > _REPORT_SECONDS:
            self._said = now
            self._write(self._tiles, 1.0 - _JOINING + _JOINING * done / max(1, total), 0.0)

    def _progress(self, done: int, total: int) -> None:
        if self._before is None:
            self._before = done
        self._tiles = total
        spent = time.monotonic() - self._began
        share = (1.0 - _JOINING if self._large else 1.0) * done / max(1, total)
        self._write(done, share, (done - self._before) / spent if spent > 0 else 0.0)

    def _write(self, step: int, fraction: float, rate: float) -> None:
        spent = time.monotonic() - self._began
        index, count = self._place
        # Tiles from before a stop cost nothing now.
        before = (1.0 - _JOINING if self._large else 1.0) * (self._before or 0) / max(1, self._tiles)
        new = fraction - before
        # Later images are taken to cost what this one does.
        eta = spent / new * (count - index - fraction) if new > 0 else None
        self._events.write(
            Progress(
                stage=self._name,
                step=step,
                total=self._tiles,
                fraction=fraction,
                overall=(index + fraction) / count,
                rate=rate,
                eta=eta,
            )
        )

    def _piece(self, origin: tuple[int, ...], labels: np.ndarray) -> None:
        number = self._pieces % _KEPT_PIECES if self._large else self._pieces
        self._pieces += 1
        file = f"previews/{self._name}-{number + 1:05d}.npz"
        if not write_preview(self._run.path / file, {"labels": labels}, self._events, compressed=self._large):
            return
        self._events.write(
            Preview(stage=self._name, step=self._pieces, file=file, image=self._ref.path, origin=list(origin))
        )

    def clear(self) -> None:
        """Remove the tiles kept to be shown, an earlier process's too: all of them are in the result now."""
        pattern = f"{glob.escape(self._name)}-{'[0-9]' * 5}.npz"
        for file in (self._run.path / "previews").glob(pattern):
            # On Windows a viewer that reads it at this moment keeps it; it then goes with the run.
            with contextlib.suppress(OSError):
                file.unlink()

    def _warn(self, message: str, hint: str) -> None:
        self._events.write(Warned(message=message, hint=hint))
