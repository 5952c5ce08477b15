"""How consistent a state of the generator is with itself and with the images, judged without any label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from napari_nucleidomain.instances.contingency import contingency
from napari_nucleidomain.instances.scores import score_table
from napari_nucleidomain.instances.synthesis import MaskSettings, draw_mask
from napari_nucleidomain.instances.ternary import PaintSettings, nuclei_from_instances, nuclei_from_semantic
from napari_nucleidomain.networks.adgan import IMAGES, MASKS, Generator, domain_label

from .config import AdganConfig
from .lessons import as_batch, at_least, painted

_PIECES = 8
_DRAWN = 6
_SIDE_CROPS = 2
_TRIES = 12
# Pieces whose correlation is less are different.
_UNLIKE = 0.5


@dataclass(frozen=True)
class Consistency:
    """What a state of the generator makes of a few pieces of the images and of a few drawn masks.

    Attributes
    ----------
    drawn_f1 : float
        Object F1 at IoU 0.5: drawn nuclei, made an image, and found again in it.
    agreement : float
        The same between what is found in pieces and in their mirror images.
    certainty : float
        Mean over nuclei found in pieces of how near their values are to the levels painted.
    share : float
        Part of the pieces that is painted.
    bright_dice : float
        Dice of it with what is brighter than Otsu's threshold.
    bright_share : float
        Part of the pieces that is brighter.
    diameter : float
        Of the median nucleus found, over the typical one that is drawn; 0 where none was found.
    alike : float
        Largest correlation of what is painted over two pieces that differ.
    """

    drawn_f1: float
    agreement: float
    certainty: float
    share: float
    bright_dice: float
    bright_share: float
    diameter: float
    alike: float

    @property
    def score(self) -> float:
        """What states are compared by.

        Not by certainty: it rises all the time, also while what is painted drifts away from what is bright, and with
        it away from nuclei (`dsb2018_u2os`, val: Dice 0.943 after 490 steps, 0.918 after 1480).
        """
        return self.drawn_f1 + self.agreement + self.bright_dice


class Judge:
    """Looks at states of a generator, always at the same pieces and masks.

    Parameters
    ----------
    works : sequence of ndarray (*spatial) float32
        Images at work scale, in [-1, 1].
    masks : MaskSettings
    config : AdganConfig
    diameter : float
        Typical nucleus that is drawn, in work pixels.
    device : torch.device

    Attributes
    ----------
    pieces : list of ndarray (*spatial) float32
        What is looked at: parts of the images.
    """

    def __init__(
        self,
        works: Sequence[np.ndarray],
        masks: MaskSettings,
        config: AdganConfig,
        diameter: float,
        device: torch.device,
    ) -> None:
        rng = np.random.default_rng(0)
        self._config, self._diameter, self._device = config, diameter, device
        self.pieces, self._bright = _pieces(works, masks.shape, rng)
        self._masks = [draw_mask(masks, rng) for _ in range(_DRAWN)]
        self._paint = PaintSettings(config.low, config.high, diameter)

    @torch.inference_mode()
    def look(self, generator: Generator) -> Consistency:
        """Judge a state."""
        made = [self._translate(generator, piece, IMAGES, MASKS) for piece in self.pieces]
        found = [self._nuclei(one) for one in made]
        flipped = [
            np.flip(self._translate(generator, np.flip(piece, -1).copy(), IMAGES, MASKS), -1) for piece in self.pieces
        ]
        other = [self._nuclei(np.ascontiguousarray(one))[0] for one in flipped]
        drawn = [self._again(generator, painted(mask, self._config.form)) for mask in self._masks]
        mask = np.concatenate([(one > self._config.low).ravel() for one in made])
        bright = np.concatenate([one.ravel() for one in self._bright])
        areas = np.concatenate([np.bincount(labels.ravel())[1:] for labels, _ in found])
        scores = np.concatenate([score for _, score in found])
        ndim = self.pieces[0].ndim
        ball = np.pi / 4 if ndim == 2 else np.pi / 6
        return Consistency(
            drawn_f1=_f1([(labels, mask.labels) for labels, mask in zip(drawn, self._masks, strict=True)]),
            agreement=_f1([(labels, again) for (labels, _), again in zip(found, other, strict=True)]),
            certainty=float(scores.mean()) if len(scores) else 0.0,
            share=float(mask.mean()),
            bright_dice=float(2 * (mask & bright).sum() / max(1, mask.sum() + bright.sum())),
            bright_share=float(bright.mean()),
            diameter=float((np.median(areas) / ball) ** (1 / ndim) / self._diameter) if len(areas) else 0.0,
            alike=_alike(made, self.pieces),
        )

    def _translate(self, generator: Generator, work: np.ndarray, source: int, target: int) -> np.ndarray:
        x = as_batch(work[None], self._device)
        labels = (domain_label(domain, 1, self._device) for domain in (source, target))
        return np.asarray(generator(x, *labels)[0, 0].float().cpu().numpy())

    def _nuclei(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        read = nuclei_from_instances if self._config.form == "instance" else nuclei_from_semantic
        found = read(values, self._paint)
        return found.labels, found.scores

    def _again(self, generator: Generator, mask: np.ndarray) -> np.ndarray:
        image = self._translate(generator, mask, MASKS, IMAGES)
        return self._nuclei(self._translate(generator, image, IMAGES, MASKS))[0]


def _pieces(
    works: Sequence[np.ndarray], crop: Sequence[int], rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of evenly chosen images a part of up to twice a crop's side, and where it is brighter than the image's Otsu.

    Of several random parts the one with most that is bright: sparse images have nuclei in few.
    """
    chosen = np.unique(np.linspace(0, len(works) - 1, min(_PIECES, len(works))).astype(int))
    wider = _SIDE_CROPS if len(crop) == 2 else 1
    pieces, masks = [], []
    for number in chosen:
        work = at_least(works[number], crop)
        bright = _brighter(work)
        sides = [min(wider * c, n // 4 * 4) for c, n in zip(crop, work.shape, strict=True)]
        corners = [
            [int(rng.integers(0, n - s + 1)) for n, s in zip(work.shape, sides, strict=True)] for _ in range(_TRIES)
        ]
        boxes = [tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True)) for corner in corners]
        best = max(boxes, key=lambda box: int(bright[box].sum()))
        pieces.append(np.ascontiguousarray(work[best]))
        masks.append(bright[best])
    return pieces, masks


def _brighter(work: np.ndarray) -> np.ndarray:
    from skimage.filters import threshold_otsu

    return np.asarray(work > threshold_otsu(work)) if work.min() < work.max() else np.zeros(work.shape, bool)


def _f1(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Of all together."""
    counts = [score_table(contingency(a, b)).at[0.5] for a, b in pairs]
    hits, others = sum(one.tp for one in counts), sum(one.fp + one.fn for one in counts)
    return 2 * hits / (2 * hits + others) if hits + others else 0.0


def _alike(made: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> float:
    """Largest correlation of what is painted over two pieces that are not alike themselves."""
    best = -1.0
    for k in range(len(made)):
        for other in range(k + 1, len(made)):
            if made[k].shape == made[other].shape and abs(_correlation(given[k], given[other])) < _UNLIKE:
                best = max(best, _correlation(made[k], made[other]))
    return best


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if min(float(one.std()), float(other.std())) < 1e-3:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
