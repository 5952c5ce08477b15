"""`nucleidomain train` in this process: what it leaves, and what it says of clicks and settings that will not do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError, load_card
from napari_nucleidomain.inference import model_files

from . import tiny

QUICK = ["--steps", 4, "--quiet", "--device", "cpu", "--threads", 1, *tiny.SMALL]


@pytest.fixture
def train(run: Callable, tmp_path: Path) -> Callable:
    """Train on one image with the given clicks."""

    def go(points: np.ndarray | None, *more: object, image: np.ndarray | None = None) -> object:
        pixels = tiny.image_of(tiny.labels_of(tiny.centres())) if image is None else image
        data = tiny.write_dataset(tmp_path / "data", pixels, points)
        return run("train", "--data", data, "--out", "model", *QUICK, *more)

    return go


def test_model_has_a_card(model: Path) -> None:
    card = load_card(model)
    assert (card.method, card.channels) == ("spn-ien", 1)
    assert card.trained_on["clicks"] + card.trained_on["kept_back"] == 36


def test_a_model_below_the_classical_method_is_told(train: Callable, tmp_path: Path) -> None:
    """Bright discs on dark ground are Otsu's; four steps of a tiny network are nothing."""
    said = train(tiny.centres())
    card = load_card(tmp_path / "model")
    assert said.code == 0 and card.caution()
    assert card.classical[0].value > 0.9
    assert card.classical[0].on == card.scores[0].on
    assert card.caution() in said.out
    assert "predict otsu" not in said.out, "seven clicks are no reason to change"
    for score in (*card.scores, *card.classical):
        score.on = "40 kept-back clicks of 1 image"
    assert "does better" in card.verdict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "magic"], "There is no method 'magic'"),
        (["--method", "otsu"], "nothing to train"),
        (["--preset", "perfect"], "no preset 'perfect'"),
        (["--set", "stepz=3"], "stepz"),
        (["--set", "width"], "key=value"),
        (["--from", "nowhere"], "nowhere"),
        (["--threads", "0"], "more than 0"),
    ],
)
def test_arguments_that_will_not_do(train: Callable, tmp_path: Path, arguments: list[str], message: str) -> None:
    said = train(tiny.centres(), *arguments)
    assert said.code == 2
    assert message in said.err
    assert not (tmp_path / "nucleidomain-runs").exists()


def test_place_that_is_taken_is_refused_before_training(train: Callable, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work")
    said = train(tiny.centres())
    assert said.code == 2 and "is not a model" in said.err
    assert not (tmp_path / "nucleidomain-runs").exists()
    assert (tmp_path / "model" / "thesis.txt").read_text() == "years of work"


def test_a_model_is_replaced_only_where_that_is_meant(train: Callable, run: Callable, tmp_path: Path) -> None:
    said = train(tiny.centres())
    assert said.code == 0
    first = said.out.partition("run ")[2].split("\n")[0].strip()
    weights = (tmp_path / "model" / "weights.safetensors").read_bytes()
    runs = len(list((tmp_path / "nucleidomain-runs" / "runs").iterdir()))
    model_files.copy_model(tmp_path / "model", tmp_path / "other")
    for more in ([], ["--from", tmp_path / "other"]):
        said = train(tiny.centres(), "--seed", 5, *more)
        assert said.code == 2 and "would replace it" in said.err and "--overwrite" in said.err
    assert len(list((tmp_path / "nucleidomain-runs" / "runs").iterdir())) == runs, "said before a run is made"
    assert (tmp_path / "model" / "weights.safetensors").read_bytes() == weights
    assert run("run", first).code == 0, "the run that made it may go on"
    assert train(tiny.centres(), "--seed", 5, "--from", tmp_path / "other" / ".." / "model").code == 0
    continued = (tmp_path / "model" / "weights.safetensors").read_bytes()
    assert continued != weights
    assert train(tiny.centres(), "--seed", 6, "--overwrite").code == 0
    assert (tmp_path / "model" / "weights.safetensors").read_bytes() != continued


def test_no_graphics_card(train: Callable) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    said = train(tiny.centres(), "--device", "cuda")
    assert said.code == 2 and "Choose cpu" in said.err


def test_no_data(run: Callable) -> None:
    said = run("train", "--data", "nowhere", "--out", "model")
    assert said.code == 2 and "nowhere" in said.err


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_clicks(train: Callable, count: int) -> None:
    said = train(tiny.centres()[:count])
    assert said.code == 2
    assert f"nucleidomain: Only {count} click{'s' * (count != 1)}; 20 is the least that works." in said.err
    assert "Traceback" not in said.err


def test_clicks_of_a_volume(train: Callable) -> None:
    said = train(np.column_stack([np.arange(36), tiny.centres()]))
    assert said.code == 2 and "3 coordinates" in said.err


def test_clicks_of_another_image(train: Callable) -> None:
    said = train(tiny.centres() + 1000)
    assert said.code == 2 and "Traceback" not in said.err


@pytest.mark.parametrize("kind", ["in a line", "two on a nucleus", "one outside"])
def test_odd_clicks_train(train: Callable, kind: str) -> None:
    points = tiny.centres()
    if kind == "in a line":
        points = np.column_stack([np.full(24, 48.0), np.arange(24) * 4.0])
    elif kind == "two on a nucleus":
        points = np.vstack([points, points[:1] + 1])
    else:
        points = np.vstack([points, [[500.0, 500.0]]])
    said = train(points)
    assert said.code in (0, 3), said.err
    assert load_card("model").method == "spn-ien"


def test_full_disk_says_so_keeps_the_old_model_and_can_be_gone_on_with(
    train: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(tiny.centres()).code == 0
    old = model_files.load_weights("model")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("napari_nucleidomain.inference.model_files.write_atomic", full)
        said = train(tiny.centres(), "--overwrite", "--seed", 5)
    assert said.code == 2 and "The disk is full" in said.err and "Free some space" in said.err
    kept = model_files.load_weights("model")
    assert all(np.array_equal(old[name], kept[name]) for name in old)
    folder = said.out.partition("run ")[2].split("\n")[0].strip()
    assert run("run", folder).code == 0
    new = model_files.load_weights("model")
    assert any(not np.array_equal(old[name], new[name]) for name in old)


def test_model_cut_short_is_refused(run: Callable, model: Path, tmp_path: Path, pictures: Path) -> None:
    copy = model_files.copy_model(model, tmp_path / "copy")
    weights = next(copy.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    said = run("predict", copy, pictures, "--out", "o", "--quiet")
    assert said.code == 2 and "cut short" in said.err
    with pytest.raises(NucleiError):
        model_files.load_weights(copy)


def test_models_lists_what_train_made_and_predict_takes_names(train: Callable, run: Callable, tmp_path: Path) -> None:
    assert train(tiny.centres()).code == 0
    said = run("models")
    assert str(tmp_path / "model") in said.out, "a model published elsewhere is listed with its folder"
    assert run("models", "--project", tmp_path / "elsewhere").out.startswith("No models")
    project = tmp_path / "nucleidomain-runs"
    (project / "models").mkdir(exist_ok=True)
    model_files.copy_model(tmp_path / "model", project / "models" / "liver")
    assert "liver" in run("models").out
    told = run("models", "liver").out
    assert "learned from:    1 image (a), " in told and "kept back for checking" in told and "[" not in told
    assert json.loads(run("models", "liver", "--json").out)["name"] == "model"
    assert run("models", "kidney").code == 2
    picture = tmp_path / "data" / "train" / "images"
    assert run("predict", "liver", picture, "--out", "found", "--device", "cpu", "--quiet").code == 0
    assert len(list((tmp_path / "found").iterdir())) == 1
    missing = run("predict", "kidney", picture, "--out", "none", "--device", "cpu", "--quiet")
    assert missing.code == 2 and "kidney" in missing.err
