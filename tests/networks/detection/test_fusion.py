"""Semantic feature fusion against Eq. 1-3 written down word by word: values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_nucleidomain.networks.detection import Features
from napari_nucleidomain.networks.detection.fusion import FusionMap, fuse


def literal(base: Tensor, masks: Tensor, boxes: Tensor, scores: Tensor, image: Tensor) -> Tensor:
    """Eq. 2 as a loop: F_i = G_replace(G_reshape(M_i, B_i), sub(F_{i-1}, B_i))."""
    maps = [single.clone() for single in base]
    height, width = base.shape[-2:]
    for i in sorted(range(len(scores)), key=lambda row: float(scores[row])):
        x1, y1, x2, y2 = (int(value) for value in boxes[i].detach().round())
        x1, x2, y1, y2 = max(x1, 0), min(x2, width), max(y1, 0), min(y2, height)
        if x2 - x1 < 1 or y2 - y1 < 1:
            continue
        reshaped = F.interpolate(masks[i][None], (y2 - y1, x2 - x1), mode="bilinear", align_corners=False)[0]
        replaced = maps[int(image[i])].clone()
        replaced[:, y1:y2, x1:x2] = reshaped
        maps[int(image[i])] = replaced
    return torch.stack(maps)


def random_case(seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(2, 2, 60, 50, generator=generator)
    masks = torch.randn(30, 2, 28, 28, generator=generator)
    low = torch.rand(30, 2, generator=generator) * 60 - 8
    boxes = torch.cat([low, low + torch.rand(30, 2, generator=generator) ** 2 * 45], 1)
    # One pixel, less than one, outside the image, the whole image, and upside down.
    boxes[:5] = torch.tensor(
        [[3, 4, 4, 5], [7.1, 7.1, 7.3, 9], [55, 3, 70, 9], [-5, -5, 90, 90], [9, 9, 4, 20]], dtype=torch.float32
    )
    return base, masks, boxes, torch.rand(30, generator=generator), torch.arange(30) % 2


def test_fusion_equals_the_literal_loop_in_values_and_gradients() -> None:
    base, masks, boxes, scores, image = random_case()
    inputs = [value.double().requires_grad_() for value in (base, masks)]
    results = []
    for function in (fuse, literal):
        fused = function(*inputs, boxes, scores, image)
        weight = torch.linspace(-1, 1, fused.numel(), dtype=torch.float64).view(fused.shape)
        results.append((fused, *torch.autograd.grad((fused * weight).sum(), inputs)))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_what_is_covered_gives_no_gradient_and_the_mask_on_top_gets_it() -> None:
    base = torch.zeros(1, 2, 20, 20, requires_grad=True)
    masks = torch.randn(2, 2, 28, 28, requires_grad=True)
    boxes = torch.tensor([[2.0, 2.0, 12.0, 12.0], [2.0, 2.0, 12.0, 12.0]], requires_grad=True)
    fused = fuse(base, masks, boxes, torch.tensor([0.9, 0.3]), torch.zeros(2, dtype=torch.long))
    fused.pow(2).sum().backward()
    assert masks.grad is not None
    assert masks.grad[0].abs().sum() > 0
    assert masks.grad[1].abs().sum() == 0
    assert boxes.grad is None
    ones = torch.autograd.grad(fuse(base, masks, boxes, torch.tensor([0.9, 0.3]), torch.zeros(2).long()).sum(), base)[0]
    assert (ones[..., 2:12, 2:12] == 0).all()
    assert ones.sum() == 2 * (400 - 100)


def test_no_mask_leaves_the_map() -> None:
    base = torch.randn(1, 2, 8, 8)
    none = torch.zeros(0)
    assert torch.equal(fuse(base, none.view(0, 2, 28, 28), none.view(0, 4), none, none.long()), base)


@pytest.mark.parametrize("size", [(32, 24), (30, 21)])
def test_the_map_of_the_pyramid_is_upsampled_then_convolved(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = FusionMap(5)
    p2 = torch.randn(2, 5, 8, 6)
    found = net(Features([], [p2], size))
    expected = net.conv(F.interpolate(p2, scale_factor=4, mode="nearest"))[..., : size[0], : size[1]]
    torch.testing.assert_close(found, expected)
