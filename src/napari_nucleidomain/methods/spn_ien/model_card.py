"""What a trained model says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_nucleidomain.contracts import ModelCard, RunContext
from napari_nucleidomain.training.card import begin_card, flattering, short_digest

from .clicked import Clicked
from .config import SpnIenConfig
from .segment import METHOD


def made_card(
    run: RunContext,
    images: Sequence[Clicked],
    config: SpnIenConfig,
    *,
    digest: str,
    diameter: float,
    steps: int,
    mean: list[float],
    std: list[float],
    scores: Any,
    checked: dict[str, float],
    classical: Any,
    before: Any,
    notes: list[str],
) -> ModelCard:
    """The card of a model.

    Parameters
    ----------
    run : RunContext
    images : sequence of Clicked
        What it learned from.
    config : SpnIenConfig
        With the decoder that was chosen.
    digest : str
        Of all that was learned from.
    diameter : float
        Of a typical nucleus, in px.
    steps : int
        Done so far.
    mean, std : list of float
        Per channel.
    scores, classical, before : list of ScoreOnData
        On the kept-back clicks: its own, and those of Otsu + watershed and of the model that was continued.
    checked : dict
        Its own as the events told them.
    notes : list of str
    """
    card = begin_card(
        run,
        METHOD,
        config,
        [one.image for one in images],
        images[0].pixels.shape[-1],
        nucleus_diameter_px=round(diameter, 2),
        normalisation={"range": "per image", "mean": mean, "std": std},
        trained_on=_trained_on(images, digest),
        steps=steps,
        scores=scores,
        checked=checked,
        classical=classical,
        before=before,
        notes=notes,
    )
    return flattering(card, run.parent, card.trained_on["kept_back_in"])


def kept_back_in(images: Sequence[Clicked]) -> list[list[Any]]:
    """Image name and box (top, bottom, left, right) of every strip kept back."""
    return [
        [one.name, *(int(edge) for side in one.check_box for edge in side)]
        for one in images
        if one.check_box is not None
    ]


def _trained_on(images: Sequence[Clicked], digest: str) -> dict[str, Any]:
    corrected = sum(one.corrected for one in images)
    return {
        "images": list(dict.fromkeys(one.name for one in images)),
        "clicks": sum(len(one.points) for one in images) - corrected,
        "corrected": corrected,
        "kept_back": sum(len(one.check_points) for one in images),
        "pixels": int(sum(one.inside.sum() for one in images)),
        "kept_back_in": kept_back_in(images),
        "digest": short_digest(digest),
    }
