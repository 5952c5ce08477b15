"""A progress bar with the time that is left, from a run's events."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import TextIO

from napari_nucleidomain.contracts.events import (
    Event,
    Failed,
    Metric,
    ModelReady,
    Progress,
    StageEvent,
    Warned,
)
from napari_nucleidomain.runs.folder import RunFolder

_LOOK_SECONDS = 0.25


def duration(seconds: float) -> str:
    """`75` -> "1:15"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Bar:
    """Follows a run's events in a thread and draws one line; plain lines where the output is no terminal.

    Parameters
    ----------
    run : RunFolder
        The run.
    stream : TextIO
        Where it is drawn.
    quiet : bool
        Only warnings.
    """

    def __init__(self, run: RunFolder, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._run = run
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._offset = run.read_events()[1]
        self._note = ""
        self._last_plain = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress-bar", daemon=True)

    def __enter__(self) -> Bar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=5.0)
        if self._terminal and not self._quiet:
            self._stream.write("\n")
            self._stream.flush()

    def _follow(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            self._read()
        self._read()

    def _read(self) -> None:
        events, self._offset = self._run.read_events(self._offset)
        latest: Progress | None = None
        for event in events:
            if isinstance(event, Progress):
                latest = event
            else:
                self._say(event)
        if latest is not None and not self._quiet:
            self._draw(latest)

    def _say(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._line(f"! {event.message} {event.hint}".rstrip())
        elif isinstance(event, Failed) and not self._quiet:
            self._line(f"failed: {event.message}")
        elif isinstance(event, StageEvent) and event.state == "skipped" and not self._quiet:
            self._line(f"{event.name}: done before")
        elif isinstance(event, ModelReady) and not self._quiet:
            self._line(f"model written after {event.step} steps")
        elif isinstance(event, Metric):
            self._note = _note(event.values) or self._note

    def _line(self, text: str) -> None:
        clear = "\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r" if self._terminal else ""
        self._stream.write(f"{clear}{text}\n")
        self._stream.flush()

    def _draw(self, event: Progress) -> None:
        left = f"{duration(event.eta)} left" if event.eta is not None else ""
        count = f"{event.step}/{event.total}" if event.total else f"{event.step} steps"
        text = f"{event.stage}  {count}  {left}  {self._note}".rstrip()
        if self._terminal:
            width = 24
            filled = round(width * event.overall)
            bar = "█" * filled + "·" * (width - filled)
            line = f"\r{bar} {event.overall:4.0%}  {text}"
            self._stream.write(
                line[: shutil.get_terminal_size().columns - 1].ljust(shutil.get_terminal_size().columns - 1)
            )
        elif time.monotonic() - self._last_plain > 10.0:
            self._last_plain = time.monotonic()
            self._stream.write(f"{event.overall:4.0%}  {text}\n")
        self._stream.flush()


def _note(values: dict[str, float]) -> str:
    if "points_found" in values:
        total = values.get("points_total", 0)
        return f"{values['points_found']:.0f} of {total:.0f} kept-back clicks found"
    return f"loss {values['loss']:.3f}" if "loss" in values else ""
