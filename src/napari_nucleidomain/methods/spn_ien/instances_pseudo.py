"""Pseudo-instances for the IEN: the SPN's foreground divided by the clicks' cells (Liu et al., section 2.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .clustering import discs_about, remove_small
from .pseudo_labels import INSTANCE_IGNORED
from .voronoi import cell_edges

# Edges of cells are at most so many pixels wide on each side.
_EDGE_WIDTH = 2


def make_instances(
    probability: np.ndarray,
    cells: np.ndarray,
    points: np.ndarray,
    inside: np.ndarray,
    *,
    nucleus_above: float = 0.5,
    background_below: float = 0.3,
    touch_click: bool = True,
    keep_edges: bool = True,
    least_px: int = 20,
) -> np.ndarray:
    """Divide the foreground into nuclei.

    Parameters
    ----------
    probability : ndarray (H, W) float32
        Of being nucleus, by the trained SPN.
    cells : ndarray (H, W) int32
        Voronoi cells, 1..N; 0 outside the region.
    points : ndarray (N, 2)
        The clicks.
    inside : ndarray (H, W) bool
        The annotated region.
    nucleus_above, background_below : float
        T_fg and T_bg.
    touch_click : bool
        Keep only components that touch their cell's click (published code); False keeps all (the paper's words).
    keep_edges : bool
        Pixels on cell edges belong to the nucleus of their cell; False leaves them to none (published code).
    least_px : int
        Smaller components are dropped, in px.

    Returns
    -------
    ndarray (H, W) int32
        1..N nuclei, 0 background, -1 neither.
    """
    nuclei = ndimage.binary_fill_holes(remove_small(probability >= nucleus_above, least_px)) & inside & (cells > 0)
    edges = cell_edges(cells)
    owned = np.where(nuclei & ~edges, cells, 0)
    if touch_click:
        owned = _touching(owned, points)
    if keep_edges:
        owned = _with_edges(owned, nuclei & edges, cells)
    instances = np.where(owned > 0, owned, INSTANCE_IGNORED).astype(np.int32)
    instances[(probability <= background_below) & inside & (owned == 0)] = 0
    return instances


def _touching(owned: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Keep components that a click's disc of radius 2 px touches, in its own cell."""
    # Cells without their edges do not touch, so components of the whole are components of the cells.
    labels, count = ndimage.label(owned > 0)
    keep = np.zeros(count + 1, bool)
    keep[np.unique(labels[discs_about(points, owned.shape, 2)])] = True
    keep[0] = False
    return np.where(keep[labels], owned, 0)


def _with_edges(owned: np.ndarray, edges: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Give edge pixels that hang together with a kept nucleus of their own cell back to it."""
    owned = owned.copy()
    for _ in range(_EDGE_WIDTH):
        padded = np.pad(owned, 1)
        beside = np.zeros(owned.shape, bool)
        for row in range(3):
            for column in range(3):
                beside |= padded[row : row + owned.shape[0], column : column + owned.shape[1]] == cells
        owned = np.where(edges & beside & (cells > 0), cells, owned)
    return owned
