"""The discriminator of AD-GAN: one body, a branch for each domain (Table 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from .generator import CONV
from .settings import NetworkSettings


class Discriminator(nn.Module):
    """Tells, patch by patch, what belongs to a domain from what was only translated into it.

    For 256 × 256 its last two stages have 31 × 31 and 30 × 30 places: four by four convolutions with padding 1 make
    sides shorter by one, which Table 8 overlooks.

    Parameters
    ----------
    settings : NetworkSettings
    """

    def __init__(self, settings: NetworkSettings = NetworkSettings()) -> None:  # noqa: B008 - frozen
        super().__init__()
        conv, base = CONV[settings.ndim], settings.base
        norm = nn.InstanceNorm2d if settings.ndim == 2 else nn.InstanceNorm3d
        widths = [settings.channels, base, 2 * base, 4 * base, 8 * base]
        self.body = nn.ModuleList()
        for k in range(4):
            parts: list[nn.Module] = [conv(widths[k], widths[k + 1], 4, stride=2 if k < 3 else 1, padding=1)]
            if k:
                parts.append(norm(widths[k + 1]))
            self.body.append(nn.Sequential(*parts, nn.LeakyReLU(0.2)))
        self.branches = nn.ModuleList(conv(widths[-1], 1, 4, stride=1, padding=1) for _ in range(2))
        for module in self.modules():
            if isinstance(module, _ConvNd):
                nn.init.normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, domain: int | Tensor) -> Tensor:
        """Logits.

        Parameters
        ----------
        x : Tensor
            (B, channels, *sides).
        domain : int or Tensor
            As which domain to judge: 0 or 1, or (B,) int64 of them.

        Returns
        -------
        Tensor
            (B, 1, *places).
        """
        for stage in self.body:
            x = stage(x)
        if isinstance(domain, int):
            return self.branches[domain](x)
        both = torch.stack([branch(x) for branch in self.branches])
        return both[domain, torch.arange(len(x), device=x.device)]
