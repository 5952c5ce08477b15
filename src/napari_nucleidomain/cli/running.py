"""A run in the foreground: progress bar, Ctrl+C asks for a stop, SIGTERM saves, the last event becomes words."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from napari_nucleidomain.contracts.events import Failed
from napari_nucleidomain.contracts.files import remove_folder
from napari_nucleidomain.runs.devices import Busy
from napari_nucleidomain.runs.event_log import last_event
from napari_nucleidomain.runs.execute import GO_ON, ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.ownership import is_alive, read_owner
from napari_nucleidomain.runs.requests import Requests

from .bars import Bar

_LOOK_SECONDS = 2.0


@contextmanager
def saving_when_ended() -> Iterator[Callable[[Requests], None]]:
    """Within it SIGTERM (walltime of a cluster, shutdown) has the run save and end, instead of ending it at once.

    Yields
    ------
    callable
        To be told the requests of the run under way. Until then there is nothing to save, and SIGTERM ends the process
        as ever.

    Notes
    -----
    A cluster may send the signal several times, to the process and to its group, so another one changes nothing.
    Windows ends processes without asking them; there the last checkpoint is what is left.
    """
    under_way: list[Requests] = []
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's.
        yield under_way.append
        return

    def on_end(_number: int, _frame: FrameType | None) -> None:
        if not under_way:
            raise SystemExit(128 + signal.SIGTERM)
        under_way[0].interrupt()

    before = signal.signal(signal.SIGTERM, on_end)
    try:
        yield under_way.append
    finally:
        signal.signal(signal.SIGTERM, before)


def run_quietly(run: RunFolder, *, started: float, busy: Busy = Busy.WARN) -> ExitCode:
    """Execute a run without showing it: what it says is in its folder, and only why it failed on the screen."""
    with saving_when_ended() as tell:
        code = execute(run.path, started=started, watch=tell, busy=busy)
    event = last_event(run.path)
    if isinstance(event, Failed):
        # Whoever calls it from a script must not be left with an exit status alone.
        print(f"nucleidomain: {event.message}", file=sys.stderr)
        if event.hint:
            print(f"  {event.hint}", file=sys.stderr)
    return code


def wait_for_owner(run: RunFolder) -> None:
    """Wait for a process that works on a run; on a cluster a node that died counts as alive for two minutes."""
    told = False
    while is_alive(run.path):
        if not told:
            owner = read_owner(run.path)
            print(f"{run.name} is being worked on{f' on {owner.host}' if owner else ''}; waiting for that.", flush=True)
            told = True
        time.sleep(_LOOK_SECONDS)


def when_busy(arguments: argparse.Namespace) -> Busy:
    """What the user said to do where another job has the device."""
    return Busy.WAIT if arguments.wait else Busy.SHARE if arguments.share else Busy.REFUSE


def drop_if_nothing_done(run: RunFolder, code: ExitCode) -> None:
    """Remove a run that this command made where it failed before anything was worked out, as on bad input.

    Nobody can go on from it, and a list full of such runs hides the others. One that a full disk ended stays: its
    message says to resume it.
    """
    event = last_event(run.path)
    if code != ExitCode.USER or not isinstance(event, Failed) or event.hint.endswith(GO_ON) or not run.is_bare:
        return
    remove_folder(run.path)
    if not run.path.exists():
        print("  Nothing was done yet; no run is kept.", file=sys.stderr)


def run_here(
    run: RunFolder,
    *,
    started: float,
    quiet: bool = False,
    busy: Busy = Busy.WARN,
    tell: Callable[[], None] | None = None,
) -> ExitCode:
    """Execute a run and show it; what was done (`tell`) before what was left out.

    Ctrl+C once asks for a stop, which leaves a model where one exists; twice ends the process at once. SIGTERM saves
    and ends.
    """
    before: list[Any] = []

    def watch(requests: Requests) -> None:
        note(requests)

        def on_interrupt(_number: int, _frame: FrameType | None) -> None:
            print("\nStopping; press Ctrl+C again to end at once.", file=sys.stderr)
            requests.stop()
            signal.signal(signal.SIGINT, signal.default_int_handler)

        before.append(signal.signal(signal.SIGINT, on_interrupt))

    try:
        with saving_when_ended() as note, Bar(run, quiet=quiet, hold=tell is not None) as bar:
            code = execute(run.path, started=started, watch=watch, busy=busy)
    finally:
        if before:
            signal.signal(signal.SIGINT, before[0])
    event = last_event(run.path)
    if tell is not None:
        tell()
        sys.stdout.flush()
        bar.tell_left_out()
    if code == ExitCode.INTERRUPTED:
        print(f"nucleidomain: ended by the system, saved. Go on with: nucleidomain run {run.path}", file=sys.stderr)
    if isinstance(event, Failed):
        print(f"nucleidomain: {bar.unsaid(event.message)}", file=sys.stderr)
        if event.hint:
            print(f"  {event.hint}", file=sys.stderr)
        if code == ExitCode.DEFECT:
            print(f"  Log: {run.log}", file=sys.stderr)
    return code
