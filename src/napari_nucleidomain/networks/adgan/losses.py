"""What translations are judged by: adversarial losses of both sides, and absolute differences."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .objectives import Adversarial


def difference(values: Tensor, goals: Tensor) -> Tensor:
    """Eq. 1, 3 and 4: mean absolute difference in each of the two domains, summed over both.

    Parameters
    ----------
    values, goals : Tensor
        (2B, ...), B of each domain.
    """
    return 2 * F.l1_loss(_full(values), _full(goals))


def _full(values: Tensor) -> Tensor:
    """At least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def discriminator_loss(real: Tensor, fake: Tensor, gan: Adversarial) -> Tensor:
    """What the discriminator minimises.

    Parameters
    ----------
    real, fake : Tensor
        Logits of any shapes; the mean of each is taken.
    gan : {"lsgan", "minimax", "nonsaturating"}
        The last two are the same for the discriminator: minus Eq. 2.
    """
    real, fake = _full(real), _full(fake)
    if gan == "lsgan":
        return ((real - 1) ** 2).mean() + (fake**2).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(translated: Tensor, rebuilt: Tensor | None, gan: Adversarial) -> Tensor:
    """What the encoder minimises: translations are to score real and, where given, reconstructions fake.

    Parameters
    ----------
    translated : Tensor
        Logits of translations.
    rebuilt : Tensor or None
        Logits of reconstructions.
    gan : {"lsgan", "minimax", "nonsaturating"}
        "minimax" is Eq. 2: log D(rebuilt) + log(1 - D(translated)).
    """
    translated = _full(translated)
    rebuilt = translated.new_zeros(0) if rebuilt is None else _full(rebuilt)
    if gan == "lsgan":
        parts = [(translated - 1) ** 2, rebuilt**2]
    elif gan == "minimax":
        parts = [F.logsigmoid(-translated), F.logsigmoid(rebuilt)]
    else:
        parts = [F.softplus(-translated), F.softplus(rebuilt)]
    return torch.stack([part.mean() for part in parts if part.numel()]).sum()
