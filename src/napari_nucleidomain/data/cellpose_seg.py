"""What cellpose's window saves beside an image: ``IMAGE_seg.npy``, a pickled dictionary with the label image in it.

A pickle can name any function of any installed package and have it called while it is read, so it is read here by an
unpickler that knows nothing but arrays, numbers, text and containers. (The keys: ``cellpose/io.py``, `_save_sets`.)
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import refuse_special

_HINT = "Save the masks from cellpose as PNG or TIF (File > Save masks), and attach that file."
_MASKS = "masks"
SEG_ENDING = "_seg.npy"


def _array_parts() -> dict[tuple[str, str], Callable[..., Any]]:
    """What pickles of arrays are made of, under the names that numpy 1 and numpy 2 write."""
    from numpy._core import numeric
    from numpy._core.multiarray import _reconstruct, scalar

    parts: dict[tuple[str, str], Callable[..., Any]] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for core in ("numpy.core", "numpy._core"):
        parts[f"{core}.multiarray", "_reconstruct"] = _reconstruct
        parts[f"{core}.multiarray", "scalar"] = scalar
        parts[f"{core}.numeric", "_frombuffer"] = getattr(numeric, "_frombuffer")  # noqa: B009 - numpy's stubs do not know it
    return parts


def _as_latin(text: Any, encoding: Any = "latin1") -> bytes:
    """`_codecs.encode`, by which old pickles write bytes; of the encodings only that one."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes in an unknown encoding")
    return text.encode("latin1")


def _as_path(*parts: Any) -> str:
    """A path is kept as its text: the classes of the other system cannot be made here."""
    return "/".join(str(part) for part in parts)


class _Forbidden(pickle.UnpicklingError):
    """The pickle names something that is neither an array nor plain data."""


class _PlainUnpickler(pickle.Unpickler):
    """Reads arrays and plain data; whatever else a pickle names is refused before it is even imported."""

    def __init__(self, handle: IO[bytes]) -> None:
        super().__init__(handle, encoding="latin1")
        self._known = _array_parts()
        self._known["_codecs", "encode"] = _as_latin
        for module in ("builtins", "__builtin__"):
            for kind in (dict, list, tuple, set, frozenset, int, float, complex, bool, str, bytes, bytearray, slice):
                self._known[module, kind.__name__] = kind
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"):
            for module in ("pathlib", "pathlib._local"):
                self._known[module, name] = _as_path

    def find_class(self, module: str, name: str) -> Any:
        """Only names of the list."""
        if (module, name) in self._known:
            return self._known[module, name]
        if module == "numpy.dtypes" and name.endswith("DType") and hasattr(np.dtypes, name):
            return getattr(np.dtypes, name)
        raise _Forbidden(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Nothing is kept outside the file."""
        raise _Forbidden("something outside the file")


def is_pickled(path: Path) -> bool:
    """Whether an .npy file holds Python objects instead of numbers; False for what is no .npy file.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if path.suffix.lower() != ".npy" or not path.is_file():
        return False
    try:
        with open(path, "rb") as handle:
            return bool(_header(handle).hasobject)
    except (ValueError, SyntaxError, EOFError, TokenError):
        return False


def _header(handle: IO[bytes]) -> np.dtype[Any]:
    version = np.lib.format.read_magic(handle)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return np.dtype(read(handle)[2])


def read_masks(path: Path) -> np.ndarray:
    """The label image of a ``_seg.npy``; no code in the file is run.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray (Y, X) or (Z, Y, X), integers
        0 is background.

    Raises
    ------
    NucleiError
        The file names code, is damaged, or holds no masks.
    """
    refuse_special(path)
    try:
        with open(path, "rb") as handle:
            _header(handle)
            content = _PlainUnpickler(handle).load()
    except FileNotFoundError as error:
        raise NucleiError(f"{path} is not there.", "Was it moved or renamed? Choose the file again.") from error
    except _Forbidden as error:
        raise NucleiError(
            f"{path.name} was not opened: it would run code on this computer ({error}), "
            "which files of cellpose never need.",
            f"Ask whoever made it what it is. {_HINT}",
        ) from error
    # A damaged pickle can fail in any way that the types in it can.
    except Exception as error:
        raise NucleiError(f"{path.name} is damaged, or no _seg.npy of cellpose ({error}).", _HINT) from error
    return _masks(content, path)


def _masks(content: Any, path: Path) -> np.ndarray:
    if isinstance(content, np.ndarray) and content.dtype == object and content.size == 1:
        content = content.item()
    masks = content.get(_MASKS) if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "uib":
        raise NucleiError(f"{path.name} holds no masks of cellpose.", _HINT)
    while masks.ndim > 2 and masks.shape[0] == 1:
        masks = masks[0]
    if masks.ndim not in (2, 3):
        raise NucleiError(f"The masks in {path.name} have {masks.ndim} axes.", _HINT)
    return masks
