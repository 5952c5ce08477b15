"""Table 1 of Liu et al. (IJCAI 2019): shapes and parameters of each block; the plain head's two channels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_nucleidomain.networks.detection.mask_generator import DualMaskHead, Masks, PlainMaskHead


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_table_1() -> None:
    head = DualMaskHead(256)
    conv = 256 * 256 * 9 + 256
    assert parameters(head.common) == 3 * conv
    assert parameters(head.whole) == conv + 256 * 128 * 9 + 128
    assert parameters(head.fc) == 25_088 * 784 + 784
    assert parameters(head.detail) == conv + 256 * 1024 * 9 + 1024
    assert parameters(head.last) == 256 * 2 + 2
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for name, module in head.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.PixelShuffle | nn.Flatten):
            block = shapes.setdefault(name.split(".")[0], [])
            module.register_forward_hook(lambda _module, _in, out, block=block: block.append(tuple(out.shape[1:])))
    with torch.no_grad():
        masks = head(torch.randn(1, 256, 14, 14))
    assert shapes == {
        "common": [(256, 14, 14)] * 3,
        "whole": [(256, 14, 14), (128, 14, 14), (25_088,)],
        "fc": [(784,)],
        "detail": [(256, 14, 14), (1024, 14, 14), (256, 28, 28)],
        "last": [(2, 28, 28)],
    }
    assert masks.logits.shape == (1, 2, 28, 28)
    assert masks.hidden.shape == (1, 256, 14, 14)


def test_the_whole_rois_map_counts_for_both_channels() -> None:
    head = DualMaskHead(8, 8)
    x = torch.randn(3, 8, 14, 14)
    with torch.no_grad():
        before = head(x).logits
        head.fc.bias += torch.arange(784.0)
        moved = head(x).logits - before
    torch.testing.assert_close(moved, torch.arange(784.0).view(1, 1, 28, 28).expand(3, 2, 28, 28), atol=1e-3, rtol=0)


@pytest.mark.parametrize("head", [DualMaskHead, PlainMaskHead])
def test_nucleus_and_both_channels(head: type[nn.Module]) -> None:
    masks = head(8, 8)(torch.randn(2, 8, 14, 14))
    assert masks.both.shape == (2, 2, 28, 28)
    assert masks.nucleus.shape == (2, 28, 28)
    assert head(8, 8)(torch.zeros(0, 8, 14, 14)).both.shape == (0, 2, 28, 28)


def test_a_plain_heads_logit_means_the_same_in_the_fused_map() -> None:
    masks = Masks(torch.zeros(1), torch.randn(4, 1, 28, 28))
    torch.testing.assert_close(masks.both.softmax(1)[:, 1], masks.nucleus.sigmoid())
