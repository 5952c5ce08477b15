"""The one way a run is executed, by the viewer's child process, the command line and a cluster job alike."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, StopRun
from napari_nucleidomain.contracts.events import Failed, Finished, Started, Stopped

from .event_log import EventWriter
from .folder import RunFolder
from .job import TrainJob
from .ownership import Ownership
from .predict import LoadedModels, predict
from .requests import Requests
from .train import train


class ExitCode(IntEnum):
    """What a command's exit status means."""

    DONE = 0
    DEFECT = 1
    USER = 2
    SKIPPED = 3
    STOPPED = 4


def execute(
    folder: Path | str,
    *,
    started: float | None = None,
    watch: Callable[[Requests], None] | None = None,
    models: LoadedModels | None = None,
) -> ExitCode:
    """Do what a run folder says, or go on with it.

    Parameters
    ----------
    folder : Path or str
        The run folder.
    started : float, optional
        `time.monotonic()` at the start of the process.
    watch : callable, optional
        Given the requests once they are watched, so that Ctrl+C can ask for a stop.
    models : LoadedModels, optional
        Models the worker keeps warm.

    Returns
    -------
    ExitCode
        Also in the events; nothing but an unusable folder or a live owner is raised.

    Raises
    ------
    NucleiError
        The folder holds no run, or a live process works on it.
    """
    run = RunFolder(folder)
    job = run.job
    ownership = Ownership(run.path)
    try:
        events = EventWriter(run.path)
        requests = Requests(run, events, ownership)
        log = _open_log(run.log)
        try:
            if watch:
                watch(requests)
            if job.background:
                _lower_priority()
            return _do(run, events, requests, time.monotonic() if started is None else started, models)
        finally:
            requests.close()
            logging.getLogger("napari_nucleidomain").removeHandler(log)
            log.close()
    finally:
        ownership.release()


def _do(
    run: RunFolder, events: EventWriter, requests: Requests, started: float, models: LoadedModels | None
) -> ExitCode:
    logger = logging.getLogger("napari_nucleidomain")
    try:
        resumed = bool(run.read_events()[0])
        events.write(Started(device=run.job.device, resumed=resumed))
        if isinstance(run.job, TrainJob):
            summary = train(run, events, requests, started)
        else:
            summary = predict(run, events, requests, models or LoadedModels())
        events.write(Finished(summary=summary))
        return ExitCode.SKIPPED if summary.get("problems") else ExitCode.DONE
    except StopRun as stop:
        summary = dict(stop.args[0]) if stop.args else {}
        events.write(Stopped(model=run.model_folder is not None, summary=summary))
        return ExitCode.STOPPED
    except NucleiError as error:
        logger.error("%s", error)
        _try_to_say(events, Failed(message=error.message, hint=error.hint))
        return ExitCode.USER
    except Exception as error:  # noqa: BLE001 - the last line of defence; everything is logged and reported
        logger.error("%s", traceback.format_exc())
        message = f"Something went wrong inside the program: {type(error).__name__}: {error}"
        _try_to_say(
            events, Failed(message=message, hint="Nothing saved before is lost. Please report it with the log.")
        )
        return ExitCode.DEFECT


def _try_to_say(events: EventWriter, event: Failed) -> None:
    """Write the last event; on a full disk that may fail too, and then the console has it."""
    try:
        events.write(event)
    except NucleiError:
        print(f"{event.message} {event.hint}", file=sys.stderr)


def _open_log(path: Path) -> logging.Handler:
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("napari_nucleidomain")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return handler


def _lower_priority() -> None:
    """Let the viewer have the processor first; it needs it for milliseconds at a time."""
    import psutil

    process = psutil.Process()
    try:
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 10)
    except (psutil.AccessDenied, OSError) as error:
        logging.getLogger("napari_nucleidomain").info("priority stays as it is: %s", error)
