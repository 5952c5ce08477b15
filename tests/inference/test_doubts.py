"""What is said beside a count that its own picture speaks against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_nucleidomain.contracts import SegmenterSpec
from napari_nucleidomain.inference.doubts import doubts
from napari_nucleidomain.instances.classical import fit_classical

SPEC = SegmenterSpec(ndim=2, channels=0, tile=(64, 64), halo=(8, 8), fixed=False)


def discs(step: int, radius: int) -> np.ndarray:
    y, x = np.indices((240, 240))
    labels = np.zeros((240, 240), np.uint32)
    for number, (row, column) in enumerate((r, c) for r in range(step, 230, step) for c in range(step, 230, step)):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number + 1
    return labels


@pytest.fixture
def constants():
    image = np.where(discs(30, 8) > 0, 200, 20) + np.random.default_rng(0).integers(0, 9, (240, 240))
    found = fit_classical(image.astype(np.uint8), False)
    assert 12 < found.diameter < 22
    return found


def test_what_fits_the_picture_is_not_doubted(constants) -> None:
    assert doubts(discs(30, 8), constants, SPEC) == []
    assert doubts(np.zeros((9, 9), np.uint32), constants, SPEC) == []
    assert doubts(discs(110, 8), constants, SPEC) == [], "few nuclei are no reason"


def test_nuclei_that_run_together_are_said(constants) -> None:
    rows = np.repeat((np.arange(240) // 60 + 1).astype(np.uint32)[:, None], 240, axis=1)
    (said,) = doubts(rows, constants, SPEC)
    assert said[0].startswith("4 objects where about") and "run together" in said[0]


def test_crumbs_are_said(constants) -> None:
    (said,) = doubts(discs(8, 2), constants, SPEC)
    assert "broken into pieces" in said[0]


def test_one_object_that_is_nearly_all_is_said(constants) -> None:
    labels = discs(30, 8)
    labels[:120] = 1
    (said,) = doubts(labels, constants, SPEC)
    assert said[0].startswith("One object makes up")


@dataclass
class Silent:
    """Constants of a learned method, which know no size."""


def test_the_size_of_a_model_counts_in_the_pixels_of_the_image() -> None:
    labels = np.zeros((240, 240), np.uint32)
    labels[:200, :200] = 1
    spec = replace(SPEC, diameter_px=16.0)
    assert doubts(labels, Silent(), spec)
    # The image was made four times smaller: nuclei are 64 pixels wide, and the object holds 12 of them.
    assert not doubts(labels, Silent(), spec, factor=0.25)
