"""Review's *Uncertain* on more nuclei than napari has colours for by name."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels

from napari_nucleidomain.widgets.review_show import _table
from napari_nucleidomain.widgets.uncertainty_colours import StepColours, uncertainty_colours


def coloured(side: int, dtype: type = np.uint32) -> tuple[Labels, np.ndarray]:
    """A layer of side * side nuclei of one pixel each, shown by uncertainty; nothing is known of nucleus 6."""
    layer = Labels(np.arange(1, side * side + 1, dtype=dtype).reshape(side, side))
    unsure = np.linspace(0, 1, side * side)
    unsure[5] = np.nan
    layer.colormap = uncertainty_colours(
        SimpleNamespace(layer=layer, shown=SimpleNamespace(known=lambda: (None, unsure)))
    )
    return layer, unsure


@pytest.mark.parametrize("side", [20, 60, 257, 1000])
def test_every_nucleus_has_its_colour(side: int) -> None:
    layer, _ = coloured(side)
    few, _ = coloured(20)
    last = side * side
    np.testing.assert_allclose(layer.get_color(1), few.get_color(1), atol=1e-6)
    np.testing.assert_allclose(layer.get_color(last), few.get_color(400), atol=1e-6)
    np.testing.assert_allclose(layer.get_color(6), [0.5, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(layer.get_color(last + 9), [0.5, 0.5, 0.5, 1.0], err_msg="painted by hand since")
    # What is drawn has as many values as there are steps, whatever the number of nuclei.
    assert len(np.unique(layer._slice.image.view)) <= 66
    layer.data_setitem((np.array([0]), np.array([3])), 0)
    assert layer._slice.image.view[0, 3] == layer._slice.image.view.dtype.type(
        layer.colormap._data_to_texture(np.uint32([0]))[0]
    )


def test_a_figure_has_the_same_colours() -> None:
    layer, _ = coloured(257)
    assert isinstance(layer.colormap, StepColours)
    table = _table(layer, 257 * 257)
    assert table.shape == (257 * 257 + 1, 4) and not table[0].any()
    for number in (1, 6, 700, 66_000):
        np.testing.assert_allclose(table[number], layer.colormap.map(number), atol=1e-6)


def test_one_nucleus_alone_is_shown() -> None:
    layer, _ = coloured(257)
    layer.selected_label = 66_000
    layer.show_selected_label = True
    shown = layer.colormap.map(np.array([5, 66_000], np.uint32))
    assert not shown[0].any() and shown[1].any()
