"""A progress bar with the time that is left, from a run's events."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from napari_nucleidomain.contracts.events import (
    Event,
    Failed,
    Metric,
    ModelReady,
    Progress,
    Question,
    StageEvent,
    Warned,
    whole_percent,
)
from napari_nucleidomain.runs.folder import RunFolder

from .left_out import left_out_lines

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
    hold : bool
        Keep what is left out in `left_out` instead of writing it: what was done is said first.
    """

    def __init__(
        self, run: RunFolder, stream: TextIO | None = None, *, quiet: bool = False, hold: bool = False
    ) -> None:
        self._run = run
        self._hold = hold
        self.left_out: list[tuple[str, str]] = []
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._offset = run.read_events()[1]
        self._note = ""
        # Files left out before the work began: where it then fails because of them, the last message names them.
        self._held: list[Warned] | None = []
        self._said: list[str] = []
        self._last_plain = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress-bar", daemon=True)

    def __enter__(self) -> Bar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=5.0)
        self._tell_held()
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
            if isinstance(event, Progress | StageEvent):
                self._tell_held()
            if isinstance(event, Progress):
                latest = event
            else:
                self._say(event)
        if latest is not None and not self._quiet:
            self._draw(latest)

    def _say(self, event: Event) -> None:
        if isinstance(event, Warned) and event.left_out:
            if self._hold:
                self.left_out.append((_path(event), _fault(event)))
            elif self._held is None:
                self._leave_out([event])
            else:
                self._held.append(event)
        elif isinstance(event, Warned):
            self._line(f"! {event.message} {event.hint}".rstrip())
        elif isinstance(event, Failed):
            self._held = [one for one in self._held or [] if _file(one) not in event.message]
        elif isinstance(event, StageEvent) and event.state == "skipped" and not self._quiet:
            self._line(f"{event.name}: done before")
        elif isinstance(event, Question):
            self._line(f"? {event.text} {event.hint}".rstrip())
            if picture := self._run.picture_of(event):
                self._line(f'  Look at: "{picture}"')
            self._line(f'  It goes on meanwhile. To answer: nucleidomain runs --answer "{self._run.path}" go_on')
        elif isinstance(event, ModelReady) and not self._quiet:
            self._line(f"model written after {event.step} steps")
        elif isinstance(event, Metric):
            self._note = _note(event.values) or self._note

    def _leave_out(self, events: list[Warned]) -> None:
        self._said += [_fault(event) for event in events]
        for line in left_out_lines((_path(event), _fault(event)) for event in events):
            self._line(line)

    def _tell_held(self) -> None:
        self._leave_out(self._held or [])
        self._held = None

    def tell_left_out(self) -> None:
        """Write what was kept back; see `hold`."""
        self._said += [fault for _, fault in self.left_out]
        for line in left_out_lines(self.left_out):
            self._line(line)
        self.left_out = []

    def unsaid(self, message: str) -> str:
        """A last message without what stands above it already."""
        for fault in self._said:
            message = message.replace(fault, "").rstrip()
        return message

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
            line = f"\r{bar} {whole_percent(event.overall):3d}%  {text}"
            self._stream.write(
                line[: shutil.get_terminal_size().columns - 1].ljust(shutil.get_terminal_size().columns - 1)
            )
        elif time.monotonic() - self._last_plain > 10.0:
            self._last_plain = time.monotonic()
            self._stream.write(f"{whole_percent(event.overall):3d}%  {text}\n")
        self._stream.flush()


def _file(event: Warned) -> str:
    """Name of the file that is left out, which stands in front."""
    return Path(_path(event)).name


def _path(event: Warned) -> str:
    return event.message.partition(": ")[0]


def _fault(event: Warned) -> str:
    """What is wrong with it."""
    return event.message.partition(": ")[2]


def _note(values: dict[str, float]) -> str:
    for prefix, words in (("points", "kept-back clicks"), ("outlines", "outlines")):
        if f"{prefix}_found" in values:
            return f"{values[f'{prefix}_found']:.0f} of {values.get(f'{prefix}_total', 0):.0f} {words} found"
    return f"loss {values['loss']:.3f}" if "loss" in values else ""
