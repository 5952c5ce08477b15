"""A model on disk: safetensors weights beside a JSON card, or both in one file to mail.

Nothing here runs code from a model: safetensors holds numbers only, the card is plain JSON.
"""

from __future__ import annotations

import glob
import hashlib
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import ModelCard, NucleiError, WriteError, load_card, save_card
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.contracts.card import CARD_FILE, WEIGHTS_FILE
from napari_nucleidomain.contracts.files import disk_error, replace_with_retry, write_atomic

from .weights_file import not_finite, stored_weights

SINGLE_FILE_SUFFIX = ".nucleidomain"
# Left by a process that was killed in the middle; whoever is at work now has been so for less than this.
_LEFT_SECONDS = 3600.0


class TakenError(NucleiError):
    """The place for a model has another one, which is not to be replaced."""


def save_model(
    folder: Path | str,
    weights: dict[str, np.ndarray],
    card: ModelCard,
    *,
    may_replace: Callable[[Path], bool] | None = None,
) -> Path:
    """Write a model so that the folder holds the old one or the whole new one.

    Parameters
    ----------
    folder : Path or str
        The model's folder; a model that is there already is replaced only when the new one is complete.
    weights : dict of str to ndarray
        Tensors by name.
    card : ModelCard
        What is known about it.
    may_replace : callable, optional
        Given the folder of the model that is there, whether it may be replaced; any may, by default.

    Raises
    ------
    NucleiError
        The folder holds something that is no model, or some of the weights are not finite.
    TakenError
        It may not be replaced, or another process has put a model there at this moment.
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
        content = save({name: np.asarray(value, order="C") for name, value in weights.items()})
        write_atomic(aside / WEIGHTS_FILE, content)
        save_card(card.model_copy(update={"weights": _digest(content)}), aside)
        _swap(aside, folder, may_replace)
    except OSError as error:
        raise disk_error(error, folder) from error
    except WriteError as error:
        # Said of the folder the user knows, not of the one beside it that goes away.
        raise (disk_error(error.__cause__, folder) if isinstance(error.__cause__, OSError) else error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _swap(new: Path, folder: Path, may_replace: Callable[[Path], bool] | None) -> None:
    """Put `new` where `folder` is; the old one goes only after the new one stands."""
    old = folder.with_name(f".{folder.name}.old-{time.time_ns()}")
    if folder.exists():
        if may_replace is not None and not may_replace(folder):
            raise _taken(folder)
        try:
            replace_with_retry(folder, old)
        except FileNotFoundError:
            # Taken aside by another process at this very moment.
            if may_replace is not None:
                raise _taken(folder) from None
    # Nobody else has it now: it is what was looked at, or was put there since.
    if old.exists() and may_replace is not None and not may_replace(old):
        _put_back(old, folder)
        raise _taken(folder)
    try:
        replace_with_retry(new, folder)
    except OSError as error:
        if old.exists():
            _put_back(old, folder)
        if may_replace is not None and (folder / CARD_FILE).exists():
            raise _taken(folder) from error
        raise
    shutil.rmtree(old, ignore_errors=True)


def _put_back(old: Path, folder: Path) -> None:
    """Give a model its name back; where another has it by now, that one is newer."""
    try:
        replace_with_retry(old, folder)
    except OSError:
        if not (folder / CARD_FILE).exists():
            raise
        shutil.rmtree(old, ignore_errors=True)


def _taken(folder: Path) -> TakenError:
    return TakenError(f"{folder} holds a model of another training.", "Choose another name for the model.")


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


def _digest(content: bytes) -> str:
    """As `data.dataset.file_digest` of a file with this content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def load_weights(folder: Path | str) -> dict[str, np.ndarray]:
    """Weights by name.

    Raises
    ------
    NucleiError
        The file is absent, cut short, or not safetensors (a pickle, say, which could hold code, is refused), or some
        of its numbers are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(folder) / WEIGHTS_FILE
    stored_weights(Path(folder))
    try:
        # Not `load_file`, which maps the file: the system would end the process if it were cut short meanwhile.
        content = path.read_bytes()
        weights: dict[str, np.ndarray] = load(content)
        _refuse_changed(Path(folder), content)
    except (SafetensorError, ValueError, OSError) as error:
        if told := not_its_fault(error):
            raise NucleiError(
                f"The weights of the model {Path(folder).name} cannot be read: {told[0]}.", told[1]
            ) from error
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


def _refuse_changed(folder: Path, content: bytes) -> None:
    """One flipped byte would make another model, which finds other nuclei and says nothing of it."""
    said = load_card(folder).weights if (folder / CARD_FILE).exists() else ""
    if said and said != _digest(content):
        raise NucleiError(
            f"The weights of the model {folder.name} are damaged: they are not those that were saved with its card.",
            "Copy the model again from where it came from, card and weights, or train it anew.",
        )
