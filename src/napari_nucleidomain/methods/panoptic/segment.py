"""A trained panoptic model as a segmenter. Only the instance branch is used (section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_nucleidomain.contracts import ModelCard, SegmenterSpec
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.inference import trained
from napari_nucleidomain.inference.batching import is_memory_full
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.seen import intensity_of
from napari_nucleidomain.instances.stitching import TileInstances
from napari_nucleidomain.networks.detection import Detections, Detector, paste
from napari_nucleidomain.training.start import choose_precision, find_device

from .config import PanopticConfig
from .model import new_detector

METHOD = "panoptic"
_GPU_BATCH = 8
# More threads than this would wait for each other in Python.
_MOST_THREADS = 8


class PanopticSegmenter:
    """Finds nuclei with the detector.

    Parameters
    ----------
    detector : Detector
    config : PanopticConfig
    mean, std : sequence of float
        Of the training pixels in the unit range, per channel.
    diameter_px : float
        Median nucleus diameter.
    device : torch.device
    pixel_size_um : float, optional
        Of the training images.
    """

    def __init__(
        self,
        detector: Detector,
        config: PanopticConfig,
        mean: Sequence[float],
        std: Sequence[float],
        diameter_px: float,
        device: torch.device,
        pixel_size_um: float | None = None,
    ) -> None:
        # A nucleus on a tile's edge must be seen whole by one of the tiles.
        halo = min(max(config.halo_px, int(1.5 * diameter_px)), config.tile_px // 3)
        self.spec = SegmenterSpec(
            ndim=2,
            channels=len(mean),
            tile=(config.tile_px, config.tile_px),
            halo=(halo, halo),
            fixed=False,
            multiple=32,
            batch=_threads() if device.type == "cpu" else _GPU_BATCH,
            pixel_size_um=pixel_size_um,
            diameter_px=diameter_px,
            least_px=config.least_px,
        )
        self._detector, self._config, self._device = detector, config, device
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        precision = choose_precision("32-true" if config.precision == "32-true" else "auto", device)
        self._half = precision == "bf16-mixed"

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return self._device

    def prepare(self, image: Image, plane: int | None, factor: float = 1.0) -> IntensityRange:
        """The image's intensity range."""
        return intensity_of(image, plane)

    def forward(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        """Segment tiles; see `contracts.Segmenter`. On the CPU every tile has a thread of its own."""
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
            x = torch.from_numpy(np.ascontiguousarray(stack)).to(self._device)
            x = ((x - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                found = self._detector.detect(x)
        except RuntimeError as error:
            if is_memory_full(error):
                raise MemoryError from error
            raise
        shape = (int(x.shape[-2]), int(x.shape[-1]))
        return [self._instances(one, shape) for one in found]

    def _instances(self, found: Detections, shape: tuple[int, int]) -> TileInstances:
        boxes, scores, masks = (part.float().cpu().numpy() for part in (found.boxes, found.scores, found.masks))
        made = paste(boxes, scores, masks, shape, self._config.mask_above)
        # Unsure is what may be none, and what may end elsewhere.
        doubt = np.maximum(made.uncertainty, 4.0 * made.scores * (1.0 - made.scores))
        return TileInstances(made.labels, made.scores, doubt.astype(np.float32))


def _threads() -> int:
    return min(torch.get_num_threads(), _MOST_THREADS)


def read_config(card: ModelCard) -> PanopticConfig:
    """The configuration a model was trained with; raises `NucleiError` where it is none of this method's."""
    return trained.read_config(card, METHOD, PanopticConfig)


def detector_of(folder: Path | str, card: ModelCard) -> Detector:
    """The network of a model.

    Raises
    ------
    NucleiError
        The model is of another method or damaged.
    """
    detector = new_detector(read_config(card), card.channels)
    trained.put_weights(detector, load_weights(folder), "detector.", card)
    return detector


def load(folder: Path | str, card: ModelCard, device: str) -> PanopticSegmenter:
    """Open a trained model.

    Parameters
    ----------
    folder : Path or str
    card : ModelCard
    device : str
        "auto", "cpu", "cuda", "mps".

    Raises
    ------
    NucleiError
        The model is of another method, damaged, or the device is not there.
    """
    where = find_device(device)
    detector = detector_of(folder, card).to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    normal = card.normalisation
    diameter = card.nucleus_diameter_px or 20.0
    return PanopticSegmenter(
        detector.eval(), read_config(card), normal["mean"], normal["std"], diameter, where, card.pixel_size_um
    )
