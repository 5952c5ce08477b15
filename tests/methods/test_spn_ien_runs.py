"""Through a run folder, as the viewer and the command line do it: a kill at any step changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import load_card
from napari_nucleidomain.contracts.events import Failed, Finished, Warned
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.spn_ien.segment import load
from napari_nucleidomain.methods.spn_ien.train import _Training
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project

from .scenes import discs

TINY: dict[str, Any] = {"width": 4, "depth": 2, "crop_px": 48, "halo_px": 8, "batch": 2, "precision": "32-true"}
STEPS = 20


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A 16-bit grey image of 96 x 96 px with 36 bright discs."""
    truth, clicks = discs(96, 16, 5)
    noise = np.random.default_rng(0).normal(0, 60, truth.shape)
    folder = tmp_path / "data é"
    for name in ("images", "points"):
        (folder / "train" / name).mkdir(parents=True)
    tifffile.imwrite(folder / "train" / "images" / "a.tif", (np.where(truth > 0, 3000, 500) + noise).astype(np.uint16))
    write_points(clicks, folder / "train" / "points" / "a.csv")
    return folder


def new_run(tmp_path: Path, data: Path, **changes: Any) -> RunFolder:
    project = Project.open(tmp_path / "project")
    job = {"method": "spn-ien", "preset": "quick", "data": str(data), "steps": STEPS, "threads": 1, "device": "cpu"}
    return project.new_run(TrainJob(**{**job, "config": TINY, **changes}))


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """As if the process died in the middle of a step, after a checkpoint at every step."""
    real, calls = _Training._one_step, [0]

    def dying(self: Any, *parts: Any) -> Any:
        loss = real(self, *parts)
        calls[0] += 1
        if calls[0] == at:
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(_Training, "_one_step", dying)
    monkeypatch.setattr("napari_nucleidomain.runs.context._SAVE_SECONDS", 0.0)
    monkeypatch.setattr("napari_nucleidomain.runs.context.FolderRun._save_every", 0.0)


def test_a_kill_changes_no_bit(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = new_run(tmp_path, data)
    assert execute(whole.path) == ExitCode.DONE
    assert whole.model_folder is not None
    expected, card = load_weights(whole.model_folder), load_card(whole.model_folder)
    points = data / "train" / "points" / "a.csv"
    clicked = points.read_bytes()
    for at in (4, 15):  # of 10 and 10 steps: one in each stage
        points.write_bytes(clicked)
        run = new_run(tmp_path, data)
        with monkeypatch.context() as patch:
            interrupt(patch, at)
            with pytest.raises(KeyboardInterrupt):
                execute(run.path)
        assert run.state == "interrupted"
        # Somebody clicks on, or takes clicks away, while it trains.
        write_points(discs(96, 16, 5)[1][:-9], points)
        assert execute(run.path) == ExitCode.DONE
        assert run.model_folder is not None
        resumed = load_weights(run.model_folder)
        assert resumed.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(resumed[name], value, err_msg=f"{name}, killed at step {at}")
        again = load_card(run.model_folder)
        assert (again.steps, again.scores, again.config) == (card.steps, card.scores, card.config)
        assert again.trained_on == card.trained_on


def test_a_changed_image_has_it_begin_from_nothing(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(tmp_path, data)
    with monkeypatch.context() as patch:
        interrupt(patch, 15)
        with pytest.raises(KeyboardInterrupt):
            execute(run.path)
    picture = data / "train" / "images" / "a.tif"
    tifffile.imwrite(picture, tifffile.imread(picture)[::-1].copy())
    assert execute(run.path) == ExitCode.DONE
    told = [event.message for event in run.read_events()[0] if isinstance(event, Warned)]
    assert len([one for one in told if "begins again" in one]) == 1
    fresh = new_run(tmp_path, data)
    assert execute(fresh.path) == ExitCode.DONE
    assert run.model_folder is not None and fresh.model_folder is not None
    expected, weights = load_weights(fresh.model_folder), load_weights(run.model_folder)
    assert all(np.array_equal(weights[name], value) for name, value in expected.items())
    card, other = load_card(run.model_folder), load_card(fresh.model_folder)
    assert (card.steps, card.scores, card.trained_on) == (other.steps, other.scores, other.trained_on)


def test_leaves_a_model_that_predicts_and_can_be_continued(tmp_path: Path, data: Path) -> None:
    run = new_run(tmp_path, data)
    assert execute(run.path) == ExitCode.DONE
    assert any(isinstance(event, Finished) for event in run.read_events()[0])
    folder = run.model_folder
    assert folder is not None
    card = load_card(folder)
    assert (card.method, card.channels, card.steps, card.preset) == ("spn-ien", 1, STEPS, "quick")
    assert card.trained_on["images"] == ["a"]
    assert card.trained_on["clicks"] + card.trained_on["kept_back"] == 36
    assert card.scores
    assert card.notes
    image = open_image(data / "train" / "images" / "a.tif")
    found = segment(image, load(folder, card, "cpu"), Scale(1.0, ""))
    assert found.labels.shape == (96, 96)
    second = new_run(tmp_path, data, parent=str(folder), steps=2)
    assert execute(second.path) == ExitCode.DONE
    assert second.model_folder is not None
    assert load_card(second.model_folder).parent
    other = new_run(tmp_path, data, parent=str(folder), steps=2, config={**TINY, "width": 8})
    assert execute(other.path) == ExitCode.USER
    failed = [event for event in other.read_events()[0] if isinstance(event, Failed)]
    assert "width = 4, here 8" in failed[0].message
