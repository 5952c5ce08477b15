"""A run executed in a process of its own, watched: its events, its memory, and a stop at a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

from napari_nucleidomain.contracts.events import Event, is_last
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import SynthesizeJob, TrainJob
from napari_nucleidomain.runs.launch import start
from napari_nucleidomain.runs.store import Project

_LOOK_SECONDS = 0.05


@dataclass
class Watched:
    """What one process did with a run.

    Attributes
    ----------
    seconds : float
        Wall seconds from start to end of the process.
    peak_mib : float
        Largest resident memory of the process, in MiB; pages of mapped files count.
    stop_seconds : float or None
        From the request to stop to the event that says so.
    last : Event or None
        finished, stopped or failed; None where the process died.
    """

    seconds: float
    peak_mib: float
    stop_seconds: float | None
    last: Event | None
    events: list[Event] = field(default_factory=list, repr=False)


def work(
    run: RunFolder, limit: float | None = None, wants_stop: Callable[[Event], bool] = lambda event: False
) -> Watched:
    """Start or go on with a run, and wait for its end.

    Parameters
    ----------
    run : RunFolder
    limit : float, optional
        Seconds after which it is asked to stop.
    wants_stop : callable
        Given every event; True asks for a stop.
    """
    offset = run.read_events()[1]
    began, asked, peak, last = time.time(), None, 0, None
    seen: list[Event] = []
    child = start(run)
    process: Any = psutil.Process(child.pid)
    while child.poll() is None:
        peak = max(peak, _resident(process))
        events, offset = run.read_events(offset)
        seen += events
        late = limit is not None and time.time() - began > limit
        if asked is None and (late or any(wants_stop(event) for event in events)):
            asked = time.time()
            run.request("stop")
        time.sleep(_LOOK_SECONDS)
    seconds = time.time() - began
    seen += run.read_events(offset)[0]
    last = next((event for event in reversed(seen) if is_last(event)), None)
    stopped = last.time - asked if asked is not None and last is not None else None
    return Watched(seconds, peak / 2**20, stopped, last, seen)


def _resident(process: Any) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def run_of(project: Project, job: SynthesizeJob | TrainJob) -> RunFolder:
    """Execute a job, or go on with one of its name that was interrupted; one that is finished is not done again.

    Raises
    ------
    SystemExit
        It did not finish.
    """
    run = next((one for one in project.runs() if one.job.name == job.name), None) or project.new_run(job)
    if run.state != "finished":
        watched = work(run)
        if run.state != "finished":
            raise SystemExit(f"{run.name} ended as {watched.last}; see {run.log}")
    return run
