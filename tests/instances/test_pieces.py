"""Label images looked at piece by piece give what they give as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skimage.measure import label, regionprops

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.contingency import added_up, contingency
from napari_nucleidomain.instances.measure import measure
from napari_nucleidomain.instances.measure_large import measure_large
from napari_nucleidomain.instances.pieces import extents, pieces
from napari_nucleidomain.instances.pointscores import score_points, score_points_large
from napari_nucleidomain.instances.scores import score_labels, score_table


class Lazy:
    """An array that refuses to be read in large parts."""

    def __init__(self, array: np.ndarray, most: int) -> None:
        self._array, self._most = array, most
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        block = self._array[key]
        assert block.size <= self._most, f"{block.shape} were read at once"
        return block


def blobs(seed: int, shape: tuple[int, int] = (120, 150)) -> np.ndarray:
    """Random pieces with large, unordered ids and one long nucleus."""
    rng = np.random.default_rng(seed)
    noise = rng.random(shape)
    for _ in range(3):
        noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 3
    made = label(noise > 0.53, connectivity=1).astype(np.uint32)
    made[60, 5:140] = made.max() + 1
    table = rng.permutation(np.arange(1, 5 * made.max() + 1))[: made.max()].astype(np.uint32) + 70_000
    return np.concatenate([[0], table]).astype(np.uint32)[made]


@pytest.mark.parametrize("block", [16, 37, 500])
def test_every_nucleus_comes_once_and_whole(block: int) -> None:
    labels = blobs(1)
    seen = np.zeros_like(labels)
    ids: list[int] = []
    for piece in pieces(Lazy(labels, 200 * 200), block):
        assert not (seen[piece.box][piece.labels > 0]).any()
        seen[piece.box] += piece.labels
        assert sorted(piece.ids) == np.setdiff1d(piece.labels, 0).tolist()
        ids += piece.ids.tolist()
    np.testing.assert_array_equal(seen, labels)
    assert sorted(ids) == np.unique(labels)[1:].tolist()


def test_extents_are_those_of_scikit_image() -> None:
    labels = blobs(2)
    ids, spans = extents(labels, 23)
    expected = {prop.label: prop.bbox for prop in regionprops(labels.astype(np.int64))}
    assert {int(i): (*s[0].tolist(), *s[1].tolist()) for i, s in zip(ids, spans, strict=True)} == expected


def test_an_image_without_background_and_one_without_nuclei() -> None:
    assert [piece.ids.tolist() for piece in pieces(np.full((5, 7), 3), 4)] == [[3]]
    assert list(pieces(np.zeros((5, 7), np.uint32), 4)) == []
    assert list(pieces(np.zeros((0, 7), np.uint32), 4)) == []


@pytest.mark.parametrize("block", [20, 64, 1000])
@pytest.mark.parametrize("size", [None, (0.5, 0.25)])
def test_measurements_are_those_of_the_whole(block: int, size: tuple[float, float] | None) -> None:
    labels = blobs(3)
    image = np.random.default_rng(3).integers(0, 255, (*labels.shape, 3)).astype(np.uint8)
    scores = np.linspace(0, 1, int(labels.max()))
    whole = measure(labels, image, rgb=True, pixel_size_um=size, scores=scores)
    parts = measure_large(
        Lazy(labels, 10**5), image.__getitem__, block=block, rgb=True, pixel_size_um=size, scores=scores
    )
    assert parts.keys() == whole.keys()
    for name, column in whole.items():
        np.testing.assert_allclose(parts[name], column, rtol=1e-6, atol=1e-9, err_msg=name)


def test_no_nuclei_have_an_empty_table() -> None:
    table = measure_large(np.zeros((30, 30), np.uint8), None, block=8)
    assert table.keys() == measure(np.zeros((30, 30), np.uint8)).keys()
    assert all(len(column) == 0 for column in table.values())


def in_blocks(a: np.ndarray, b: np.ndarray, side: int) -> Any:
    for top in range(0, a.shape[0], side):
        for left in range(0, a.shape[1], side):
            box = (slice(top, top + side), slice(left, left + side))
            yield a[box], b[box]


@pytest.mark.parametrize("side", [11, 50, 400])
def test_scores_added_up_are_those_of_the_whole(side: int) -> None:
    a, b = blobs(4), blobs(4)
    b = np.roll(b, 3, axis=1)
    b[:20] = 0
    table, whole = added_up(in_blocks(a, b, side)), contingency(a, b)
    for name in ("ids_a", "ids_b", "area_a", "area_b", "a", "b", "shared"):
        np.testing.assert_array_equal(getattr(table, name), getattr(whole, name), err_msg=name)
    assert table.size == whole.size
    expected = score_labels(a, b, hausdorff=False).as_dict()
    made = score_table(table).as_dict()
    # These two depend on which nucleus comes first in raster order, by their papers' slip.
    for name in set(expected) - {"aji_weaknucleiseg", "aji_pdam"}:
        assert made[name] == pytest.approx(expected[name]), name


def test_nothing_to_compare() -> None:
    empty = np.zeros((20, 20), np.uint8)
    assert score_table(added_up(in_blocks(empty, empty, 8))).aji == 1.0
    assert score_table(added_up(in_blocks(empty, blobs(5)[:20, :20], 8))).aji == 0.0


@pytest.mark.parametrize("block", [16, 70, 400])
def test_scores_from_clicks_are_those_of_the_whole(block: int) -> None:
    labels = blobs(6)
    rng = np.random.default_rng(6)
    points = rng.uniform(0, np.array(labels.shape) - 1, (60, 2))
    assert score_points_large(Lazy(labels, block**2), points, block) == score_points(labels, points)
    assert score_points_large(labels, np.zeros((0, 2)), block) == score_points(labels, np.zeros((0, 2)))
    with pytest.raises(NucleiError, match="outside the image"):
        score_points_large(labels, [[500.0, 3.0]], block)
