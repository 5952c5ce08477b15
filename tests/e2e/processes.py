"""Runs in processes of their own, and the moment at which something is done to them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from napari_nucleidomain.contracts.events import Progress, StageEvent
from napari_nucleidomain.runs.folder import RunFolder

_MOST_SECONDS = 240.0
# A checkpoint before every step instead of every 15 s. `HOLD` names a moment at which the process waits, touching
# the file `held` in the run folder, until `go` is there; so nothing here depends on how fast a machine is.
_CHILD = """
import os, sys, time
from pathlib import Path
from napari_nucleidomain.runs import context
context.FolderRun._save_every = -1.0
context.FolderRun._save_and_time = context.FolderRun.save_checkpoint
folder, hold = Path(sys.argv[1]), sys.argv[2]

def wait():
    if (folder / "go").exists():
        return
    (folder / "held").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)

if hold.startswith("write"):
    from napari_nucleidomain.training import state
    real_save, saves = state.TorchCheckpoints.save, [0]
    def save(self, content, path):
        real_save(self, content, path)
        saves[0] += 1
        if saves[0] == int(hold[5:]):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            wait()
            path.write_bytes(whole)
    state.TorchCheckpoints.save = save
elif hold:
    stage, _, at = hold.partition(":")
    if at:
        real_metric = context.FolderRun.metric
        def metric(self, **values):
            if self._stage == stage and self._step >= int(at):
                wait()
            real_metric(self, **values)
        context.FolderRun.metric = metric
    else:
        from napari_nucleidomain.methods.spn_ien import train
        name = {"labels": "make_semantic", "instances": "make_instance_maps"}[stage]
        real_make = getattr(train, name)
        def make(*parts):
            wait()
            real_make(*parts)
        setattr(train, name, make)
from napari_nucleidomain.cli import main
sys.exit(main(["run", str(folder)]))
"""


def start(run: RunFolder, hold: str = "") -> subprocess.Popen[bytes]:
    """Go on with a run in a process of its own.

    Parameters
    ----------
    run : RunFolder
    hold : str
        "STAGE" (one without steps), "STAGE:STEP", or "writeN": in the middle of the N-th checkpoint.
    """
    for name in ("held", "go"):
        (run.path / name).unlink(missing_ok=True)
    with open(run.path / "child.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(run.path), hold],
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> Any:
    """Its first true value.

    Raises
    ------
    AssertionError
        The process ended first, or nothing came for minutes.
    """
    end = time.monotonic() + _MOST_SECONDS
    while not (found := condition()):
        assert process is None or process.poll() is None or condition(), "the process ended too early"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


def held(run: RunFolder, process: subprocess.Popen[bytes]) -> None:
    """Return when the process stands where `start` was told to hold it."""
    wait_for((run.path / "held").exists, process)


def let_go(run: RunFolder) -> None:
    """Let the held process go on."""
    (run.path / "go").touch()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it as a power cut does: SIGKILL, or TerminateProcess on Windows."""
    assert process.poll() is None, "it ended by itself before the kill"
    process.kill()
    process.wait()


def stage_of(run: RunFolder) -> tuple[str, int]:
    """The stage it was in last, and the last step reported there."""
    stage, step = "", 0
    for event in run.read_events()[0]:
        if isinstance(event, StageEvent) and event.state == "begun":
            stage, step = event.name, 0
        elif isinstance(event, Progress):
            stage, step = event.stage, event.step
    return stage, step


def said_by(run: RunFolder) -> str:
    """What the process printed and logged, for a failed assertion."""
    return "\n".join(
        (run.path / name).read_text(errors="replace") for name in ("child.log", "log.txt") if (run.path / name).exists()
    )
