"""Transparency: what shows through a bright-field picture is glass, what shows through a dark one is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .axes import ArrayLike
from .guesses import is_bright
from .sampling import crop_boxes

_LOOKED_AT = 250_000  # pixels
# Transparency is nearly always all or nothing; a channel of intensities lies in between.
_BETWEEN = (0.02, 0.98)


class Ground:
    """What lies behind the pixels of an image: found out once, when the first of them are read.

    Parameters
    ----------
    level : ArrayLike
        The smallest of the pyramid.
    axes : str
        Its letters, with ``C`` for the samples.
    alpha : int
        Which sample is transparency; colours stand before it.
    premultiplied : bool
        Whether the file says that colours were multiplied by it already.
    """

    def __init__(self, level: ArrayLike, axes: str, alpha: int, premultiplied: bool) -> None:
        self.axis, self.alpha = axes.index("C"), alpha
        self._level, self._axes, self._premultiplied = level, axes, premultiplied
        self._found: tuple[bool, float, bool] | None = None
        dtype = np.dtype(level.dtype)
        self.top = float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0

    @property
    def found(self) -> tuple[bool, float, bool]:
        """Whether the transparency is one, the number behind it, and whether colours were multiplied by it."""
        if self._found is None:
            self._found = self._look()
        return self._found

    def _look(self) -> tuple[bool, float, bool]:
        pixels, whole = self._sample()
        colours, alpha = pixels[:, : self.alpha], pixels[:, self.alpha]
        seen = alpha >= 0.5
        between = (alpha > _BETWEEN[0]) & (alpha < _BETWEEN[1])
        # Nothing to be seen anywhere, or a picture of its own: no transparency, whatever the file calls it.
        if (whole and not seen.any()) or between.mean() > 0.5:
            return False, 0.0, False
        bright = not seen.any() or is_bright(colours[seen])
        # A colour brighter than its share of light was not multiplied.
        multiplied = self._premultiplied and bool((colours <= alpha[:, None] + 0.01).all())
        return True, self.top if bright else 0.0, multiplied

    def _sample(self) -> tuple[np.ndarray, bool]:
        """Pixels (N, samples) in 0..1 from all over the image, and whether they are all of it."""
        shape = tuple(int(n) for n in self._level.shape)
        rows, columns = self._axes.index("Y"), self._axes.index("X")
        boxes = crop_boxes((shape[rows], shape[columns]), _LOOKED_AT)
        parts = []
        for box in boxes:
            key = [slice(n // 2, n // 2 + 1) for n in shape]
            key[self.axis] = slice(None)
            key[rows], key[columns] = slice(*box[0]), slice(*box[1])
            block = np.moveaxis(np.asarray(self._level[tuple(key)]), self.axis, -1)
            parts.append(block.reshape(-1, block.shape[-1]).astype(np.float32) / self.top)
        return np.concatenate(parts), len(boxes) == 1


class Flattened:
    """A level of an image laid on what is behind it; its transparency stays readable as a sample.

    Parameters
    ----------
    source : ArrayLike
    ground : Ground
        One for all levels.
    """

    def __init__(self, source: ArrayLike, ground: Ground) -> None:
        self._source, self._ground = source, ground
        self.shape, self.dtype = tuple(int(n) for n in source.shape), np.dtype(source.dtype)
        self.chunks = getattr(source, "chunks", None)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read a part; one slice per axis."""
        ground = self._ground
        is_one, behind, multiplied = ground.found
        if not is_one:
            return np.asarray(self._source[key])
        keys = list(key)
        wanted, keys[ground.axis] = keys[ground.axis], slice(None)
        block = np.moveaxis(np.asarray(self._source[tuple(keys)]), ground.axis, -1)
        alpha = block[..., ground.alpha : ground.alpha + 1]
        through = alpha < ground.top
        if through.any():
            share = alpha.astype(np.float32) / ground.top
            colours = block[..., : ground.alpha].astype(np.float32)
            laid = (colours if multiplied else colours * share) + behind * (1.0 - share)
            whole = self.dtype.kind in "ui"
            laid = np.clip(np.rint(laid) if whole else laid, 0, ground.top).astype(self.dtype)
            # Opaque pixels stay bit for bit what they are.
            laid = np.where(through, laid, block[..., : ground.alpha])
            block = np.concatenate([laid, block[..., ground.alpha :]], axis=-1)
        return np.moveaxis(block[..., wanted], -1, ground.axis)
