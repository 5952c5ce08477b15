"""Grouping: from an embedding of every pixel to nuclei, by mean-shift (paper section 2.3, "Instance Grouping").

One tile at a time, because the coordinates that the IEN adds are those of its tile: embeddings of two tiles are not
comparable. The paper spends 99 % of its inference here; `benchmarks/grouping.py` has the figures of this module.

Two modes:

`exact`
    scikit-learn's `MeanShift(bandwidth, cluster_all=True)` with every pixel as a seed, as the paper uses it: the same
    modes by the same rules. Three things make it fast and none changes the result: seeds that have reached the same
    place go on as one, distances are matrix products, and cells of points that lie wholly outside or wholly inside a
    kernel are not looked at.
`fast`
    One seed in every block of 6 x 6 pixels, then more seeds wherever pixels are left farther than the kernel's radius
    from every mode. Modes with few pixels are not kept, so that stray pixels cannot found nuclei. The kernel is
    narrower than the bandwidth (`NARROWER`): the bandwidth is half the distance of 3 that the loss asks for between
    nuclei, and networks trained for minutes rather than for the paper's 12 hours leave many neighbours nearer to each
    other than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from napari_nucleidomain.contracts import NucleiError

from .grouping_kernel import FlatKernel, nearest, squared_to_nearest
from .grouping_modes import climb, climb_batch, strongest

Mode = Literal["fast", "exact"]

NARROWER = 0.8
MIN_SUPPORT = 10
_BLOCK = 6
_SAME_FAST = 0.02
_CELLS_FAST = 64
_ROUNDS = 4
_MORE_SEEDS = 256
_BATCH_PIXELS = 1 << 21


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
    points = _points(embedding, foreground, device)
    mask = _as_numpy(foreground)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = group_points(
        points, mask if mode == "fast" else None, bandwidth=bandwidth, mode=mode, min_support=min_support
    )
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
    if len(embeddings) != len(foregrounds):
        raise NucleiError(f"{len(embeddings)} tiles of embeddings but {len(foregrounds)} of foreground were given.")
    masks = [_as_numpy(mask) for mask in foregrounds]
    points = [_points(one, mask, device) for one, mask in zip(embeddings, foregrounds, strict=True)]
    if mode == "fast" and points and points[0].device.type != "cpu":
        found = _fast_on_device(points, masks, bandwidth * NARROWER, _support(mode, min_support))
    else:
        found = _side_by_side(points, masks, bandwidth, mode, min_support, threads)
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
    """
    if mode not in ("fast", "exact"):
        raise NucleiError(f"There is no grouping {mode!r}.", 'Choose "fast" or "exact".')
    if not bandwidth > 0:
        raise NucleiError(f"The bandwidth of the grouping is {bandwidth}.", "It must be above 0; the paper uses 1.5.")
    data = torch.as_tensor(points)
    if data.device.type not in ("cpu", "cuda"):
        data = data.cpu()  # other devices lack some of the operations used here
    if not len(data):
        return np.zeros(0, np.int32)
    support = _support(mode, min_support)
    with torch.inference_mode(), torch.autocast(data.device.type, enabled=False):
        data = data.float()
        data = data - data.mean(0)
        if mode == "exact":
            modes = _keep(*climb(FlatKernel(data, bandwidth), data), bandwidth, support)
        else:
            modes = _fast_modes(data, mask, bandwidth * NARROWER, support)
        return _compact(nearest(data, modes).cpu().numpy())


def remove_background_cluster(
    labels: np.ndarray,
    min_components: int = 5,
    *,
    probability: np.ndarray | None = None,
    least_probability: float = 0.5,
) -> np.ndarray:
    """Remove the cluster that is background by its many components (paper section 2.3).

    The foreground proposal is generous, so that rims of background around many nuclei are in it, and the IEN gives all
    of them one embedding: the cluster with most components. The paper gives no least number of them; with fewer than
    five, nothing is removed (the authors' code).

    Parameters
    ----------
    labels : ndarray (h, w) integers
        Clusters of one tile; 0 is background already.
    min_components : int
        A cluster with fewer components (8 neighbours) stays.
    probability : ndarray (h, w) float, optional
        SPN probability of foreground. If given, clusters whose mean is below `least_probability` go too: stronger
        evidence than the count, where the SPN is good.
    least_probability : float

    Returns
    -------
    ndarray, same shape and dtype
        The other clusters keep their numbers. Where several have most components, the largest of them goes.
    """
    from skimage.measure import label

    clusters, small = np.unique(labels, return_inverse=True)
    small = small.reshape(labels.shape)
    parts, count = label(small, background=int(np.searchsorted(clusters, 0)), connectivity=2, return_num=True)
    remove = np.zeros(len(clusters), bool)
    pixels = np.bincount(small.ravel(), minlength=len(clusters))
    if count:
        owner = np.zeros(count + 1, np.int64)
        owner[parts] = small
        components = np.bincount(owner[1:], minlength=len(clusters))
        components[clusters == 0] = 0
        most = np.lexsort((pixels, components))[-1]
        remove[most] = components[most] >= max(1, min_components)
    if probability is not None:
        total = np.bincount(small.ravel(), np.asarray(probability, float).ravel(), minlength=len(clusters))
        remove |= total < least_probability * pixels
    return np.where(remove[small], 0, labels).astype(labels.dtype)


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


def _keep(modes: Tensor, counts: Tensor, bandwidth: float, support: int) -> Tensor:
    """Modes with support, none within a bandwidth of a stronger one, strongest first."""
    enough = counts >= torch.clamp(counts.max(), max=support)
    return strongest(modes[enough], counts[enough], bandwidth)[0]


def _compact(labels: np.ndarray) -> np.ndarray:
    """0-based numbers to 1..K without gaps, order kept."""
    used, small = np.unique(labels, return_inverse=True)
    return (small.reshape(labels.shape) + 1).astype(np.int32) if len(used) else labels.astype(np.int32)


def _seeds(mask: np.ndarray | None, count: int) -> np.ndarray:
    """Of every block of pixels, the foreground pixel nearest to its middle; indices in raster order."""
    if mask is None:
        return np.arange(0, count, _BLOCK * _BLOCK)
    y, x = np.nonzero(mask)
    block = (y // _BLOCK) * (mask.shape[1] // _BLOCK + 1) + x // _BLOCK
    off_middle = (y % _BLOCK - (_BLOCK - 1) / 2) ** 2 + (x % _BLOCK - (_BLOCK - 1) / 2) ** 2
    order = np.lexsort((off_middle, block))
    first = np.ones(len(order), bool)
    first[1:] = block[order][1:] != block[order][:-1]
    return np.sort(order[first])


def _spread(left: Tensor) -> Tensor:
    """At most so many of these indices, evenly spaced."""
    return left[torch.linspace(0, len(left) - 1, min(_MORE_SEEDS, len(left)), device=left.device).long()]


def _fast_modes(points: Tensor, mask: np.ndarray | None, radius: float, support: int) -> Tensor:
    """Modes of one tile by seeds that are added until they cover it."""
    kernel = FlatKernel(points, radius, _CELLS_FAST)
    seeds = points[torch.from_numpy(_seeds(mask, len(points))).to(points.device)]
    modes, counts = strongest(*climb(kernel, seeds, _SAME_FAST), radius)
    untried = torch.ones(len(points), dtype=torch.bool, device=points.device)
    for _ in range(_ROUNDS - 1):
        far = squared_to_nearest(points, modes)[0] > radius * radius
        left = (far & untried).nonzero()[:, 0]
        if not len(left):
            break
        chosen = _spread(left)
        untried[chosen] = False
        new, new_counts = climb(kernel, points[chosen], _SAME_FAST)
        before = len(modes)
        modes, counts = strongest(torch.cat([modes, new]), torch.cat([counts, new_counts]), radius)
        if int((counts >= support).sum()) == before:
            break
    return _keep(modes, counts, radius, support)


def _side_by_side(
    points: Sequence[Tensor],
    masks: Sequence[np.ndarray],
    bandwidth: float,
    mode: Mode,
    min_support: int | None,
    threads: int | None,
) -> list[np.ndarray]:
    """Tiles on several CPU threads, each with single-threaded products: these are too small to be worth sharing."""

    def one(data: Tensor, mask: np.ndarray) -> np.ndarray:
        return group_points(data, mask, bandwidth=bandwidth, mode=mode, min_support=min_support)

    before = torch.get_num_threads()
    workers = min(threads or before, len(points))
    if workers < 2:
        return [one(data, mask) for data, mask in zip(points, masks, strict=True)]
    try:
        torch.set_num_threads(1)
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(one, points, masks))
    finally:
        torch.set_num_threads(before)


def _fast_on_device(
    points: Sequence[Tensor], masks: Sequence[np.ndarray], radius: float, support: int
) -> list[np.ndarray]:
    """`fast` for many tiles at once: one batch of seeds, then one batch for what they leave uncovered."""
    result: list[np.ndarray] = [np.zeros(0, np.int32)] * len(points)
    filled = [k for k, data in enumerate(points) if len(data)]
    size = max(1, _BATCH_PIXELS // max((len(points[k]) for k in filled), default=1))
    for start in range(0, len(filled), size):
        group = filled[start : start + size]
        for k, labels in zip(group, _fast_batch([points[k] for k in group], [masks[k] for k in group], radius,
                                                support), strict=True):
            result[k] = labels
    return result


def _fast_batch(points: list[Tensor], masks: list[np.ndarray], radius: float, support: int) -> list[np.ndarray]:
    """One batch of `_fast_on_device`; no tile is empty."""
    device = points[0].device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        points = [data.float() - data.float().mean(0) for data in points]
        data, valid = _padded(points)
        chosen = [torch.from_numpy(_seeds(mask, len(one))).to(device) for mask, one in zip(masks, points, strict=True)]
        modes = [(one[:0], one.new_zeros(0)) for one in points]
        for _ in range(2):
            seeds, used = _padded([one[pick] for one, pick in zip(points, chosen, strict=True)])
            if not seeds.shape[1]:
                break
            found, counts = (part.cpu() for part in climb_batch(data, valid, seeds, radius))
            here = used.cpu()
            for k, (old, old_counts) in enumerate(modes):
                new, new_counts = found[k][here[k]].to(device), counts[k][here[k]].to(device)
                modes[k] = strongest(torch.cat([old, new]), torch.cat([old_counts, new_counts]), radius)
            far = [squared_to_nearest(one, m[0])[0] > radius * radius for one, m in zip(points, modes, strict=True)]
            chosen = [_spread(left.nonzero()[:, 0]) for left in far]
        kept = [_keep(m, c, radius, support) for m, c in modes]
        return [_compact(nearest(one, m).cpu().numpy()) for one, m in zip(points, kept, strict=True)]


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tensors (n_k, D) as one (B, n, D), and which rows are real (B, n)."""
    data = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    length = torch.tensor([len(one) for one in rows], device=data.device)
    return data, torch.arange(data.shape[1], device=data.device)[None] < length[:, None]
