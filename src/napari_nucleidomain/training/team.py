"""One training on several devices: each process computes the gradient of its share of the batch, rank 0 their mean.

Losses here are means over images of each image's mean, so with equal shares the mean of the processes' gradients is
that of one process with the whole batch, but for the rounding of float32.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from os import environ
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from napari_nucleidomain.contracts import NucleiError, TeamLink
from napari_nucleidomain.contracts.memory import is_memory_full

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# Nobody waits for long: all meet before they exchange anything, and rank 0 sees who has ended.
_TIMEOUT = timedelta(minutes=10)
_ABORT_SECONDS = 5.0


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

    # A card that is full or out of order says so now, where rank 0 listens.
    torch.zeros(1, device=device)
    link.meet(hashlib.blake2b(key.encode(), digest_size=16).hexdigest(), meanwhile)
    with _noticed(link):
        _connect(link, device, meanwhile)
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


@contextmanager
def _noticed(link: TeamLink) -> Iterator[None]:
    """Say who has ended where an exchange breaks off."""
    try:
        yield
    except RuntimeError as error:
        if is_memory_full(error):
            raise
        raise link.lost(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _connect(link: TeamLink, device: torch.device, meanwhile: Callable[[], None]) -> None:
    """Make torch's group of processes, on a port of this computer that was free: two trainings never meet."""
    global _broken_off
    if _broken_off or dist.is_initialized():
        raise NucleiError(
            "A training on several devices was broken off in this program and still has them.", "Restart the program."
        )
    if sys.platform in ("linux", "darwin"):
        # All are on this computer: other addresses of it are nobody's business, and a firewall's question.
        environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    # NCCL's watchdog ends an exchange that fails, not this process, which has a state to keep.
    environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2")
    # Builds for Windows come without libuv.
    options: dict[str, Any] = {"use_libuv": False} if sys.platform == "win32" else {}
    options |= {"timeout": _TIMEOUT, "wait_for_workers": False}
    if link.rank == 0:
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, **options)
        link.send(port=store.port)
    else:
        store = dist.TCPStore("127.0.0.1", int(link.receive()["port"]), is_master=False, **options)
    link.meet("connected", meanwhile)
    _broken_off = True
    _make_group(link, device, store, meanwhile)
    _broken_off = False


# Whether torch was left in the middle of making a group, of which another one cannot be made.
_broken_off = False


def _make_group(link: TeamLink, device: torch.device, store: dist.Store, meanwhile: Callable[[], None]) -> None:
    """Connect with all others, which waits for them, in a thread: this one looks whether they live."""
    backend = "nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo"
    failed: list[BaseException] = []

    def connect() -> None:
        try:
            dist.init_process_group(
                backend,
                store=store,
                rank=link.rank,
                world_size=len(link.devices),
                timeout=_TIMEOUT,
                device_id=device if backend == "nccl" else None,
            )
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for this one
            failed.append(error)

    thread = threading.Thread(target=connect, name="connect", daemon=True)
    thread.start()
    link.until(lambda: not thread.is_alive(), meanwhile)
    if failed:
        raise failed[0]
    link.at_end(_leave_gloo if backend == "gloo" else _leave_nccl)


def _leave_gloo(clean: bool) -> None:
    dist.destroy_process_group()


def _leave_nccl(clean: bool) -> None:
    """NCCL's end is a meeting as well; where somebody is missing, it is broken off, and that may hang too."""
    if clean:
        dist.destroy_process_group()
        return
    abort = getattr(dist.distributed_c10d, "_abort_process_group", None)
    if abort is not None:
        thread = threading.Thread(target=abort, name="abort", daemon=True)
        thread.start()
        thread.join(_ABORT_SECONDS)


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

    @property
    def part(self) -> slice:
        """This process' share of a batch."""
        return slice(self._rank, None, self._size)

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
            self._broadcast(flat)
            if not self.leads:
                for one, new in zip(tensors, _pieces(flat, tensors), strict=True):
                    one.copy_(new)

    def _tell_frozen(self, network: nn.Module) -> None:
        """Have the others leave out what learns nothing, which rank 0 knows from its checkpoint or from ImageNet."""
        flags = torch.tensor([float(one.requires_grad) for one in network.parameters()], device=self._fabric.device)
        self._broadcast(flags)
        for one, learns in zip(network.parameters(), flags.tolist(), strict=True):
            one.requires_grad_(bool(learns))
        self._frozen_told = True

    def _broadcast(self, values: Tensor) -> None:
        self._exchange(lambda: dist.broadcast(values, 0, async_op=True))

    def _exchange(self, begin: Callable[[], dist.Work | None]) -> None:
        """Do what all do at once."""
        assert self._link is not None
        with _noticed(self._link):
            work = begin()
            assert work is not None
            self._link.until(work.is_completed)
            work.wait()

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
        self._exchange(lambda: dist.all_reduce(flat, async_op=True))
        flat /= self._size
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
