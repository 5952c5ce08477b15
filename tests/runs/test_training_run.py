"""A run resumes exactly, stops, pauses, and leaves a model."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts.events import (
    Acknowledged,
    CheckpointSaved,
    Failed,
    Finished,
    Metric,
    ModelReady,
    Progress,
    StageEvent,
    Started,
    Stopped,
)
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.runs.context import CHECKPOINT_FILE, FolderRun, mix_seed
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder


def kinds(run: RunFolder, kind: type) -> list[Any]:
    return [event for event in run.read_events()[0] if isinstance(event, kind)]


def test_run_finishes_and_leaves_a_model(new_training: Any) -> None:
    run = new_training()
    assert run.state == "waiting"
    assert execute(run.path) == ExitCode.DONE
    assert run.state == "finished"
    assert run.model_folder is not None
    assert set(load_weights(run.model_folder)) == {"a", "b"}
    assert [event.name for event in kinds(run, StageEvent) if event.state == "done"] == ["first", "second"]
    assert len(kinds(run, Metric)) == 40
    assert all("nothing" not in event.values for event in kinds(run, Metric)), "JSON has no NaN"


@pytest.mark.parametrize("stop_at", [0, 1, 17, 39])
def test_resumed_run_equals_undisturbed_one(new_training: Any, stop_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nucleidomain.runs.context._SAVE_SECONDS", 0.0)
    monkeypatch.setattr("napari_nucleidomain.runs.context.FolderRun._save_every", 0.0)
    whole, broken = new_training(), new_training(config={"stop_at": stop_at})
    execute(whole.path)
    with pytest.raises(KeyboardInterrupt):
        execute(broken.path)
    assert broken.state == "interrupted"
    assert execute(broken.path) == ExitCode.DONE
    assert kinds(broken, Started)[-1].resumed
    assert any(event.state == "skipped" and event.name == "first" for event in kinds(broken, StageEvent))
    one, other = load_weights(whole.model_folder), load_weights(broken.model_folder)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_capped_steps_end_although_time_is_left(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = FolderRun.steps, []

    def capped(self: FolderRun, name: str, total: int) -> Any:
        for step in real(self, name, total, capped=True):
            seen.append((name, step.index, step.fraction))
            yield step

    monkeypatch.setattr(FolderRun, "steps", capped)
    monkeypatch.setattr("napari_nucleidomain.runs.context._REPORT_SECONDS", 0.0)
    run = new_training(config={"steps": 10}, minutes=600.0)
    assert execute(run.path) == ExitCode.DONE
    for name in ("first", "second"):
        indices, fractions = zip(*[one[1:] for one in seen if one[0] == name], strict=True)
        assert indices == tuple(range(10))
        assert fractions == pytest.approx([k / 10 for k in range(10)], abs=0.05)
    told = kinds(run, Progress)
    assert {one.total for one in told if 0 < one.step < 10} == {10}, "steps, not time, will end it"


def test_different_seed_gives_different_weights(new_training: Any) -> None:
    one, other = new_training(seed=1), new_training(seed=2)
    execute(one.path), execute(other.path)
    assert not np.array_equal(load_weights(one.model_folder)["a"], load_weights(other.model_folder)["a"])
    assert mix_seed(1, "a", 2) != mix_seed(1, "a", 3) != mix_seed(2, "a", 3)


def in_background(run: RunFolder) -> tuple[threading.Thread, list[ExitCode]]:
    codes: list[ExitCode] = []
    thread = threading.Thread(target=lambda: codes.append(execute(run.path)), daemon=True)
    thread.start()
    return thread, codes


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_stop_leaves_a_model_and_a_state_to_resume_from(new_training: Any, tmp_path: Path) -> None:
    target = tmp_path / "published"
    run = new_training(config={"steps": 10_000_000}, minutes=10.0, publish=str(target))
    thread, codes = in_background(run)
    wait_for(lambda: (run.path / "events.jsonl").exists())
    # The first stage gets a third of ten minutes: it is surely under way.
    run.request("use_now")
    wait_for(lambda: any(event.request == "use_now" for event in kinds(run, Acknowledged)))
    assert not kinds(run, ModelReady), "no model is offered before the second stage"
    run.request("stop")
    thread.join(20)
    assert codes == [ExitCode.STOPPED]
    assert run.state == "stopped"
    assert (run.path / CHECKPOINT_FILE).exists()
    assert not kinds(run, Stopped)[-1].model


def test_a_model_is_made_in_a_pause_that_stays_one(new_training: Any) -> None:
    run = new_training(config={"steps": 10_000_000}, minutes=0.1)
    thread, codes = in_background(run)
    wait_for(lambda: any(event.index == 1 for event in kinds(run, StageEvent)))
    run.request("pause")
    wait_for(lambda: kinds(run, CheckpointSaved) and any(one.request == "pause" for one in kinds(run, Acknowledged)))
    before = len(kinds(run, ModelReady))
    run.request("use_now")
    assert run.state == "paused"
    wait_for(lambda: len(kinds(run, ModelReady)) > before)
    step = kinds(run, Progress)[-1]
    time.sleep(0.8)
    assert run.state == "paused" and kinds(run, Progress)[-1] == step
    run.request("resume")
    wait_for(lambda: run.state == "running")
    run.request("stop")
    thread.join(20)
    assert codes == [ExitCode.STOPPED]


def test_stop_requested_before_the_process_took_the_run_is_obeyed(new_training: Any) -> None:
    run = new_training(config={"steps": 10_000_000}, minutes=10.0)
    run.request("stop")
    thread, codes = in_background(run)
    thread.join(20)
    assert codes == [ExitCode.STOPPED]


def test_old_stop_does_not_end_a_resumed_run(new_training: Any) -> None:
    run = new_training(config={"stop_at": 5})
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    (run.path / "control.json").write_text('{"request": "stop", "time": 1.0}')
    assert execute(run.path) == ExitCode.DONE


def test_pause_holds_the_run_and_resume_lets_it_go(new_training: Any) -> None:
    run = new_training(config={"steps": 10_000_000}, minutes=10.0)
    thread, _ = in_background(run)
    wait_for(lambda: run.state == "running")
    run.request("pause")
    wait_for(lambda: kinds(run, CheckpointSaved))
    assert run.state == "paused"
    size = (run.path / "events.jsonl").stat().st_size
    time.sleep(0.6)
    assert (run.path / "events.jsonl").stat().st_size == size, "nothing happens in a pause"
    run.request("resume")
    wait_for(lambda: (run.path / "events.jsonl").stat().st_size > size + 200)
    run.request("stop")
    thread.join(20)


def test_bad_setting_and_missing_data_fail_with_words(new_training: Any, project: Any) -> None:
    run = new_training(config={"stepz": 3})
    assert execute(run.path) == ExitCode.USER
    assert "no setting 'stepz'" in kinds(run, Failed)[-1].message
    assert run.state == "failed"
    assert not kinds(run, Finished)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")])
def test_too_little_memory_is_said_and_the_run_can_go_on(
    new_training: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    run = new_training(device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr("napari_nucleidomain.runs.context.FolderRun.metric", fail)
        assert execute(run.path) == ExitCode.USER
    failed = kinds(run, Failed)[-1]
    assert "This computer's memory is not enough" in failed.message and "resume" in failed.hint
    assert execute(run.path) == ExitCode.DONE
