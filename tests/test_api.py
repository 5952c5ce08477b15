"""The functions for scripts: on arrays and on files, with the same results as the command line."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import napari_nucleidomain as nd
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_io import write_labels
from napari_nucleidomain.data.points import write_points

TINY = {"width": 8, "depth": 2, "crop_px": 64, "halo_px": 16, "batch": 2, "precision": "32-true"}


def discs(side: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Truth (side, side) and a click in each disc."""
    rows, columns = np.mgrid[:side, :side]
    truth, clicks = np.zeros((side, side), np.int32), []
    for y in range(16, side, 26):
        for x in range(16, side, 26):
            clicks.append((y, x))
            truth[(rows - y) ** 2 + (columns - x) ** 2 <= 64] = len(clicks)
    return truth, np.array(clicks, float)


def stained(truth: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 8, (*truth.shape, 3))
    colour = np.where((truth > 0)[..., None], (100, 60, 150), (230, 180, 220))
    return np.clip(colour + noise, 0, 255).astype(np.uint8)


def test_importing_the_package_loads_neither_torch_nor_napari() -> None:
    code = (
        "import sys, napari_nucleidomain as nd; assert 'predict' in dir(nd); "
        "assert not {'torch', 'napari', 'numpy'} & set(sys.modules); "
        "nd.open_image, nd.evaluate; assert not {'torch', 'napari'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        nd.guess  # noqa: B018


def test_otsu_on_an_array_a_file_and_a_box(tmp_path: Path) -> None:
    truth, clicks = discs()
    told: list[tuple[int, int]] = []
    found = nd.predict(stained(truth), progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    scores = nd.evaluate(found, truth)
    assert scores["aji"] > 0.8
    assert nd.evaluate(found.labels, points=clicks)["point_recall"] > 0.95
    Picture.fromarray(stained(truth)).save(tmp_path / "a.png")
    image, model = nd.open_image(tmp_path / "a.png"), nd.load_model("otsu")
    np.testing.assert_array_equal(nd.predict(image, model).labels, found.labels)
    part = nd.predict(image, model, box=((20, 90), (10, 100)))
    assert part.origin == (20, 10)
    np.testing.assert_array_equal(part.labels > 0, found.labels[20:90, 10:100] > 0)


def test_files_and_arrays_score_alike(tmp_path: Path) -> None:
    truth, clicks = discs()
    Picture.fromarray(truth.astype(np.uint16)).save(tmp_path / "truth.png")
    Picture.fromarray(np.roll(truth, 2, 0).astype(np.uint16)).save(tmp_path / "found.png")
    write_points(clicks, tmp_path / "clicks.csv")
    moved = np.roll(truth, 2, 0)
    assert 0 < nd.evaluate(moved, truth)["aji"] < 1
    assert nd.evaluate(tmp_path / "found.png", tmp_path / "truth.png") == nd.evaluate(moved, truth)
    assert nd.evaluate(moved, tmp_path / "truth.png") == nd.evaluate(moved, truth)
    assert nd.evaluate(moved, tmp_path / "clicks.csv") == nd.evaluate(moved, points=clicks)
    with pytest.raises(NucleiError, match="one reference"):
        nd.evaluate(moved)


def test_trains_from_a_folder_and_predicts_with_the_model(tmp_path: Path) -> None:
    truth, clicks = discs()
    for name in ("images", "points"):
        (tmp_path / "data" / name).mkdir(parents=True)
    Picture.fromarray(stained(truth)).save(tmp_path / "data" / "images" / "a.png")
    write_points(clicks, tmp_path / "data" / "points" / "a.csv")
    model = tmp_path / "model é"
    card = nd.train(tmp_path / "data", model, settings=TINY, steps=6, device="cpu", project=tmp_path / "runs")
    assert card.trained_on["images"] == ["a"]
    loaded = nd.load_model(model, device="cpu")
    assert loaded.card == card
    found = nd.predict(stained(truth), loaded)
    assert found.labels.shape == truth.shape
    assert len(found.scores) == found.labels.max()
    np.testing.assert_array_equal(nd.predict(stained(truth), model, device="cpu").labels, found.labels)


def test_faults_are_said(tmp_path: Path) -> None:
    with pytest.raises(NucleiError, match="nothing to train"):
        nd.train(tmp_path, tmp_path / "m", method="otsu", project=tmp_path / "runs")
    with pytest.raises(NucleiError, match="not there"):
        nd.train(tmp_path / "absent", tmp_path / "m", project=tmp_path / "runs")
    (tmp_path / "images").mkdir()
    Picture.fromarray(stained(discs()[0])).save(tmp_path / "images" / "a.png")
    with pytest.raises(NucleiError, match="Only 0 clicks"):
        nd.train(tmp_path, tmp_path / "m", settings=TINY, steps=2, device="cpu", project=tmp_path / "runs")
    assert not (tmp_path / "m").exists()
    with pytest.raises(NucleiError, match="lies outside"):
        nd.predict(stained(discs()[0]), box=((900, 950), (0, 10)))


def test_the_example_in_the_documentation_calls_what_there_is(root: Path) -> None:
    text = (root / "docs" / "howto" / "python.md").read_text(encoding="utf-8")
    example = ast.parse(text.split("```python\n")[1].split("```")[0])
    calls = [node for node in ast.walk(example) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    used = set()
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        used.add(call.func.attr)
        function = inspect.signature(getattr(nd, call.func.attr))
        function.bind(*call.args, **{str(word.arg): word.value for word in call.keywords})
    assert used == set(nd.__all__) - {"__version__"}


def test_a_volume_is_scored_without_a_distance_that_means_nothing(tmp_path: Path) -> None:
    truth = np.zeros((6, 20, 20), np.uint32)
    truth[2:4, 5:15, 5:15] = 1
    mine = np.roll(truth, 1, axis=0)
    assert "object_hausdorff" not in nd.evaluate(mine, truth)
    assert nd.evaluate(mine, truth)["op_csb"] == 0, "half of it covered is not more than half"
    sized = write_labels(mine, tmp_path / "a.ome.tif", format="ome-tif", pixel_size_um=(2, 0.5, 0.5))
    assert nd.evaluate(sized, truth)["object_hausdorff_um"] == pytest.approx(2)
