"""A job folder's own script, run by bash as a cluster would: walltime leaves a checkpoint and asks to be requeued."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_nucleidomain.contracts.events import CheckpointSaved, Started
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.portable import write_portable

from .processes import said_by, stage_of, wait_for
from .test_kill import of_kind

pytestmark = pytest.mark.skipif(os.name != "posix", reason="clusters are POSIX; Windows asks no process to end")


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with `nucleidomain` and a `scontrol` that only notes what it was told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in (
        ("nucleidomain", f'exec {shlex.quote(sys.executable)} -m napari_nucleidomain.cli "$@"'),
        ("scontrol", f'echo "$@" >> {shlex.quote(str(tmp_path / "requeued"))}'),
    ):
        (folder / name).write_text(f"#!/bin/bash\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def submit(run: RunFolder, commands: Path) -> subprocess.Popen[bytes]:
    """What a cluster does with the script: a copy of it runs elsewhere, the folder is told by a variable."""
    spooled = commands.parent / "spool" / "slurm_script"
    spooled.parent.mkdir(exist_ok=True)
    spooled.write_bytes((run.path / "job.sh").read_bytes())
    environment = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "SLURM_SUBMIT_DIR": str(run.path),
        "SLURM_JOB_ID": "7",
    }
    with open(run.path / "child.log", "ab") as log:
        return subprocess.Popen(["bash", str(spooled)], stdout=log, stderr=log, env=environment, cwd=commands.parent)


def test_walltime_leaves_a_checkpoint_and_is_requeued(trainings: Any, commands: Path, tmp_path: Path) -> None:
    job = trainings.new(steps=None, minutes=30.0).job
    run = write_portable(job, tmp_path / "Job é 1")
    script = submit(run, commands)
    wait_for(lambda: stage_of(run)[0] == "SPN" and stage_of(run)[1] > 3, script)
    script.send_signal(signal.SIGTERM)
    # Some clusters signal every process of the job, some twice.
    script.send_signal(signal.SIGTERM)
    assert script.wait(120) == 75 == ExitCode.INTERRUPTED, said_by(run)
    assert run.state == "interrupted"
    saved = of_kind(run, CheckpointSaved)[-1]
    assert (saved.stage, run.has_checkpoint) == ("SPN", True)
    assert (tmp_path / "requeued").read_text().split() == ["requeue", "7"]

    again = submit(run, commands)
    wait_for(lambda: stage_of(run)[0] == "SPN" and stage_of(run)[1] > saved.step, again)
    assert [event.resumed for event in of_kind(run, Started)] == [False, True]
    run.request("stop")
    assert again.wait(120) == ExitCode.STOPPED, said_by(run)
    assert run.model_folder is not None
    assert len((tmp_path / "requeued").read_text().splitlines()) == 1, "a stop that a person asked for is an end"


def test_script_says_what_is_missing(trainings: Any, commands: Path, tmp_path: Path) -> None:
    run = write_portable(trainings.new().job, tmp_path / "job")
    script = (run.path / "job.sh").read_bytes()
    assert b"\r" not in script and os.access(run.path / "job.sh", os.X_OK)
    said = subprocess.run(
        ["bash", "-c", 'PATH=/usr/bin:/bin; . "$0"', str(run.path / "job.sh")],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path)},
    )
    assert said.returncode == 2 and "activate the environment" in said.stderr
    (run.path / "run.json").unlink()
    said = subprocess.run(
        ["bash", str(run.path / "job.sh")], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert said.returncode == 2 and "not the job folder" in said.stderr
