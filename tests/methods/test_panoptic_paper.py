"""Presets, schedule and augmentation of the panoptic method against sections 3.3 and 4.2 of its paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_nucleidomain.contracts import Step
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.methods.panoptic import SPEC
from napari_nucleidomain.methods.panoptic.config import PanopticConfig
from napari_nucleidomain.methods.panoptic.outlined import Outlined
from napari_nucleidomain.methods.panoptic.train import rate_factor, train
from napari_nucleidomain.methods.panoptic.views import Views

from .fake_run import FakeRun
from .scenes import discs, stained, write_folder
from .test_panoptic_training import config

# By setting: TCGA-kumar, TNBC, Cell17.
PAPER = {
    # Section 3.3.
    "optimiser": ("sgd",) * 3,
    "momentum": (0.9,) * 3,
    "weight_decay": (1e-4,) * 3,
    "warm_steps": (500,) * 3,
    "norm": ("frozen",) * 3,
    # Section 4.2. Epochs are counted as steps of one image: 60 of 30 images, 100 of 28.
    "rate": (0.0025, 0.00075, 0.001),
    "steps": (17280, 60 * 30, 100 * 28),
    "schedule": ("drops",) * 3,
    "first_drop": (8640 / 17280, 30 / 60, 50 / 100),
    "second_drop": (12960 / 17280, 45 / 60, 75 / 100),
    "batch": (2, 1, 1),
    "crop_px": (512,) * 3,
    "flips": (True,) * 3,
    "colours": ("paper", "none", "none"),
    # Section 3, Table 1 and section 3.2.
    "backbone": ("resnet101",) * 3,
    "imagenet": (True,) * 3,
    "pyramid_channels": (256,) * 3,
    "mask_generator": ("dual",) * 3,
    "mask_channels": (256,) * 3,
    "feature_fusion": (True,) * 3,
    "semantic_branch": (True,) * 3,
    "semantic_kernel": (5,) * 3,
    # Of the program that it is built on.
    "anchor_px": (32.0,) * 3,
    "rois": (512,) * 3,
    "roi_positives": (0.25,) * 3,
    # What it does not have.
    "gradient_limit": (0.0,) * 3,
    "average_decay": (0.0,) * 3,
    "turn": (0.0,) * 3,
    "zoom_least": (1.0,) * 3,
    "zoom_most": (1.0,) * 3,
    "keep_back": (0.0,) * 3,
    "precision": ("32-true",) * 3,
}


@pytest.mark.parametrize(("preset", "column"), [("paper", 0), ("paper-tnbc", 1), ("paper-cell17", 2)])
def test_paper_presets_say_what_the_paper_says(preset: str, column: int) -> None:
    made = PanopticConfig.build(SPEC.preset(preset).values).model_dump()
    assert {name: made[name] for name in PAPER} == {name: values[column] for name, values in PAPER.items()}


def test_the_rate_rises_and_drops_where_the_paper_says() -> None:
    kumar = PanopticConfig.build(SPEC.preset("paper").values)

    def factor(step: int, total: int = 17280) -> float:
        return rate_factor(kumar, Step(step, step / total, np.random.default_rng(0)), total)

    expected = {0: 1 / 500, 249: 0.5, 499: 1, 500: 1, 8639: 1, 8640: 0.1, 12959: 0.1, 12960: 0.01, 17279: 0.01}
    assert {step: factor(step) for step in expected} == pytest.approx(expected)
    assert [factor(step, 1728) for step in (0, 49, 863, 864, 1296)] == pytest.approx([1 / 50, 1, 1, 0.1, 0.01])


def test_the_training_steps_at_that_rate_and_shortens_gradients_where_asked(tmp_path: Path) -> None:
    truth, clicks = discs(seed=0)
    data = write_folder(tmp_path / "data", [stained(truth)], [clicks], [truth])
    plain = config(optimiser="sgd", momentum=0.0, weight_decay=0.0, average_decay=0.0, schedule="drops", keep_back=0.0)
    name = "detector.rpn.head.conv.0.0.weight"

    def moved(steps: int, **changes: float) -> np.ndarray:
        run = FakeRun(tmp_path / str(len(list(tmp_path.iterdir()))), steps=steps)
        train(run, data, plain.model_copy(update=changes))
        return run.build()[0][name]

    start, far = moved(1, rate=1e-30, gradient_limit=0.0), moved(1, rate=1e-3, gradient_limit=0.0)
    limited, warm = moved(1, rate=1e-3, gradient_limit=1e-6), moved(1, rate=1e-3, warm_steps=3000, gradient_limit=0.0)
    assert np.abs(far - start).max() > 1e-5
    assert np.abs(limited - start).max() < 1e-8
    # `quick` is made for 1500 steps: with one step the warm-up of twice as many begins at half the rate.
    np.testing.assert_allclose(warm - start, (far - start) / 2, rtol=0.02, atol=1e-7)


@pytest.mark.parametrize("free", [False, True])
def test_image_and_outlines_are_turned_alike(tmp_path: Path, free: bool) -> None:
    """The picture is the outlines themselves; without free turning all eight symmetries come."""
    known = np.zeros((96, 96), np.int32)
    known[8:40, 8:20], known[30:40, 20:60], known[70:90, 60:80] = 1, 1, 2
    picture = (known > 0).astype(np.float32)[..., None]
    write_folder(tmp_path, [stained(known)], [np.zeros((0, 2))], [known])
    image = open_image(tmp_path / "images" / "0.png")
    one = Outlined("0", "0.png", image, (0, 0), picture, known)
    turning = {"turn": 180.0} if free else {"turn": 0.0, "zoom_least": 1.0, "zoom_most": 1.0}
    views = Views([one], config(colours="none", flips=True, batch=16, **turning), torch.device("cpu"))
    seen = set()
    for seed in range(4):
        pictures, targets = views.draw(np.random.default_rng(seed))
        for got, target in zip(pictures[:, 0], targets, strict=True):
            sure = (target.labels >= 0) & ((got < 0.1) | (got > 0.9))
            assert sure.float().mean() > 0.3
            agree = ((got > 0.5) == (target.labels > 0))[sure].float().mean()
            assert agree > 0.99 if free else agree == 1
            seen.add((target.labels > 0).numpy().tobytes())
    assert free or len(seen) == 8
