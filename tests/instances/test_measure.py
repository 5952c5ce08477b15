"""Measurements against scikit-image, nucleus by nucleus."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2hed
from skimage.measure import regionprops_table

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.deepest import suggest_points
from napari_nucleidomain.instances.measure import measure
from napari_nucleidomain.instances.stains import haematoxylin


def test_shapes_equal_scikit_image(random_labels):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        labels = random_labels(rng, 2 + seed % 2, 24)
        if not labels.any():
            continue
        image = rng.random((*labels.shape, 2))
        table = measure(labels, image)
        names = ["label", "area", "mean_intensity", "centroid", "equivalent_diameter_area"]
        names += ["perimeter", "eccentricity"] * (labels.ndim == 2)
        oracle = regionprops_table(labels, image, properties=names)
        size = "area_px" if labels.ndim == 2 else "volume_px"
        pairs = {"id": "label", size: "area", "diameter_px": "equivalent_diameter_area"}
        pairs |= {"mean_intensity_1": "mean_intensity-0", "mean_intensity_2": "mean_intensity-1"}
        pairs |= {f"centroid_{axis}_px": f"centroid-{k}" for k, axis in enumerate("zyx"[-labels.ndim :])}
        if labels.ndim == 2:
            pairs |= {"perimeter_px": "perimeter", "eccentricity": "eccentricity"}
        for mine, theirs in pairs.items():
            assert table[mine] == pytest.approx(oracle[theirs], abs=1e-6), mine
        assert ((table["solidity"] > 0) & (table["solidity"] <= 1 + 1e-9)).all()


def test_every_column_has_a_value_for_every_nucleus(discs):
    scores = np.linspace(0, 1, 9, dtype=np.float32)
    image = np.full((*discs.shape, 3), 128, np.uint8)
    table = measure(discs, image, rgb=True, pixel_size_um=(0.5, 0.5), scores=scores, uncertainty=1 - scores)
    assert {len(column) for column in table.values()} == {9}
    assert {"area_um2", "perimeter_um", "centroid_x_um", "haematoxylin_od", "touches_border"} <= set(table)
    assert {"mean_intensity_red", "integrated_intensity_blue"} <= set(table)
    assert table["area_um2"] == pytest.approx(table["area_px"] / 4)
    assert table["perimeter_um"] == pytest.approx(table["perimeter_px"] / 2)
    assert table["centroid_y_um"] == pytest.approx(table["centroid_y_px"] / 2)
    assert table["diameter_um"] == pytest.approx(table["diameter_px"] / 2)
    assert table["score"] == pytest.approx(scores)
    assert not table["touches_border"].any()
    assert table["solidity"].min() > 0.85


def test_nuclei_of_one_pixel_and_of_one_line():
    labels = np.zeros((6, 6), int)
    labels[0, 0], labels[3, 1:5] = 4, 9
    table = measure(labels, np.ones((6, 6)), channel_names=["DAPI"])
    assert table["area_px"].tolist() == [1, 4]
    assert table["solidity"].tolist() == [1, 1]
    assert table["eccentricity"].tolist() == [0, 1]
    assert table["perimeter_px"][0] == 0
    assert table["touches_border"].tolist() == [True, False]
    assert table["mean_intensity"].tolist() == [1, 1]
    assert all(np.isfinite(column).all() for column in table.values())


def test_no_nuclei_give_the_same_columns_without_rows():
    empty = measure(np.zeros((5, 5), int), np.zeros((5, 5, 3), np.uint8), rgb=True, pixel_size_um=(1, 1))
    one = measure(np.eye(5, dtype=int), np.zeros((5, 5, 3), np.uint8), rgb=True, pixel_size_um=(1, 1))
    assert list(empty) == list(one)
    assert all(len(column) == 0 for column in empty.values())


def test_missing_pixels_are_left_out_and_scores_follow_ids():
    labels = np.array([[2, 2, 5]])
    table = measure(labels, np.array([[1.0, np.nan, np.nan]]), scores=np.array([0, 0.2, 0, 0, 0.5]))
    assert table["mean_intensity"][0] == 1
    assert np.isnan(table["mean_intensity"][1])
    assert table["integrated_intensity"].tolist() == [1, 0]
    assert table["score"].tolist() == [0.2, 0.5]


def test_flat_pixels_make_a_ball_of_a_flattened_ball():
    z, y, x = np.indices((11, 21, 21))
    labels = ((2 * (z - 5)) ** 2 + (y - 10) ** 2 + (x - 10) ** 2 <= 81).astype(int)
    assert measure(labels)["eccentricity"][0] > 0.8
    table = measure(labels, pixel_size_um=(2, 1, 1))
    assert table["eccentricity"][0] < 0.25
    assert table["volume_um3"][0] == 2 * table["volume_px"][0]


def test_wrong_sizes_are_refused(discs):
    with pytest.raises(NucleiError, match="outlined"):
        measure(discs, np.zeros((5, 5)))
    with pytest.raises(NucleiError, match="pixel size"):
        measure(discs, pixel_size_um=(1, 1, 1))
    with pytest.raises(NucleiError, match="pixel size"):
        measure(discs, pixel_size_um=(0, 1))


def test_haematoxylin_is_that_of_scikit_image_up_to_its_scale():
    rng = np.random.default_rng(0)
    rgb = rng.integers(60, 256, (30, 30, 3)).astype(np.uint8)
    mine = haematoxylin(rgb)
    # skimage's unit is the natural logarithm over that of 1e-6, and it cuts off below 0.
    theirs = rgb2hed(rgb)[..., 0] * 6
    assert np.clip(mine, 0, None) == pytest.approx(theirs, abs=1e-5)
    assert haematoxylin(rgb / np.float32(255)) == pytest.approx(mine, abs=1e-4)
    assert haematoxylin((rgb.astype(np.uint16)) * 257) == pytest.approx(mine, abs=1e-4)
    assert haematoxylin(np.dstack([rgb, rgb[..., :1]])) == pytest.approx(mine)
    with pytest.raises(NucleiError, match="colour"):
        haematoxylin(rgb[..., :2])


def test_suggested_points_lie_deep_inside(random_labels):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        labels = random_labels(rng, 2 + seed % 2)
        points = suggest_points(labels)
        assert labels[tuple(points.astype(int).T)].tolist() == np.unique(labels[labels > 0]).tolist()
    crescent = np.zeros((40, 40), int)
    y, x = np.indices((40, 40))
    crescent[((y - 20) ** 2 + (x - 20) ** 2 < 300) & ((y - 20) ** 2 + (x - 28) ** 2 > 200)] = 1
    point = suggest_points(crescent).astype(int)[0]
    assert crescent[tuple(point)] == 1
    assert suggest_points(np.zeros((4, 4), int)).shape == (0, 2)
    assert suggest_points(np.zeros((4, 4, 4), int)).shape == (0, 3)


def test_a_point_in_a_touching_nucleus_is_as_deep_as_in_a_lonely_one(discs):
    tiled = np.arange(1, 10).reshape(3, 3).repeat(9, 0).repeat(9, 1)  # nothing but nuclei
    assert suggest_points(tiled).tolist() == [[4 + 9 * (k // 3), 4 + 9 * (k % 3)] for k in range(9)]
    assert suggest_points(discs).tolist() == [[15 + 30 * (k // 3), 15 + 30 * (k % 3)] for k in range(9)]
    noise = gaussian_filter(np.random.default_rng(0).random((50, 50)), 3)
    ragged = (noise > np.median(noise)).astype(int)
    y, x = suggest_points(ragged)[0].astype(int)
    assert ragged[y - 2 : y + 3, x - 2 : x + 3].all()
