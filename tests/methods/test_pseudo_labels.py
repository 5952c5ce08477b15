"""From clicks to labels: against brute force and on pictures whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nucleidomain.methods.spn_ien.clustering import (
    ClusterSettings,
    discs_about,
    local_colour_spread,
    squares_about,
)
from napari_nucleidomain.methods.spn_ien.instances_pseudo import make_instances
from napari_nucleidomain.methods.spn_ien.pseudo_labels import (
    BACKGROUND,
    IGNORED,
    NUCLEUS,
    make_pseudo_labels,
    typical_diameter,
)
from napari_nucleidomain.methods.spn_ien.voronoi import cell_edges, nearest_points

from .scenes import discs, stained

SETTINGS = ClusterSettings(fit_stride=1, restarts=2)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        np.array([[3.0, 4.0]]),
        np.array([[3.0, 4.0], [20.2, 30.7]]),
        np.array([[5.0, 5.0], [10.0, 10.0], [15.0, 15.0], [20.0, 20.0]]),
        np.random.default_rng(1).uniform(0, 30, (25, 2)),
    ],
)
def test_voronoi_is_nearest_point(points: np.ndarray) -> None:
    shape = (31, 37)
    cells, distance = nearest_points(points, shape)
    if len(points) == 0:
        assert not cells.any()
        assert np.isinf(distance).all()
        return
    pixels = np.floor(points + 0.5)
    grid = np.stack(np.mgrid[: shape[0], : shape[1]], -1).reshape(-1, 1, 2)
    brute = np.sqrt(((grid - pixels) ** 2).sum(-1))
    np.testing.assert_allclose(distance.ravel(), brute.min(1), rtol=1e-5)
    chosen = np.take_along_axis(brute, cells.reshape(-1, 1) - 1, 1)[:, 0]
    np.testing.assert_allclose(chosen, brute.min(1), rtol=1e-5)


def test_edges_part_cells_and_are_two_pixels_thick() -> None:
    cells, _ = nearest_points(np.array([[10.0, 5.0], [10.0, 15.0]]), (20, 21))
    edges = cell_edges(cells)
    assert (edges.sum(1) == 2).all()
    assert not cell_edges(np.ones((4, 4), int)).any()


def test_two_clicks_on_one_pixel_share_it() -> None:
    cells, _ = nearest_points(np.array([[4.0, 4.0], [4.0, 4.0]]), (9, 9))
    assert (cells == 1).all()


def test_discs_and_squares_equal_brute_force() -> None:
    points, shape = np.array([[0.0, 0.0], [10.0, 12.0], [11.0, 12.0]]), (20, 24)
    grid = np.stack(np.mgrid[: shape[0], : shape[1]], -1)
    near = np.min([((grid - p) ** 2).sum(-1) for p in points], axis=0)
    np.testing.assert_array_equal(discs_about(points, shape, 5), near <= 25)
    square = np.zeros(shape, bool)
    for row, column in points.astype(int):
        square[max(0, row - 3) : row + 3, max(0, column - 3) : column + 3] = True
    np.testing.assert_array_equal(squares_about(points, shape, 6), square)


def test_colour_spread_equals_loops() -> None:
    rng = np.random.default_rng(0)
    image, points = rng.random((15, 17, 2)).astype(np.float32), np.array([[5.0, 6.0]])
    near = squares_about(points, (15, 17), 6)
    found = []
    for row in range(15):
        for column in range(17):
            for y in range(max(0, row - 4), min(15, row + 5)):
                for x in range(max(0, column - 4), min(17, column + 5)):
                    if near[y, x] and (y, x) != (row, column):
                        found.append(np.linalg.norm(image[y, x] - image[row, column]))
    assert local_colour_spread(image, points, 6) == pytest.approx(np.std(found), rel=1e-4)
    assert local_colour_spread(np.ones((9, 9, 1), np.float32), points, 6) > 0


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("bright", [True, False])
def test_discs_are_recovered(channels: int, bright: bool) -> None:
    truth, clicks = discs()
    picture = np.where(truth > 0, 0.9, 0.1) if bright else np.where(truth > 0, 0.1, 0.9)
    image = np.repeat(picture[..., None], channels, 2).astype(np.float32)
    image += np.random.default_rng(0).normal(0, 0.03, image.shape).astype(np.float32)
    made = make_pseudo_labels(image, clicks, np.ones(truth.shape, bool), SETTINGS)
    green, red = made.clusters == NUCLEUS, made.clusters == BACKGROUND
    assert (truth[green] > 0).mean() > 0.98
    assert green[truth > 0].mean() > 0.5  # the refinement shrinks by 2 px
    assert red.mean() > 0.2
    assert not (truth[red] > 0).any()
    _, distance = nearest_points(clicks, truth.shape)
    assert distance[red].min() > 10
    assert set(np.unique(made.voronoi)) <= {BACKGROUND, NUCLEUS, IGNORED}


def test_nothing_is_said_outside_the_region_nor_of_nuclei_its_edge_cuts() -> None:
    truth, clicks = discs(seed=3)
    image = (stained(truth) / 255).astype(np.float32)
    inside = np.zeros(truth.shape, bool)
    inside[:, :65] = True  # through the third column of discs
    kept = clicks[inside[tuple(clicks.astype(int).T)]]
    made = make_pseudo_labels(image, kept, inside, SETTINGS)
    for labels in (made.voronoi, made.clusters):
        assert (labels[~inside] == IGNORED).all()
        unclicked = np.isin(truth, np.setdiff1d(np.arange(1, truth.max() + 1), truth[tuple(kept.astype(int).T)]))
        assert (labels[unclicked & (truth > 0)] == IGNORED).mean() > 0.97
    assert (made.clusters == BACKGROUND).any()


def test_diameter_is_told_without_labels() -> None:
    for radius, gap in ((5, 18), (8, 26), (12, 40)):
        truth, clicks = discs(160, gap, radius)
        image = (stained(truth) / 255).astype(np.float32)
        found = typical_diameter(image, clicks, np.ones(truth.shape, bool))
        assert found == pytest.approx(2 * radius, rel=0.25)


def test_pseudo_instances() -> None:
    truth, clicks = discs()
    inside = np.ones(truth.shape, bool)
    probability = np.where(truth > 0, 0.9, 0.1).astype(np.float32)
    probability[:6, :6] = 0.9  # a piece no click touches
    probability[51:54, 51:54] = 0.4  # neither sure
    cells, _ = nearest_points(clicks, truth.shape)
    made = make_instances(probability, cells, clicks, inside)
    for click in range(1, truth.max() + 1):
        mine = made[truth == click]
        assert (mine == click).mean() > 0.95
    assert (made[:6, :6] == -1).all()
    assert (made[probability == 0.1] == 0).all()
    assert (made[(probability > 0.3) & (probability < 0.5)] == -1).all()
    all_kept = make_instances(probability, cells, clicks, inside, touch_click=False)
    assert (all_kept[:6, :6] > 0).any()
    left = inside.copy()
    left[:, 64:] = False
    cut = make_instances(probability, np.where(left, cells, 0), clicks, left)
    assert (cut[:, 64:] == -1).all()


def test_a_nucleus_cut_by_the_region_is_never_background() -> None:
    rows, columns = np.mgrid[:160, :160]
    rng = np.random.default_rng(0)
    truth = np.zeros((160, 160), int)
    centres = np.argwhere(np.ones((6, 6))) * 26.0 + 14 + rng.uniform(-5, 5, (36, 2))
    for number, (row, column) in enumerate(centres, start=1):
        truth[(rows - row) ** 2 + (columns - column) ** 2 <= 100] = number
    image = np.where(truth[..., None] > 0, 0.3, 0.8) + rng.normal(0, 0.05, (160, 160, 3))
    for edge in range(50, 110, 7):
        inside = (rows < edge) & (columns < edge + 20)
        clicked = np.array([inside[round(row), round(column)] for row, column in centres])
        made = make_pseudo_labels(
            image.astype(np.float32), centres[clicked], inside, ClusterSettings(fit_stride=2, restarts=1)
        )
        cut = np.isin(truth, np.flatnonzero(~clicked) + 1) & inside
        for labels in (made.voronoi, made.clusters):
            assert (labels[cut] == BACKGROUND).sum() <= 0.02 * max(1, cut.sum()), edge
        assert (made.clusters == BACKGROUND).sum() > 100
        assert (made.clusters == NUCLEUS).sum() > 100


def test_a_dropped_piece_on_an_edge_stays_dropped() -> None:
    probability = np.zeros((40, 60), np.float32)
    probability[15:25, 5:29] = 0.9  # clicked, reaches the edge between both cells
    probability[30:36, 26:35] = 0.9  # unclicked, lies across the edge
    clicks = np.array([[20.0, 15.0], [20.0, 44.0]])
    probability[15:25, 40:50] = 0.9
    cells, _ = nearest_points(clicks, probability.shape)
    made = make_instances(probability, cells, clicks, np.ones(cells.shape, bool))
    assert (made[30:36, 26:35] <= 0).all()
    assert (made[15:25, 5:29] == 1).all(), "its own edge pixels are given back"
    for number in (1, 2):
        assert ndimage.label(made == number)[1] == 1
