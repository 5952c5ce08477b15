"""From a model on disk to networks and back, for every method; and what continuing from a model asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from napari_nucleidomain.contracts import MethodConfig, ModelCard, NucleiError, RunContext, load_card

from .model_files import load_weights

_Config = TypeVar("_Config", bound=MethodConfig)


def read_config(
    card: ModelCard, method: str, config: type[_Config], per_channel: Sequence[str] = ("mean", "std")
) -> _Config:
    """The configuration a model was trained with.

    Parameters
    ----------
    card : ModelCard
    method : str
        Whose models are wanted.
    config : type
        Its configuration.
    per_channel : sequence of str
        What its normalisation tells as one number per channel.

    Raises
    ------
    NucleiError
        The model is of another method, or its card does not fit this version or is damaged.
    """
    if card.method != method:
        raise NucleiError(
            f"The model {card.name} was made by the method {card.method}, not {method}.",
            "Choose a model of this method.",
        )
    try:
        made = config.model_validate(card.config)
    except ValidationError as error:
        raise NucleiError(
            f"The card of the model {card.name} does not fit this version.", "Update the program."
        ) from error
    if any(len(_numbers(card.normalisation.get(name))) != card.channels for name in per_channel):
        raise NucleiError(f"The card of the model {card.name} is damaged.", "Ask for the model again.")
    return made


def _numbers(value: Any) -> list[float]:
    """Finite numbers of a list in a card; none where it holds anything else."""
    if not isinstance(value, list) or not all(isinstance(x, (int, float)) and np.isfinite(x) for x in value):
        return []
    return value


def put_weights(network: nn.Module, weights: dict[str, np.ndarray], prefix: str, card: ModelCard) -> None:
    """Give a network the weights whose names begin with `prefix`.

    Raises
    ------
    NucleiError
        They are not those the card describes.
    """
    part: dict[str, Tensor] = {
        name[len(prefix) :]: torch.from_numpy(value) for name, value in weights.items() if name.startswith(prefix)
    }
    try:
        network.load_state_dict(part)
    except RuntimeError as error:
        raise NucleiError(
            f"The weights of the model {card.name} are not those its card describes.", "Ask for the model again."
        ) from error


def weights_of(**networks: nn.Module | None) -> dict[str, np.ndarray]:
    """Weights by name, each with its network's name before it, as a model's file holds them."""
    found: dict[str, np.ndarray] = {}
    for name, network in networks.items():
        if network is not None:
            state = network.state_dict().items()
            found |= {f"{name}.{key}": value.detach().cpu().contiguous().numpy().copy() for key, value in state}
    return found


def unchanged_model(run: RunContext) -> tuple[dict[str, Any], ModelCard]:
    """The model that was to be continued, so that it predicts as it did: nothing is learned yet."""
    assert run.parent is not None
    card = load_card(run.parent)
    note = f"Stopped before the first step: this is the model {card.name}, unchanged."
    return load_weights(run.parent), card.model_copy(
        update={"name": run.name, "parent": run.parent.name, "notes": [*card.notes, note]}
    )


def check_parent(card: ModelCard, old: MethodConfig, config: MethodConfig, channels: int) -> None:
    """Refuse to continue from a model of another kind.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    old : MethodConfig
        What it was trained with.
    config : MethodConfig
        What it is to be trained with now.
    channels : int
        Of the images it is to be trained on now.

    Raises
    ------
    NucleiError
        Channels or networks differ.
    """
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
