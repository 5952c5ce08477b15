"""Label images from boxes and masks."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from napari_nucleidomain.networks.detection import Target, paste
from napari_nucleidomain.networks.detection.targets import mask_targets

FULL = np.ones((28, 28), np.float32)


def many(boxes: list[list[float]], masks: list[np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
    return np.array(boxes, np.float32), np.stack(masks or [FULL] * len(boxes))


def test_what_is_cut_into_targets_comes_back(tiny) -> None:
    labels = tiny.discs(120, 30, 12)
    target = Target.of(labels)
    count = len(target.boxes)
    goals, _ = mask_targets(labels, torch.arange(1, count + 1), target.boxes, 28, aligned=True)
    pasted = paste(target.boxes.numpy(), np.linspace(1, 0.5, count), goals.numpy(), (120, 120))
    assert pasted.order.tolist() == list(range(count))
    wrong = (pasted.labels != labels.numpy()).sum()
    assert wrong < 0.02 * (labels > 0).sum()


def test_a_mask_is_stretched_bilinearly_over_its_box() -> None:
    mask = np.random.default_rng(0).random((28, 28)).astype(np.float32)
    mask = ndimage.gaussian_filter(mask, 3)
    mask = (mask - mask.min()) / np.ptp(mask)
    boxes, masks = many([[5, 9, 48, 29]], [mask])
    pasted = paste(boxes, np.ones(1), masks, (40, 60))
    stretched = F.interpolate(torch.from_numpy(mask)[None, None], (20, 43), mode="bilinear")[0, 0].numpy()
    pieces, _ = ndimage.label(stretched >= 0.5)
    expected = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    assert (pasted.labels[9:29, 5:48] > 0).tolist() == expected.tolist()
    p = stretched[expected]
    np.testing.assert_allclose(pasted.uncertainty, [(4 * p * (1 - p)).mean()], rtol=1e-5)


def test_the_better_score_wins_and_what_loses_most_of_itself_goes() -> None:
    boxes, masks = many([[0, 0, 10, 10], [5, 0, 15, 10], [8, 0, 18, 10], [3, 2, 9, 9]])
    pasted = paste(boxes, np.array([0.6, 0.9, 0.7, 0.8]), masks, (12, 20))
    # 0.9 keeps all; 0.8 keeps 2 of 6 columns, 0.7 3 of 10, 0.6 what nobody took.
    assert pasted.order.tolist() == [1, 3, 2, 0]
    assert pasted.scores.tolist() == np.float32([0.9, 0.8, 0.7, 0.6]).tolist()
    assert pasted.labels[5].tolist() == [4, 4, 4, 2, 2] + [1] * 10 + [3] * 3 + [0, 0]
    boxes[2, [0, 2]] = 7.4, 17.4
    assert paste(boxes, np.array([0.6, 0.9, 0.7, 0.8]), masks, (12, 20)).order.tolist() == [1, 3, 0]


def test_pieces_of_one_nucleus_are_one_piece() -> None:
    boxes, masks = many([[8, 0, 12, 20], [0, 5, 20, 10]])
    pasted = paste(boxes, np.array([0.9, 0.8]), masks, (20, 21))
    assert ndimage.label(pasted.labels == 2)[1] == 1
    boxes[0] = [6, 0, 10, 20]
    second = paste(boxes, np.array([0.9, 0.8]), masks, (20, 21)).labels == 2
    assert np.unique(np.nonzero(second)[1]).tolist() == list(range(10, 20))


def test_boxes_of_less_than_a_pixel_and_outside_and_none_at_all() -> None:
    boxes, masks = many([[3.1, 3.1, 3.3, 3.3], [30, 30, 40, 40], [-9, -9, 2, 2], [4, 4, 4, 9]])
    pasted = paste(boxes, np.ones(4), masks, (10, 10))
    assert pasted.order.tolist() == [2]
    assert pasted.labels.dtype == np.int32
    none = paste(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 28, 28)), (5, 6))
    assert none.labels.shape == (5, 6)
    assert len(none.order) == len(none.scores) == len(none.uncertainty) == 0
