"""Shapes, what ImageNet weights would find, and coordinates that begin as nothing."""

from __future__ import annotations

import pytest
import torch

from napari_nucleidomain.networks.coordinates import CoordConv, unit_grid
from napari_nucleidomain.networks.resnet_unet import ResNetUNet
from napari_nucleidomain.networks.small_unet import SmallUNet


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_small_net_keeps_the_size(channels: int) -> None:
    net = SmallUNet(channels, 5, width=8, depth=2).eval()
    x = torch.randn(2, channels, net.multiple * 3, net.multiple * 5)
    assert net(x).shape == (2, 5, *x.shape[-2:])


def test_paper_net() -> None:
    from torchvision.models import resnet34

    net = ResNetUNet(3, 16).eval()
    with torch.inference_mode():
        assert net(torch.randn(1, 3, 64, 96)).shape == (1, 16, 64, 96)
    own = {name: value.shape for name, value in net.encoder.state_dict().items()}
    theirs = {n: v.shape for n, v in resnet34(weights=None).state_dict().items() if not n.startswith("fc.")}
    assert own == theirs
    assert [block.body[0].out_channels for block in net.up] == [256, 128, 64, 64]
    kinds = [type(layer).__name__ for layer in net.up[0].body][:4]
    assert kinds == ["Conv2d", "ReLU", "BatchNorm2d", "Dropout2d"]


def test_paper_net_with_other_channels_and_odd_sizes() -> None:
    net = ResNetUNet(2, 2).eval()
    with torch.inference_mode():
        assert net(torch.randn(1, 2, 75, 90)).shape == (1, 2, 75, 90)


def test_coordinates_begin_as_nearly_nothing() -> None:
    layer = CoordConv(3)
    assert layer.conv.weight.shape == (3, 5, 1, 1)
    x = torch.randn(2, 3, 8, 6)
    assert (layer(x) - x).abs().max() < 0.15
    grid = unit_grid(x)
    assert grid.shape == (2, 2, 8, 6)
    assert grid[0, 0, 0, 0] == -1
    assert grid[0, 0, -1, 0] == 1
    assert grid[1, 1, 3, -1] == 1


def test_a_smaller_tile_has_the_coordinates_of_the_middle_of_a_trained_one() -> None:
    whole = unit_grid(torch.zeros(1, 3, 224, 224))
    assert torch.equal(unit_grid(torch.zeros(1, 3, 224, 224), 224), whole)
    torch.testing.assert_close(unit_grid(torch.zeros(1, 3, 112, 64), 224), whole[:, :, 56:168, 80:144])
    layer = CoordConv(3, 224)
    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(layer(x[:, :, 56:168, 56:168]), layer(x)[:, :, 56:168, 56:168])
