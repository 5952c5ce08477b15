"""One job at a time on a device, across projects: who is refused, who waits, who is told, and whom nobody minds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Stopped, Warned
from napari_nucleidomain.runs import devices
from napari_nucleidomain.runs.devices import Busy, Holder, hold, holders
from napari_nucleidomain.runs.event_log import EventWriter
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.job import PredictJob, TrainJob
from napari_nucleidomain.runs.ownership import Ownership
from napari_nucleidomain.runs.requests import Requests
from napari_nucleidomain.runs.store import Project

CARD = ("cuda GPU-1", "the graphics card cuda:0 (Test)")


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No other test's jobs; and nobody waits for long."""
    folder = tmp_path / "state ü"
    monkeypatch.setattr(devices, "registry", lambda: folder)
    monkeypatch.setattr(devices, "_LOOK_SECONDS", 0.02)
    return folder


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another program that runs until its input ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as made:
        yield made
        made.kill()


@pytest.fixture
def other(registry: Path, process: subprocess.Popen[bytes], tmp_path: Path) -> Callable[..., Holder]:
    """A training of another project in that program."""

    def make(device: tuple[str, str] = CARD, **changes: object) -> Holder:
        started = psutil.Process(process.pid).create_time()
        run = str(tmp_path / "elsewhere" / "runs" / "r")
        holder = Holder(*device, "train", "liver-7", run, "elsewhere", time.time(), process.pid, started)
        holder = replace(holder, **changes)  # type: ignore[arg-type]
        registry.mkdir(parents=True, exist_ok=True)
        (registry / f"{holder.token}.json").write_text(json.dumps(asdict(holder)), encoding="utf-8")
        return holder

    return make


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_device_of", lambda job: CARD)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = np.zeros((64, 64), np.uint8)
    image[20:40, 20:40] = 200
    tifffile.imwrite(tmp_path / "a.tif", image)
    return tmp_path / "a.tif"


def predict(picture: Path, *flags: str) -> int:
    out, project = picture.parent / "out", picture.parent / "mine"
    return main(["predict", "otsu", str(picture), "--out", str(out), "--project", str(project), "--quiet", *flags])


def test_a_card_in_use_refuses_before_a_folder_is_made(
    other: Callable[..., Holder], on_card: None, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other()
    assert predict(picture) == ExitCode.USER
    said = capsys.readouterr().err
    for word in ("liver-7", "elsewhere", "cuda:0", "--wait", "--share", "runs --stop"):
        assert word in said
    assert not (picture.parent / "mine").exists()


def test_train_and_run_are_refused_too(
    other: Callable[..., Holder], on_card: None, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other()
    out = str(tmp_path / "m")
    assert main(["train", "--data", str(dataset), "--out", out, "--project", str(tmp_path / "mine")]) == ExitCode.USER
    assert "liver-7" in capsys.readouterr().err
    run = Project.open(tmp_path / "p").new_run(TrainJob(method="spn-ien", data=str(dataset), name="mine"))
    assert main(["run", str(run.path)]) == ExitCode.USER
    assert "liver-7" in capsys.readouterr().err
    assert run.last_event() is None, "what was to go on is as it was"


def test_on_the_processor_it_warns_and_goes_on(
    other: Callable[..., Holder], picture: Path, capsys: pytest.CaptureFixture[str], registry: Path
) -> None:
    theirs = other(("cpu", "the processor"))
    assert predict(picture) == ExitCode.DONE
    assert "liver-7" in (said := capsys.readouterr().err)
    assert "--wait" in said
    assert [path.stem for path in registry.glob("*.json")] == [theirs.token], "ours is given up, theirs stays"


def test_who_shares_is_not_told(
    other: Callable[..., Holder], on_card: None, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other()
    assert predict(picture, "--share") == ExitCode.DONE
    assert "liver-7" not in capsys.readouterr().err


def test_who_waits_begins_when_the_other_process_is_gone(
    other: Callable[..., Holder],
    on_card: None,
    picture: Path,
    process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other()
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            # Killed: it can take nothing back itself.
            process.kill()
            process.wait()

    monkeypatch.setattr(devices.time, "sleep", sleep)
    assert predict(picture, "--wait") == ExitCode.DONE
    assert len(looks) >= 3
    assert "waits until it is free" in capsys.readouterr().err


def test_a_stop_ends_the_waiting(other: Callable[..., Holder], on_card: None, picture: Path, tmp_path: Path) -> None:
    other()
    run = Project.open(tmp_path / "p").new_run(PredictJob(model="otsu", images=[]))
    assert execute(run.path, busy=Busy.WAIT, watch=lambda requests: requests.stop()) == ExitCode.STOPPED
    assert isinstance(run.last_event(), Stopped)


def test_the_viewer_warns_on_a_card(other: Callable[..., Holder], on_card: None, dataset: Path, tmp_path: Path) -> None:
    other()
    job = TrainJob(method="no such method", data=str(dataset), background=True)
    run = Project.open(tmp_path / "p").new_run(job)
    main(["run", str(run.path)])
    warned = [event.message for event in run.read_events()[0] if isinstance(event, Warned)]
    assert len(warned) == 1
    assert "liver-7" in warned[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"process_started": 1.0},
        {"process": 2**22 + 12345},
        {"device": ("cuda GPU-2", "the graphics card cuda:1")},
        {"device": ("cpu", "the processor")},
    ],
)
def test_whom_nobody_minds(
    other: Callable[..., Holder], on_card: None, picture: Path, changes: dict[str, object]
) -> None:
    other(**changes)
    assert predict(picture) == ExitCode.DONE


def test_jobs_with_processors_of_their_own_do_not_meet(other: Callable[..., Holder]) -> None:
    one = other(("cpu", "the processor"), cpus=[0, 1])
    assert not one.meets(replace(one, token="t", cpus=[2, 3]))
    assert one.meets(replace(one, token="t", cpus=[1, 2]))
    assert one.meets(replace(one, token="t", cpus=None))


def test_of_two_that_begin_together_one_is_refused(on_card: None, project: Project) -> None:
    runs = [project.new_run(PredictJob(model="m", images=[], name=name)) for name in ("first", "second")]
    requests = []
    for run in runs:
        requests.append(Requests(run, EventWriter(run.path), Ownership(run.path)))
    with hold(runs[0], EventWriter(runs[0].path), requests[0], Busy.REFUSE):
        assert [one.name for one in holders()] == ["first"]
        second = hold(runs[1], EventWriter(runs[1].path), requests[1], Busy.REFUSE)
        with pytest.raises(NucleiError, match="prediction first of the project"):
            second.__enter__()
        runs[0].request("pause")
        assert "paused" in holders()[0].sentence()
    assert holders() == []
    for one in requests:
        one.close()


def test_a_failed_run_gives_the_device_up(project: Project) -> None:
    run = project.new_run(TrainJob(method="no such method", data="d", device="cpu"))
    assert execute(run.path) == ExitCode.USER
    assert holders() == []


def test_a_home_that_cannot_be_written_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch, picture: Path, registry: Path
) -> None:
    registry.write_text("a file where the folder should be")
    assert predict(picture) == ExitCode.DONE


def test_records_of_others_that_cannot_be_read_are_passed_over(registry: Path) -> None:
    registry.mkdir()
    (registry / "half.json").write_text("{")
    (registry / "later.json").write_text('{"schema": 2}')
    assert holders() == []
    assert os.listdir(registry), "a later version's record is not ours to remove"
