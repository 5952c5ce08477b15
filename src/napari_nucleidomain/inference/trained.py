"""From a model on disk to networks and back, for every method; and what continuing from a model asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from napari_nucleidomain.contracts import (
    MethodConfig,
    ModelCard,
    NotFinite,
    NucleiError,
    RunContext,
    find_method,
    load_card,
)
from napari_nucleidomain.contracts.card import damaged_card

from .model_files import load_weights
from .weights_file import Stored, stored_weights

# Of means and spreads of pixels in the unit range.
_LARGEST, _LEAST_SPREAD = 1e4, 1e-6
# What initial weights are drawn with.
_FILLING = {"normal_", "uniform_", "trunc_normal_", "bernoulli_"}
_Config = TypeVar("_Config", bound=MethodConfig)


class _Unfilled(TorchFunctionMode):
    """Within it tensors are not filled with random numbers.

    Those of no device have no numbers, and filling them has torch load its compiler: seconds, and a crash in the
    process of a viewer.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As torch calls it for every function."""
        if getattr(func, "__name__", "") in _FILLING:
            # Of `torch.nn.init`, which names its argument, or of a tensor.
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


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
        raise damaged_card(card.name, error) from error
    if card.ndim not in find_method(method).ndims:
        raise _damaged(card, f"ndim = {card.ndim}")
    if any(len(_numbers(card.normalisation.get(name))) != card.channels for name in per_channel):
        raise _damaged(card, " and ".join(per_channel))
    if "std" in per_channel and min(_numbers(card.normalisation["std"]), default=1.0) < _LEAST_SPREAD:
        raise _damaged(card, "std")
    return made


def _damaged(card: ModelCard, what: str) -> NucleiError:
    return NucleiError(f"The card of the model {card.name} is damaged: {what}.", "Ask for the model again.")


def _numbers(value: Any) -> list[float]:
    """Numbers of a list in a card, such as pixels in the unit range have; none where it holds anything else."""
    if not isinstance(value, list) or not all(isinstance(x, (int, float)) and abs(x) <= _LARGEST for x in value):
        return []
    return value


def check_weights(folder: Path | str, card: ModelCard, **networks: Callable[[], nn.Module]) -> None:
    """Refuse weights that are not those of the networks a card describes, before networks or weights are in memory.

    Parameters
    ----------
    folder : Path or str
        The model.
    card : ModelCard
    **networks
        What makes each network, by the first part of its weights' names. One of which there are no weights is left
        out.

    Raises
    ------
    NucleiError
        Names, sides or number types differ.
    """
    stored = stored_weights(Path(folder))
    expected: dict[str, Stored] = {}
    for name, make in networks.items():
        if any(one.startswith(f"{name}.") for one in stored):
            # On no device: it has sides and no numbers.
            with torch.device("meta"), _Unfilled():
                state = make().state_dict().items()
            expected |= {f"{name}.{key}": Stored(tuple(one.shape), one.is_floating_point()) for key, one in state}
    if stored != expected:
        raise _unlike(card)


def _unlike(card: ModelCard) -> NucleiError:
    return NucleiError(
        f"The weights of the model {card.name} are not those its card describes.", "Ask for the model again."
    )


def refuse_not_finite(*outputs: np.ndarray) -> None:
    """Refuse what a network gives where it is no numbers: no nucleus would be found in it, and nothing said.

    Raises
    ------
    NucleiError
        Some number is not finite.
    """
    if not all(np.isfinite(one).all() for one in outputs):
        raise NotFinite(
            "The model gives numbers that are not finite: its weights or its card are damaged, or its training has "
            "diverged.",
            "Ask for the model again, or train it anew with a lower learning rate.",
        )


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
        raise _unlike(card) from error


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
