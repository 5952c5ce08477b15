"""From clicks to partial semantic labels for the SPN (Liu et al., section 2.2 "Training of SPN"; Qu et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .clustering import (
    ClusterSettings,
    cluster,
    discs_about,
    local_colour_spread,
    name_clusters,
    remove_small,
)
from .voronoi import cell_edges, nearest_points

BACKGROUND, NUCLEUS, IGNORED = 0, 1, 2
INSTANCE_IGNORED = -1


@dataclass(frozen=True)
class PseudoLabels:
    """What the SPN learns from, for one image.

    Attributes
    ----------
    voronoi, clusters : ndarray (H, W) uint8
        0 background, 1 nucleus, 2 ignored.
    cells : ndarray (H, W) int32
        Voronoi cell of each pixel, 1..N as the clicks; 0 outside the region.
    sigma : float
        The image's colour spread.
    """

    voronoi: np.ndarray
    clusters: np.ndarray
    cells: np.ndarray
    sigma: float


def make_pseudo_labels(
    image: np.ndarray,
    points: np.ndarray,
    inside: np.ndarray,
    settings: ClusterSettings,
    *,
    scale: float = 1.0,
    seed: int = 0,
) -> PseudoLabels:
    """Label what the clicks let one know, and nothing else.

    Parameters
    ----------
    image : ndarray (H, W, C) float32 in [0, 1]
    points : ndarray (N, 2)
        Clicks inside the region, rows and columns in px.
    inside : ndarray (H, W) bool
        The annotated region. Outside, everything is ignored; so are nuclei that its edge cuts.
    settings : ClusterSettings
    scale : float
        Nucleus size relative to that for which the paper's radii hold (about 20 px across).
    seed : int
        Of the k-means starts.

    Returns
    -------
    PseudoLabels
    """
    shape = inside.shape
    cells, distance = nearest_points(points, shape)
    # A nucleus that the region's edge cuts, its click outside, reaches in by its radius or a little more.
    band = edge_band(inside, radius(12, scale))
    voronoi = np.full(shape, IGNORED, np.uint8)
    voronoi[cell_edges(cells) & ~band] = BACKGROUND
    voronoi[discs_about(points, shape, radius(2, scale))] = NUCLEUS
    voronoi[~inside] = IGNORED
    sigma = settings.fixed_sigma
    if settings.adaptive:
        stride = max(1, min(settings.fit_stride, 4))
        sigma = round(local_colour_spread(image, points, settings.patch_px, stride), 4)
    labels = cluster(image, distance, inside, sigma, settings, seed)
    nuclei_cluster, background_cluster = name_clusters(labels, points)
    nuclei = remove_small(labels == nuclei_cluster, round(30 * scale**2))
    nuclei = refine_in_cells(nuclei, np.where(cell_edges(cells), 0, cells), radius(5, scale), radius(7, scale))
    background = (labels == background_cluster) & ~nuclei & (distance > radius(10, scale))
    background &= ~band
    clusters = np.full(shape, IGNORED, np.uint8)
    clusters[background] = BACKGROUND
    clusters[nuclei & ~cut_by_edge(nuclei, band, points)] = NUCLEUS
    clusters[~inside] = IGNORED
    return PseudoLabels(voronoi, clusters, np.where(inside, cells, 0).astype(np.int32), sigma)


def radius(pixels: int, scale: float) -> int:
    """A radius of the paper's, for nuclei of another size."""
    return max(1, round(pixels * scale))


def edge_band(inside: np.ndarray, width: int) -> np.ndarray:
    """Pixels of the region near its edge. The image's own border is no edge: a nucleus there has its click."""
    if inside.all():
        return np.zeros(inside.shape, bool)
    outside = ndimage.distance_transform_edt(inside)
    return inside & (outside <= width)


def nucleus_coloured(image: np.ndarray, nuclei: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Pixels whose colour is nearer to the nuclei's median than to the background's, bool."""
    if not nuclei.any() or not background.any():
        return np.zeros(nuclei.shape, bool)
    like = [np.median(image[mask], axis=0) for mask in (nuclei, background)]
    far = [((image - colour) ** 2).sum(-1) for colour in like]
    return far[0] < far[1]


def cut_by_edge(nuclei: np.ndarray, band: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Components at the region's edge that no click lies in: their clicks may lie outside."""
    if not band.any():
        return np.zeros(nuclei.shape, bool)
    labels, count = ndimage.label(nuclei, np.ones((3, 3)))
    at_edge = np.zeros(count + 1, bool)
    at_edge[np.unique(labels[band])] = True
    at_edge[np.unique(labels[discs_about(points, nuclei.shape, 2)])] = False
    at_edge[0] = False
    return at_edge[labels]


def refine_in_cells(nuclei: np.ndarray, cells: np.ndarray, grow: int, shrink: int) -> np.ndarray:
    """Close, fill and shrink the nuclei of each cell on their own, as Qu et al. 2019 refine their clusters.

    Parameters
    ----------
    nuclei : ndarray (H, W) bool
    cells : ndarray (H, W) int
        Cells without their edges.
    grow, shrink : int
        Radii in px of the dilation before and of the erosion after holes are filled.

    Returns
    -------
    ndarray (H, W) bool
    """
    refined = np.zeros(nuclei.shape, bool)
    owned = np.where(nuclei, cells, 0)
    for index, box in enumerate(ndimage.find_objects(owned), start=1):
        if box is None:
            continue
        mask = np.pad(owned[box] == index, grow + 1)
        grown = ndimage.distance_transform_edt(~mask) <= grow
        filled = ndimage.binary_fill_holes(grown)
        kept = ndimage.distance_transform_edt(filled) > shrink
        inner = kept[grow + 1 : -grow - 1, grow + 1 : -grow - 1]
        refined[box] |= inner
    return refined


def typical_diameter(image: np.ndarray, points: np.ndarray, inside: np.ndarray) -> float:
    """Median width of the clicked nuclei, judged by colour alone.

    Pixels nearer in colour to the clicks than to the pixels far from any click make up the nuclei; each click's nucleus
    is taken as wide as the largest disc about it. Half of the crowd's nearest-neighbour distances bound it from above.

    Parameters
    ----------
    image : ndarray (H, W, C) float32 in [0, 1]
    points : ndarray (N, 2)
    inside : ndarray (H, W) bool

    Returns
    -------
    float
        In px; 20 where nothing can be told.
    """
    from scipy.spatial import cKDTree

    shape = inside.shape
    _, distance = nearest_points(points, shape)
    near = discs_about(points, shape, 1) & inside
    far = inside & (distance > np.quantile(distance[inside], 0.7))
    if len(points) < 2 or not far.any() or not near.any():
        return 20.0
    smooth = ndimage.gaussian_filter(image, (1.0, 1.0, 0.0))
    mask = nucleus_coloured(smooth, near, far) & inside
    depth = ndimage.maximum_filter(ndimage.distance_transform_edt(mask), 9)
    rows = np.floor(np.asarray(points) + 0.5).astype(int)
    rows = np.clip(rows, 0, np.array(shape) - 1)
    radii = depth[rows[:, 0], rows[:, 1]]
    gaps = cKDTree(points).query(points, k=2)[0][:, 1]
    gap = float(np.median(gaps))
    width = 2.0 * float(np.median(radii[radii > 0])) if (radii > 0).any() else gap
    return float(np.clip(min(width, 1.3 * gap), 6.0, 200.0))
