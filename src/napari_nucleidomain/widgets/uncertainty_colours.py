"""A colour for each nucleus by how unsure it is, quick for a million of them too."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from napari.utils.colormaps.colormap import DirectLabelColormap
from pydantic import PrivateAttr

if TYPE_CHECKING:
    from .review_subject import Subject

# Cividis (Nuñez, Anderton and Renslow, PLOS ONE 2018) is read alike with and without colour blindness.
_UNCERTAIN = "cividis"
_STEPS = 64
_GREY = np.array([0.5, 0.5, 0.5, 1.0])
# With more nuclei than this a colour by name for each takes seconds, and above 65,536 napari refuses.
_MOST_BY_NAME = 2000


class StepColours(DirectLabelColormap):
    """A colour for each step, and a step for each nucleus: napari sees the few steps only.

    Made by `step_colours`. In `color_dict` are the colours of the steps, 0 for the background.
    """

    _step_of: np.ndarray = PrivateAttr(default_factory=lambda: np.zeros(2, np.uint32))

    def _steps(self, values: Any) -> Any:
        """Steps of nuclei by their ids; the last entry is of ids that nothing is known of."""
        at = np.clip(values, 0, len(self._step_of) - 1)
        steps = self._step_of[at]
        return steps.astype(values.dtype) if isinstance(values, np.ndarray | np.integer) else int(steps)

    def _data_to_texture(self, values: Any) -> Any:
        """napari's hook: what is drawn of a layer's pixels. A single nucleus is looked for by its id."""
        return super()._data_to_texture(values if self.use_selection else self._steps(values))

    def map(self, values: Any) -> np.ndarray:
        """Colours of ids, (..., 4)."""
        if isinstance(values, list | tuple):
            values = np.asarray(values)
        if self.use_selection and isinstance(values, int | np.integer) and values != self.selection:
            return np.zeros(4)
        steps = self._steps(values)
        if isinstance(steps, np.ndarray):
            table = np.array([self.color_dict[k] for k in range(_STEPS + 2)], np.float32)
            shown = table[steps.astype(int)]
            if self.use_selection:
                shown[np.asarray(values) != self.selection] = 0
            return shown
        return np.asarray(self.color_dict.get(int(steps), self.default_color))


def step_colours(step: np.ndarray, colours: np.ndarray) -> StepColours:
    """Colours by steps.

    Parameters
    ----------
    step : ndarray (N,) int
        Of nucleus k at k - 1; -1 where nothing is known.
    colours : ndarray (_STEPS, 4) float
    """
    table: dict[int | None, np.ndarray] = {None: _GREY, 0: np.zeros(4), _STEPS + 1: _GREY}
    table.update({k + 1: colour for k, colour in enumerate(colours)})
    made = StepColours(color_dict=defaultdict(lambda: np.zeros(4), table))
    known = np.where(step < 0, _STEPS + 1, step + 1)
    made._step_of = np.concatenate([[0], known, [_STEPS + 1]]).astype(np.uint32)
    return made


def uncertainty_colours(subject: Subject) -> Any:
    """A colour for each nucleus: blue sure, yellow unsure. The usual colours are kept to be put back."""
    layer = subject.layer
    layer.metadata.setdefault("nuclei_colours", layer.colormap)
    uncertainty = subject.shown.known()[1] if subject.shown is not None else np.zeros(0)
    table = ensure_colormap(_UNCERTAIN).map(np.linspace(0, 1, _STEPS))
    step = np.clip(np.nan_to_num(uncertainty) * (_STEPS - 1), 0, _STEPS - 1).round().astype(int)
    # Those changed by hand stay grey: nothing is known of them.
    step[np.isnan(uncertainty)] = -1
    if len(step) > _MOST_BY_NAME and np.dtype(layer.dtype).itemsize > 2:
        return step_colours(step, table)
    colours: dict[int | None, np.ndarray] = defaultdict(lambda: np.zeros(4))
    colours[None], colours[0] = _GREY, np.zeros(4)
    colours.update({number: table[k] for number, k in enumerate(step, start=1) if k >= 0})
    return DirectLabelColormap(color_dict=colours)
