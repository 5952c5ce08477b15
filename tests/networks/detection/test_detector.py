"""Training steps and detections on ordinary and on degenerate input."""

from __future__ import annotations

import pytest
import torch

from napari_nucleidomain.networks.detection import Detector, DetectorSettings, Replacements, Target
from napari_nucleidomain.networks.detection.heads import Boxes
from napari_nucleidomain.networks.detection.losses import LossFunctions
from napari_nucleidomain.networks.detection.matching import unknown_share
from napari_nucleidomain.networks.detection.results import Drawn, Step

SEVEN = {"rpn_objectness", "rpn_box", "box_class", "box_regression", "mask", "semantic", "fused"}


def gradients(net: Detector, losses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    net.zero_grad()
    sum(losses.values()).backward()
    missing = [name for name, value in net.named_parameters() if value.requires_grad and value.grad is None]
    assert not missing
    return {name: value.grad for name, value in net.named_parameters() if value.requires_grad}


def test_seven_losses_and_a_gradient_for_every_parameter(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    losses = net(tiny.picture(labels), [Target.of(labels)])
    assert set(losses) == SEVEN
    assert all(value.ndim == 0 and value > 0 for value in losses.values())
    found = gradients(net, losses)
    assert [name for name, value in found.items() if not value.abs().sum() > 0] == []


@pytest.mark.parametrize("mask_head", ["plain", "dual"])
def test_every_row_of_table_3_is_a_switch(tiny, mask_head: str) -> None:
    labels = tiny.discs()
    for fusion, semantic in ((True, False), (False, True), (True, True), (False, False)):
        net = tiny.detector(mask_head=mask_head, fusion=fusion, semantic=semantic)
        losses = net.losses(tiny.picture(labels), [Target.of(labels)])
        expected = SEVEN - (set() if fusion else {"fused"}) - (set() if semantic else {"semantic"})
        assert set(losses) == expected


@pytest.mark.parametrize("masks", ["boxes", "proposals"])
def test_the_mask_generator_learns_from_the_fused_map_alone(tiny, masks: str) -> None:
    net, labels = tiny.detector(fusion_masks=masks), tiny.discs()
    fused = net.losses(tiny.picture(labels), [Target.of(labels)])["fused"]
    grads = torch.autograd.grad(fused, list(net.mask_head.parameters()))
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_the_fused_maps_boxes_are_detached(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    fused = net.losses(tiny.picture(labels), [Target.of(labels)])["fused"]
    parts = [*net.box_head.parameters(), *net.rpn.parameters()]
    assert all(grad is None for grad in torch.autograd.grad(fused, parts, allow_unused=True))


@pytest.mark.parametrize("value", [0, -1])
def test_an_image_without_nuclei_or_of_which_nothing_is_known(tiny, value: int) -> None:
    net, labels = tiny.detector(), torch.full((64, 64), value)
    losses = net.losses(torch.randn(1, 3, 64, 64), [Target.of(labels)])
    found = gradients(net, losses)
    assert all(grad.isfinite().all() for grad in found.values())
    learned = {name for name, loss in losses.items() if loss != 0}
    assert learned == (set() if value else {"rpn_objectness", "box_class", "semantic", "fused"})
    if value:
        assert all((grad == 0).all() for grad in found.values())


def test_beside_an_image_with_nuclei_an_unknown_one_adds_nothing(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    image, target = tiny.picture(labels), Target.of(labels)
    other = Target.of(torch.full_like(labels, -1))
    alone = net.losses(image, [target], seeds=[4])
    both = net.losses(torch.cat([image, torch.randn_like(image)]), [target, other], seeds=[4, 5])
    for name, value in alone.items():
        torch.testing.assert_close(both[name] * 2, value, rtol=1e-4, atol=1e-5)


def test_seeds_make_the_loss_of_a_batch_the_mean_of_its_images(tiny) -> None:
    net = tiny.detector()
    maps = [tiny.discs(), tiny.discs(step=32, radius=11)]
    images, targets = [tiny.picture(labels) for labels in maps], [Target.of(labels) for labels in maps]
    together = net.losses(torch.cat(images), targets, seeds=[1, 2])
    torch.manual_seed(99)
    single = [net.losses(image, [target], seeds=[n]) for image, target, n in zip(images, targets, (1, 2), strict=True)]
    for name, value in together.items():
        torch.testing.assert_close(value, (single[0][name] + single[1][name]) / 2, rtol=1e-4, atol=1e-5)


def test_what_lies_hidden_in_the_unknown_part_changes_nothing(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    image = tiny.picture(labels)
    known = labels.clone()
    known[:, 48:] = -1
    step = net.step(image, [Target.of(known)], seeds=[0])
    share = unknown_share(known, torch.cat(step.drawn.boxes))
    assert len(share) > 10
    assert share.max() < net.settings.box_iou
    for logits in (step.semantic, step.fused):
        loss = net.functions.semantic(logits, known[None])
        grad = torch.autograd.grad(loss, logits, retain_graph=True)[0]
        assert grad[..., :48].abs().sum() > 0
        assert grad[..., 48:].abs().sum() == 0


def test_nuclei_of_one_pixel_and_2000_of_them(tiny) -> None:
    labels = torch.zeros(192, 192, dtype=torch.long)
    labels[2::4, 2::4] = torch.arange(1, 48 * 48 + 1).view(48, 48)
    target = Target.of(labels)
    assert target.boxes[0].tolist() == [2, 2, 3, 3]
    assert len(target.boxes) == 2304
    net = tiny.detector()
    found = gradients(net, net.losses(tiny.picture(labels), [target]))
    assert all(grad.isfinite().all() for grad in found.values())


def test_boxes_without_area_are_left_out(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    target = Target.of(labels)
    target.boxes[0] = torch.tensor([5.0, 5.0, 5.0, 5.0])
    target.boxes[1] = torch.tensor([30.0, 5.0, 30.0, 9.0])
    losses = net.losses(tiny.picture(labels), [target])
    assert all(loss.isfinite() for loss in losses.values())


def test_gradients_reach_the_image_through_frozen_parameters(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    net.requires_grad_(False)
    image = tiny.picture(labels).requires_grad_()
    for name, loss in net.losses(image, [Target.of(labels)]).items():
        assert torch.autograd.grad(loss, image, retain_graph=True)[0].abs().sum() > 0, name


def test_features_of_a_detection_are_its_own(tiny) -> None:
    """PDAM's published code reads features by their place before the non-maximum suppression."""
    net, labels = tiny.detector(**tiny.plain, least_score=0.0, box_nms=0.3, detections=20), tiny.discs()
    with torch.no_grad():
        for layer in (net.box_head.scores, net.box_head.deltas):
            layer.weight.normal_()
        features = net.features(tiny.picture(labels))
        found = net.detect_in(features)[0]
        again = net.box_branch(features, [found.proposals[found.kept]])
        boxes = net.coder.decode_single(again.deltas, found.proposals[found.kept]).clamp(0, 96)
        masks = net.mask_branch(features, [found.boxes])
    assert found.kept.tolist() != list(range(len(found)))
    torch.testing.assert_close(again.logits.softmax(1)[:, 1], found.scores)
    torch.testing.assert_close(boxes, found.boxes)
    torch.testing.assert_close(masks.nucleus.sigmoid(), found.masks)
    assert found.scores.diff().max() <= 0


def test_roi_features_keep_the_order_of_images_and_boxes(tiny) -> None:
    net = tiny.detector()
    images = torch.randn(2, 3, 96, 96)
    boxes = [torch.tensor([[0.0, 0, 90, 90], [4, 4, 20, 20]]), torch.tensor([[8.0, 8, 16, 16]])]
    with torch.no_grad():
        together = net.roi_features(net.features(images), boxes, 7)
        for row, (image, box) in enumerate([(0, boxes[0][:1]), (0, boxes[0][1:]), (1, boxes[1])]):
            alone = net.roi_features(net.features(images[image : image + 1]), [box], 7)
            torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (70, 45), (33, 100)])
def test_sizes_that_are_no_multiple_of_the_strides(tiny, size: tuple[int, int]) -> None:
    net = tiny.detector()
    labels = torch.zeros(size, dtype=torch.long)
    labels[5:20, 8:22] = 7
    step = net.step(torch.randn(1, 3, *size), [Target.of(labels)])
    assert step.semantic is not None and step.semantic.shape == (1, 2, *size)
    assert step.fused is not None and step.fused.shape == (1, 2, *size)
    found = net(torch.randn(2, 3, *size))
    assert all(len(one) for one in found)
    limit = torch.tensor([size[1], size[0]] * 2)
    assert all((one.boxes <= limit).all() and (one.boxes >= 0).all() for one in found)
    assert not found[0].boxes.requires_grad


def test_detections_with_gradients(tiny) -> None:
    net = tiny.detector(detections=5)
    image = torch.randn(1, 3, 64, 64, requires_grad=True)
    found = net.detect(image, grad=True)[0]
    (found.scores.sum() + found.masks.sum()).backward()
    assert image.grad is not None and image.grad.abs().sum() > 0


def test_a_method_brings_its_own_losses_and_semantic_head(tiny) -> None:
    class Panoptic(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.nn.Conv2d(16, 2, 1)

        def forward(self, features):
            up = torch.nn.functional.interpolate(features.p[0], size=features.size)
            return self.last(up)

    functions = LossFunctions(mask=lambda logits, goals: (logits.sigmoid() - goals).abs() * 0 + 3)
    head = Panoptic()
    net = Detector(tiny.detector().settings, Replacements(semantic_head=head, losses=functions))
    labels = tiny.discs()
    losses = net.losses(tiny.picture(labels), [Target.of(labels)])
    assert losses["mask"].item() == pytest.approx(3)
    assert torch.autograd.grad(losses["semantic"], list(head.parameters()))[0].abs().sum() > 0


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50", "resnet101"])
@pytest.mark.parametrize("norm", ["group", "frozen"])
def test_backbones_have_torchvisions_names_and_do_not_blow_up(backbone: str, norm: str) -> None:
    import torchvision

    from napari_nucleidomain.networks.detection.backbone import Backbone

    with torch.device("meta"):
        theirs = getattr(torchvision.models, backbone)(weights=None).state_dict()
    torch.manual_seed(0)
    net = Backbone(DetectorSettings(backbone=backbone, norm=norm, fpn_channels=8))  # type: ignore[arg-type]
    own = net.body.state_dict()
    learned = {name: value.shape for name, value in theirs.items() if "running" not in name and "tracked" not in name}
    wanted = {name: shape for name, shape in learned.items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in own.items() if "running" not in name} == wanted
    with torch.no_grad():
        features = net(torch.randn(1, 3, 64, 64))
    assert [c.shape[-1] for c in features.c] == [16, 8, 4, 2]
    assert [p.shape[-1] for p in features.p] == [16, 8, 4, 2, 1]
    assert [c.shape[1] for c in features.c] == net.widths
    assert features.c[-1].std() < 100
    net.freeze(2)
    frozen = {name.split(".")[0] for name, value in net.body.named_parameters() if not value.requires_grad}
    assert frozen == ({"conv1", "layer1"} if norm == "frozen" else {"conv1", "bn1", "layer1"})


def test_half_precision(tiny) -> None:
    net, labels = tiny.detector(), tiny.discs()
    image, target = tiny.picture(labels), Target.of(labels)
    exact = net.losses(image, [target], seeds=[0])
    with torch.autocast("cpu", torch.bfloat16):
        step = net.step(image, [target], seeds=[0])
        found = net.detect(image)[0]
    assert all(value.dtype == torch.float32 for value in step.losses.values())
    assert found.boxes.dtype == found.masks.dtype == torch.float32
    for name, value in step.losses.items():
        assert value.item() == pytest.approx(exact[name].item(), rel=0.2, abs=0.05), name
    assert all(grad.isfinite().all() for grad in gradients(net, step.losses).values())


def test_no_map_per_nucleus_is_ever_made(tiny) -> None:
    """2,000 maps of this image would be 74 million values; the largest tensor of a step stays far below."""
    from torch.utils._python_dispatch import TorchDispatchMode

    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                largest = max(largest, out.numel())
            return out

    labels = torch.zeros(192, 192, dtype=torch.long)
    labels[2::4, 2::4] = torch.arange(1, 48 * 48 + 1).view(48, 48)
    net = tiny.detector()
    with Watch():
        losses = net.losses(tiny.picture(labels), [Target.of(labels)])
    assert losses["mask"] > 0
    assert 1_000_000 < largest < 30_000_000


def test_the_fused_map_shows_the_masks_of_the_predicted_boxes_of_each_image(tiny) -> None:
    """Where a predicted box lies alone, the fused map is its mask; elsewhere F_0. Two images keep their own."""
    net = tiny.detector()
    maps = [tiny.discs(), tiny.discs(step=32, radius=11)]
    images, targets = torch.cat([tiny.picture(labels) for labels in maps]), [Target.of(labels) for labels in maps]
    with torch.no_grad():
        step = net.step(images, targets, seeds=[0, 1])
        base = net.fusion_map(step.features)
        rows = step.drawn.positive
        found = net.coder.decode_single(step.boxes.deltas[rows], torch.cat(step.drawn.boxes)[rows]).clamp(0, 96)
        changed = (step.fused != base).any(1)
        for number in range(2):
            mine = step.drawn.image[rows] == number
            covered = torch.zeros(96, 96, dtype=torch.bool)
            for x1, y1, x2, y2 in found[mine].round().long().tolist():
                covered[y1:y2, x1:x2] = True
            assert changed[number].any()
            assert not (changed[number] & ~covered).any()
            best = found[mine][step.boxes.logits[rows][mine].softmax(1)[:, 1].argmax()]
            one = [best[None] if row == number else found[:0] for row in range(2)]
            mask = net.mask_branch(step.features, one).both
            x1, y1, x2, y2 = best.round().long().tolist()
            resized = torch.nn.functional.interpolate(mask, (y2 - y1, x2 - x1), mode="bilinear")[0]
            torch.testing.assert_close(step.fused[number, :, y1:y2, x1:x2], resized, rtol=1e-3, atol=1e-4)


def test_of_two_boxes_on_one_nucleus_only_the_surer_is_pasted(tiny) -> None:
    """Non-maximum suppression before Eq. 2: what only the doublet covers stays F_0; a neighbour is no doublet."""
    net, labels = tiny.detector(), tiny.discs()
    best, doublet, neighbour = [24.0, 24, 40, 40], [27.0, 24, 43, 40], [42.0, 44, 60, 60]
    boxes = torch.tensor([doublet, best, neighbour])
    logits = torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    three = torch.zeros(3, dtype=torch.long)
    with torch.no_grad():
        features = net.features(tiny.picture(labels))
        drawn = Drawn([boxes], three, three + 1, three + 1, torch.zeros(3, 4))
        found = Boxes(torch.zeros(3, 32), logits, torch.zeros(3, 4))
        fused = net._fused(Step({}, features, drawn, found, net.mask_branch(features, [boxes])))
        base = net.fusion_map(features)
        expected = base.clone()
        for x1, y1, x2, y2 in (best, neighbour):
            mask = net.mask_branch(features, [torch.tensor([[x1, y1, x2, y2]])]).both
            resized = torch.nn.functional.interpolate(mask, (int(y2 - y1), int(x2 - x1)), mode="bilinear")
            expected[..., int(y1) : int(y2), int(x1) : int(x2)] = resized
    torch.testing.assert_close(fused, expected, rtol=1e-3, atol=1e-4)
    assert torch.equal(fused[..., 24:40, 40:43], base[..., 24:40, 40:43])
