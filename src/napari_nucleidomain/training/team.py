"""One training on several devices: each process computes the gradient of its share of the batch, rank 0 their mean.

Losses here are means over images of each image's mean, so with equal shares the mean of the processes' gradients is
that of one process with the whole batch, but for the rounding of float32.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from os import environ
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from napari_nucleidomain.contracts import NucleiError, TeamLink

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")
# Nobody waits for long: all meet before they exchange anything. For a computer that sleeps in that very moment.
_TIMEOUT = timedelta(hours=2)


def join(link: TeamLink, device: torch.device, precision: str, key: str, meanwhile: Callable[[], None]) -> Fabric:
    """Wait for the other processes and connect with them.

    Parameters
    ----------
    link : TeamLink
    device : torch.device
        Of this process.
    precision : str
        In Fabric's names.
    key : str
        Digest of all that the training depends on; must be the same in all processes.
    meanwhile : callable
        Called by rank 0 while the others start; may raise.

    Raises
    ------
    NucleiError
        Another process could not start, or this build of torch cannot connect processes.
    """
    if not dist.is_available():
        raise NucleiError("This build of torch trains on one device only.", "Choose one device.")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    class Place(LightningEnvironment):
        """Processes that are there already; nothing is read from the surroundings."""

        creates_processes_externally = True

        def local_rank(self) -> int:
            return link.rank

        def node_rank(self) -> int:
            return 0

        def teardown(self) -> None:
            """Nothing was set up."""

    link.meet(hashlib.blake2b(key.encode(), digest_size=16).hexdigest(), meanwhile)
    _connect(link, device)
    devices: Any = (
        [int(name.partition(":")[2]) for name in link.devices] if device.type == "cuda" else len(link.devices)
    )
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        precision=precision,  # type: ignore[arg-type]
        strategy=DDPStrategy(cluster_environment=Place()),
    )
    fabric.launch()
    return fabric


def _connect(link: TeamLink, device: torch.device) -> None:
    """Make torch's group of processes, on a port of this computer that was free: two trainings never meet."""
    if dist.is_initialized():
        raise NucleiError(
            "A training on several devices was broken off in this program and still has them.", "Restart the program."
        )
    if sys.platform in ("linux", "darwin"):
        # All are on this computer: other addresses of it are nobody's business, and a firewall's question.
        environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    # Builds for Windows come without libuv.
    options: dict[str, Any] = {"use_libuv": False} if sys.platform == "win32" else {}
    options |= {"timeout": _TIMEOUT, "wait_for_workers": False}
    if link.rank == 0:
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, **options)
        link.send(port=store.port)
    else:
        store = dist.TCPStore("127.0.0.1", int(link.receive()["port"]), is_master=False, **options)
    backend = "nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo"
    dist.init_process_group(
        backend,
        store=store,
        rank=link.rank,
        world_size=len(link.devices),
        timeout=_TIMEOUT,
        device_id=device if backend == "nccl" else None,
    )

    def leave(clean: bool) -> None:
        # NCCL's end is a meeting as well; where somebody is missing, the end of the process must do.
        if clean or backend == "gloo":
            dist.destroy_process_group()

    link.at_end(leave)


class Team:
    """What a loop does with several devices; with one, every method does nothing.

    Parameters
    ----------
    link : TeamLink or None
        `RunContext.team`.
    fabric : Fabric
        What `training.start.start` gave.
    """

    def __init__(self, link: TeamLink | None, fabric: Any) -> None:
        self._link, self._fabric = link, fabric
        self._size = len(link.devices) if link else 1
        self._rank = link.rank if link else 0
        self._frozen_told = False

    @property
    def leads(self) -> bool:
        """Whether this process changes weights, checks, shows and saves."""
        return self._rank == 0

    def share(self, values: T) -> T:
        """This process' share of a batch: of a tensor by its first axis, or of a list."""
        parts: Any = values
        return cast(T, parts[self._rank :: self._size]) if self._link else values

    @torch.no_grad()
    def weights(self, network: nn.Module) -> None:
        """Give all processes the weights of rank 0."""
        if self._link is None:
            return
        self._link.meet()
        if not self._frozen_told:
            self._tell_frozen(network)
        groups: dict[torch.dtype, list[Tensor]] = {}
        for one in (*network.parameters(), *network.buffers()):
            groups.setdefault(one.dtype, []).append(one)
        for tensors in groups.values():
            flat = _flat(tensors)
            dist.broadcast(flat, 0)
            if not self.leads:
                for one, new in zip(tensors, _pieces(flat, tensors), strict=True):
                    one.copy_(new)

    def _tell_frozen(self, network: nn.Module) -> None:
        """Have the others leave out what learns nothing, which rank 0 knows from its checkpoint or from ImageNet."""
        flags = torch.tensor([float(one.requires_grad) for one in network.parameters()], device=self._fabric.device)
        dist.broadcast(flags, 0)
        for one, learns in zip(network.parameters(), flags.tolist(), strict=True):
            one.requires_grad_(bool(learns))
        self._frozen_told = True

    @torch.no_grad()
    def gradients(self, network: nn.Module, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean of all processes' gradients, in rank 0; and that of their losses.

        Parameters
        ----------
        network : nn.Module
            After `backward`.
        losses : dict of str to Tensor
            Scalars, means over this process' share.
        """
        if self._link is None:
            return losses
        learned = [one for one in network.parameters() if one.requires_grad]
        device = self._fabric.device
        # A parameter that took no part anywhere keeps no gradient, as on one device: no optimiser must touch it.
        has = torch.tensor([float(one.grad is not None) for one in learned], device=device)
        values = torch.stack([one.detach().float() for one in losses.values()])
        flat = _flat([torch.zeros_like(one) if one.grad is None else one.grad for one in learned] + [has, values])
        self._link.meet()
        flat = self._fabric.all_reduce(flat, reduce_op="mean")
        *gradients, has, values = _pieces(flat, [*learned, has, values])
        if self.leads:
            for one, gradient, part in zip(learned, gradients, has.tolist(), strict=True):
                one.grad = gradient.clone(memory_format=torch.preserve_format) if part else None
        return dict(zip(losses, values, strict=True))


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([one.reshape(-1) for one in tensors])


def _pieces(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """`_flat` undone."""
    parts = flat.split([one.numel() for one in like])
    return [part.view(one.shape) for part, one in zip(parts, like, strict=True)]
