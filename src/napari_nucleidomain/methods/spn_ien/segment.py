"""A trained SPN+IEN as a segmenter (Liu et al., section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_nucleidomain.contracts import ModelCard, NucleiError, SegmenterSpec
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.inference import trained
from napari_nucleidomain.inference.batching import is_memory_full
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.seen import intensity_of
from napari_nucleidomain.instances.stitching import TileInstances
from napari_nucleidomain.training.start import find_device

from .config import SpnIenConfig
from .decoders import components, proposal, tidy, watershed, without_background
from .grouping import group_tiles
from .models import Encoding, side_multiple, trained_side, u_net

METHOD = "spn-ien"
_GPU_BATCH = 16
# More threads than this would wait for each other in Python.
_MOST_THREADS = 8
# Tiles a thread is given at once: few, so that nuclei come on screen steadily.
_TILES_A_THREAD = 2


class SpnIenSegmenter:
    """Finds nuclei with the two networks.

    Parameters
    ----------
    spn, ien : nn.Module
        Trained, in evaluation mode; `ien` is None where only the SPN was trained.
    config : SpnIenConfig
    mean, std : sequence of float
        Of the training pixels in the unit range, per channel.
    diameter_px : float
        Median nucleus diameter, for the watershed.
    device : torch.device
    decoder : {"ien", "watershed", "components"}
    """

    def __init__(
        self,
        spn: nn.Module,
        ien: nn.Module | None,
        config: SpnIenConfig,
        mean: Sequence[float],
        std: Sequence[float],
        diameter_px: float,
        device: torch.device,
        decoder: str,
        pixel_size_um: float | None = None,
    ) -> None:
        if decoder == "ien" and ien is None:
            raise NucleiError("This model has no second network.", "Choose watershed or components.")
        # Coordinates are those of a training crop, so tiles are of its size.
        side = trained_side(config)
        halo = min(config.halo_px, (side - 1) // 2 - 8)
        self.spec = SegmenterSpec(
            ndim=2,
            channels=len(mean),
            tile=(side, side),
            halo=(halo, halo),
            multiple=side_multiple(config),
            batch=_TILES_A_THREAD * _threads() if device.type == "cpu" else _GPU_BATCH,
            pixel_size_um=pixel_size_um,
            diameter_px=diameter_px,
            least_px=config.least_px,
        )
        self._spn, self._ien, self._config = spn, ien, config
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._device, self.decoder = device, decoder
        self._diameter = diameter_px

    @property
    def device(self) -> torch.device:
        """Where the networks lie."""
        return self._device

    def prepare(self, image: Image, plane: int | None, factor: float = 1.0) -> IntensityRange:
        """The image's intensity range."""
        return intensity_of(image, plane)

    def forward(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        """Segment tiles; see `contracts.Segmenter`.

        On the CPU every tile goes its whole way on one thread, several beside each other: networks of this size gain
        nothing from sharing one tile out, and all that follows them would run on one core.
        """
        workers = min(_threads(), len(tiles))
        if self._device.type != "cpu" or workers < 2:
            return self._segment(tiles, constants)
        before = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                made = list(pool.map(lambda tile: self._segment([tile], constants), tiles))
        finally:
            # Some of torch's libraries keep one number for all threads.
            torch.set_num_threads(before)
        return [found for part in made for found in part]

    @torch.inference_mode()
    def _segment(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        stack = np.stack([constants.to_unit(tile) for tile in tiles]).transpose(0, 3, 1, 2)
        try:
            probability, embedding = self._networks(torch.from_numpy(np.ascontiguousarray(stack)).to(self._device))
            if self.decoder == "ien" and embedding is not None:
                return self._grouped(probability, embedding)
        except RuntimeError as error:
            if is_memory_full(error):
                raise MemoryError from error
            raise
        return [self._plain(plane) for plane in probability]

    def _networks(self, x: Tensor) -> tuple[np.ndarray, Tensor | None]:
        x = ((x - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        half = self._device.type == "cuda" or (self._device.type == "cpu" and _fast_bfloat())
        half = half and self._config.precision != "32-true"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=half):
            logits = self._spn(x)
            embedding = self._ien(x) if self._ien is not None and self.decoder == "ien" else None
        probability = logits.float().softmax(1)[:, 1].cpu().numpy()
        return probability, None if embedding is None else embedding.float()

    def _plain(self, probability: np.ndarray) -> TileInstances:
        above, least = self._config.divide_above, self._config.least_px
        if self.decoder == "components":
            labels = components(probability, above, least)
        else:
            labels = watershed(probability, above, least, self._diameter)
        return tidy(labels, probability, None, least)

    def _grouped(self, probability: np.ndarray, embedding: Tensor) -> list[TileInstances]:
        config = self._config
        masks = np.stack([proposal(plane, config.foreground_above, config.least_px) for plane in probability])
        clusters = group_tiles(embedding, masks, bandwidth=config.bandwidth, mode=config.grouping)
        found = []
        for plane, vectors, labels in zip(probability, embedding.cpu().numpy(), clusters, strict=True):
            kept = without_background(labels, plane, config.min_components, config.least_probability)
            found.append(tidy(kept, plane, _spread(kept, vectors, config.bandwidth), config.least_px))
        return found


def _threads() -> int:
    return min(torch.get_num_threads(), _MOST_THREADS)


def _spread(labels: np.ndarray, vectors: np.ndarray, bandwidth: float) -> np.ndarray:
    """Distance of each pixel's embedding to the mean of its cluster, in bandwidths; (h, w) float32."""
    flat, rows = labels.ravel(), vectors.reshape(len(vectors), -1)
    count = np.maximum(np.bincount(flat), 1)
    means = np.stack([np.bincount(flat, row) / count for row in rows])
    return (np.sqrt(((rows - means[:, flat]) ** 2).sum(0)) / bandwidth).reshape(labels.shape).astype(np.float32)


def _fast_bfloat() -> bool:
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def load(folder: Path | str, card: ModelCard, device: str) -> SpnIenSegmenter:
    """Open a trained model.

    Parameters
    ----------
    folder : Path or str
    card : ModelCard
    device : str
        "auto", "cpu", "cuda", "mps".

    Returns
    -------
    SpnIenSegmenter

    Raises
    ------
    NucleiError
        The model is of another method, damaged, or the device is not there.
    """
    config = read_config(card)
    where = find_device(device)
    spn, ien = networks_from(load_weights(folder), config, card)
    channels_last = {"memory_format": torch.channels_last}
    normal = card.normalisation
    return SpnIenSegmenter(
        spn.to(where, **channels_last).eval(),  # type: ignore[call-overload]
        ien.to(where, **channels_last).eval() if ien is not None else None,  # type: ignore[call-overload]
        config,
        normal["mean"],
        normal["std"],
        card.nucleus_diameter_px or 20.0,
        where,
        config.decoder if config.decoder != "auto" else ("ien" if ien is not None else "watershed"),
        card.pixel_size_um,
    )


def read_config(card: ModelCard) -> SpnIenConfig:
    """The configuration a model was trained with; raises `NucleiError` where it is none of this method's."""
    return trained.read_config(card, METHOD, SpnIenConfig)


def networks_from(
    weights: dict[str, np.ndarray], config: SpnIenConfig, card: ModelCard
) -> tuple[nn.Module, Encoding | None]:
    """Networks with the weights of a model.

    Raises
    ------
    NucleiError
        The weights are not those the card describes.
    """
    spn = u_net(config, card.channels, 2)
    ien = Encoding(config, card.channels) if any(name.startswith("ien.") for name in weights) else None
    trained.put_weights(spn, weights, "spn.", card)
    if ien is not None:
        trained.put_weights(ien, weights, "ien.", card)
    return spn, ien
