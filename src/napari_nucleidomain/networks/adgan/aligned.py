"""Aligned disentangling training: one step of AD-GAN, free of optimisers and of the run around it (Fig. 5, 3.2-3.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .discriminator import Discriminator
from .generator import Generator
from .losses import difference, discriminator_loss, generator_loss
from .objectives import LossSettings
from .pool import ImagePool
from .settings import IMAGES, MASKS, domain_label

Backward = Callable[..., Any]


@dataclass(frozen=True)
class Translated:
    """Images and masks sent through the generator in every way. First the B of images, then the B of masks.

    Attributes
    ----------
    given : Tensor
        (2B, C, *sides): x_a and x_b.
    domain : Tensor
        (2B,) int64: to which each belongs.
    content : Tensor
        c_a and c_b.
    rebuilt : Tensor or None
        x_aa and x_bb; None where no loss needs them.
    crossed : Tensor
        x_ab and x_ba: images as masks, then masks as images.
    content_crossed, cycled : Tensor or None
        Content of `crossed`, and x_aba and x_bab.
    """

    given: Tensor
    domain: Tensor
    content: Tensor
    rebuilt: Tensor | None
    crossed: Tensor
    content_crossed: Tensor | None
    cycled: Tensor | None


@dataclass(frozen=True)
class GeneratorLosses:
    """Weighted losses of the generator, each a scalar.

    Attributes
    ----------
    reconstruction : Tensor
        The only one from which the decoder learns when training is aligned.
    cycle, content, adversarial : Tensor
    """

    reconstruction: Tensor
    cycle: Tensor
    content: Tensor
    adversarial: Tensor

    @property
    def rest(self) -> Tensor:
        """All but reconstruction."""
        return self.cycle + self.content + self.adversarial

    def values(self) -> dict[str, float]:
        """For plots."""
        names = ("reconstruction", "cycle", "content", "adversarial")
        return {name: float(getattr(self, name).detach()) for name in names}


class AlignedTraining:
    """The steps of AD-GAN. Gradients are added to what the parameters hold; zeroing and stepping are the caller's.

    Parameters
    ----------
    generator : Generator
    discriminator : Discriminator
        It may be wrapped, as long as it is called alike.
    settings : LossSettings
    """

    def __init__(self, generator: Generator, discriminator: Discriminator | nn.Module, settings: LossSettings) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.settings = settings
        self.pools = {IMAGES: ImagePool(settings.pool), MASKS: ImagePool(settings.pool)}

    def translate(self, images: Tensor, masks: Tensor) -> Translated:
        """Reconstruct, translate and translate back.

        Parameters
        ----------
        images, masks : Tensor
            (B, C, *sides) in [-1, 1], of the same shape.
        """
        if images.shape != masks.shape:
            raise ValueError(f"images {tuple(images.shape)} and masks {tuple(masks.shape)} must have one shape")
        batch, device = len(images), images.device
        own = torch.cat([domain_label(domain, batch, device) for domain in (IMAGES, MASKS)])
        other = own.flip(1)
        encode, decode = self.generator.encoder, self.generator.decoder
        given = torch.cat([images, masks])
        content = encode(given, own)
        rebuilt = decode(content, own) if self.settings.rebuilds else None
        crossed = decode(content, other)
        content_crossed = encode(crossed, other) if self.settings.translates_back else None
        cycled = decode(content_crossed, own) if content_crossed is not None and self.settings.cycle else None
        return Translated(given, own.argmax(1), content, rebuilt, crossed, content_crossed, cycled)

    def copying_loss(self, images: Tensor, masks: Tensor) -> Tensor:
        """How far images and masks are from being copied, under either label; to begin with, not part of the paper.

        From random weights some starts translate negatively, and nothing in the other losses leads back: nuclei become
        background for good. A generator that has copied for a while translates bright into bright.

        Parameters
        ----------
        images, masks : Tensor
            As for `translate`.
        """
        own = torch.cat([domain_label(domain, len(images), images.device) for domain in (IMAGES, MASKS)])
        given = torch.cat([images, masks])
        content = self.generator.encoder(given, own)
        copies = [self.generator.decoder(content, label) for label in (own, own.flip(1))]
        return difference(copies[0], given) + difference(copies[1], given)

    def generator_losses(self, step: Translated) -> GeneratorLosses:
        """Weighted losses of one step; the discriminator's parameters take part but must not be moved by them."""
        s = self.settings
        zero = step.crossed.new_zeros((), dtype=torch.float32)
        reconstruction = cycle = content = adversarial = zero
        if s.reconstruction and step.rebuilt is not None:
            reconstruction = s.reconstruction * difference(step.rebuilt, step.given)
        if step.cycled is not None:
            cycle = s.cycle * difference(step.cycled, step.given)
        if s.content and step.content_crossed is not None:
            goal = step.content.detach() if s.content_goal == "fixed" else step.content
            content = s.content * difference(step.content_crossed, goal)
        if s.adversarial:
            both = s.halves == "both" and s.real == "reconstructions"
            rebuilt = self.discriminator(step.rebuilt, step.domain) if both else None
            translated = self.discriminator(step.crossed, 1 - step.domain)
            adversarial = s.adversarial * generator_loss(translated, rebuilt, s.gan)
        return GeneratorLosses(reconstruction, cycle, content, adversarial)

    def backward(self, losses: GeneratorLosses, backward: Backward = Tensor.backward) -> None:
        """Add the generator's gradients; the discriminator gets none.

        Parameters
        ----------
        losses : GeneratorLosses
        backward : callable
            Called as ``Tensor.backward``, with `inputs` and `retain_graph`.
        """
        encoder = list(self.generator.encoder.parameters())
        decoder = list(self.generator.decoder.parameters())
        if not self.settings.aligned:
            backward(losses.reconstruction + losses.rest, inputs=encoder + decoder)
            return
        # Named parameters, not frozen modules: what learns from what does not depend on when the graph was made.
        rest = losses.rest
        backward(losses.reconstruction, retain_graph=rest.requires_grad, inputs=encoder + decoder)
        if rest.requires_grad:
            backward(rest, inputs=encoder)

    def discriminator_loss(self, step: Translated, random: torch.Generator | None = None) -> Tensor:
        """What the discriminator minimises; nothing of it reaches the generator.

        Parameters
        ----------
        step : Translated
        random : torch.Generator, optional
            Decides which earlier translations it sees.
        """
        real = step.given if self.settings.real == "images" or step.rebuilt is None else step.rebuilt.detach()
        batch = len(step.given) // 2
        as_masks = self.pools[MASKS].swap(step.crossed[:batch], random)
        as_images = self.pools[IMAGES].swap(step.crossed[batch:], random)
        fake = torch.cat([as_masks, as_images])
        return discriminator_loss(
            self.discriminator(real, step.domain), self.discriminator(fake, 1 - step.domain), self.settings.gan
        )

    def state_dict(self) -> dict[str, Any]:
        """The pools, for checkpoints; networks are tracked by their owner."""
        return {str(domain): pool.state_dict() for domain, pool in self.pools.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        for domain, pool in self.pools.items():
            pool.load_state_dict(state[str(domain)])
