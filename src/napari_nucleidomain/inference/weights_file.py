"""What a weights file says of itself, looked through before any of it is loaded (the format: safetensors' README)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.contracts.files import CARD, JsonTextError, open_plain, parse_json

MOST_BYTES = 2 << 30
"""Of weights: ten times what the largest network of the papers has."""
_MOST_HEADER = CARD.most_bytes
# Bytes of the number types that numpy knows.
_BYTES = {
    "BOOL": 1,
    **{f"{kind}{bits}": bits // 8 for kind in "IU" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": bits // 8 for bits in (16, 32, 64)},
}
_AGAIN = "Copy the model again, whole."


@dataclass(frozen=True)
class Stored:
    """One array of the file: its sides, and whether it holds floating-point numbers."""

    shape: tuple[int, ...]
    floating: bool


def read_header(handle: BinaryIO, size: int, model: str) -> dict[str, Stored]:
    """Names and sides of the arrays in a weights file.

    Parameters
    ----------
    handle : BinaryIO
        At the beginning of the file.
    size : int
        Bytes of the file.
    model : str
        For messages.

    Raises
    ------
    NucleiError
        It is no such file, is larger than any model, or says what cannot be.
    """
    if size > MOST_BYTES:
        raise NucleiError(f"The weights of the model {model} are larger than any model is ({size:,} bytes).", _AGAIN)
    start = handle.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
    if not 2 <= length <= min(_MOST_HEADER, size - 8):
        raise _unreadable(model)
    try:
        header = parse_json(handle.read(length), CARD)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {name: _stored(name, entry, size - 8 - length, model) for name, entry in entries.items()}
    except (JsonTextError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(model) from error


def stored_weights(folder: Path) -> dict[str, Stored]:
    """The same of a model's folder.

    Raises
    ------
    NucleiError
        As `read_header`, or the file is absent.
    """
    from napari_nucleidomain.contracts.card import WEIGHTS_FILE

    path = folder / WEIGHTS_FILE
    try:
        with open_plain(path) as handle:
            return read_header(handle, path.stat().st_size, folder.name)
    except FileNotFoundError as error:
        raise NucleiError(f"The model {folder.name} has no {WEIGHTS_FILE}.", _AGAIN) from error
    except OSError as error:
        if told := not_its_fault(error):
            raise NucleiError(f"The weights of the model {folder.name} cannot be read: {told[0]}.", told[1]) from error
        raise _unreadable(folder.name) from error


def _stored(name: str, entry: Any, room: int, model: str) -> Stored:
    kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in _BYTES:
        raise NucleiError(
            f"The weights of the model {model} are of a number type that this program does not use ({kind}).",
            "Ask for the model again, as this program wrote it.",
        )
    if not all(type(side) is int and 0 <= side <= 1 << 40 for side in shape) or len(shape) > 8:
        raise ValueError(name)
    if not all(type(at) is int for at in (begin, end)) or not 0 <= begin <= end <= room:
        raise ValueError(name)
    if math.prod(shape) * _BYTES[kind] != end - begin:
        raise ValueError(name)
    return Stored(tuple(shape), kind.startswith("F"))


def _unreadable(model: str) -> NucleiError:
    return NucleiError(
        f"The weights of the model {model} cannot be read: the file is cut short or of another kind.",
        "Copy the model again. Files that could hold program code (.pt, .pth, .pkl) are never opened.",
    )


def not_finite(weights: dict[str, np.ndarray]) -> int:
    """How many arrays hold numbers that are not finite; a network with one such weight finds nothing at all."""
    return sum(value.dtype.kind == "f" and not np.isfinite(value).all() for value in map(np.asarray, weights.values()))
