"""Trainings in real processes that are killed, stopped, paused, refused and found again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.contracts.events import Acknowledged, CheckpointSaved, Finished, Stopped
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.spn_ien.segment import load
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.folder import RunFolder

from .processes import held, kill, let_go, said_by, stage_of, start, wait_for

# A viewer's process: it starts the training as the Train dock does and is then closed, or dies.
_VIEWER = """
import sys, time
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.launch import start
process = start(RunFolder(sys.argv[1]))
print(process.pid, flush=True)
if sys.argv[2] == "dies":
    time.sleep(600)
"""


def check_equal(run: RunFolder, expected: dict[str, np.ndarray]) -> None:
    assert run.model_folder is not None, said_by(run)
    weights = load_weights(run.model_folder)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)


def of_kind(run: RunFolder, kind: type) -> list[Any]:
    return [event for event in run.read_events()[0] if isinstance(event, kind)]


def test_killed_in_every_stage_and_inside_checkpoints(trainings: Any, undisturbed: Any) -> None:
    run = trainings.new()
    for hold, stage in (
        ("labels", "labels"),
        ("SPN:20", "SPN"),
        ("write12", "SPN"),
        ("instances", "instances"),
        ("IEN:20", "IEN"),
        ("write12", "IEN"),
    ):
        process = start(run, hold)
        held(run, process)
        halves = list((run.path / "checkpoint").glob(".*"))
        kill(process)
        assert stage_of(run)[0] == stage
        assert bool(halves) == hold.startswith("write")
        assert run.state == "interrupted"
    process = start(run)
    assert process.wait(300) == 0, said_by(run)
    check_equal(run, undisturbed)
    assert list((run.path / "checkpoint").glob(".*")) == [], "halves of checkpoints are cleaned away"


@pytest.mark.skipif(os.name != "posix", reason="Windows asks no process to end")
def test_ended_by_the_system_goes_on_exactly(trainings: Any, undisturbed: Any) -> None:
    run = trainings.new()
    for hold in ("labels", "IEN:20"):
        process = start(run, hold)
        held(run, process)
        process.terminate()
        let_go(run)
        assert process.wait(300) == ExitCode.INTERRUPTED, said_by(run)
        assert (run.state, stage_of(run)[0]) == ("interrupted", hold.partition(":")[0])
    assert start(run).wait(300) == 0, said_by(run)
    check_equal(run, undisturbed)


def test_stopped_in_every_stage(trainings: Any, undisturbed: Any, tmp_path: Path) -> None:
    """Acknowledged while the stage still works, obeyed at its next chance, with a model as soon as there is one."""
    target = tmp_path / "published"
    run = trainings.new(publish=str(target))
    for number, (hold, model) in enumerate(
        (("labels", False), ("SPN:10", True), ("instances", True), ("IEN:10", True))
    ):
        process = start(run, hold)
        held(run, process)
        assert stage_of(run)[0] == hold.partition(":")[0]
        run.request("stop")
        # The main thread is held inside its work at this moment.
        wait_for(lambda count=number: len(of_kind(run, Acknowledged)) > count, process)
        let_go(run)
        assert process.wait(300) == ExitCode.STOPPED, said_by(run)
        assert run.state == "stopped"
        assert of_kind(run, Stopped)[-1].model is model
        assert target.exists() is model
        if model:
            image = open_image(next((trainings._data / "train" / "images").iterdir()))
            found = segment(image, load(target, load_card(target), "cpu"), Scale(1.0, ""))
            assert found.labels.shape == (96, 96)
    assert [event.request for event in of_kind(run, Acknowledged)] == ["stop"] * 4
    assert start(run).wait(300) == 0, said_by(run)
    check_equal(run, undisturbed)


def test_paused_refused_to_others_and_continued(trainings: Any, undisturbed: Any) -> None:
    run = trainings.new()
    process = start(run, "SPN:10")
    held(run, process)
    run.request("pause")
    wait_for(lambda: of_kind(run, Acknowledged), process)
    checkpoints = len(of_kind(run, CheckpointSaved))
    let_go(run)
    wait_for(lambda: len(of_kind(run, CheckpointSaved)) > checkpoints, process)
    assert run.state == "paused"
    step = stage_of(run)

    second = subprocess.run(
        [sys.executable, "-m", "napari_nucleidomain.cli", "run", str(run.path)], capture_output=True, text=True
    )
    assert second.returncode == ExitCode.USER
    assert f"{run.name} is being worked on by process {process.pid} on " in second.stderr
    assert "stop it first" in second.stderr
    assert "Traceback" not in second.stderr

    assert stage_of(run) == step, "nothing happens in a pause"
    assert process.poll() is None
    run.request("resume")
    assert process.wait(300) == 0, said_by(run)
    assert [event.request for event in of_kind(run, Acknowledged)] == ["pause", "resume"]
    check_equal(run, undisturbed)


@pytest.mark.parametrize("ending", ["is closed", "dies"])
def test_training_outlives_the_viewer_and_is_found_again(trainings: Any, ending: str) -> None:
    run = trainings.new(steps=None, minutes=30.0, background=True)
    viewer = subprocess.Popen(
        [sys.executable, "-c", _VIEWER, str(run.path), ending], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert viewer.stdout is not None
    training = psutil.Process(int(viewer.stdout.readline()))
    try:
        if ending == "dies":
            wait_for(lambda: stage_of(run)[0] == "SPN", viewer)
            kill(viewer)
        viewer.wait(60)
        viewer.stdout.close()
        wait_for(lambda: stage_of(run)[0] == "SPN")
        # A new viewer knows nothing but the folder.
        again = RunFolder(run.path)
        assert again.state == "running"
        step = stage_of(again)[1]
        wait_for(lambda: stage_of(again)[1] > step)
        again.request("stop")
        wait_for(lambda: of_kind(again, Stopped))
        assert of_kind(again, Stopped)[-1].model
        wait_for(lambda: again.state == "stopped")
    finally:
        if training.is_running():
            training.kill()


def test_two_processes_started_on_one_folder(trainings: Any, undisturbed: Any) -> None:
    run = trainings.new()
    both = [start(run) for _ in range(2)]
    codes = sorted(process.wait(300) for process in both)
    assert codes == [ExitCode.DONE, ExitCode.USER], said_by(run)
    assert said_by(run).count("is being worked on by process") == 1
    assert len(of_kind(run, Finished)) == 1
    check_equal(run, undisturbed)
