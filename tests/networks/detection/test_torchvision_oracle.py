"""With all switches off and the same weights, the detector is torchvision's Mask R-CNN: detections and losses."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.roi_heads import project_masks_on_boxes
from torchvision.ops import MultiScaleRoIAlign, box_iou

from napari_nucleidomain.networks.detection import Detector, DetectorSettings, Target
from napari_nucleidomain.networks.detection.matching import match
from napari_nucleidomain.networks.detection.pooling import pool
from napari_nucleidomain.networks.detection.targets import mask_targets

SIDE = 128


class Body(nn.Module):
    """Our backbone as torchvision wants one."""

    def __init__(self, ours: Detector) -> None:
        super().__init__()
        self.ours = ours.backbone
        self.out_channels = ours.settings.fpn_channels

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict(zip(["0", "1", "2", "3", "pool"], self.ours(x).p, strict=True))


@pytest.fixture(scope="module")
def both() -> tuple[Detector, MaskRCNN]:
    torch.manual_seed(3)
    settings = DetectorSettings(
        backbone="small", fpn_channels=16, box_width=32, mask_channels=16, mask_head="plain", fusion=False,
        semantic=False, aligned=False, roi_canonical=14.0, box_beta=1 / 9, rpn_before_train=300, rpn_after_train=120,
        rpn_before_test=300, rpn_after_test=120, detections=40,
    )  # fmt: skip
    ours = Detector(settings)
    return ours, _theirs(ours, ["0", "1", "2", "3"])


def _theirs(ours: Detector, levels: list[str]) -> MaskRCNN:
    settings = ours.settings
    net = MaskRCNN(
        Body(ours), 2, min_size=SIDE, max_size=SIDE, image_mean=[0.0] * 3, image_std=[1.0] * 3,
        rpn_anchor_generator=AnchorGenerator(tuple((s,) for s in settings.anchor_sizes), (settings.ratios,) * 5),
        rpn_pre_nms_top_n_train=300, rpn_post_nms_top_n_train=120, rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=120, box_detections_per_img=40,
        box_roi_pool=MultiScaleRoIAlign(levels, 7, 2, canonical_scale=14),
        mask_roi_pool=MultiScaleRoIAlign(levels, 14, 2, canonical_scale=14),
    )  # fmt: skip
    with torch.no_grad():
        # Larger weights than the usual first ones, so that scores and boxes differ from proposal to proposal.
        for layer, scale in ((ours.rpn.head, 4), (ours.box_head, 3)):
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape) * scale * 0.01)
    # It draws the size of each image, of which there is only one here.
    net.transform.torch_choice = min
    net.rpn.head.load_state_dict(ours.rpn.head.state_dict())
    heads = net.roi_heads
    heads.box_head = ours.box_head.layers
    heads.mask_head = ours.mask_head.layers
    heads.box_predictor = _Predictor(ours)
    heads.mask_predictor = nn.Sequential(ours.mask_head.predictor, _TwoClasses())
    return net


class _Predictor(nn.Module):
    """Our box predictor with boxes for the background class too."""

    def __init__(self, ours: Detector) -> None:
        super().__init__()
        self.head = ours.box_head

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        deltas = self.head.deltas(x)
        return self.head.scores(x), torch.cat([torch.zeros_like(deltas), deltas], 1)


class _TwoClasses(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(x), x], 1)


def image_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(SIDE, SIDE, dtype=torch.long)
    for number, (y, x, size) in enumerate([(4, 9, 11), (30, 40, 25), (70, 10, 40), (90, 88, 33)]):
        labels[y : y + size, x : x + size + number] = number + 1
    return image, labels


def test_detections_equal_torchvisions(both) -> None:
    ours, theirs = both
    image = image_and_labels()[0]
    theirs.eval()
    theirs.transform.postprocess = lambda result, *_: result  # masks of 28 x 28, not pasted
    with torch.no_grad():
        expected = theirs([image])[0]
    found = ours.detect(image[None])[0]
    assert 5 < len(found) <= 40
    torch.testing.assert_close(found.boxes, expected["boxes"])
    torch.testing.assert_close(found.scores, expected["scores"])
    torch.testing.assert_close(found.masks, expected["masks"][:, 0])
    assert found.boxes.std(0).min() > 1
    assert len(found.levels.unique()) > 1


def test_losses_equal_torchvisions(both) -> None:
    ours, theirs = both
    image, labels = image_and_labels()
    target = Target.of(labels)
    masks = (labels == torch.arange(1, 5)[:, None, None]).to(torch.uint8)
    theirs.train()
    torch.manual_seed(11)
    expected = theirs([image], [{"boxes": target.boxes, "labels": torch.ones(4, dtype=torch.long), "masks": masks}])
    torch.manual_seed(11)
    found = ours.losses(image[None], [target])
    names = {
        "rpn_objectness": "loss_objectness",
        "rpn_box": "loss_rpn_box_reg",
        "box_class": "loss_classifier",
        "box_regression": "loss_box_reg",
        "mask": "loss_mask",
    }
    assert set(found) == set(names)
    for name, other in names.items():
        assert expected[other] > 0
        torch.testing.assert_close(found[name], expected[other])


@pytest.mark.parametrize("keep_best", [True, False])
def test_matching_equals_torchvisions_matcher(keep_best: bool, monkeypatch) -> None:
    monkeypatch.setattr("napari_nucleidomain.networks.detection.matching.CHUNK", 64)
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(500, 2, generator=generator) * 80
    candidates = torch.cat([low, low + 2 + torch.rand(500, 2, generator=generator) * 20], 1)
    boxes = candidates[:40] + torch.rand(40, 4, generator=generator) * 4
    expected = Matcher(0.7, 0.3, allow_low_quality_matches=keep_best)(box_iou(boxes, candidates))
    found = match(boxes, candidates, 0.7, 0.3, keep_best)
    assert {-1, -2} < set(found.tolist())
    assert torch.equal(found, expected)


def test_pooling_equals_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    p = [torch.randn(2, 5, 128 // 2**level, 96 // 2**level, generator=generator) for level in range(5)]
    low = torch.rand(20, 2, generator=generator) * 200
    boxes = torch.cat([low, low + torch.rand(20, 2, generator=generator) ** 2 * 180], 1)
    parts = [boxes[:7], boxes[7:]]
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2, canonical_scale=64)
    expected = theirs(dict(zip("0123", p, strict=False)), parts, [(512, 384)] * 2)
    torch.testing.assert_close(pool(p, parts, 7, 64.0, aligned=False), expected)


@pytest.mark.parametrize("aligned", [False, True])
def test_mask_targets_equal_roi_align_of_one_mask_per_nucleus(aligned: bool) -> None:
    from torchvision.ops import roi_align

    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (70, 50), generator=generator)
    masks = (labels == torch.arange(1, 4)[:, None, None]).float()
    low = torch.rand(60, 2, generator=generator) * 60 - 8
    boxes = torch.cat([low, low + torch.rand(60, 2, generator=generator) * 70], 1)
    if not aligned:
        boxes[0] = torch.tensor([5.0, 6.0, 5.0, 6.0])
    ids = torch.randint(1, 4, (60,), generator=generator)
    rois = torch.cat([(ids - 1)[:, None].float(), boxes], 1)
    expected = roi_align(masks[:, None], rois, (28, 28), 1.0, aligned=aligned)[:, 0]
    found, known = mask_targets(labels, ids, boxes, 28, aligned)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert known.all()
    if not aligned:
        torch.testing.assert_close(expected, project_masks_on_boxes(masks, boxes, ids - 1, 28))
