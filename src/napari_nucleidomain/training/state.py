"""Checkpoints of a training: tensors and plain values, never code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import torch

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault


class _Keeping:
    """Writes to a file and keeps what the system said of it: torch reports a full disk in words of its own."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        """See `io.RawIOBase.write`."""
        try:
            return self._handle.write(content)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        """See `io.RawIOBase.flush`."""
        self._handle.flush()


class TorchCheckpoints:
    """Writes what a run tracks with `torch.save`, and reads it with `weights_only`."""

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write `state`.

        Raises
        ------
        OSError
            The disk is full, away or read-only.
        """
        with open(path, "wb") as handle:
            keeping = _Keeping(handle)
            try:
                torch.save(state, keeping)  # type: ignore[arg-type]  # all it asks for is `write`
            except (RuntimeError, OSError):
                if keeping.error is not None:
                    raise keeping.error from None
                raise

    def load(self, path: Path) -> dict[str, Any]:
        """Read what `save` wrote, to the CPU.

        Raises
        ------
        NucleiError
            The file is damaged.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if not {"position", "tracked"} <= state.keys():
                raise ValueError("not a checkpoint")
        except Exception as error:
            if told := not_its_fault(error):
                # Nothing to delete: it may well be whole.
                raise NucleiError(f"The state of this training cannot be read: {told[0]}.", told[1]) from error
            raise NucleiError(
                f"The state of this training cannot be read: {os.path.join(*path.parts[-2:])} is damaged.",
                "Start a new training; it can continue from the model this one has left. Or delete the file: then "
                "this training begins anew.",
            ) from error
        return state

    def seed(self, seed: int) -> None:
        """Seed torch's generators, so that dropout is the same after a resume."""
        torch.manual_seed(seed)
