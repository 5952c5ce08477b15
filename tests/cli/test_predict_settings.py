"""`predict otsu --set`: what it changes, what it refuses, and that it is kept with the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.predict import LoadedModels

from . import tiny


@pytest.fixture
def half_faint(tmp_path: Path) -> Path:
    """36 nuclei, every other one with a quarter of the light."""
    labels = tiny.labels_of(tiny.centres())
    light = np.where(labels == 0, 20, np.where(labels % 2, 60, 180))
    light = light + np.random.default_rng(0).normal(0, 2, labels.shape)
    tifffile.imwrite(tmp_path / "faint.tif", light.astype(np.uint8))
    return tmp_path / "faint.tif"


def nuclei(said: object) -> int:
    return int(str(said).split(" nuclei")[0].rsplit(maxsplit=1)[-1])


def test_fainter_nuclei_are_found_too(run: Callable, half_faint: Path) -> None:
    plain = run("predict", "otsu", half_faint, "--out", "one", "--quiet")
    fainter = run("predict", "otsu", half_faint, "--out", "two", "--set", "threshold_shift=-0.9", "--quiet")
    assert plain.code == fainter.code == 0, fainter.err
    assert nuclei(plain.out) == 18
    assert nuclei(fainter.out) == 36
    assert "with threshold_shift = -0.9" in fainter.out
    assert "with" not in plain.out


def test_it_is_kept_with_the_result_and_a_run_that_goes_on_honours_it(
    run: Callable, half_faint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("napari_nucleidomain.runs.requests.Requests.stopped", True)
        said = run("predict", "otsu", half_faint, "--out", "o", "--set", "threshold_shift=-0.9", "--quiet")
    assert said.code == 4
    folder = Path(said.err.split("nucleidomain run ")[1].split(" goes on")[0])
    assert run("run", folder).code == 0
    assert json.loads((folder / "run.json").read_text())["settings"] == {"threshold_shift": -0.9}
    record = json.loads(next((folder / "result").glob("*.json")).read_text())
    assert (record["nuclei"], record["settings"]) == (36, {"threshold_shift": -0.9})


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        ("threshold_shift=-1.5", "greater than or equal to -1"),
        ("threshold_shift=NaN", "finite"),
        ("threshold_shift=1e999", "finite"),
        ("threshold_shift=true", "valid number"),
        ("threshold_shift=faint", "valid number"),
        ("threshold_shift=null", "valid number"),
        ("treshold_shift=1", "no setting 'treshold_shift'"),
        ("threshold_shift", "takes key=value"),
    ],
)
def test_what_it_cannot_be_is_refused(run: Callable, half_faint: Path, tmp_path: Path, pair: str, word: str) -> None:
    said = run("predict", "otsu", half_faint, "--out", "o", "--set", pair)
    assert said.code == 2
    assert word in said.err and "Traceback" not in said.err
    assert not (tmp_path / "nucleidomain-runs").exists()


def test_a_trained_model_has_nothing_to_set(run: Callable, model: Path, half_faint: Path) -> None:
    said = run("predict", model, half_faint, "--out", "o", "--set", "threshold_shift=-0.5")
    assert said.code == 2 and "settled when it was trained" in said.err


def test_a_setting_unknown_to_the_method_is_never_passed_over() -> None:
    with pytest.raises(NucleiError, match="no setting 'treshold_shift'"):
        LoadedModels().get("otsu", "cpu", {"treshold_shift": -1})
