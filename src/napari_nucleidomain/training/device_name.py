"""What a device is called so that two processes that mean the same one say the same."""

from __future__ import annotations

import torch

from .start import find_device


def name_device(wish: str) -> tuple[str, str]:
    """The device that a wish leads to in this process.

    Parameters
    ----------
    wish : str
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Returns
    -------
    key : str
        The same for the same hardware in every process of this computer. A cluster shows each job its own graphics
        cards, counted from 0, so a card is known by its serial (UUID), never by its number.
    words : str
        For a person.

    Raises
    ------
    NucleiError
        It is not on this computer, or the name is none.
    """
    device = find_device(wish)
    if device.type == "cuda":
        known = torch.cuda.get_device_properties(device)
        return f"cuda {getattr(known, 'uuid', device.index)}", f"the graphics card {device} ({known.name})"
    if device.type == "mps":
        return "mps", "the Apple graphics chip"
    return "cpu", "the processor"
