"""AD-GAN's networks: the shapes of Tables 5-8, what AdaIN does, how many parameters there are and how they begin."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_nucleidomain.networks.adgan import (
    CODE_NETWORKS,
    IMAGES,
    MASKS,
    Decoder,
    Discriminator,
    Encoder,
    Generator,
    NetworkSettings,
    adaptive_instance_norm,
    domain_label,
)

SIDES = {2: (256, 256), 3: (64, 128, 128)}
# Channels of each stage in 2D, and by what sides are divided there: Tables 5, 7 and 8.
TABLE_5 = [(64, 1), (128, 2), (256, 4), (256, 4), (256, 4), (256, 4), (256, 4)]
TABLE_7 = [(256, 4), (256, 4), (256, 4), (256, 4), (128, 2), (64, 1), (1, 1)]


def shapes(network: nn.Module, stages: list[nn.Module], *inputs: Any) -> list[tuple[int, ...]]:
    """What each stage gives, without the batch."""
    seen: list[tuple[int, ...]] = []
    hooks = [stage.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:]))) for stage in stages]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


def expected(table: list[tuple[int, int]], ndim: int) -> list[tuple[int, ...]]:
    """The table in 2D, and with half the channels in 3D."""
    return [
        (channels if channels == 1 else channels // (ndim - 1), *(side // by for side in SIDES[ndim]))
        for channels, by in table
    ]


@pytest.fixture(scope="module", params=[2, 3], ids=["2D", "3D"])
def paper(request: pytest.FixtureRequest) -> tuple[int, Generator, Discriminator]:
    torch.manual_seed(0)
    settings = NetworkSettings(request.param)
    # Shapes are those of any device; on the meta device they cost nothing.
    with torch.device("meta"):
        return request.param, Generator(settings), Discriminator(settings)


def test_layers_have_the_shapes_of_the_tables(paper: tuple[int, Generator, Discriminator]) -> None:
    ndim, generator, discriminator = paper
    x = torch.zeros(2, 1, *SIDES[ndim], device="meta")
    label = torch.zeros(2, 2, device="meta")
    encoder, decoder = generator.encoder, generator.decoder
    assert shapes(encoder, [*encoder.down, *encoder.blocks], x, label) == expected(TABLE_5, ndim)
    content = torch.zeros(2, *expected(TABLE_5, ndim)[-1], device="meta")
    stages = [*decoder.blocks, *decoder.up, decoder.last]
    assert shapes(decoder, stages, content, label) == expected(TABLE_7, ndim)
    widths = [64, 128, 256, 512, 1] if ndim == 2 else [32, 64, 128, 256, 1]
    sides = [tuple(side // by for side in SIDES[ndim]) for by in (2, 4, 8)]
    sides += [tuple(side // 8 - less for side in SIDES[ndim]) for less in (1, 2)]
    for domain in (IMAGES, MASKS):
        seen = shapes(discriminator, [*discriminator.body, discriminator.branches[domain]], x, domain)
        assert seen == [(width, *side) for width, side in zip(widths, sides, strict=True)]
    if ndim == 2:
        assert seen[-2:] == [(512, 31, 31), (1, 30, 30)]


def test_parameters_are_as_many_as_the_tables_imply(paper: tuple[int, Generator, Discriminator]) -> None:
    ndim, generator, discriminator = paper
    w = 64 if ndim == 2 else 32

    def conv(inside: int, outside: int, kernel: int) -> int:
        return inside * outside * kernel**ndim + outside

    def mlp(styles: int) -> int:
        return 2 * 256 + 256 + 256 * 256 + 256 + 256 * styles + styles

    bottleneck = 8 * conv(4 * w, 4 * w, 3)
    # n_s: 4992 and 4480 in 2D
    n_encoder, n_decoder = 2 * (w + 2 * w + 4 * w + 8 * 4 * w), 2 * (8 * 4 * w + 2 * w + w)
    assert ndim == 3 or (n_encoder, n_decoder) == (4992, 4480)
    scale = conv(w, 2 * w, 3) + conv(2 * w, 4 * w, 3)
    assert count(generator.encoder) == conv(1, w, 7) + scale + bottleneck + mlp(n_encoder)
    unscale = conv(4 * w, 2 * w, 3) + conv(2 * w, w, 3)
    assert count(generator.decoder) == bottleneck + unscale + conv(w, 1, 7) + mlp(n_decoder)
    body = conv(1, w, 4) + conv(w, 2 * w, 4) + conv(2 * w, 4 * w, 4) + conv(4 * w, 8 * w, 4)
    assert count(discriminator) == body + 2 * conv(8 * w, 1, 4)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def literal_adain(content: Tensor, shift: Tensor, gain: Tensor) -> Tensor:
    """Eq. 6 and 7 word by word, for one channel after the other."""
    result = torch.empty_like(content)
    for n in range(content.shape[0]):
        for c in range(content.shape[1]):
            x = content[n, c]
            mean = x.sum() / x.numel()
            deviation = (((x - mean) ** 2).sum() / x.numel()).sqrt()
            result[n, c] = gain[n, c] * (x - mean) / deviation + shift[n, c]
    return result


@pytest.mark.parametrize("sides", [(7, 9), (4, 5, 6)])
def test_adain_is_eq_7_and_with_the_contents_own_statistics_the_identity(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, *sides, dtype=torch.float64) * 3 + 2
    shift, gain = torch.randn(2, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(
        adaptive_instance_norm(x, shift, gain), literal_adain(x, shift, gain), rtol=1e-5, atol=1e-5
    )
    axes = tuple(range(2, x.ndim))
    own = adaptive_instance_norm(x, x.mean(axes), (x.var(axes, correction=0) + 1e-5).sqrt())
    torch.testing.assert_close(own, x)


def small(**changes: Any) -> NetworkSettings:
    return NetworkSettings(**{"width": 4, "blocks": 1, "style_width": 8, **changes})


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("up", ["transposed", "resize"])
def test_the_output_is_an_image_with_dark_and_bright_and_the_domain_decides(ndim: int, up: str) -> None:
    torch.manual_seed(0)
    generator = Generator(small(ndim=ndim, up=up))
    x = torch.rand(2, 1, *[16] * ndim) * 2 - 1
    a, b = domain_label(IMAGES, 2), domain_label(MASKS, 2)
    to_a, to_b = generator(x, a, a), generator(x, a, b)
    assert to_a.shape == to_b.shape == x.shape
    assert to_b.min() < -0.1 < 0.1 < to_b.max()
    assert (to_a - to_b).abs().max() > 0.01
    # Both samples of a batch are on their own.
    torch.testing.assert_close(generator(x[:1], a[:1], b[:1]), to_b[:1], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="multiples of 4"):
        generator(x[..., :14], a, b)


def test_labels_between_the_domains_change_the_output_step_by_step() -> None:
    torch.manual_seed(0)
    generator = Generator(small())
    x = torch.rand(1, 1, 16, 16)
    a, b = domain_label(IMAGES), domain_label(MASKS)
    outputs = [generator(x, a, torch.lerp(b, a, t)) for t in (0.0, 0.001, 1.0)]
    assert 0 < (outputs[0] - outputs[1]).abs().max() < 0.1 * (outputs[0] - outputs[2]).abs().max()


def test_an_encoder_without_styles_does_not_know_the_domain() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 16, 16)
    a, b = domain_label(IMAGES), domain_label(MASKS)
    with_style, without = Encoder(small()), Encoder(small(style_in_encoder=False))
    assert (with_style(x, a) - with_style(x, b)).abs().max() > 0.01
    assert torch.equal(without(x, a), without(x, b))
    assert not any("style" in name for name, _ in without.named_parameters())
    assert sum("gain" in name for name, _ in without.named_parameters()) == 5


def test_the_gain_is_what_the_style_network_says_or_one_more() -> None:
    label = domain_label(MASKS)
    plain, more = Decoder(small(gain="plain")).style, Decoder(small()).style
    more.load_state_dict(plain.state_dict())
    for (shift, gain), (same, larger) in zip(plain(label), more(label), strict=True):
        assert torch.equal(shift, same)
        assert torch.equal(gain + 1, larger)


def test_each_domain_has_its_branch_of_the_discriminator() -> None:
    torch.manual_seed(0)
    net = Discriminator(small())
    x = torch.randn(3, 1, 32, 32)
    domains = torch.tensor([1, 0, 1])
    mixed = net(x, domains)
    assert mixed.shape == (3, 1, 2, 2)
    for k, domain in enumerate(domains.tolist()):
        torch.testing.assert_close(mixed[k], net(x, domain)[k])
    assert (net(x, 0) - net(x, 1)).abs().max() > 0


def test_weights_begin_as_in_the_authors_code() -> None:
    torch.manual_seed(0)
    generator, discriminator = Generator(CODE_NETWORKS), Discriminator(CODE_NETWORKS)
    weight = generator.encoder.blocks[0].layers[0].convolution.weight
    assert weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    hidden = generator.decoder.style.mlp[2].weight
    assert hidden.shape == (64, 64)
    assert hidden.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    assert discriminator.body[2][0].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(not p.any() for net in (generator, discriminator) for n, p in net.named_parameters() if "bias" in n)
