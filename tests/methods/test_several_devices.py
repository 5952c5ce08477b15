"""One training on several devices: the gradients of one, and whatever ends one of its processes leaves none behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import torchvision

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.contracts.events import Failed, Metric, Warned
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.methods.panoptic.views import Views
from napari_nucleidomain.runs.context import FolderRun
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.requests import Requests
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.team import Leader
from napari_nucleidomain.training.team import Team

from .scenes import discs, stained, write_folder
from .test_panoptic_training import TINY

STEPS = 4
Gradients = dict[str, np.ndarray]


class Trainings:
    """Makes trainings that differ in nothing but their devices."""

    def __init__(self, folder: Path) -> None:
        truths = [discs(seed=k) for k in (0, 1)]
        self._data = folder / "data"
        write_folder(
            self._data,
            [stained(t, k) for k, (t, _) in enumerate(truths)],
            [c for _, c in truths],
            [t for t, _ in truths],
        )
        weights = folder / "resnet18.pth"
        torch.manual_seed(3)
        torch.save(torchvision.models.resnet18().state_dict(), weights)
        # The others can know only from the first what of the backbone learns nothing.
        self._config = {**TINY, "backbone": "resnet18", "norm": "frozen", "imagenet": True, "colours": "paper"}
        self._config |= {"imagenet_file": str(weights), "crop_px": 64, "optimiser": "sgd", "rate": 1e-3}
        self._project = Project.open(folder / "project é")
        self.done: dict[str, tuple[RunFolder, list[Gradients]]] = {}
        self.shares: dict[str, set[int]] = {}

    def new(self, device: str) -> RunFolder:
        """A run folder."""
        job: dict[str, Any] = {"method": "panoptic", "preset": "quick", "data": str(self._data), "config": self._config}
        return self._project.new_run(TrainJob(**job, name="tiny", device=device, threads=2, steps=STEPS))


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    """Two that nothing disturbed are done: on one device and on two."""
    made = Trainings(tmp_path_factory.mktemp("several"))
    for device in ("cpu", "cpu,cpu"):
        run, seen = made.new(device), list[Gradients]()
        with pytest.MonkeyPatch.context() as patch:
            each_step(patch, lambda network, seen=seen: seen.append(gradients_of(network)))
            made.shares[device] = shares_seen(patch)
            assert execute(run.path) == ExitCode.DONE, run.log.read_text()
        made.done[device] = run, seen
    return made


def each_step(patch: pytest.MonkeyPatch, action: Callable[[Any], None]) -> None:
    """Call it in this process when a step's gradients are there."""
    real = Team.gradients

    def gradients(self: Team, network: Any, losses: Any) -> Any:
        found = real(self, network, losses)
        action(network)
        return found

    patch.setattr(Team, "gradients", gradients)


def shares_seen(patch: pytest.MonkeyPatch) -> set[int]:
    """How many images this process makes of a batch."""
    real, seen = Views.draw, set[int]()

    def draw(self: Views, *arguments: Any) -> Any:
        images, targets = real(self, *arguments)
        seen.add(len(images))
        return images, targets

    patch.setattr(Views, "draw", draw)
    return seen


def gradients_of(network: Any) -> Gradients:
    return {name: one.grad.numpy().copy() for name, one in network.named_parameters() if one.grad is not None}


def followers(of: int | None = None) -> list[psutil.Process]:
    """Processes that compute gradients for this one, or for another."""
    children = psutil.Process(of).children(recursive=True)
    return [one for one in children if "napari_nucleidomain.runs.follower" in one.cmdline()]


def weights_of(run: RunFolder) -> Gradients:
    assert run.model_folder is not None
    return load_weights(run.model_folder)


def assert_close(one: Gradients, other: Gradients, share: float) -> None:
    """Every array differs by at most this share of its largest value."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=share * np.abs(value).max() + 1e-12, err_msg=name)


def test_two_processes_give_the_gradients_of_one(trainings: Trainings) -> None:
    (one, alone), (two, together) = trainings.done.values()
    assert len(alone) == len(together) == STEPS and len(alone[0]) > 50
    assert_close(alone[0], together[0], 1e-5)
    assert_close(weights_of(one), weights_of(two), 1e-5)
    losses = [next(e for e in run.read_events()[0] if isinstance(e, Metric)).values for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert trainings.shares == {"cpu": {2}, "cpu,cpu": {1}}
    assert not followers()


def test_paused_interrupted_stopped_and_gone_on_with_it_ends_as_if_nothing_had_been(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, steps = trainings.new("cpu,cpu"), list[int]()
    requests: list[Requests] = []
    monkeypatch.setattr("napari_nucleidomain.runs.team._PATIENCE_SECONDS", 0.3)
    with monkeypatch.context() as patch:
        paused = threading.Thread(target=go_on_after_a_pause, args=(run, steps))

        def pause_then_interrupt(_: Any) -> None:
            steps.append(len(followers()))
            if len(steps) == 1:
                run.request("pause")
                wait_until(lambda: requests[-1].paused)
                paused.start()
            else:
                requests[-1].interrupt()

        each_step(patch, pause_then_interrupt)
        assert execute(run.path, watch=requests.append) == ExitCode.INTERRUPTED
    paused.join()
    assert steps == [1, -1, 1], "a step, a pause in which the other process waits, a step"
    assert not followers()

    with monkeypatch.context() as patch:
        each_step(patch, lambda _: requests[-1].stop())
        assert execute(run.path, watch=requests.append) == ExitCode.STOPPED
    assert not followers()

    with monkeypatch.context() as patch:
        # A step is begun, and the other process hangs.
        before_each_step(patch, lambda: (followers()[0].suspend(), requests[-1].stop()))
        each_step(patch, lambda _: steps.append(99))
        assert execute(run.path, watch=requests.append) == ExitCode.STOPPED
    assert 99 not in steps and run.has_checkpoint and not followers()

    assert execute(run.path) == ExitCode.DONE, run.log.read_text()
    for name, value in weights_of(trainings.done["cpu,cpu"][0]).items():
        np.testing.assert_array_equal(weights_of(run)[name], value, err_msg=name)


def go_on_after_a_pause(run: RunFolder, steps: list[int]) -> None:
    """Take the pause back when it is one."""
    wait_until(lambda: run.has_checkpoint)
    time.sleep(0.5)
    steps.append(-len(followers()))
    run.request("resume")


_OWNER = """
import sys, time
from pathlib import Path
from napari_nucleidomain.runs import context
from napari_nucleidomain.training.team import Team
from napari_nucleidomain.runs.execute import execute
context.FolderRun._save_every = -1.0
context.FolderRun._save_and_time = context.FolderRun.save_checkpoint
real, steps = Team.gradients, []
def gradients(self, network, losses):
    steps.append(1)
    if len(steps) == 3:
        Path(sys.argv[1], "held").touch()
        time.sleep(600)
    return real(self, network, losses)
Team.gradients = gradients
execute(sys.argv[1])
"""


def test_killed_owner_then_killed_follower_then_gone_on_with_one_device(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainings.new("cpu,cpu")
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(run.path)])
    wait_until((run.path / "held").exists)
    (left,) = followers(owner.pid)
    owner.kill()
    owner.wait()
    wait_until(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)
    assert run.state == "interrupted" and run.has_checkpoint

    with monkeypatch.context() as patch:
        patch.setattr(FolderRun, "_save_every", -1.0)
        each_step(patch, lambda _: followers()[0].kill())
        assert execute(run.path) == ExitCode.USER
    failed = run.last_event()
    assert isinstance(failed, Failed) and not followers()
    assert "cpu (2 of 2)" in failed.message and "--device cpu" in failed.hint and "saved" in failed.hint

    assert main(["run", str(run.path), "--device", "cpu"]) == ExitCode.DONE
    assert RunFolder(run.path).job.device == "cpu"
    assert run.model_folder is not None and load_card(run.model_folder).steps == STEPS
    assert not [
        event for event in run.read_events()[0] if isinstance(event, Warned) and "begins again" in event.message
    ]
    assert_close(weights_of(trainings.done["cpu"][0]), weights_of(run), 1e-3)


@pytest.mark.parametrize(
    "goes",
    [2, 4],
    ids=["while it connects", "while gradients are exchanged"],
)
def test_a_follower_that_dies_in_an_exchange_is_named(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch, goes: int
) -> None:
    # A group that was left half made cannot be made again in the same process, and these tests are one.
    monkeypatch.setattr("torch.distributed.distributed_c10d._group_count", 0)
    monkeypatch.setattr("napari_nucleidomain.training.team._broken_off", False)
    monkeypatch.setattr("napari_nucleidomain.training.team._TIMEOUT", timedelta(seconds=60))
    run, told = trainings.new("cpu,cpu"), list[str]()

    def before(self: Leader, values: dict[str, Any]) -> None:
        told.extend(values)
        if told.count("go") == goes:
            followers()[0].kill()

    before_telling(monkeypatch, before)
    assert execute(run.path) == ExitCode.USER
    failed = run.last_event()
    assert isinstance(failed, Failed) and "ended from outside" in failed.message
    assert "cpu (2 of 2)" in failed.message and "--device cpu" in failed.hint


def test_a_follower_that_cannot_connect_says_why(trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainings.new("cpu,cpu")
    before_telling(monkeypatch, lambda _, values: values.update(port="none") if "port" in values else None)
    assert execute(run.path) == ExitCode.USER
    failed = run.last_event()
    assert isinstance(failed, Failed) and "cpu (2 of 2)" in failed.message and "ValueError" in failed.message
    assert not followers()


def before_telling(patch: pytest.MonkeyPatch, action: Callable[[Leader, dict[str, Any]], None]) -> None:
    """Call it, and let it change what is told, before the other processes are told anything."""
    real = Leader.send

    def send(self: Leader, **values: Any) -> None:
        action(self, values)
        real(self, **values)

    patch.setattr(Leader, "send", send)


def before_each_step(patch: pytest.MonkeyPatch, action: Callable[[], Any]) -> None:
    """Call it when a step begins."""
    before_telling(patch, lambda _, values: action() if "step" in values else None)


def test_a_follower_that_cannot_begin_says_why(trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainings.new("cpu,cpu")
    monkeypatch.setattr("napari_nucleidomain.runs.train.training_inputs", lambda run, space: _spoilt(run))
    assert execute(run.path) == ExitCode.USER
    failed = run.last_event()
    assert isinstance(failed, Failed) and "cpu (2 of 2)" in failed.message and not followers()


def _spoilt(run: RunFolder) -> Any:
    """The data for this process; for the others there is nothing any more."""
    from napari_nucleidomain.data.dataset import open_dataset

    job = run.job
    assert isinstance(job, TrainJob)
    found = open_dataset(job.data)
    (run.path / "inputs").mkdir()
    return found


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
