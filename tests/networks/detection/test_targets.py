"""Targets from label maps."""

from __future__ import annotations

import numpy as np
import torch

from napari_nucleidomain.networks.detection import Target
from napari_nucleidomain.networks.detection.matching import draw, unknown_share
from napari_nucleidomain.networks.detection.targets import mask_targets


def test_values_are_renumbered_and_boxes_are_edges_of_pixels() -> None:
    labels = np.zeros((9, 12), np.uint32)
    labels[2:5, 3:9] = 4_000_000_000
    labels[7, 11] = 17
    target = Target.of(labels)
    assert target.labels.unique().tolist() == [0, 1, 2]
    assert target.labels[3, 4] == 2
    assert target.boxes.tolist() == [[11, 7, 12, 8], [3, 2, 9, 5]]
    assert not target.unknown


def test_unknown_stays_unknown() -> None:
    labels = torch.tensor([[-1, -1, 0], [5, -3, 0], [5, 5, 9]])
    target = Target.of(labels)
    assert target.labels.tolist() == [[-1, -1, 0], [1, -1, 0], [1, 1, 2]]
    assert target.unknown


def test_without_any_nucleus() -> None:
    assert Target.of(torch.zeros(4, 4, dtype=torch.int32)).boxes.shape == (0, 4)
    assert Target.of(torch.full((4, 4), -1)).boxes.shape == (0, 4)


def test_a_mask_in_its_own_box_is_whole_and_unknown_pixels_are_told() -> None:
    labels = torch.zeros(40, 40, dtype=torch.long)
    labels[8:22, 10:24] = 1
    target = Target.of(labels)
    goals, known = mask_targets(labels, torch.tensor([1]), target.boxes, 28, aligned=True)
    assert (goals >= 0.5).all()
    assert known.all()
    labels[8:22, 17:] = -1
    goals, known = mask_targets(labels, torch.tensor([1]), target.boxes, 28, aligned=True)
    assert known[0, :, :13].all()
    assert not known[0, :, 15:].any()


def test_share_of_a_box_that_is_unknown() -> None:
    labels = torch.zeros(10, 10, dtype=torch.long)
    labels[:, 5:] = -1
    boxes = torch.tensor(
        [[0.0, 0, 5, 5], [0, 0, 10, 10], [5, 5, 9, 9], [-20, 0, 6, 4], [30, 30, 40, 40], [7.2, 3, 7.3, 4]]
    )
    torch.testing.assert_close(unknown_share(labels, boxes), torch.tensor([0, 0.5, 1, 1 / 6, 0, 1]))


def test_drawing() -> None:
    positive = torch.arange(100) < 30
    negative = torch.arange(100) >= 60
    first = draw(positive, negative, 40, 0.5, torch.Generator().manual_seed(1))
    again = draw(positive, negative, 40, 0.5, torch.Generator().manual_seed(1))
    other = draw(positive, negative, 40, 0.5, torch.Generator().manual_seed(2))
    assert [len(part) for part in first] == [20, 20]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert positive[first[0]].all() and negative[first[1]].all()
    few = draw(positive & (torch.arange(100) < 3), negative, 30, 0.5, None)
    assert [len(part) for part in few] == [3, 27]
