"""The `paper` presets against section 3.2 of the paper, and the switches that only they turn off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.methods.spn_ien import SPEC
from napari_nucleidomain.methods.spn_ien.clicked import load_clicked
from napari_nucleidomain.methods.spn_ien.config import SpnIenConfig
from napari_nucleidomain.methods.spn_ien.decoders import without_background
from napari_nucleidomain.methods.spn_ien.labels import crop_centres
from napari_nucleidomain.methods.spn_ien.train import train

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder

# Section 3.2, by setting: MultiOrgan, TNBC.
PAPER = {
    "embedding_dims": (16, 16),
    "colour_weight": (0.2, 0.12),
    "patch_px": (60, 80),
    "max_distance_px": (20.0, 18.0),
    "nucleus_above": (0.5, 0.5),
    "background_below": (0.3, 0.2),
    "pull_margin": (0.5, 0.5),
    "push_margin": (3.0, 3.0),
    "regularisation": (0.001, 0.001),
    "background_weight": (1.0, 0.5),
    "network": ("resnet34", "resnet34"),
    "imagenet": (True, True),
    "spn_rate": (1e-4, 1e-4),
    "ien_rate": (1e-3, 1e-3),
    # 16 patches an image, 8 a step: 12 images make epochs of 24 steps, the 45 of a fold epochs of 90.
    "spn_steps": (60 * 24, 60 * 90),
    "ien_steps": (1000 * 24, 1000 * 90),
    "foreground_above": (0.3, 0.3),
    "bandwidth": (1.5, 1.5),
    # What it does not have.
    "gradient_limit": (0.0, 0.0),
    "coordinate_skip": (False, False),
    "ien_from_spn": (False, False),
    "average_decay": (0.0, 0.0),
    "jitter": (0.0, 0.0),
    "schedule": ("constant", "constant"),
    "keep_back": (0.0, 0.0),
    "least_probability": (0.0, 0.0),
    "scale_to_nuclei": (False, False),
    "crops": ("everywhere", "everywhere"),
    "grouping": ("exact", "exact"),
    "decoder": ("ien", "ien"),
    "precision": ("32-true", "32-true"),
}


@pytest.mark.parametrize(("preset", "column"), [("paper", 0), ("paper-tnbc", 1)])
def test_paper_presets_say_what_the_paper_says(preset: str, column: int) -> None:
    made = SpnIenConfig.build(SPEC.preset(preset).values).model_dump()
    assert {name: made[name] for name in PAPER} == {name: values[column] for name, values in PAPER.items()}


def folder_of_discs(path: Path) -> Path:
    truth, clicks = discs(seed=0)
    write_folder(path, [stained(truth, 0)], [clicks], [truth])
    return path


def test_a_limit_on_gradients_is_only_where_it_is_asked_for(tmp_path: Path) -> None:
    data = open_dataset(folder_of_discs(tmp_path / "data"))
    tiny = {
        **SPEC.preset("quick").values,
        "width": 4,
        "depth": 1,
        "crop_px": 48,
        "batch": 2,
        "variant": "spn",
        "average_decay": 0.0,
        "keep_back": 0.0,
        "precision": "32-true",
        "schedule": "constant",
        "spn_rate": 1e-2,
        "weight_decay": 0.0,
    }
    moved = {}
    for limit in (0.0, 1e-13):
        made = []
        for steps in (1, 6):
            run = FakeRun(tmp_path / f"{limit}-{steps}", steps=steps)
            train(run, data, SpnIenConfig.build(tiny, {"gradient_limit": limit}))
            made.append(run.build()[0]["spn.head.weight"])
        moved[limit] = float(np.abs(made[1] - made[0]).max())
    # A gradient far below Adam's epsilon moves nothing.
    assert moved[0.0] > 1e-2 > 1e-4 > moved[1e-13]


def test_crops_come_from_everywhere_or_from_clicks(tmp_path: Path) -> None:
    data = open_dataset(folder_of_discs(tmp_path / "data"))
    settings = SpnIenConfig(keep_back=0.0)
    (one,) = load_clicked(data, settings, lambda message, hint: None)
    everywhere = crop_centres(one, settings)
    height, width = one.inside.shape
    assert len(everywhere) == -(-height // 25) * -(-width // 25)
    assert np.ptp(everywhere[:, 0]) > height - 50
    about_clicks = crop_centres(one, SpnIenConfig(keep_back=0.0, crops="clicks"))
    np.testing.assert_array_equal(about_clicks, one.points)


def test_improbable_clusters_stay_as_in_the_paper_unless_told() -> None:
    clusters = np.zeros((8, 8), np.int32)
    clusters[:3, :3], clusters[5:, 5:] = 1, 2
    probability = np.where(clusters == 1, 0.35, 0.9).astype(np.float32)
    assert set(np.unique(without_background(clusters, probability, 5, 0.0))) == {0, 1, 2}
    assert set(np.unique(without_background(clusters, probability, 5, 0.4))) == {0, 2}
