"""A run in the foreground: progress bar, Ctrl+C asks for a stop, the last event becomes words."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType
from typing import Any

from napari_nucleidomain.contracts.events import Failed
from napari_nucleidomain.runs.devices import Busy
from napari_nucleidomain.runs.event_log import last_event
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.requests import Requests

from .bars import Bar


def when_busy(arguments: argparse.Namespace) -> Busy:
    """What the user said to do where another job has the device."""
    return Busy.WAIT if arguments.wait else Busy.SHARE if arguments.share else Busy.REFUSE


def run_here(run: RunFolder, *, started: float, quiet: bool = False, busy: Busy = Busy.WARN) -> ExitCode:
    """Execute a run and show it.

    Ctrl+C once asks for a stop, which leaves a model where one exists; twice ends the process at once.
    """
    before: list[Any] = []

    def watch(requests: Requests) -> None:
        def on_interrupt(_number: int, _frame: FrameType | None) -> None:
            print("\nStopping; press Ctrl+C again to end at once.", file=sys.stderr)
            requests.stop()
            signal.signal(signal.SIGINT, signal.default_int_handler)

        before.append(signal.signal(signal.SIGINT, on_interrupt))

    try:
        with Bar(run, quiet=quiet):
            code = execute(run.path, started=started, watch=watch, busy=busy)
    finally:
        if before:
            signal.signal(signal.SIGINT, before[0])
    event = last_event(run.path)
    if isinstance(event, Failed):
        print(f"nucleidomain: {event.message}", file=sys.stderr)
        if event.hint:
            print(f"  {event.hint}", file=sys.stderr)
        if code == ExitCode.DEFECT:
            print(f"  Log: {run.log}", file=sys.stderr)
    return code
