"""The one way a run is executed, by the viewer's child process, the command line and a cluster job alike."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import Interrupted, NucleiError, StopRun, WriteError
from napari_nucleidomain.contracts.card import CARD_FILE
from napari_nucleidomain.contracts.events import Failed, Finished, Started, Stopped, Warned
from napari_nucleidomain.contracts.files import impossible_name, refuse_special, remove_halves, specials_in
from napari_nucleidomain.contracts.memory import is_memory_full

from .devices import Busy, hold
from .event_log import EventWriter, last_event
from .folder import RunFolder
from .foreign import part_from_copies, refuse_foreign
from .inputs import needed_to_train
from .job import CLASSICAL, Job, SynthesizeJob, TrainJob
from .log import open_log
from .ownership import Ownership
from .places import summary_to_stored
from .predict import LoadedModels, predict
from .publishing import published_at
from .requests import Requests
from .spare import Spare
from .synthesize import is_made, synthesize
from .train import train

GO_ON = "Resume it then: it goes on from what was saved last."
_LESS_MEMORY = {
    "train": "End other programs that use it, and resume: it goes on from what was saved last. Or start a new training "
    "with smaller crops (crop_px) or batches.",
    "predict": "End other programs that use it, or choose a smaller part of the image.",
    "synthesize": "End other programs that use it, or make smaller images.",
}
_INTERRUPTED = (
    "The computer asked the program to end (time limit, shutdown): all was saved, and it can go on from here."
)


class ExitCode(IntEnum):
    """What a command's exit status means."""

    DONE = 0
    DEFECT = 1
    USER = 2
    SKIPPED = 3
    STOPPED = 4
    INTERRUPTED = 75


def execute(
    folder: Path | str,
    *,
    started: float | None = None,
    watch: Callable[[Requests], None] | None = None,
    models: LoadedModels | None = None,
    busy: Busy = Busy.WARN,
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
    busy : Busy
        What to do where another job has the device.

    Returns
    -------
    ExitCode
        Also in the events; nothing but an unusable folder or a live owner is raised.

    Raises
    ------
    NucleiError
        The folder holds no run, or one from elsewhere that would write outside it or has links in it; a live process
        works on it, it cannot be written to, or it is finished and both what it made and what it was made of are gone.
    """
    run = RunFolder(folder)
    job = run.job
    refuse_foreign(run)
    for special in specials_in(run.path):
        # Whoever opened it would wait for ever.
        refuse_special(special)
    ownership = Ownership(run.path, patient=True)
    try:
        part_from_copies(run)
        if is_complete(run):
            return ExitCode.DONE
        _refuse_without_inputs(run)
        spare = Spare(run.path)
        events = EventWriter(run.path)
        requests = Requests(run, events, ownership)
        log = open_log(run.log)
        try:
            if watch:
                watch(requests)
            if job.background:
                _lower_priority()
            began = time.monotonic() if started is None else started
            return _do(run, events, requests, spare, lambda: _work(run, events, requests, began, models, busy))
        finally:
            requests.close()
            logging.getLogger("napari_nucleidomain").removeHandler(log)
            log.close()
            spare.give_up()
    finally:
        ownership.release()


def is_complete(run: RunFolder) -> bool:
    """Whether a run finished and all it made is still where it was put: there is nothing to do.

    A model that was published may have been replaced by a better one since, so it is never written again for nothing.
    """
    if not isinstance(last_event(run.path), Finished):
        return False
    job = run.job
    if isinstance(job, TrainJob):
        kept = [published_at(run.path, Path(job.publish)) / CARD_FILE] if job.publish else []
        kept += [Path(job.pack)] if job.pack else []
        return run.model_folder is not None and all(path.exists() for path in kept)
    if isinstance(job, SynthesizeJob):
        return is_made(job)
    summary = run.summary()
    return not summary.get("problems") and not _lost(summary)


def _lost(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Images whose labels are not where they were put."""
    return [entry for entry in summary.get("images", []) if not Path(entry["labels"]).exists()]


def _refuse_without_inputs(run: RunFolder) -> None:
    """Leave a finished run finished whose results are gone, where what they were made of is gone too.

    Raises
    ------
    NucleiError
        It would only fail, and the record that it had finished would be lost.
    """
    if not isinstance(last_event(run.path), Finished):
        return
    job = run.job
    if isinstance(job, TrainJob):
        needed = needed_to_train(run, job)
    elif isinstance(job, SynthesizeJob):
        needed = [Path(job.model)]
    else:
        lost = _lost(run.summary())
        needed = [Path(entry["image"]) for entry in lost if "image" in entry] + (
            [Path(job.model)] if lost and job.model != CLASSICAL else []
        )
    gone = [path for path in needed if not path.exists()]
    if gone:
        raise NucleiError(
            f"{run.name} is finished, but what it made is not there any more, and {gone[0]} is gone too.",
            "Put one of the two back, or start anew.",
        )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Have torch use so many threads if it is loaded herein; a warm worker keeps what it began with."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    if count:
        os.environ[name] = str(count)
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before
        elif count:
            del os.environ[name]


def _work(
    run: RunFolder,
    events: EventWriter,
    requests: Requests,
    started: float,
    models: LoadedModels | None,
    busy: Busy,
) -> dict[str, Any]:
    """What the job is, on a device that it has to itself unless the user wished otherwise."""
    threads = None if isinstance(run.job, TrainJob) else run.job.threads
    with _threads(threads), hold(run, events, requests, busy) as waited:
        if isinstance(run.job, TrainJob):
            # The time it waited for the device is not counted.
            return train(run, events, requests, started + waited)
        if isinstance(run.job, SynthesizeJob):
            return synthesize(run, events, requests, models or LoadedModels())
        return predict(run, events, requests, models or LoadedModels())


def _do(
    run: RunFolder,
    events: EventWriter,
    requests: Requests,
    spare: Spare,
    work: Callable[[], dict[str, Any]],
) -> ExitCode:
    logger = logging.getLogger("napari_nucleidomain")
    try:
        spare.keep()
        for folder in _written_to(run.path):
            remove_halves(folder)
        resumed = bool(run.read_events()[0])
        events.write(Started(device=run.job.device, resumed=resumed))
        summary = work()
        events.write(Finished(summary=summary_to_stored(summary, run.path)))
        return ExitCode.SKIPPED if summary.get("problems") else ExitCode.DONE
    except Interrupted:
        # No last event: whoever looks at the folder reads *interrupted*, and the next process goes on.
        _say_last(events, spare, Warned(message=_INTERRUPTED, hint="Run the folder again; nothing is lost."))
        return ExitCode.INTERRUPTED
    except StopRun as stop:
        summary = summary_to_stored(dict(stop.args[0]) if stop.args else {}, run.path)
        _say_last(events, spare, Stopped(model=run.model_folder is not None, summary=summary))
        return ExitCode.STOPPED
    except WriteError as error:
        spare.give_up()
        logger.error("%s", error)
        _say_last(events, spare, Failed(message=error.message, hint=f"{error.hint} {GO_ON}"))
        return ExitCode.USER
    except NucleiError as error:
        logger.error("%s", error)
        _say_last(events, spare, Failed(message=error.message, hint=error.hint))
        return ExitCode.USER
    except BaseException as error:
        # The last line of defence: everything is logged and reported. What a library in Rust raises when memory is
        # full is no `Exception`, but the end of the process is not to be held up.
        if not isinstance(error, Exception) and not is_memory_full(error):
            raise
        if told := impossible_name(error):
            _say_last(events, spare, Failed(message=told.message, hint=told.hint))
            return ExitCode.USER
        logger.error("%s", traceback.format_exc())
        if is_memory_full(error):
            failed = Failed(message=_memory_words(run.job), hint=_LESS_MEMORY[run.job.kind])
            _say_last(events, spare, failed)
            return ExitCode.USER
        message = f"Something went wrong inside the program: {type(error).__name__}: {error}"
        hint = "Nothing saved before is lost. Please report it with the log."
        _say_last(events, spare, Failed(message=message, hint=hint))
        return ExitCode.DEFECT


def _memory_words(job: Job) -> str:
    where = "This computer's memory" if job.device == "cpu" else f"The memory of {job.device}"
    return f"{where if job.device != 'auto' else 'The memory'} is not enough for it."


def _written_to(folder: Path) -> list[Path]:
    """Folders of a run to which nobody but its own process writes."""
    names = ("checkpoint", "models", "previews", "result")
    return [*(folder / name for name in names), *(one for one in folder.glob("stages/*") if one.is_dir())]


def _say_last(events: EventWriter, spare: Spare, event: Failed | Stopped | Warned) -> None:
    """Write the last event into the place kept back for it; if even that is gone, the console has it."""
    spare.give_up()
    try:
        events.write(event)
    except WriteError as error:
        words = str(error) if isinstance(event, Stopped) else f"{event.message} {event.hint}"
        print(words, file=sys.stderr)


def _lower_priority() -> None:
    """Let the viewer have the processor first; it needs it for milliseconds at a time."""
    import psutil

    process = psutil.Process()
    try:
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 10)
    except (psutil.AccessDenied, OSError) as error:
        logging.getLogger("napari_nucleidomain").info("priority stays as it is: %s", error)
