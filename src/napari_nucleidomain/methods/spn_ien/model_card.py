"""What a trained model says of itself, and which models can be trained on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import ModelCard, NucleiError, RunContext, load_card
from napari_nucleidomain.inference.model_files import load_weights

from .clicked import Clicked
from .config import SpnIenConfig
from .segment import read_config


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
    classical: Any,
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
    scores, classical : list of ScoreOnData
        On the kept-back clicks: its own, and those of Otsu + watershed.
    notes : list of str
    """
    first = images[0].image
    sizes = [one.image.pixel_size_um[-1] for one in images if one.image.pixel_size_um]
    same = len(sizes) == len(images) and max(sizes) < 1.05 * min(sizes)
    return ModelCard(
        name=run.name,
        method="spn-ien",
        version=__version__,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        channels=images[0].pixels.shape[-1],
        kind=first.kind,
        channel_names=list(first.channel_names or []),
        pixel_size_um=float(sizes[0]) if same else None,
        nucleus_diameter_px=round(diameter, 2),
        normalisation={"range": "per image", "mean": mean, "std": std},
        config=config.model_dump(mode="json"),
        preset=run.preset,
        trained_on=_trained_on(images, digest),
        seconds=round(run.seconds, 1),
        steps=steps,
        seed=run.seed,
        parent=run.parent.name if run.parent else "",
        scores=scores,
        classical=classical,
        notes=notes,
    )


def _trained_on(images: Sequence[Clicked], digest: str) -> dict[str, Any]:
    corrected = sum(one.corrected for one in images)
    return {
        "images": list(dict.fromkeys(one.name for one in images)),
        "clicks": sum(len(one.points) for one in images) - corrected,
        "corrected": corrected,
        "kept_back": sum(len(one.check_points) for one in images),
        "pixels": int(sum(one.inside.sum() for one in images)),
        "digest": digest[:64],
    }


def unchanged_model(run: RunContext) -> tuple[dict[str, Any], ModelCard]:
    """The model that was to be continued, so that it predicts as it did: nothing is learned yet."""
    assert run.parent is not None
    card = load_card(run.parent)
    note = f"Stopped before the first step: this is the model {card.name}, unchanged."
    return load_weights(run.parent), card.model_copy(
        update={"name": run.name, "parent": run.parent.name, "notes": [*card.notes, note]}
    )


def check_parent(card: ModelCard, config: SpnIenConfig, channels: int) -> None:
    """Refuse to continue from a model of another kind.

    Raises
    ------
    NucleiError
        Method, channels or size of the networks differ.
    """
    old = read_config(card)
    if card.channels != channels:
        raise NucleiError(
            f"The model {card.name} was trained on {card.channels} channels, these images have {channels}.",
            "Choose the channels it was trained on, or begin a new model.",
        )
    if unlike := config.unlike(old):
        raise NucleiError(
            f"The model {card.name} has other networks ({unlike}).",
            f"Continue with the preset it was made with ({card.preset or 'see its card'}), or begin a new model.",
        )
