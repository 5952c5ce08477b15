"""Blending windows: identity for what is local, no seam, every pixel covered."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from napari_nucleidomain.inference.blending import blend, ramp, window_starts


@pytest.mark.parametrize(
    ("length", "window", "overlap"), [(100, 32, 8), (33, 32, 8), (97, 40, 39), (64, 32, 0), (20, 32, 8)]
)
def test_windows_cover_an_axis_and_share_the_overlap(length: int, window: int, overlap: int) -> None:
    starts = window_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] + window >= length
    for before, after in itertools.pairwise(starts):
        assert before < after <= before + window - overlap


def test_weights_of_neighbours_add_up_to_one_in_the_middle_of_a_regular_row() -> None:
    right = ramp(32, 8, True, False)[-8:]
    left = ramp(32, 8, False, True)[:8]
    assert torch.allclose(right + left, torch.ones(8))
    assert float(ramp(32, 8, False, False).min()) > 0


@pytest.mark.parametrize("shape", [(61, 83), (20, 30, 41)])
def test_what_depends_on_a_pixel_alone_is_unchanged(shape: tuple[int, ...]) -> None:
    x = torch.randn(1, 2, *shape)
    made = blend(x, lambda part: 3 * part + 1, [16] * len(shape), [4] * len(shape))
    assert torch.allclose(made, 3 * x + 1, atol=1e-5)


def test_an_image_that_fits_is_sent_once() -> None:
    calls = []

    def forward(part: torch.Tensor) -> torch.Tensor:
        calls.append(part.shape)
        return part

    blend(torch.randn(1, 1, 20, 30), forward, (32, 32), (8, 8))
    assert calls == [(1, 1, 20, 30)]


def test_where_windows_disagree_there_is_no_step() -> None:
    """A network that subtracts the mean of its window: joined without blending, windows meet in a step."""
    slope = torch.linspace(0, 1, 128).view(1, 1, 1, 128).expand(1, 1, 128, 128).contiguous()

    def forward(part: torch.Tensor) -> torch.Tensor:
        return part - part.mean()

    hard = torch.cat([forward(slope[..., :64]), forward(slope[..., 64:])], -1)
    soft = blend(slope, forward, (128, 64), (0, 32))

    def step(image: torch.Tensor) -> float:
        return float(image.diff(dim=-1).abs().max())

    assert step(hard) > 10 * step(soft)


def test_a_convolution_is_exact_where_only_inner_pixels_of_windows_count() -> None:
    """With an overlap much wider than the kernel, border effects have next to no weight."""
    kernel = torch.ones(1, 1, 3, 3) / 9
    x = torch.rand(1, 1, 96, 96)
    made = blend(x, lambda part: F.conv2d(F.pad(part, (1, 1, 1, 1), mode="reflect"), kernel), (48, 48), (24, 24))
    whole = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel)
    assert float((made - whole).abs().max()) < 0.02
