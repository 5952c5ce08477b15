"""A trained AD-GAN as a segmenter: image to painted mask, blended over windows, then nuclei (sections 4.3 and 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.segmentation import relabel_sequential

from napari_nucleidomain.contracts import ModelCard, NucleiError, SegmenterSpec
from napari_nucleidomain.contracts.memory import is_memory_full
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.inference import trained
from napari_nucleidomain.inference.blending import blend
from napari_nucleidomain.inference.model_files import load_weights
from napari_nucleidomain.inference.tiles import resize
from napari_nucleidomain.instances.half_maximum import EdgeSettings, outlines_at_half_maximum
from napari_nucleidomain.instances.stitching import TileInstances
from napari_nucleidomain.instances.ternary import PaintSettings, nuclei_from_instances, nuclei_from_semantic
from napari_nucleidomain.networks.adgan import IMAGES, MASKS, Discriminator, Generator, NetworkSettings, domain_label
from napari_nucleidomain.training.start import choose_precision, find_device

from .brightness import Brightness, brightness_of
from .config import AdganConfig
from .facts import read_facts
from .lessons import channels_last
from .pictures import Smoothing, blocks_of, find_smoothing, sigma_of, spacing_of, to_work, work_factors
from .sizes import own_diameter

METHOD = "adgan"
# Sides of a tile in work pixels.
_TILE = {2: (640, 640), 3: (96, 160, 160)}
# Longest side of an image that is painted as a whole, work pixels.
_WHOLE = {2: 1024, 3: 160}
_HALO = 3.0
# Of a nucleus' diameter.
_SMOOTH = 0.15
_LEAST = 0.1
# What stands out less from its surroundings, as a part of the way from the ground to Otsu's threshold, is no nucleus.
_FAINTEST = 0.1
# Voxels of a tile: reading nuclei off it takes 50 bytes for each.
_MOST_VOXELS = 48_000_000
# An image such as a person looks at first, and how much the networks may be asked to paint for it: work pixels of all
# tiles and mirrored copies, and windows.
_REFERENCE = {2: (160, 160), 3: (32, 128, 128)}
_MOST_WORK = {2: 6e6, 3: 1e8}
_MOST_WINDOWS = 600
# Of what the network is shown: mirrored borders need pixels to mirror.
_SHORTEST = 24


@dataclass(frozen=True)
class Scene:
    """Constants of one image.

    Attributes
    ----------
    brightness : Brightness
    spacing : tuple of float
        Pixel size per axis in units of the last one's.
    diameter : float
        Typical nucleus, in pixels of a tile's last axis.
    smoothing : Smoothing, optional
        Before the network sees a tile.
    """

    brightness: Brightness
    spacing: tuple[float, ...]
    diameter: float
    smoothing: Smoothing | None = None


class AdganSegmenter:
    """Finds nuclei in what the generator paints.

    Parameters
    ----------
    generator : Generator
        On `device`.
    config : AdganConfig
    diameter_px : float
        Typical nucleus, pixels of the last axis.
    stretch : float
        How much longer than wide nuclei are along z.
    crop : tuple of int
        Of the training, in work pixels.
    device : torch.device
    spacing : tuple of float
        Pixel size per axis of the training images in units of the last one's.
    pixel_size_um : float, optional
        Of the training images' last axis.
    estimated_px : float
        See `Facts.estimated_px`.
    """

    def __init__(
        self,
        generator: Generator,
        config: AdganConfig,
        diameter_px: float,
        stretch: float,
        crop: tuple[int, ...],
        device: torch.device,
        spacing: tuple[float, ...],
        pixel_size_um: float | None = None,
        estimated_px: float = 0.0,
    ) -> None:
        ndim = len(crop)
        self._by = diameter_px / estimated_px if estimated_px else 1.0
        self._generator, self._config, self._device = generator, config, device
        self._diameter, self._stretch, self._crop = diameter_px, stretch, crop
        factors = self._factors(spacing, diameter_px)
        tile = tuple(max(side, 2 * c) for side, c in zip(_TILE[ndim], crop, strict=True))
        halo = sigma_of(_HALO, diameter_px, spacing, stretch)
        whole = float(np.prod([side / f for side, f in zip(tile, factors, strict=True)]))
        part = min(1.0, (_MOST_VOXELS / whole) ** (1 / ndim))
        sides = tuple(max(16, round(part * side / f)) for side, f in zip(tile, factors, strict=True))
        self.spec = SegmenterSpec(
            ndim=ndim,
            channels=1,
            tile=sides,
            halo=tuple(min(int(np.ceil(h)), side // 3) for h, side in zip(halo, sides, strict=True)),
            fixed=False,
            pixel_size_um=pixel_size_um,
            diameter_px=diameter_px,
        )
        self._refuse_endless(factors)
        precision = choose_precision("32-true" if config.precision == "32-true" else "auto", device)
        self._half = precision == "bf16-mixed"
        self._from, self._to = (domain_label(domain, 1, device) for domain in (IMAGES, MASKS))

    def _refuse_endless(self, factors: Sequence[float]) -> None:
        """Refuse settings by which a small image would be painted many million times over."""
        config, spec = self._config, self.spec
        sides = [min(n, side) for n, side in zip(_REFERENCE[spec.ndim], spec.tile, strict=True)]
        cores = [max(1, side - 2 * halo) for side, halo in zip(spec.tile, spec.halo, strict=True)]
        whole = zip(_REFERENCE[spec.ndim], spec.tile, cores, strict=True)
        tiles = float(np.prod([1 if n <= side else -(-n // core) for n, side, core in whole]))
        work = [side * factor for side, factor in zip(sides, factors, strict=True)]
        steps = [(config.window_crops - 1) * c for c in self._crop]
        windows = float(np.prod([max(1.0, n / step) for n, step in zip(work, steps, strict=True)]))
        times = tiles * len(self._flips(spec.ndim))
        most = _MOST_WORK[spec.ndim] / (3 if config.own_scale and spec.ndim == 2 else 1)
        if times * float(np.prod(work)) > most or times * windows > _MOST_WINDOWS:
            raise NucleiError(
                f"With these settings images would be enlarged × {max(factors):.3g} and painted piece by piece for "
                f"minutes (nuclei of {self._diameter:.3g} px, work_diameter_px = {config.work_diameter(spec.ndim):g}, "
                f"resize = {config.resize:g}, window_crops = {config.window_crops:g}).",
                "Choose a smaller work size. Where a model of somebody else says so, its card is damaged.",
            )

    @property
    def generator(self) -> Generator:
        """The network."""
        return self._generator

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return self._device

    def _factors(self, spacing: Sequence[float], diameter: float) -> tuple[float, ...]:
        config = self._config
        return work_factors(diameter, config.work_diameter(len(spacing)), config.resize, spacing, self._stretch)

    def prepare(self, image: Image, plane: int | None, factor: float = 1.0) -> Scene:
        """The image's brightness, pixel sizes, and how large its nuclei are; see `contracts.Segmenter`.

        Where somebody had the image scaled, nuclei are taken to be as large as in training.
        """
        spacing = spacing_of(image, self.spec.ndim, self._config.z_step)
        brightness, diameter = brightness_of(image, plane), self._diameter
        if self._config.own_scale and self.spec.ndim == 2 and factor == 1.0 and not brightness.blank:
            diameter = own_diameter(image, plane, brightness, self._diameter, self._by)
        return Scene(brightness, spacing, diameter, self._smoothing(image, plane, brightness, spacing, diameter))

    def _smoothing(
        self, image: Image, plane: int | None, brightness: Brightness, spacing: tuple[float, ...], diameter: float
    ) -> Smoothing | None:
        share = self._config.smooth(self.spec.ndim)
        if not share:
            return None
        parts = [brightness.to_unit(image.read(box, plane=plane)) for box in blocks_of(image.spatial_shape)]
        return find_smoothing(parts, sigma_of(share, diameter, spacing, self._stretch))

    def forward(self, tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        """Segment tiles; see `contracts.Segmenter`."""
        return [self._segment(tile, constants) for tile in tiles]

    def _segment(self, tile: np.ndarray, scene: Scene) -> TileInstances:
        unit = scene.brightness.to_unit(tile)
        values = self.paint(unit, scene)
        trained.refuse_not_finite(values)
        settings = PaintSettings(
            low=self._config.low,
            high=self._config.high,
            diameter=scene.diameter,
            spacing=scene.spacing,
            least=_LEAST,
        )
        read = nuclei_from_instances if self._config.form == "instance" else nuclei_from_semantic
        found = read(values, settings)
        labels, scores = found.labels.astype(np.int32), found.scores
        if self._config.edge:
            labels, scores = self._with_edges(labels, scores, unit, scene)
        return TileInstances(labels, scores, 1.0 - scores)

    def _with_edges(
        self, labels: np.ndarray, scores: np.ndarray, unit: np.ndarray, scene: Scene
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nuclei that end where the image says; those that do not stand out are none."""
        settings = EdgeSettings(
            scene.diameter,
            self._config.edge,
            scene.spacing,
            contrast=scene.brightness.contrast,
            smooth=self._config.smooth(self.spec.ndim),
            faintest=_FAINTEST * scene.brightness.contrast,
        )
        labels = outlines_at_half_maximum(labels, unit, settings)
        left = np.setdiff1d(labels, 0)
        return relabel_sequential(labels)[0].astype(np.int32), scores[left - 1]

    def paint(self, unit: np.ndarray, scene: Scene) -> np.ndarray:
        """What the generator paints over an image.

        Parameters
        ----------
        unit : ndarray (*spatial) float32
            In the unit range.
        scene : Scene

        Returns
        -------
        ndarray (*spatial) float32
            In [-1, 1]; -1 everywhere, without asking the network, where nothing is bright enough to be a nucleus:
            instance normalisation would make nuclei of noise.
        """
        if self._is_empty(unit, scene):
            return np.full(unit.shape, -1.0, np.float32)
        factors = self._factors(scene.spacing, scene.diameter)
        work = to_work(unit, factors, self._config.gamma, scene.smoothing)
        shape = work.shape
        short = [max(_SHORTEST, -(-n // 4) * 4) - n for n in shape]
        work = np.pad(work, [(0, s) for s in short], mode="symmetric")
        painted = self.paint_work(work)[tuple(slice(0, n) for n in shape)]
        return resize(painted, unit.shape)

    def _is_empty(self, unit: np.ndarray, scene: Scene) -> bool:
        if scene.brightness.blank or float(unit.max(initial=0)) <= scene.brightness.empty_below:
            return True
        # Single bright pixels of noise are no nuclei.
        smooth = gaussian_filter(unit, [_SMOOTH * scene.diameter / side for side in scene.spacing])
        bright = int((smooth > scene.brightness.empty_below).sum())
        least = PaintSettings(diameter=scene.diameter, spacing=scene.spacing, least=_LEAST).least_pixels(unit.ndim)
        return bright < least

    @torch.inference_mode()
    def paint_work(self, work: np.ndarray) -> np.ndarray:
        """(*spatial) in [-1, 1] at work scale, sides multiples of 4 -> the same, painted."""
        ndim = work.ndim
        window = [int(self._config.window_crops * c) // 4 * 4 for c in self._crop]
        try:
            x = torch.from_numpy(np.ascontiguousarray(work))[None, None].to(self._device)
            logits = None
            flips = self._flips(ndim)
            for axes in flips:
                seen = x.flip(axes).contiguous(memory_format=channels_last(ndim))
                made = blend(seen, self._logits, window, self._crop).flip(axes)
                logits = made if logits is None else logits + made
            assert logits is not None
            return np.asarray(torch.tanh(logits / len(flips))[0, 0].cpu().numpy())
        except Exception as error:
            if is_memory_full(error):
                raise MemoryError from error
            raise

    @torch.inference_mode()
    def image_of(self, mask: np.ndarray) -> np.ndarray:
        """A drawn mask (*spatial) in [-1, 1] at work scale, sides multiples of 4 -> an image, likewise.

        A large one is made of windows that are blended.
        """
        most = _WHOLE[mask.ndim]
        window = [min(int(self._config.window_crops * c), max(most, c)) // 4 * 4 for c in self._crop]
        try:
            x = torch.from_numpy(np.ascontiguousarray(mask))[None, None].to(self._device)
            seen = x.contiguous(memory_format=channels_last(mask.ndim))
            logits = blend(seen, self._image_logits, window, self._crop)
            return np.asarray(torch.tanh(logits)[0, 0].cpu().numpy())
        except Exception as error:
            if is_memory_full(error):
                raise MemoryError from error
            raise

    def _image_logits(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            return self._generator.decoder.logits(self._generator.encoder(x, self._to), self._from)

    def _flips(self, ndim: int) -> list[list[int]]:
        last = [ndim + 1, ndim]
        return [[], last[:1], last[1:], last] if self._config.mirrored else [[]]

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            content = self._generator.encoder(x, self._from)
            return self._generator.decoder.logits(content, self._to)


def network_settings(config: AdganConfig, ndim: int) -> NetworkSettings:
    """What the networks of a configuration are made of."""
    return NetworkSettings(
        ndim=3 if ndim == 3 else 2,
        width=config.width_volume if ndim == 3 else config.width,
        blocks=config.blocks,
        style_width=config.style_width,
        style_in_encoder=config.style_in_encoder,
        gain=config.gain,
        up=config.up,
    )


def read_config(card: ModelCard) -> AdganConfig:
    """The configuration a model was trained with; raises `NucleiError` where it is none of this method's."""
    return trained.read_config(card, METHOD, AdganConfig, ())


def generator_of(folder: Path | str, card: ModelCard) -> Generator:
    """The network of a model.

    Raises
    ------
    NucleiError
        The model is of another method or damaged.
    """
    settings = network_settings(read_config(card), card.ndim)
    networks = {"generator": lambda: Generator(settings), "discriminator": lambda: Discriminator(settings)}
    trained.check_weights(folder, card, **networks)
    generator = Generator(settings)
    trained.put_weights(generator, load_weights(folder), "generator.", card)
    return generator


def load(folder: Path | str, card: ModelCard, device: str) -> AdganSegmenter:
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
    generator = generator_of(folder, card).to(where, memory_format=channels_last(card.ndim))  # type: ignore[call-overload]
    facts = read_facts(card)
    return AdganSegmenter(
        generator.eval(),
        read_config(card),
        facts.diameter_px,
        facts.stretch,
        facts.crop,
        where,
        facts.spacing,
        card.pixel_size_um,
        facts.estimated_px,
    )
