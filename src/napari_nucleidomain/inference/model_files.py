"""A model on disk: safetensors weights beside a JSON card, or both in one file to mail.

Nothing here runs code from a model: safetensors holds numbers only, the card is plain JSON.
"""

from __future__ import annotations

import glob
import shutil
import time
import uuid
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import ModelCard, NucleiError, WriteError, load_card, save_card
from napari_nucleidomain.contracts.card import CARD_FILE, WEIGHTS_FILE
from napari_nucleidomain.contracts.files import disk_error, replace_with_retry, write_atomic

from .weights_file import not_finite, stored_weights

SINGLE_FILE_SUFFIX = ".nucleidomain"
# Left by a process that was killed in the middle; whoever is at work now has been so for less than this.
_LEFT_SECONDS = 3600.0


def save_model(folder: Path | str, weights: dict[str, np.ndarray], card: ModelCard) -> Path:
    """Write a model so that the folder holds the old one or the whole new one.

    Parameters
    ----------
    folder : Path or str
        The model's folder; a model that is there already is replaced only when the new one is complete.
    weights : dict of str to ndarray
        Tensors by name.
    card : ModelCard
        What is known about it.

    Raises
    ------
    NucleiError
        The folder holds something that is no model, or some of the weights are not finite.
    WriteError
        The disk is full or read-only; the old model stays.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / CARD_FILE).exists())):
        raise NucleiError(f"{folder} is there already and is not a model.", "Choose another name for the model.")
    if broken := not_finite(weights):
        raise NucleiError(
            f"The model {card.name} is not saved: numbers in {broken} of its {len(weights)} weights are not finite.",
            "Its training has diverged: train anew with a lower learning rate.",
        )
    mend_models(folder.parent, glob.escape(folder.name))
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        aside.mkdir(parents=True)
        # Not `save_file`: it hides what the system says of a full disk in an error of its own.
        write_atomic(
            aside / WEIGHTS_FILE, save({name: np.asarray(value, order="C") for name, value in weights.items()})
        )
        save_card(card, aside)
        _swap(aside, folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    except WriteError as error:
        # Said of the folder the user knows, not of the one beside it that goes away.
        raise (disk_error(error.__cause__, folder) if isinstance(error.__cause__, OSError) else error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _swap(new: Path, folder: Path) -> None:
    """Put `new` where `folder` is; the old one goes only after the new one stands."""
    old = folder.with_name(f".{folder.name}.old-{time.time_ns()}")
    if folder.exists():
        replace_with_retry(folder, old)
    try:
        replace_with_retry(new, folder)
    except OSError:
        if old.exists():
            replace_with_retry(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def mend_models(parent: Path, name: str = "*") -> None:
    """Put right what a process left that was killed while it replaced a model.

    Between two renames the old model has a name with a dot in front: it gets its own back where the new one never
    came. Halves that are older than an hour are removed.

    Parameters
    ----------
    parent : Path
        The folder of the models.
    name : str
        One model's, or a pattern.
    """
    for old in sorted(parent.glob(f".{name}.old-*"), reverse=True):
        stem, _, began = old.name[1:].rpartition(".old-")
        if not began.isdigit() or time.time_ns() - int(began) < 10_000_000_000:
            # Seconds old: whoever replaces the model may be between the two renames at this moment.
            continue
        if (parent / stem).exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            replace_with_retry(old, parent / stem)
    for half in parent.glob(f".{name}.{'[0-9a-f]' * 8}"):
        if half.is_dir() and time.time() - half.stat().st_mtime > _LEFT_SECONDS:
            shutil.rmtree(half, ignore_errors=True)


def copy_model(source: Path | str, target: Path | str) -> Path:
    """Copy a model to another folder, whole or not at all."""
    card = load_card(source)
    return save_model(target, load_weights(source), card)


def load_weights(folder: Path | str) -> dict[str, np.ndarray]:
    """Weights by name.

    Raises
    ------
    NucleiError
        The file is absent, cut short, or not safetensors (a pickle, say, which could hold code, is refused), or some
        of its numbers are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = Path(folder) / WEIGHTS_FILE
    stored_weights(Path(folder))
    try:
        weights: dict[str, np.ndarray] = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise NucleiError(
            f"The weights of the model {Path(folder).name} cannot be read: the file is cut short or of another kind.",
            "Copy the model again. Files that could hold program code (.pt, .pth, .pkl) are never opened.",
        ) from error
    if broken := not_finite(weights):
        raise NucleiError(
            f"The weights of the model {Path(folder).name} are damaged: numbers in {broken} of {len(weights)} are not "
            "finite, and it would find nothing.",
            "Ask for the model again.",
        )
    return weights
