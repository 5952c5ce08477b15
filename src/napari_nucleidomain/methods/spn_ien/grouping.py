"""Grouping: from an embedding of every pixel to nuclei, by mean-shift (SPN+IEN paper, section 2.1).

One tile at a time, because the coordinates that the IEN adds are those of its tile: embeddings of two tiles are not
comparable. The paper spends 99 % of its inference here; `benchmarks/grouping.py` has the figures of this module.

Two modes:

`exact`
    scikit-learn's `MeanShift(bandwidth, cluster_all=True)` with every pixel as a seed, as the paper uses it: the same
    modes by the same rules. Three things make it fast and none changes the result: seeds that have reached the same
    place go on as one, distances are matrix products, and cells of points that lie wholly outside or wholly inside a
    kernel are not looked at.
`fast`
    Modes from one seed in every block of 6 x 6 pixels, then from more wherever pixels are left uncovered; means over
    every second or third pixel of a large tile; no modes of a handful of pixels, so that stray pixels cannot found
    nuclei; and a narrower kernel (see `grouping_fast`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from napari_nucleidomain.contracts import NucleiError

from .grouping_background import remove_background_cluster
from .grouping_fast import MIN_SUPPORT, NARROWER, compact, fast_modes, fast_on_device, keep_modes
from .grouping_kernel import FlatKernel, nearest
from .grouping_modes import climb

__all__ = ["Mode", "group_embedding", "group_points", "group_tiles", "remove_background_cluster"]

Mode = Literal["fast", "exact"]


def group_embedding(
    embedding: np.ndarray | Tensor,
    foreground: np.ndarray | Tensor,
    *,
    bandwidth: float = 1.5,
    mode: Mode = "fast",
    min_support: int | None = None,
    device: str | torch.device | None = None,
) -> np.ndarray:
    """Group the foreground pixels of one tile by their embeddings.

    Parameters
    ----------
    embedding : ndarray or Tensor (D, h, w) float
        What the IEN gives; computed with as float32.
    foreground : ndarray or Tensor (h, w) bool
        Pixels to group (SPN probability above T0).
    bandwidth : float
        Radius of the kernel in embedding space: half the loss's margin (paper section 3.2: 1.5).
    mode : {"fast", "exact"}
        See the module's description.
    min_support : int, optional
        Pixels within one kernel of a mode for it to be kept. Default 10 in `fast`, 1 in `exact` (scikit-learn's).
        The strongest mode is always kept.
    device : str or torch.device, optional
        Where to compute; by default where `embedding` is.

    Returns
    -------
    ndarray (h, w) int32
        0 background; 1..K clusters, strongest first. Clusters may have several components.

    Raises
    ------
    NucleiError
        The embedding is not finite on the foreground, or the shapes do not fit.
    """
    with _one_thread():
        points = _points(embedding, foreground, device)
        mask = _as_numpy(foreground)
        labels = np.zeros(mask.shape, np.int32)
        labels[mask] = group_points(points, mask, bandwidth=bandwidth, mode=mode, min_support=min_support)
    return labels


def group_tiles(
    embeddings: np.ndarray | Tensor,
    foregrounds: np.ndarray | Tensor,
    *,
    bandwidth: float = 1.5,
    mode: Mode = "fast",
    min_support: int | None = None,
    device: str | torch.device | None = None,
    threads: int | None = None,
) -> list[np.ndarray]:
    """`group_embedding` for several tiles, each by itself: side by side on the CPU, at once on a GPU.

    Parameters
    ----------
    embeddings : ndarray or Tensor (B, D, h, w) float
    foregrounds : ndarray or Tensor (B, h, w) bool
    bandwidth, mode, min_support, device
        As in `group_embedding`.
    threads : int, optional
        CPU threads; by default torch's number.

    Returns
    -------
    list of ndarray (h, w) int32
        One per tile.

    Raises
    ------
    NucleiError
        As in `group_embedding`.
    """
    _check(mode, bandwidth)
    if len(embeddings) != len(foregrounds):
        raise NucleiError(f"{len(embeddings)} tiles of embeddings but {len(foregrounds)} of foreground were given.")
    masks = [_as_numpy(mask) for mask in foregrounds]
    workers = min(threads or torch.get_num_threads(), len(masks))
    with _one_thread():
        points = [_points(one, mask, device) for one, mask in zip(embeddings, foregrounds, strict=True)]
        if mode == "fast" and points and points[0].device.type != "cpu":
            found = fast_on_device(points, masks, bandwidth * NARROWER, _support(mode, min_support))
        else:
            found = _side_by_side(points, masks, bandwidth, mode, min_support, workers)
    result = []
    for mask, labels in zip(masks, found, strict=True):
        image = np.zeros(mask.shape, np.int32)
        image[mask] = labels
        result.append(image)
    return result


def group_points(
    points: np.ndarray | Tensor,
    mask: np.ndarray | None = None,
    *,
    bandwidth: float = 1.5,
    mode: Mode = "exact",
    min_support: int | None = None,
) -> np.ndarray:
    """Group points of a feature space.

    Parameters
    ----------
    points : ndarray or Tensor (n, D) float
    mask : ndarray (h, w) bool, optional
        Where the points lie in the image, in raster order: `fast` spreads its seeds by it. Without it every 36th point
        is a seed.
    bandwidth, mode, min_support
        As in `group_embedding`.

    Returns
    -------
    ndarray (n,) int32
        1..K, strongest cluster first.

    Raises
    ------
    NucleiError
        `mode` or `bandwidth` is none.
    """
    _check(mode, bandwidth)
    data = torch.as_tensor(points)
    if data.device.type not in ("cpu", "cuda"):
        data = data.cpu()  # other devices lack some of the operations used here
    if not len(data):
        return np.zeros(0, np.int32)
    support = _support(mode, min_support)
    with _one_thread(), torch.inference_mode(), torch.autocast(data.device.type, enabled=False):
        data = data.float()
        data = data - data.mean(0)
        if mode == "exact":
            modes = keep_modes(*climb(FlatKernel(data, bandwidth), data), bandwidth, support)
        else:
            modes = fast_modes(data, mask, bandwidth * NARROWER, support)
        return compact(nearest(data, modes).cpu().numpy())


def _check(mode: str, bandwidth: float) -> None:
    if mode not in ("fast", "exact"):
        raise NucleiError(f"There is no grouping {mode!r}.", 'Choose "fast" or "exact".')
    if not 0 < bandwidth < float("inf"):
        raise NucleiError(f"The bandwidth of the grouping is {bandwidth}.", "It must be above 0; the paper uses 1.5.")


def _support(mode: Mode, min_support: int | None) -> int:
    return min_support if min_support is not None else 1 if mode == "exact" else MIN_SUPPORT


def _as_numpy(mask: np.ndarray | Tensor) -> np.ndarray:
    return (mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)).astype(bool, copy=False)


def _points(embedding: np.ndarray | Tensor, mask: np.ndarray | Tensor, device: str | torch.device | None) -> Tensor:
    """Foreground pixels' embeddings (n, D) float32 in raster order, checked."""
    values = torch.as_tensor(embedding)
    values = values.to(device if device is not None else values.device)
    chosen = torch.as_tensor(mask, device=values.device).bool()
    if values.ndim != 3 or values.shape[1:] != chosen.shape:
        raise NucleiError(
            f"The embedding is {tuple(values.shape)} and the foreground {tuple(chosen.shape)}: they do not fit."
        )
    points = values.detach()[:, chosen].T.float().contiguous()
    if not bool(torch.isfinite(points).all()):
        raise NucleiError(
            "The network's embeddings hold values that are not numbers.",
            "The training has diverged: train again with a lower learning rate, or choose another model.",
        )
    return points


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread and give the others back.

    The products here are many and small. Shared out to threads they cost up to twenty times more on a busy machine,
    where threads wait for each other in a loop.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _side_by_side(
    points: Sequence[Tensor],
    masks: Sequence[np.ndarray],
    bandwidth: float,
    mode: Mode,
    min_support: int | None,
    workers: int,
) -> list[np.ndarray]:
    """Tiles one by one, or each on a CPU thread of its own."""

    def one(data: Tensor, mask: np.ndarray) -> np.ndarray:
        return group_points(data, mask, bandwidth=bandwidth, mode=mode, min_support=min_support)

    if workers < 2:
        return [one(data, mask) for data, mask in zip(points, masks, strict=True)]
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(one, points, masks))
