"""Checkpoints with a byte that is not what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.training.state import TorchCheckpoints

STATE: dict[str, Any] = {
    "position": {"clock": 12.5, "SPN": {"key": "SPN:abc", "step": 7, "seconds": 3.5, "allowed": None}},
    "tracked": {"net": {"w": torch.arange(1000.0), "b": torch.ones(3)}},
}


def same(state: dict[str, Any]) -> bool:
    weights = state["tracked"]["net"]
    return state["position"] == STATE["position"] and all(
        torch.equal(weights[name], value) for name, value in STATE["tracked"]["net"].items()
    )


def flips(file: Path, places: int) -> list[bool | None]:
    """What comes of a flip at places all over the file: None where it is said, else whether the state is right."""
    whole, found = file.read_bytes(), []
    for place in np.linspace(0, len(whole) - 1, places).astype(int):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        try:
            found.append(same(TorchCheckpoints().load(file)))
        except NucleiError as error:
            assert "is damaged" in error.message and "Start a new training" in error.hint
            found.append(None)
    file.write_bytes(whole)
    return found


def test_every_flipped_byte_is_said(tmp_path):
    file = tmp_path / "latest.ckpt"
    TorchCheckpoints().save(STATE, file)
    assert same(TorchCheckpoints().load(file))
    assert flips(file, 50) == [None] * 50


def test_checkpoints_of_earlier_versions_are_read_and_never_wrongly(tmp_path):
    file = tmp_path / "latest.ckpt"
    torch.save(STATE, file)
    assert same(TorchCheckpoints().load(file))
    found = flips(file, 50)
    assert False not in found
    assert found.count(None) > 35, "the rest is of no meaning, as the padding"


@pytest.mark.parametrize("cut", [1, 20, 64, 300])
def test_one_cut_short_is_said(tmp_path, cut):
    file = tmp_path / "latest.ckpt"
    TorchCheckpoints().save(STATE, file)
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(NucleiError, match="is damaged"):
        TorchCheckpoints().load(file)


def test_an_earlier_version_of_the_program_can_read_it(tmp_path):
    TorchCheckpoints().save(STATE, tmp_path / "latest.ckpt")
    assert same(torch.load(tmp_path / "latest.ckpt", weights_only=True))
