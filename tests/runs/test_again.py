"""A run folder executed again: finished, stopped, failed, damaged in any of its files, or by two at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import ModelCard, NucleiError, load_card
from napari_nucleidomain.contracts.events import Failed, Progress, StageEvent, Warned
from napari_nucleidomain.inference.model_files import load_weights, mend_models, save_model
from napari_nucleidomain.runs import launch
from napari_nucleidomain.runs.context import FolderRun
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.ownership import read_owner
from napari_nucleidomain.runs.store import Project

_TAKE = """
import sys, time
from pathlib import Path
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.ownership import Ownership
folder, number = Path(sys.argv[1]), sys.argv[2]
for turn in range(int(sys.argv[3])):
    place = folder / str(turn)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        owner = Ownership(place)
    except NucleiError as error:
        print("lost", error, flush=True)
    else:
        print("won", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nucleidomain.runs.requests._LOOK_SECONDS", 0.005)


def everything(run: RunFolder) -> dict[str, bytes]:
    left_out = {"owner.lock", "log.txt"}
    return {
        str(file.relative_to(run.path)): file.read_bytes()
        for file in run.path.rglob("*")
        if file.is_file() and file.name not in left_out
    }


def test_finished_training_is_left_as_it_is(new_training: Any, tmp_path: Path, capsys: Any) -> None:
    target = tmp_path / "liver"
    run = new_training(config={"steps": 3}, publish=str(target))
    assert execute(run.path) == ExitCode.DONE
    # Since then another training has made a better model of this name.
    save_model(target, {"a": np.ones(3, np.float32)}, ModelCard(name="better", method="toy"))
    before = everything(run)
    assert main(["run", str(run.path)]) == ExitCode.DONE
    assert "finished already" in capsys.readouterr().out
    assert everything(run) == before
    assert load_card(target).name == "better"


def test_finished_training_whose_model_is_gone_publishes_it_again(new_training: Any, tmp_path: Path) -> None:
    target = tmp_path / "liver"
    run = new_training(config={"steps": 3}, publish=str(target))
    assert execute(run.path) == ExitCode.DONE
    expected = load_weights(target)
    shutil.rmtree(target)
    assert execute(run.path) == ExitCode.DONE
    for name, value in load_weights(target).items():
        np.testing.assert_array_equal(value, expected[name])
    begun = [event for event in run.read_events()[0] if isinstance(event, StageEvent) and event.state == "begun"]
    assert len(begun) == 2, "nothing was trained again"


def test_failed_training_goes_on_when_the_fault_is_mended(new_training: Any, dataset: Path) -> None:
    run = new_training(config={"steps": 3})
    images = dataset / "train" / "images"
    images.rename(dataset / "elsewhere")
    assert execute(run.path) == ExitCode.USER
    assert run.state == "failed"
    (dataset / "elsewhere").rename(images)
    assert execute(run.path) == ExitCode.DONE
    assert run.state == "finished"


def test_stopped_training_goes_on(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, run = new_training(), new_training()
    execute(whole.path)
    real, calls = FolderRun.metric, [0]

    def metric(self: FolderRun, **values: float) -> None:
        real(self, **values)
        calls[0] += 1
        if calls[0] == 7:
            self._requests.stop()

    with monkeypatch.context() as patch:
        patch.setattr(FolderRun, "metric", metric)
        assert execute(run.path) == ExitCode.STOPPED
    assert run.state == "stopped"
    assert run.model_folder is not None
    assert execute(run.path) == ExitCode.DONE
    one, other = load_weights(whole.model_folder), load_weights(run.model_folder)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def predict_job(tmp_path: Path, count: int = 2) -> PredictJob:
    y, x = np.mgrid[:64, :64]
    refs = []
    for number in range(count):
        picture = np.where((y - 20) ** 2 + (x - 20) ** 2 < 80, 200, 20) + (y % 7)
        tifffile.imwrite(tmp_path / f"{number}.tif", picture.astype(np.uint8))
        refs.append(ImageRef(path=str(tmp_path / f"{number}.tif")))
    return PredictJob(model="otsu", images=refs, out=str(tmp_path / "out"))


def test_prediction_again_makes_only_what_is_gone(project: Project, tmp_path: Path) -> None:
    run = project.new_run(predict_job(tmp_path))
    assert execute(run.path) == ExitCode.DONE
    one, other = (Path(entry["labels"]) for entry in run.summary()["images"])
    expected, untouched = one.read_bytes(), other.stat().st_mtime_ns
    one.unlink()
    assert execute(run.path) == ExitCode.DONE
    assert one.read_bytes() == expected
    assert other.stat().st_mtime_ns == untouched
    before = everything(run)
    assert execute(run.path) == ExitCode.DONE
    assert everything(run) == before


def test_halves_of_labels_left_by_a_kill_are_removed(project: Project, tmp_path: Path) -> None:
    job = predict_job(tmp_path).model_copy(update={"format": "ome-tif"})
    run = project.new_run(job)
    out = tmp_path / "out"
    out.mkdir()
    ours, others = out / ".0.ome.0123abcd.tif", [out / ".0.ome.mine.tif", out / ".2.ome.0123abcd.tif", out / "0.tif"]
    # Of another prediction into the same folder, which may be at work: this run has noted only its own.
    others.append(out / ".0.ome.4567abcd.tif")
    (run.path / "halves.txt").write_text('".0.ome.0123abcd.tif"\n')
    for path in (ours, *others):
        path.write_bytes(b"x")
    assert execute(run.path) == ExitCode.DONE
    assert not ours.exists()
    assert all(path.exists() for path in others)


def test_prediction_with_a_damaged_image_tries_it_again(project: Project, tmp_path: Path) -> None:
    job = predict_job(tmp_path)
    good = Path(job.images[1].path).read_bytes()
    Path(job.images[1].path).write_bytes(good[:50])
    run = project.new_run(job)
    assert execute(run.path) == ExitCode.SKIPPED
    Path(job.images[1].path).write_bytes(good)
    assert execute(run.path) == ExitCode.DONE
    assert len(run.summary()["images"]) == 2


# -- requests of an earlier life -------------------------------------------------------------------------------------
def interrupted(new_training: Callable[..., RunFolder]) -> RunFolder:
    run = new_training(config={"stop_at": 5})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    return run


@pytest.mark.parametrize("request_", ["stop", "pause"])
def test_request_that_a_dead_process_never_read_is_forgotten(
    new_training: Any, request_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer than the last event, older than the process that goes on."""
    run = interrupted(new_training)
    run.request(request_)  # type: ignore[arg-type]
    # As if this process had been started a minute from now.
    later = time.time() + 60.0
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: later)
    assert execute(run.path) == ExitCode.DONE


def test_request_is_forgotten_when_the_viewer_resumes(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = interrupted(new_training)
    run.request("stop")
    monkeypatch.setattr(launch, "spawn", lambda arguments, log: None)
    launch.start(run)
    assert run.read_control() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"request": "stop", "time": "soon"}', '{"time": 1e12}'])
def test_damaged_request_harms_nothing(new_training: Any, content: str) -> None:
    run = new_training(config={"steps": 3})
    (run.path / "control.json").write_text(content)
    assert execute(run.path) in (ExitCode.DONE, ExitCode.STOPPED)
    if "stop" not in content:
        assert run.state == "finished"


# -- files missing or cut short --------------------------------------------------------------------------------------
def killed_halfway(new_training: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """In the second of two stages, with a model and every kind of file."""
    run = new_training()
    real = FolderRun.metric

    def metric(self: FolderRun, **values: float) -> None:
        real(self, **values)
        if self._step == 10:
            self.preview("a.png", (0, 0), labels=np.zeros((4, 4), np.uint32))
            self.publish()
        if self._step == 20:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FolderRun, "_save_every", -1.0)
        patch.setattr(FolderRun, "_save_and_time", FolderRun.save_checkpoint)
        patch.setattr(FolderRun, "metric", metric)
        with pytest.raises(KeyboardInterrupt):
            execute(run.path)
    run.request_preview("a.png", [[0, 4], [0, 4]])
    owner = {"host": "nowhere", "process": 1, "process_started": 0.0, "token": "t", "taken": 0.0}
    (run.path / "owner.json").write_text(json.dumps(owner))
    os.utime(run.path / "owner.json", (1, 1))
    return run


def spoil(path: Path, how: str) -> None:
    """Remove a file, or leave the first half of it, nothing of it, or other bytes in it."""
    content, times = path.read_bytes(), (path.stat().st_atime, path.stat().st_mtime)
    if how == "missing":
        path.unlink()
        return
    path.write_bytes({"half": content[: len(content) // 2], "empty": b"", "noise": bytes(len(content))}[how])
    os.utime(path, times)


@pytest.mark.parametrize("how", ["missing", "half", "empty", "noise"])
def test_every_file_of_a_run_may_be_spoilt(new_training: Any, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    whole = new_training()
    execute(whole.path)
    expected = load_weights(whole.model_folder)
    run = killed_halfway(new_training, monkeypatch)
    files = sorted(str(file.relative_to(run.path)) for file in run.path.rglob("*") if file.is_file())
    assert {"checkpoint/latest.ckpt", "events.jsonl", "model.json", "run.json", "stages/first/done.json"} <= set(files)
    messages = {}
    for name in files:
        copy = RunFolder(run.path.with_name("copy"))
        shutil.copytree(run.path, copy.path)
        spoil(copy.path / name, how)
        try:
            code = execute(copy.path)
        except NucleiError as error:
            messages[name] = str(error)
        else:
            if code == ExitCode.DONE:
                for key, value in load_weights(copy.model_folder).items():
                    np.testing.assert_array_equal(value, expected[key], err_msg=name)
            else:
                assert code == ExitCode.USER, name
                failed = [event for event in copy.read_events()[0] if isinstance(event, Failed)][-1]
                messages[name] = f"{failed.message} {failed.hint}"
        shutil.rmtree(copy.path)
    # What cannot be made again is said; all else is made again, to the same bits.
    assert set(messages) <= {"run.json", "checkpoint/latest.ckpt"}
    assert "run.json" in messages


def test_marker_without_its_state_is_not_trusted(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the second stage would begin from an untrained first."""
    whole = new_training()
    execute(whole.path)
    run = killed_halfway(new_training, monkeypatch)
    shutil.rmtree(run.path / "checkpoint")
    assert execute(run.path) == ExitCode.DONE
    warned = [event.message for event in run.read_events()[0] if isinstance(event, Warned)]
    assert any("first was done, but its state is not in the checkpoint" in one for one in warned)
    one, other = load_weights(whole.model_folder), load_weights(run.model_folder)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_arrays_of_a_stage_changed_in_place_are_said_and_made_again(tmp_path: Path) -> None:
    from napari_nucleidomain.runs.stages import StageFolder

    stage = StageFolder(tmp_path / "labels", "k")
    stage.save("0", cells=np.arange(100))
    stage.mark_done()
    assert not StageFolder(tmp_path / "labels", "k").needed
    spoil(tmp_path / "labels" / "0.npz", "noise")
    again = StageFolder(tmp_path / "labels", "k")
    with pytest.raises(NucleiError, match=r"the stage labels had prepared cannot be read: 0\.npz is damaged"):
        again.load("0")
    assert StageFolder(tmp_path / "labels", "k").needed
    stage.save("0", cells=np.arange(100))
    stage.mark_done()
    spoil(tmp_path / "labels" / "0.npz", "half")
    assert StageFolder(tmp_path / "labels", "k").needed, "its size is not what the marker says"


def test_halves_left_by_a_kill_are_removed(new_training: Any) -> None:
    run = interrupted(new_training)
    halves = [run.path / "checkpoint" / ".latest.0123abcd.ckpt", run.path / "models" / ".model-1.0123abcd" / "w"]
    for half in halves:
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(b"half")
    assert execute(run.path) == ExitCode.DONE
    assert not any(half.exists() for half in halves)


def test_model_that_lost_its_name_in_a_kill_gets_it_back(project: Project) -> None:
    folder = project.models_folder / "liver"
    save_model(folder, {"a": np.ones(3, np.float32)}, ModelCard(name="liver", method="toy"))
    folder.rename(folder.with_name(f".liver.old-{time.time_ns()}"))
    assert project.models() == [], "it may be being replaced at this moment"
    next(project.models_folder.glob(".liver*")).rename(folder.with_name(f".liver.old-{time.time_ns() - 11 * 10**9}"))
    assert [model.name for model in project.models()] == ["liver"]
    half = folder.with_name(".liver.0123abcd")
    half.mkdir()
    mend_models(project.models_folder)
    assert half.exists(), "another process may be writing it"
    os.utime(half, (1, 1))
    mend_models(project.models_folder)
    assert not half.exists()


# -- two at once -----------------------------------------------------------------------------------------------------
def test_of_several_that_take_a_run_at_one_moment_one_wins(tmp_path: Path) -> None:
    """New folders and folders of a dead owner in turn; four processes let go at the same time."""
    turns, dead = 12, {"host": "nowhere", "process": 1, "process_started": 0.0, "token": "t", "taken": 0.0}
    for turn in range(turns):
        (tmp_path / str(turn)).mkdir()
        if turn % 2:
            (tmp_path / str(turn) / "owner.json").write_text(json.dumps(dead))
            os.utime(tmp_path / str(turn) / "owner.json", (1, 1))
    command = [sys.executable, "-c", _TAKE, str(tmp_path)]
    takers = [
        subprocess.Popen([*command, str(k), str(turns)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for k in range(4)
    ]
    try:
        for turn in range(turns):
            for taker in takers:
                assert taker.stdout.readline() == "ready\n"
            for taker in takers:
                taker.stdin.write("go\n")
                taker.stdin.flush()
            said = [taker.stdout.readline() for taker in takers]
            assert sorted(line.split()[0] for line in said) == ["lost", "lost", "lost", "won"], turn
            winner = takers[next(k for k, line in enumerate(said) if line == "won\n")]
            owner = read_owner(tmp_path / str(turn))
            assert owner is not None
            assert owner.process == winner.pid
            assert all(f"process {winner.pid} on {owner.host}" in line for line in said if line.startswith("lost"))
            for taker in takers:
                taker.stdin.write("next\n")
                taker.stdin.flush()
    finally:
        for taker in takers:
            taker.kill()
            taker.communicate()


def test_run_folder_taken_while_folders_know_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_nucleidomain.runs import lock, ownership

    def none(handle: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(lock, "_lock", none)
    monkeypatch.setattr(ownership, "_SETTLE_SECONDS", 0.01)
    first = ownership.Ownership(tmp_path)
    with pytest.raises(NucleiError, match="being worked on by process"):
        ownership.Ownership(tmp_path)
    first.release()
    # Another one writes in the moment between looking and settling: it has the folder.
    rival = {"host": "elsewhere", "process": 7, "process_started": 0.0, "token": "rival", "taken": 0.0}
    real = ownership.write_json

    def both(path: Path, content: Any) -> None:
        real(path, content)
        real(path, rival)

    monkeypatch.setattr(ownership, "write_json", both)
    with pytest.raises(NucleiError, match="process 7 on elsewhere"):
        ownership.Ownership(tmp_path)


def test_process_whose_folder_was_taken_over_writes_no_more(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook slept for so long that another machine took the training over."""
    monkeypatch.setattr("napari_nucleidomain.runs.requests.HEARTBEAT_SECONDS", 0.0)
    run = new_training(config={"steps": 10_000_000}, minutes=10.0)
    rival = {"host": "elsewhere", "process": 7, "process_started": 0.0, "token": "rival", "taken": time.time()}
    real = FolderRun.emit

    def emit(self: FolderRun, event: Any) -> None:
        real(self, event)
        if isinstance(event, Progress) and event.step > 10:
            (run.path / "owner.json").write_text(json.dumps(rival))

    monkeypatch.setattr(FolderRun, "emit", emit)
    assert execute(run.path) == ExitCode.USER
    (failed,) = [event for event in run.read_events()[0] if isinstance(event, Failed)]
    assert "taken over by another process" in failed.message
    assert read_owner(run.path).token == "rival"
    assert run.state == "running", "by the other one"
