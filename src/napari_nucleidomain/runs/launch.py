"""Start a run in a process of its own, which outlives the viewer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import disk_error, refuse_special

from .folder import LOG_FILE, RunFolder
from .foreign import refuse_foreign
from .job import TrainJob
from .ownership import is_alive
from .store import Project


def spawn(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start this program's command line detached: no console window, not ended with the viewer.

    Parameters
    ----------
    arguments : list of str
        After `nucleidomain`.
    log : Path
        Receives what the process prints before it has a log of its own.

    Raises
    ------
    NucleiError
        The process cannot be started, or the log not be written.
    """
    command = [sys.executable, "-m", "napari_nucleidomain.cli", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    options: dict[str, object] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True
    refuse_special(log)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as stream:
            return subprocess.Popen(  # type: ignore[call-overload]
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                cwd=log.parent,
                **options,
            )
    except OSError as error:
        raise disk_error(error, log) from error


def start(run: RunFolder) -> subprocess.Popen[bytes]:
    """Execute a run, or go on with it, in a process of its own. Requests made before are forgotten.

    Raises
    ------
    NucleiError
        A live process works on it already, or it was made elsewhere (see `foreign.refuse_foreign`).
    """
    refuse_foreign(run)
    if is_alive(run.path):
        raise NucleiError(f"{run.name} is running already.", "Watch it, or stop it first.")
    run.forget_request()
    return spawn(["run", str(run.path)], run.path / LOG_FILE)


def running_training(project: Project) -> RunFolder | None:
    """A training of this project that is at work, on whatever computer: the one to watch.

    Who has this computer's device is another question: `devices.training_now`.
    """
    for run in project.runs():
        try:
            if isinstance(run.job, TrainJob) and run.state == "running":
                return run
        except NucleiError:
            # A damaged run folder is at no work.
            continue
    return None
