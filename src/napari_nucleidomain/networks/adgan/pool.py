"""Earlier translations, shown to the discriminator again so that it does not run after the newest ones only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Up to `size` images; once full, half of what is asked for is swapped against something older.

    Parameters
    ----------
    size : int
        0 hands back what it is given.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.images: Tensor | None = None

    @torch.no_grad()
    def swap(self, images: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Take images in and give as many back.

        Parameters
        ----------
        images : Tensor
            (B, C, *sides), without gradient.
        random : torch.Generator, optional
            On the processor.

        Returns
        -------
        Tensor
            As `images`.
        """
        result = images.detach().clone()
        if self.images is not None:
            # A checkpoint is read to the processor.
            self.images = self.images.to(images.device)
        for k in range(len(result) if self.size else 0):
            image = images[k : k + 1].detach()
            held = 0 if self.images is None else len(self.images)
            if held < self.size:
                self.images = image.clone() if self.images is None else torch.cat([self.images, image])
            elif torch.rand((), generator=random).item() < 0.5:
                assert self.images is not None
                place = int(torch.randint(held, (), generator=random))
                result[k] = self.images[place]
                self.images[place] = image[0]
        return result

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.images = state["images"]
