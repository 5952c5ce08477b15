"""ImageNet weights for torchvision's ResNets: from a file, torchvision's cache or the internet, or none."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_nucleidomain.contracts import NucleiError

if TYPE_CHECKING:
    from napari_nucleidomain.contracts import RunContext


def begin_from_imagenet(net: nn.Module, name: str, file: str, run: RunContext) -> bool:
    """Load ImageNet weights into a ResNet with torchvision's names. Without them it stays as it is, which is said once.

    Parameters
    ----------
    net : nn.Module
        A stem for other channels than three gets the mean of the colours' weights. Layers whose names or shapes differ
        otherwise keep what they have.
    name : str
        Of the network in torchvision: "resnet18", "resnet34", "resnet50" or "resnet101".
    file : str
        As published by torchvision, or "" for the cache or the internet.
    run : RunContext
        To warn on.

    Returns
    -------
    bool
        Whether there were any.

    Raises
    ------
    NucleiError
        The file is missing or holds something else.
    """
    try:
        state = imagenet_state(name, file)
    except (OSError, RuntimeError) as error:
        run.warn(
            f"No ImageNet weights ({type(error).__name__}): training begins from random weights and takes longer.",
            "Connect to the internet once, or give a file with imagenet_file=PATH; imagenet=false hides this.",
        )
        return False
    own = net.state_dict()
    if "conv1.weight" in own and "conv1.weight" in state:
        state = {**state, "conv1.weight": _for_channels(state["conv1.weight"], own["conv1.weight"].shape[1])}
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    net.load_state_dict({**own, **fitting})
    return True


def _for_channels(stem: Tensor, channels: int) -> Tensor:
    """The first layer's weights (out, 3, k, k) for so many channels, with the same sum over them."""
    if stem.shape[1] == channels:
        return stem
    return stem.mean(1, keepdim=True).repeat(1, channels, 1, 1) * (stem.shape[1] / channels)


def imagenet_state(name: str, file: str) -> dict[str, Tensor]:
    """The weights themselves."""
    if file:
        return _from_file(name, file)
    from torchvision.models import get_model_weights

    # torchvision keeps the download in torch's cache folder.
    state: dict[str, Tensor] = get_model_weights(name).IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    return state


def _from_file(name: str, file: str) -> dict[str, Tensor]:
    if not Path(file).is_file():
        raise NucleiError(f"imagenet_file: {file} is not there.", "Check the path.")
    try:
        loaded: Any = torch.load(file, map_location="cpu", weights_only=True)
    # What torch says of a file that is none of its own depends on how that file begins.
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as error:
        raise _no_weights(name, file) from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise _no_weights(name, file)
    return loaded


def _no_weights(name: str, file: str) -> NucleiError:
    spoken = name.replace("resnet", "ResNet-")
    return NucleiError(
        f"imagenet_file: {file} is not a file of {spoken} weights.",
        f"Give the file that torchvision publishes ({name}-….pth), or leave imagenet_file out.",
    )
