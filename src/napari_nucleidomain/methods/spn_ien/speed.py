"""How fast this computer learns: a few real training steps of both networks on a picture made up for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from napari_nucleidomain.training.augment import Geometry, draw_matrices, jitter_intensity, sample_views
from napari_nucleidomain.training.sampler import CropSampler, Planes
from napari_nucleidomain.training.start import choose_precision

from .config import SpnIenConfig
from .forecast import REFERENCES, reference_config
from .losses import discriminative_loss, partial_cross_entropy
from .models import trained_side, u_net

_PICTURE_PX = 512
_SHARES = {"small": 0.6, "large": 0.4}
# The first steps allocate and choose kernels.
_WARM_STEPS = 2
_PROCESSOR_SHARE = 4


def measure(device: torch.device, seconds: float, told: Callable[[float], None]) -> dict[str, float]:
    """Seconds per training step of each reference (see `forecast.REFERENCES`).

    Parameters
    ----------
    device : torch.device
    seconds : float
        How long to measure, give or take: of each network at least one step is done.
    told : callable
        Given the share of the measurement that is done, in [0, 1]; may raise to end it.

    Returns
    -------
    dict
        Reference -> seconds per step. One whose batch does not fit into the memory of the graphics card is left out.
    """
    found: dict[str, float] = {}
    before = 0.0
    for name in REFERENCES:

        def part(done: float, before: float = before, share: float = _SHARES[name]) -> None:
            told(before + share * done)

        config = reference_config(name)
        # A processor's time grows with the batch alone, and a whole one of the large network takes seconds there.
        share = _PROCESSOR_SHARE if device.type == "cpu" and name == "large" else 1
        config = config.model_copy(update={"batch": config.batch // share})
        try:
            found[name] = share * _seconds_per_step(config, device, seconds * _SHARES[name], part)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        before += _SHARES[name]
    told(1.0)
    return found


def _seconds_per_step(
    config: SpnIenConfig, device: torch.device, seconds: float, told: Callable[[float], None]
) -> float:
    """Both stages in turn, as a training spends its time on both."""
    steps = [_one_stage(config, device, second=False), _one_stage(config, device, second=True)]
    rng = np.random.default_rng(0)
    began = time.monotonic()
    times: list[float] = []
    while True:
        start = time.monotonic()
        for one in steps:
            one(rng)
        _finish(device)
        times.append((time.monotonic() - start) / len(steps))
        spent = time.monotonic() - began
        told(min(1.0, spent / seconds))
        if spent >= seconds:
            # On a computer so slow that there are only first steps, those are what is known.
            return float(np.median(times[_WARM_STEPS:] or times[-1:]))


def _one_stage(config: SpnIenConfig, device: torch.device, *, second: bool) -> Callable[[np.random.Generator], None]:
    """A function that does one training step of the first or the second network."""
    torch.manual_seed(0)
    net = u_net(config, 3, config.embedding_dims if second else 2)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(net.parameters(), 1e-4)
    precision = choose_precision(config.precision, device)
    side = trained_side(config)
    sampler = CropSampler([_picture()], int(1.42 * side), [0.0, 0.0])
    geometry = Geometry((config.zoom_least, config.zoom_most), config.flips, config.shear, config.rotation)

    def step(rng: np.random.Generator) -> None:
        smooth, sharp = sampler.draw(rng, config.batch)
        matrices = draw_matrices(rng, config.batch, geometry)
        x, y, _ = sample_views(smooth.to(device), sharp.to(device), matrices, side)
        x = jitter_intensity(x, rng, config.jitter).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            out = net(x)
            if second:
                loss = discriminative_loss(out, y[:, 1].long(), squared=config.squared_hinge)
            else:
                loss = partial_cross_entropy(out, y[:, 0].long())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def _picture() -> Planes:
    """Discs of 20 px on a lattice of 32: an image, a mask and instances, with their centres."""
    lattice = np.arange(16, _PICTURE_PX, 32)
    centres = np.stack(np.meshgrid(lattice, lattice, indexing="ij"), -1).reshape(-1, 2)
    y, x = np.mgrid[:_PICTURE_PX, :_PICTURE_PX]
    mask = (y % 32 - 16) ** 2 + (x % 32 - 16) ** 2 <= 100
    instances = np.where(mask, 1 + y // 32 * len(lattice) + x // 32, 0)
    image = np.random.default_rng(0).random((3, _PICTURE_PX, _PICTURE_PX), dtype=np.float32)
    return Planes(
        torch.from_numpy(image), torch.from_numpy(np.stack([mask, instances]).astype(np.float32)), centres.astype(float)
    )


def _finish(device: torch.device) -> None:
    """Wait for the graphics card: it answers before it has computed."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
