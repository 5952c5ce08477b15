"""Device, precision and threads of a training, through Lightning Fabric."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from napari_nucleidomain.contracts import NucleiError, RunContext, TeamLink

from .state import TorchCheckpoints


class Accelerator(Protocol):
    """What a loop asks of Fabric; `Processor` offers the same where there is no accelerator."""

    @property
    def device(self) -> torch.device:
        """Where tensors belong."""
        ...

    def autocast(self) -> AbstractContextManager[Any]:
        """Arithmetic of the forward pass."""
        ...


@dataclass(frozen=True)
class Processor:
    """The CPU. Fabric would do nothing here but take two seconds to import, which a person waits for.

    Attributes
    ----------
    precision : str
        "32-true" or "bf16-mixed".
    """

    precision: str

    @property
    def device(self) -> torch.device:
        """See `Accelerator`."""
        return torch.device("cpu")

    def autocast(self) -> AbstractContextManager[Any]:
        """See `Accelerator`."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16-mixed")


def find_device(wish: str) -> torch.device:
    """The device asked for; "auto" takes the best there is.

    Raises
    ------
    NucleiError
        It is not on this computer, or the name is none.
    """
    wish = wish.lower()
    if "," in wish:
        raise NucleiError(f"One device at a time here, not {wish}.", "Only a training can use several.")
    if wish == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, number = wish.partition(":")
    if colon and not (number.isascii() and number.isdigit()):
        raise NucleiError(f"There is no device {wish!r}.", "Graphics cards are counted from 0: cuda:0, cuda:1.")
    if kind in ("cuda", "gpu"):
        count = torch.cuda.device_count()
        if int(number or 0) >= count:
            there = f"{count} of them" if count else "none"
            raise NucleiError(
                f"The graphics card {wish!r} was asked for, and torch finds {there} on this computer.",
                "Choose cpu, or install the driver and a build of torch for this card (see the install page).",
            )
        return torch.device("cuda", int(number or 0))
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise NucleiError("The Apple graphics chip was asked for and is not here.", "Choose cpu.")
        return torch.device("mps")
    if kind == "cpu":
        return torch.device("cpu")
    raise NucleiError(f"There is no device {wish!r}.", "Choose auto, cpu, cuda, cuda:N or mps.")


def choose_precision(wish: str, device: torch.device) -> str:
    """Fabric's name of the precision; "auto" is bfloat16 where the hardware computes with it."""
    if wish != "auto":
        return wish
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device.type == "cpu":
        able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return "bf16-mixed" if able.get("avx512_bf16") or able.get("amx_bf16") else "32-true"
    return "32-true"


def default_threads(background: bool) -> int:
    """All cores; one less beside a viewer, which would hold up every thread that waits for the one it displaced."""
    cores = os.cpu_count() or 1
    return max(1, cores - 1) if background else cores


def start(run: RunContext, precision: str = "auto", key: str = "") -> Accelerator:
    """Prepare the process for training.

    Parameters
    ----------
    run : RunContext
        Its `device` and `threads` are obeyed; checkpoints are attached to it.
    precision : str
        "auto", "32-true", "bf16-mixed" or "16-mixed".
    key : str
        Digest of all that the training depends on; see `RunContext.attach`.

    Returns
    -------
    Accelerator
        Fabric on a graphics card, and where there are several devices.

    Raises
    ------
    NucleiError
        The device is not there, it does not compute in the precision asked for, or another of several is not to be had.
    """
    device = find_device(run.device)
    run.attach(TorchCheckpoints(), key)
    torch.manual_seed(run.seed)
    name = choose_precision(precision, device)
    if device.type == "cpu" and name == "16-mixed":
        raise NucleiError("precision=16-mixed needs a graphics card.", "Choose auto, 32-true or bf16-mixed.")
    if run.team is not None:
        return _start_several(run, run.team, device, name, key)
    if device.type == "cpu":
        torch.set_num_threads(run.threads or default_threads(run.background))
        return Processor(name)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    from lightning_fabric import Fabric

    devices: Any = [device.index or 0] if device.type == "cuda" else 1
    fabric = Fabric(accelerator=device.type, devices=devices, precision=name)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _start_several(run: RunContext, team: TeamLink, device: torch.device, precision: str, key: str) -> Accelerator:
    """Fabric for this process' device; the processes share the processor's cores."""
    from .team import join

    for one in team.devices:
        find_device(one)
    fabric = join(team, device, precision, key, run.check)
    # Fabric has a number of its own.
    torch.set_num_threads(max(1, (run.threads or default_threads(run.background)) // len(team.devices)))
    return fabric
