"""Checkpoints of a training: tensors and plain values, never code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from napari_nucleidomain.contracts import NucleiError


class TorchCheckpoints:
    """Writes what a run tracks with `torch.save`, and reads it with `weights_only`."""

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write `state`."""
        with open(path, "wb") as handle:
            torch.save(state, handle)

    def load(self, path: Path) -> dict[str, Any]:
        """Read what `save` wrote, to the CPU.

        Raises
        ------
        NucleiError
            The file is damaged.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
            raise NucleiError(
                "The state of this training cannot be read: the file is damaged.",
                "Start a new training; it can continue from the last model.",
            ) from error
        return state

    def seed(self, seed: int) -> None:
        """Seed torch's generators, so that dropout is the same after a resume."""
        torch.manual_seed(seed)
