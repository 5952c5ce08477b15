"""Which losses AD-GAN learns from: the paper's, the authors' code's, and every row of Table 3."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Adversarial = Literal["lsgan", "minimax", "nonsaturating"]


@dataclass(frozen=True)
class LossSettings:
    """Weights and variants of the losses. A loss of weight 0 is not computed.

    Parameters
    ----------
    reconstruction, cycle, content, adversarial : float
        Weights: lambda_rec (Eq. 1), lambda_cyc (Eq. 4), lambda_ctr (Eq. 3) and that of Eq. 2 (section 4.2).
    gan : {"lsgan", "minimax", "nonsaturating"}
        Squared errors (the authors' code), Eq. 2 as written with log(1 - D), or cross entropy with swapped goals.
    aligned : bool
        First half of aligned disentangling training (3.2): the decoder learns from reconstruction only.
    real : {"reconstructions", "images"}
        Its second half: what the discriminator takes for real are reconstructions, instead of the images themselves.
    halves : {"both", "translations"}
        Whether the encoder is also to make reconstructions look translated, as Eq. 2 and the code have it. With
        `real="images"` there is nothing to move in that half.
    content_goal : {"moving", "fixed"}
        Whether the content that the translation's content is compared with moves too (code), or is a fixed goal.
    pool : int
        Translations per direction of which the discriminator sees some again (50 in the code); 0 for none.
    """

    reconstruction: float = 20.0
    cycle: float = 20.0
    content: float = 1.0
    adversarial: float = 1.0
    gan: Adversarial = "lsgan"
    aligned: bool = True
    real: Literal["reconstructions", "images"] = "reconstructions"
    halves: Literal["both", "translations"] = "both"
    content_goal: Literal["moving", "fixed"] = "moving"
    pool: int = 50

    def __post_init__(self) -> None:
        if min(self.reconstruction, self.cycle, self.content, self.adversarial) < 0:
            raise ValueError("weights of losses must be at least 0")
        if self.pool < 0:
            raise ValueError("a pool holds 0 or more images")
        if self.aligned and not self.reconstruction:
            raise ValueError("a decoder that learns from reconstruction only needs the reconstruction loss")

    @property
    def translates_back(self) -> bool:
        """Whether translations are encoded again."""
        return self.cycle > 0 or self.content > 0

    @property
    def rebuilds(self) -> bool:
        """Whether reconstructions are needed."""
        return self.reconstruction > 0 or (self.adversarial > 0 and self.real == "reconstructions")


PAPER_LOSSES = LossSettings(gan="minimax")
"""Section 3.4; what it leaves silent is as in the authors' code."""

CODE_LOSSES = LossSettings()
"""The authors' code."""


@dataclass(frozen=True)
class Ablation:
    """One column of Table 3.

    Attributes
    ----------
    title : str
        What is left out.
    losses : LossSettings
    style_in_encoder : bool
        For `NetworkSettings`.
    """

    title: str
    losses: LossSettings
    style_in_encoder: bool = True


_UNALIGNED = replace(CODE_LOSSES, aligned=False, real="images", halves="translations")

TABLE_3: dict[str, Ablation] = {
    "no_reconstruction": Ablation("same-domain image reconstruction", replace(_UNALIGNED, reconstruction=0.0)),
    "no_content": Ablation("cross-domain content reconstruction", replace(_UNALIGNED, content=0.0)),
    "no_cycle": Ablation("cycle consistency", replace(_UNALIGNED, cycle=0.0)),
    "no_encoder_style": Ablation("AdaIN in the encoder", _UNALIGNED, style_in_encoder=False),
    "no_alignment": Ablation("aligned disentangling training", _UNALIGNED),
    "full": Ablation("nothing", CODE_LOSSES),
}
"""The ablations, in the table's order. All but the last are without aligned disentangling training, too."""
