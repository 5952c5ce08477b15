"""The GCN decoder."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from napari_nucleidomain.networks.detection import Features
from napari_nucleidomain.networks.detection.gcn import BoundaryRefinement, GcnDecoder, LargeKernel, doubling


def test_a_large_kernel_sees_its_whole_square_and_no_more() -> None:
    block = LargeKernel(1, 1, 5)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(1.0 if parameter.ndim == 4 else 0.0)
    x = torch.zeros(1, 1, 11, 11)
    x[0, 0, 5, 5] = 1
    expected = torch.zeros(11, 11)
    expected[3:8, 3:8] = 2
    assert torch.equal(block(x)[0, 0], expected)
    assert {tuple(conv.kernel_size) for conv in [*block.down_then_across, *block.across_then_down]} == {(5, 1), (1, 5)}


def test_boundary_refinement_adds_to_what_it_is_given() -> None:
    block = BoundaryRefinement(2)
    x = torch.randn(1, 2, 6, 6)
    torch.testing.assert_close(block(x) - x, block.body(x))


def test_doubling_begins_as_bilinear_interpolation() -> None:
    x = torch.randn(1, 2, 6, 6)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(doubling(2)(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_all_stages_reach_the_map_at_full_size() -> None:
    torch.manual_seed(0)
    net = GcnDecoder([4, 6, 8, 10])
    c = [torch.randn(1, width, 16 >> row, 24 >> row, requires_grad=True) for row, width in enumerate((4, 6, 8, 10))]
    out = net(Features(c, [], (61, 96)))
    assert out.shape == (1, 2, 61, 96)
    out.pow(2).sum().backward()
    assert all(stage.grad is not None and stage.grad.abs().sum() > 0 for stage in c)
    assert len(net.refine_up) == len(net.up) == 5
