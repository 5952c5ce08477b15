"""What a prediction found with one model, image and settings is never joined with what it finds with others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from skimage.measure import label

from napari_nucleidomain.contracts import ModelCard, SegmenterSpec
from napari_nucleidomain.contracts.events import Warned
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.inference.model_files import load_weights, save_model
from napari_nucleidomain.instances.stitching import TileInstances
from napari_nucleidomain.runs import predict as predict_module
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import FOUND, RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.predict_key import image_stamp
from napari_nucleidomain.runs.store import Project

SIDE = 200


class Above:
    """Finds what is brighter than the one number of its model; may stop the run after so many tiles."""

    def __init__(self, threshold: float, after_tile: Callable[[int], None]) -> None:
        self.spec = SegmenterSpec(ndim=2, channels=1, tile=(64, 64), halo=(8, 8))
        self.threshold, self._after = threshold, after_tile
        self.tiles = 0

    def prepare(self, image: object, plane: int | None, factor: float = 1.0) -> None:
        return None

    def forward(self, tiles: Sequence[np.ndarray], constants: None) -> list[TileInstances]:
        self.tiles += len(tiles)
        self._after(self.tiles)
        return [TileInstances.of(label(tile[..., 0] > self.threshold, connectivity=1)) for tile in tiles]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Dim and bright squares in turn."""
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    for number, y in enumerate(range(10, SIDE - 10, 20)):
        pixels[y : y + 8, 10:190:20] = pixels[y : y + 8, 11:190:20] = 200 if number % 2 else 100
    path = tmp_path / "squares.tif"
    tifffile.imwrite(path, pixels)
    return path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The segmenters that were loaded, and what they do after a tile."""
    state = SimpleNamespace(all=[], after=lambda tiles: None)

    def load(folder: Path, card: ModelCard, device: str) -> Above:
        value = load_weights(folder)["t"][0]
        state.all.append(Above(float(value), lambda tiles: state.after(tiles)))
        return state.all[-1]

    spec = SimpleNamespace(load="", resolve=lambda entry: load)
    monkeypatch.setattr(predict_module, "find_method", lambda name: spec)
    return state


def model(folder: Path, threshold: float) -> Path:
    card = ModelCard(name="m", method="toy", channels=1)
    return save_model(folder, {"t": np.array([threshold], np.float32)}, card)


def new_run(tmp_path: Path, images: list[Path], **settings: Any) -> RunFolder:
    refs = [ImageRef(path=str(one)) for one in images]
    job = PredictJob(model=str(tmp_path / "model"), images=refs, out=str(tmp_path / "out"), device="cpu", **settings)
    return Project.open(tmp_path / "project").new_run(job)


def stopped_after(run: RunFolder, made: SimpleNamespace, tiles: int) -> None:
    """Execute until so many tiles were looked at."""

    def watch(requests: Any) -> None:
        made.after = lambda seen: requests.stop() if seen >= tiles else None

    assert execute(run.path, watch=watch) == ExitCode.STOPPED
    made.after = lambda seen: None
    assert list(run.path.glob("tiles/*/*.npz"))


def warnings(run: RunFolder) -> str:
    return "\n".join(event.message for event in run.read_events()[0] if isinstance(event, Warned))


def nuclei(run: RunFolder) -> list[int]:
    return [image["nuclei"] for image in run.summary()["images"]]


def test_tiles_go_on_with_the_same_model(tmp_path, picture, made):
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture])
    stopped_after(run, made, 5)
    before = len(list(run.path.glob("tiles/*/*.npz")))
    assert execute(run.path) == ExitCode.DONE
    fresh = new_run(tmp_path, [picture])
    assert execute(fresh.path) == ExitCode.DONE
    assert nuclei(run) == nuclei(fresh)
    assert made.all[-2].tiles == made.all[-1].tiles - before, "what was done is not done again"
    assert "again" not in warnings(run)


@pytest.mark.parametrize("change", ["model", "weights alone", "image", "settings"])
def test_tiles_of_another_kind_are_not_joined(tmp_path, picture, made, change):
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture])
    stopped_after(run, made, 5)
    words = {"model": "model was replaced", "weights alone": "model was replaced", "image": "image was changed"}
    if change == "model":
        model(tmp_path / "model", 150)
    elif change == "weights alone":
        # An older card, which does not say which weights it is of.
        other = model(tmp_path / "other", 150)
        os.replace(other / "weights.safetensors", tmp_path / "model" / "weights.safetensors")
        card = tmp_path / "model" / "card.json"
        text = card.read_text()
        start = text.index('"weights": "') + 12
        card.write_text(text[:start] + text[start + 32 :])
    elif change == "image":
        tifffile.imwrite(picture, np.rot90(tifffile.imread(picture)).copy())
    else:
        text = (run.path / "run.json").read_text()
        (run.path / "run.json").write_text(text.replace('"settings": {}', '"settings": {"least": 3}'))
        run = RunFolder(run.path)
    assert execute(run.path) == ExitCode.DONE
    assert words.get(change, "settings are others") in warnings(run)
    fresh = new_run(tmp_path, [picture], settings=run.job.settings)
    assert execute(fresh.path) == ExitCode.DONE
    assert nuclei(run) == nuclei(fresh)
    one, other = (read_labels(tmp_path / "out" / "squares.tif").labels, read_labels(
        next(fresh.result_folder.glob("*.labels.tif"))
    ).labels)  # fmt: skip
    assert np.array_equal(one, other)


def test_a_batch_is_of_one_model(tmp_path, picture, made):
    second = tmp_path / "second.tif"
    second.write_bytes(picture.read_bytes())
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture, second])
    # Replaced while the first image is looked at: the run goes on with what it has.
    made.after = lambda seen: model(tmp_path / "model", 150) if seen == 3 else None
    assert execute(run.path) == ExitCode.DONE
    assert len(set(nuclei(run))) == 1
    assert len(made.all) == 1


def test_finished_images_are_done_again_with_a_new_model(tmp_path, picture, made):
    second = tmp_path / "second.tif"
    second.write_bytes(picture.read_bytes())
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture, second])
    tiles = 16
    stopped_after(run, made, tiles + 3)
    assert len(list(run.result_folder.glob("*.json"))) == 1
    model(tmp_path / "model", 150)
    assert execute(run.path) == ExitCode.DONE
    assert len(set(nuclei(run))) == 1
    assert "squares is done again: the model was replaced" in warnings(run)


def test_a_result_corrected_by_hand_stays(tmp_path, picture, made):
    second = tmp_path / "second.tif"
    second.write_bytes(picture.read_bytes())
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture, second])
    stopped_after(run, made, 19)
    labels = run.result_folder / "squares.labels.tif"
    (run.result_folder / f"squares{FOUND}").write_bytes(labels.read_bytes())
    labels.write_bytes(labels.read_bytes() + b"by hand")
    before = labels.read_bytes()
    model(tmp_path / "model", 150)
    assert execute(run.path) == ExitCode.DONE
    assert labels.read_bytes() == before
    assert "was corrected by hand and stays" in warnings(run)


def test_an_image_that_changes_while_it_is_looked_at_is_refused_and_the_rest_goes_on(tmp_path, picture, made):
    second = tmp_path / "second.tif"
    second.write_bytes(picture.read_bytes())
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture, second])
    made.after = lambda seen: picture.write_bytes(b"II*\x00" + bytes(100)) if seen == 3 else None
    assert execute(run.path) == ExitCode.SKIPPED
    assert "became shorter" in warnings(run) or "was changed" in warnings(run)
    assert [image["name"] for image in run.summary()["images"]] == ["second"]


def test_memory_that_is_full_for_one_image_does_not_end_the_others(tmp_path, picture, made):
    second = tmp_path / "second.tif"
    second.write_bytes(picture.read_bytes())
    model(tmp_path / "model", 50)
    run = new_run(tmp_path, [picture, second])

    def full(seen: int) -> None:
        if seen < 2:
            raise RuntimeError("could not create a primitive")

    made.after = full
    assert execute(run.path) == ExitCode.SKIPPED
    assert "memory is too small" in warnings(run)
    assert [image["name"] for image in run.summary()["images"]] == ["second"]


def test_a_model_replaced_within_one_tick_of_the_clock_is_loaded_anew(tmp_path, made):
    folder = model(tmp_path / "model", 50)
    models = predict_module.LoadedModels()
    first, _ = models.get(str(folder), "cpu")
    assert models.get(str(folder), "cpu")[0] is first
    times = [(folder / name).stat() for name in ("card.json", "weights.safetensors")]
    model(folder, 150)
    for name, known in zip(("card.json", "weights.safetensors"), times, strict=True):
        os.utime(folder / name, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert models.get(str(folder), "cpu")[0].threshold == 150


def test_a_stamp_is_that_of_the_content(tmp_path, monkeypatch):
    one, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    one.write_bytes(bytes(5000))
    copy.write_bytes(bytes(5000))
    os.utime(copy, (1, 1))
    assert image_stamp(one) == image_stamp(copy)
    copy.write_bytes(bytes(4999) + b"x")
    assert image_stamp(one) != image_stamp(copy)
    monkeypatch.setattr("napari_nucleidomain.runs.predict_key._WHOLE", 100)
    before = image_stamp(one)
    os.utime(one, (1, 1))
    assert image_stamp(one) != before, "of a large file the time counts"
