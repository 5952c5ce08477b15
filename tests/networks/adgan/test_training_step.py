"""One step of AD-GAN: which loss moves which parameters, and each loss against its equation written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from napari_nucleidomain.networks.adgan import (
    CODE_LOSSES,
    IMAGES,
    MASKS,
    PAPER_LOSSES,
    TABLE_3,
    AlignedTraining,
    Discriminator,
    Generator,
    ImagePool,
    LossSettings,
    NetworkSettings,
    domain_label,
)


def made(losses: LossSettings = CODE_LOSSES, ndim: int = 2, style_in_encoder: bool = True) -> AlignedTraining:
    """Small networks in double precision."""
    torch.manual_seed(0)
    settings = NetworkSettings(ndim, width=4, blocks=1, style_width=8, style_in_encoder=style_in_encoder)
    return AlignedTraining(Generator(settings).double(), Discriminator(settings).double(), losses)


def batch(ndim: int = 2, count: int = 2) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    shape = (count, 1, *[32 if ndim == 2 else 24] * ndim)
    images, masks = (torch.rand(shape, generator=random, dtype=torch.float64) * 2 - 1 for _ in range(2))
    return images, masks.sign()


def literal(training: AlignedTraining, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """All four losses, one image and one direction after the other, means written as sums."""
    encoder, decoder, judge = training.generator.encoder, training.generator.decoder, training.discriminator
    settings = training.settings

    def mean_abs(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().sum() / x.numel()

    total = {name: torch.zeros((), dtype=torch.float64) for name in ("rec", "cyc", "ctr", "adv")}
    for x, i, j in ((a, IMAGES, MASKS), (b, MASKS, IMAGES)):
        for one in x:
            d_i, d_j = domain_label(i).double(), domain_label(j).double()
            c = encoder(one[None], d_i)
            rebuilt, crossed = decoder(c, d_i), decoder(c, d_j)
            again = encoder(crossed, d_j)
            total["rec"] += settings.reconstruction * mean_abs(rebuilt, one[None]) / len(x)
            total["cyc"] += settings.cycle * mean_abs(decoder(again, d_i), one[None]) / len(x)
            total["ctr"] += settings.content * mean_abs(again, c) / len(x)
            real, fake = judge(rebuilt, i), judge(crossed, j)
            if settings.gan == "lsgan":
                part = ((fake - 1) ** 2).mean() + (real**2).mean()
            elif settings.gan == "minimax":
                part = torch.log(torch.sigmoid(real)).mean() + torch.log(1 - torch.sigmoid(fake)).mean()
            else:
                part = -torch.log(torch.sigmoid(fake)).mean() - torch.log(1 - torch.sigmoid(real)).mean()
            total["adv"] += settings.adversarial * part / (2 * len(x))
    return total


@pytest.mark.parametrize(("gan", "ndim"), [("lsgan", 2), ("minimax", 2), ("nonsaturating", 2), ("lsgan", 3)])
def test_losses_are_the_equations(gan: str, ndim: int) -> None:
    training = made(LossSettings(adversarial=3.0, gan=gan), ndim)
    a, b = batch(ndim, 2 if ndim == 2 else 1)
    losses = training.generator_losses(training.translate(a, b))
    expected = literal(training, a, b)
    found = {"rec": losses.reconstruction, "cyc": losses.cycle, "ctr": losses.content, "adv": losses.adversarial}
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name].item(), rel=1e-4), name
    assert losses.rest.item() == pytest.approx(sum(expected[name].item() for name in ("cyc", "ctr", "adv")), rel=1e-4)


@pytest.mark.parametrize("losses", [CODE_LOSSES, PAPER_LOSSES], ids=["code", "paper"])
def test_the_decoder_learns_from_reconstruction_alone_and_the_encoder_from_everything(losses: LossSettings) -> None:
    training = made(losses)
    a, b = batch()
    training.backward(training.generator_losses(training.translate(a, b)))
    expected = literal(training, a, b)
    decoder = list(training.generator.decoder.parameters())
    encoder = list(training.generator.encoder.parameters())
    alone = torch.autograd.grad(expected["rec"], decoder, retain_graph=True)
    for parameter, gradient in zip(decoder, alone, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    everything = torch.autograd.grad(sum(expected.values()), encoder, retain_graph=True)
    for parameter, gradient in zip(encoder, everything, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
    # The rest would have moved the decoder: the test above can fail.
    moved = torch.autograd.grad(expected["cyc"] + expected["adv"], decoder, allow_unused=True)
    assert max(gradient.abs().max() for gradient in moved if gradient is not None) > 1e-3
    assert all(parameter.grad is None for parameter in training.discriminator.parameters())


def test_without_alignment_the_decoder_learns_from_everything() -> None:
    training = made(replace(CODE_LOSSES, aligned=False))
    a, b = batch()
    training.backward(training.generator_losses(training.translate(a, b)))
    parameters = list(training.generator.parameters())
    everything = torch.autograd.grad(sum(literal(training, a, b).values()), parameters)
    for parameter, gradient in zip(parameters, everything, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
    assert all(parameter.grad is None for parameter in training.discriminator.parameters())


@pytest.mark.parametrize("gan", ["lsgan", "minimax"])
@pytest.mark.parametrize("real", ["reconstructions", "images"])
def test_the_discriminator_tells_reconstructions_from_translations(gan: str, real: str) -> None:
    training = made(LossSettings(gan=gan, real=real, pool=0))
    a, b = batch()
    step = training.translate(a, b)
    loss = training.discriminator_loss(step)
    expected = torch.zeros((), dtype=torch.float64)
    judge, net = training.discriminator, training.generator
    for x, i, j in ((a, IMAGES, MASKS), (b, MASKS, IMAGES)):
        d_i, d_j = (domain_label(d, len(x)).double() for d in (i, j))
        true = judge(x if real == "images" else net(x, d_i, d_i), i)
        false = judge(net(x, d_i, d_j), j)
        if gan == "lsgan":
            expected = expected + (((true - 1) ** 2).mean() + (false**2).mean()) / 2
        else:
            logs = torch.log(torch.sigmoid(true)).mean() + torch.log(1 - torch.sigmoid(false)).mean()
            expected = expected - logs / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    loss.backward()
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(parameter.grad is not None for parameter in judge.parameters())


@pytest.mark.parametrize("name", TABLE_3)
def test_every_ablation_of_table_3_leaves_out_what_it_says(name: str) -> None:
    ablation = TABLE_3[name]
    training = made(ablation.losses, style_in_encoder=ablation.style_in_encoder)
    a, b = batch()
    step = training.translate(a, b)
    losses = training.generator_losses(step)
    zero = {part for part, value in losses.values().items() if value == 0}
    assert zero == {name.removeprefix("no_")} & {"reconstruction", "content", "cycle"}
    assert (name == "no_cycle") == (step.cycled is None)
    training.backward(losses)
    assert all(parameter.grad is not None for parameter in training.generator.parameters())
    assert training.settings.aligned == (name == "full")


def test_a_fixed_content_goal_gives_no_gradient_through_the_goal() -> None:
    found = []
    for goal in ("moving", "fixed"):
        training = made(LossSettings(cycle=0.0, adversarial=0.0, content_goal=goal))
        training.backward(training.generator_losses(training.translate(*batch())))
        found.append(training.generator.encoder.down[0].convolution.weight.grad)
    assert (found[0] - found[1]).abs().max() > 1e-6


def test_a_few_steps_of_both_sides_bring_the_losses_down() -> None:
    training = made()
    a, b = batch()
    adam = torch.optim.Adam(training.generator.parameters(), 5e-3, (0.5, 0.99))
    judge = torch.optim.Adam(training.discriminator.parameters(), 1e-3, (0.5, 0.99))
    seen = []
    for _ in range(25):
        step = training.translate(a, b)
        losses = training.generator_losses(step)
        adam.zero_grad()
        training.backward(losses)
        adam.step()
        judge.zero_grad()
        training.discriminator_loss(step).backward()
        judge.step()
        seen.append(losses.values())
    assert seen[-1]["reconstruction"] < 0.75 * seen[0]["reconstruction"]
    assert seen[-1]["cycle"] < 0.9 * seen[0]["cycle"]


def test_the_pool_hands_back_older_images_half_of_the_time() -> None:
    random = torch.Generator().manual_seed(0)
    pool = ImagePool(10)
    first = torch.arange(10.0).view(10, 1, 1, 1)
    assert torch.equal(pool.swap(first, random), first)
    old = torch.stack([pool.swap(torch.full((1, 1, 1, 1), 100.0 + k), random).flatten() for k in range(400)])
    share = (old.flatten() != 100 + torch.arange(400)).double().mean().item()
    assert share == pytest.approx(0.5, abs=0.08)
    # Nothing is in the pool twice or lost: what came in is either there or has been handed back.
    assert pool.images is not None
    values = torch.cat([old.flatten(), pool.images.flatten()]).sort().values
    assert torch.equal(values, torch.cat([first.flatten(), 100 + torch.arange(400.0)]))
    again = ImagePool(10)
    again.load_state_dict(pool.state_dict())
    assert torch.equal(again.images, pool.images)
    none = ImagePool(0)
    assert torch.equal(none.swap(first), first)
    assert none.images is None


def test_the_pools_are_part_of_the_training_state() -> None:
    training, other = made(), made()
    step = training.translate(*batch())
    training.discriminator_loss(step, torch.Generator().manual_seed(0))
    other.load_state_dict(training.state_dict())
    torch.testing.assert_close(other.pools[MASKS].images, step.crossed[:2].detach())
    torch.testing.assert_close(other.pools[IMAGES].images, step.crossed[2:].detach())


def test_settings_that_cannot_learn_are_refused() -> None:
    with pytest.raises(ValueError, match="reconstruction"):
        LossSettings(reconstruction=0.0)
    with pytest.raises(ValueError, match="at least 0"):
        LossSettings(cycle=-1.0)
    with pytest.raises(ValueError, match="one shape"):
        made().translate(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 16, 16))
