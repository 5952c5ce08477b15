"""Labelled images from a trained model: masks are drawn and painted over as images (section 5.4, Table 10)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_nucleidomain.contracts import ModelCard, NucleiError, SynthesisWish, SyntheticImage
from napari_nucleidomain.contracts.card import damaged_card
from napari_nucleidomain.inference.tiles import resize
from napari_nucleidomain.instances.synthesis import MaskSettings, draw_mask, labels_on

from .config import AdganConfig
from .facts import Facts, read_facts
from .pictures import work_factors
from .sizes import Drawn, mask_of

_USUAL_SIDES = (512, 512)
_SHORTEST, _MOST = 8, 1 << 26
# What the networks take at least, work pixels.
_LEAST_WORK = 24


class AdganSynthesis:
    """Draws masks as in training, has them painted over, and brings both to the scale of the training images.

    Parameters
    ----------
    card : ModelCard
    wish : SynthesisWish

    Raises
    ------
    NucleiError
        The card is damaged, or the wish cannot be.

    Notes
    -----
    A model that was trained on images of different scales makes images in which nuclei have the typical size.
    """

    def __init__(self, card: ModelCard, wish: SynthesisWish) -> None:
        self._config, facts = _config_of(card), read_facts(card)
        ndim = len(facts.crop)
        self._factors = work_factors(
            facts.diameter_px, self._config.work_diameter(ndim), self._config.resize, facts.spacing, facts.stretch
        )
        self.spacing = facts.spacing
        size = card.pixel_size_um
        self.pixel_size_um = tuple(size * side for side in facts.spacing) if size else None
        shape = _shape(wish.shape, facts, self._factors)
        # At least one work pixel a side, and the factors that come out of whole pixels.
        self._work = tuple(max(1, round(n * f)) for n, f in zip(shape, self._factors, strict=True))
        diameter = _diameter(wish.diameter, facts, shape)
        nuclei = wish.nuclei or self._usual_number(facts, sum(diameter) / 2)
        eccentricity = wish.eccentricity or (self._config.eccentricity_least, self._config.eccentricity_most)
        _check_ranges(nuclei, eccentricity)
        self.wish = SynthesisWish(
            shape=shape, diameter=diameter, nuclei=nuclei, eccentricity=eccentricity, bits=wish.bits
        )
        self._masks = self._mask_settings(facts, self.wish)
        assert len(shape) == ndim

    def _usual_number(self, facts: Facts, diameter: float) -> tuple[int, int]:
        """Nuclei that cover as much of an image as of a crop in training: in a small crop more of each is cut off."""
        # Of pixels in a disc (ball), how far they are from its centre along an axis, in radii.
        away = {2: 4 / (3 * np.pi), 3: 3 / 8}[len(facts.crop)] * diameter / 2 * self._factors[-1]
        room = [float(np.prod([max(1.0, side - away) / side for side in sides])) for sides in (facts.crop, self._work)]
        times = float(np.prod(self._work) / np.prod(facts.crop)) * room[0] / room[1]
        # Other sizes than in training leave the ground as it is.
        usual = (facts.low_px + facts.high_px) / 2
        times *= (usual / diameter) ** len(facts.crop)
        few, many = facts.count
        return max(1, round(few * times)), max(1, round(many * times))

    def _mask_settings(self, facts: Facts, wish: SynthesisWish) -> MaskSettings:
        assert wish.shape and wish.diameter and wish.nuclei and wish.eccentricity
        low, high = wish.diameter
        drawn = Drawn(
            facts.diameter_px, low, high, facts.estimated_px, facts.stretch, wish.nuclei, (facts.diameter_px,), 0, 0
        )
        least, most = wish.eccentricity
        config = self._config.model_copy(update={"eccentricity_least": least, "eccentricity_most": most})
        try:
            return mask_of(config, drawn, self._work, wish.nuclei)
        except NucleiError as error:
            raise NucleiError(
                f"{wish.nuclei[0]} nuclei of {low:.3g} to {high:.3g} px find no room in an image of "
                f"{_by(wish.shape)} px.",
                "Ask for fewer or smaller nuclei, or for larger images.",
            ) from error

    def make(self, segmenter: Any, rng: np.random.Generator) -> SyntheticImage:
        """See `contracts.Synthesis`.

        Parameters
        ----------
        segmenter : AdganSegmenter
            Of the same model.
        rng : numpy.random.Generator
        """
        from .lessons import painted

        shape = self.wish.shape
        assert shape
        mask = draw_mask(self._masks, rng)
        # Networks take sides that are multiples of 4; mirrored, cut nuclei go on beyond the border.
        short = [(0, max(_LEAST_WORK, -(-n // 4) * 4) - n) for n in self._work]
        work = segmenter.image_of(np.pad(painted(mask, self._config.form), short, mode="symmetric"))
        inside = tuple(slice(0, n) for n in self._work)
        unit = np.clip((work[inside] + 1) / 2, 0, 1) ** np.float32(1 / self._config.gamma)
        grey = np.clip(resize(unit.astype(np.float32), shape), 0, 1)
        white = 2**self.wish.bits - 1
        step = [n / side for n, side in zip(self._work, shape, strict=True)]
        labels = labels_on(mask.nuclei, step, shape)
        # Those that cover no pixel at this scale are nobody's loss.
        beyond = len(mask.nuclei) - int(labels.max(initial=0))
        return SyntheticImage(
            np.rint(grey * white).astype(np.uint8 if self.wish.bits == 8 else np.uint16), labels, mask.wanted - beyond
        )


def synthesis(card: ModelCard, wish: SynthesisWish) -> AdganSynthesis:
    """What makes labelled images of a model; see `MethodSpec.synthesis`.

    Raises
    ------
    NucleiError
        The card is damaged, or the wish cannot be.
    """
    return AdganSynthesis(card, wish)


def _config_of(card: ModelCard) -> AdganConfig:
    try:
        return AdganConfig.model_validate(card.config)
    except ValidationError as error:
        raise damaged_card(card.name, error) from error


def _shape(wish: tuple[int, ...] | None, facts: Facts, factors: tuple[float, ...]) -> tuple[int, ...]:
    ndim = len(facts.crop)
    if wish is None:
        crop = tuple(max(_SHORTEST, round(n / f)) for n, f in zip(facts.crop, factors, strict=True))
        return crop if ndim == 3 else _USUAL_SIDES
    if len(wish) != ndim:
        what = "volumes: three sides, planes first" if ndim == 3 else "flat images: two sides"
        raise NucleiError(f"This model makes {what}, not images of {_by(wish)} px.", "Give a size with as many sides.")
    if min(wish) < _SHORTEST:
        raise NucleiError(f"Images of {_by(wish)} px are too small.", f"Sides have {_SHORTEST} px at least.")
    work = float(np.prod([n * f for n, f in zip(wish, factors, strict=True)]))
    if max(float(np.prod(wish, dtype=float)), work) > _MOST:
        raise NucleiError(
            f"Images of {_by(wish)} px are too large to be made at once.", "Make more of them, but smaller ones."
        )
    return wish


def _diameter(wish: tuple[float, float] | None, facts: Facts, shape: tuple[int, ...]) -> tuple[float, float]:
    low, high = wish or (facts.low_px, facts.high_px)
    if not 1 <= low <= high < np.inf:
        raise NucleiError(
            f"Nuclei cannot be {low:g} to {high:g} px large.", "Give the smaller diameter first, 1 px or more."
        )
    sides = [n * step for n, step in zip(shape, facts.spacing, strict=True)]
    if high > max(sides):
        raise NucleiError(
            f"Nuclei of {high:.3g} px are larger than the image ({_by(shape)} px).",
            "Make nuclei smaller, or images larger.",
        )
    return low, high


def _check_ranges(nuclei: tuple[int, int], eccentricity: tuple[float, float]) -> None:
    if not 1 <= nuclei[0] <= nuclei[1]:
        raise NucleiError(
            f"There cannot be {nuclei[0]} to {nuclei[1]} nuclei in an image.",
            "Give the smaller number first, 1 or more.",
        )
    if not 0 <= eccentricity[0] <= eccentricity[1] < 1:
        raise NucleiError(
            f"Eccentricities cannot range from {eccentricity[0]:g} to {eccentricity[1]:g}.",
            "0 is a circle, near 1 a needle; give the rounder first.",
        )


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
