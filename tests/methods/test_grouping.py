"""Grouping against scikit-learn's mean-shift, by properties, and the background rule by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import MeanShift
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.methods.spn_ien import grouping, grouping_fast
from napari_nucleidomain.methods.spn_ien.grouping import (
    group_embedding,
    group_points,
    group_tiles,
    remove_background_cluster,
)
from napari_nucleidomain.methods.spn_ien.grouping_kernel import FlatKernel
from napari_nucleidomain.methods.spn_ien.grouping_modes import climb, climb_batch, strongest


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads that wait for each other in a loop make small products slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def _sklearn(points: np.ndarray) -> np.ndarray:
    return MeanShift(bandwidth=1.5, cluster_all=True).fit(points).labels_


def _places(count: int, rng: np.random.Generator, apart: float = 3.0) -> np.ndarray:
    """Centres (count, 16), none nearer than `apart` to another."""
    places: list[np.ndarray] = []
    while len(places) < count:
        place = rng.normal(0, 0.7, 16)
        if all(np.linalg.norm(place - other) >= apart for other in places):
            places.append(place)
    return np.array(places)


def _blobs(count: int, centres: int, noise: float, seed: int, apart: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 16) around centres at least `apart` from each other; noise is the norm of a point's offset."""
    rng = np.random.default_rng(seed)
    places = _places(centres, rng, apart)
    owner = rng.integers(0, centres, count)
    points = places[owner] + rng.normal(0, noise / 4, (count, 16))
    return points.astype(np.float32), owner


def _nuclei(seed: int = 0, side: int = 96, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """An embedding (16, side, side) and its truth: discs on a grid, a rim of background around each, mixed borders."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    truth = np.zeros((side, side), int)
    rim = np.zeros((side, side), bool)
    middles = [(a, b) for a in range(12, side, 24) for b in range(12, side, 24)]
    for k, (a, b) in enumerate(middles, 1):
        distance = np.hypot(y - a - rng.uniform(-2, 2), x - b - rng.uniform(-2, 2))
        truth[distance < 8] = k
        rim |= distance < 10
    embedding = _places(len(middles) + 1, rng)[truth].transpose(2, 0, 1)
    embedding = gaussian_filter(embedding, (0, 0.7, 0.7)) + rng.normal(0, noise / 4, embedding.shape)
    return embedding.astype(np.float32), np.where(rim | (truth > 0), truth, -1)


@pytest.mark.parametrize(("noise", "apart"), [(0.5, 3.0), (0.9, 2.2), (1.3, 3.0), (1.6, 2.0)])
def test_exact_equals_sklearn(noise, apart):
    points, _ = _blobs(1500, 12, noise, 1, apart)
    assert adjusted_rand_score(_sklearn(points), group_points(points)) == pytest.approx(1.0, abs=1e-9)


def test_exact_equals_sklearn_with_outliers():
    points, _ = _blobs(1200, 10, 0.7, 2)
    points[::20] += np.random.default_rng(0).normal(0, 3, points[::20].shape).astype(np.float32)
    expected = _sklearn(points)
    assert expected.max() > 30  # every outlier is a mode of its own
    assert adjusted_rand_score(expected, group_points(points)) == pytest.approx(1.0, abs=1e-9)


def test_exact_equals_sklearn_on_one_cloud_without_gaps():
    points = np.random.default_rng(3).normal(0, 0.8, (1500, 16)).astype(np.float32)
    assert adjusted_rand_score(_sklearn(points), group_points(points)) >= 0.99


def test_exact_equals_sklearn_on_mixed_borders():
    embedding, truth = _nuclei(side=60)
    mask = truth >= 0
    found = group_embedding(embedding, mask, mode="exact")
    assert adjusted_rand_score(_sklearn(embedding[:, mask].T), found[mask]) == pytest.approx(1.0, abs=1e-9)


def test_every_mode_is_a_fixed_point_of_the_brute_force_shift():
    points, _ = _blobs(800, 6, 1.2, 4)
    data = torch.from_numpy(points)
    modes, counts = climb(FlatKernel(data, 1.5, 40), data)
    for mode, count in zip(modes.numpy(), counts.numpy(), strict=True):
        near = np.linalg.norm(points - mode, axis=1) <= 1.5
        assert np.linalg.norm(points[near].mean(0) - mode) <= 2e-3 * 1.5
        assert abs(near.sum() - count) <= 0.05 * count + 1


@pytest.mark.parametrize("cells", [1, 3, 64, 500])
def test_kernel_equals_brute_force_however_it_is_cut(cells):
    points, _ = _blobs(700, 5, 1.5, 5)
    centres = torch.from_numpy(points[::3] + 0.3)
    means, counts = FlatKernel(torch.from_numpy(points), 1.5, cells)(centres)
    distance = np.linalg.norm(points[None].astype(float) - centres.numpy()[:, None], axis=2)
    assert not (np.abs(distance - 1.5) < 1e-5).any()
    near = distance <= 1.5
    assert np.array_equal(counts.numpy(), near.sum(1))
    expected = np.where(near.sum(1)[:, None] > 0, near @ points / np.maximum(1, near.sum(1))[:, None], centres.numpy())
    assert np.allclose(means.numpy(), expected, atol=1e-4)


def test_batch_reaches_the_same_modes_as_one_by_one():
    tiles = [torch.from_numpy(_blobs(count, 6, 1.0, count)[0]) for count in (300, 500, 41)]
    data = torch.nn.utils.rnn.pad_sequence(tiles, batch_first=True)
    valid = torch.arange(500)[None] < torch.tensor([300, 500, 41])[:, None]
    modes, counts = climb_batch(data, valid, data, 1.5)
    for k, tile in enumerate(tiles):
        ours = strongest(modes[k][valid[k]], counts[k][valid[k]], 1.5)
        theirs = strongest(*climb(FlatKernel(tile, 1.5), tile), 1.5)
        assert torch.allclose(ours[0], theirs[0], atol=5e-3)
        assert torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("mode", ["fast", "exact"])
class TestBothModes:
    def test_nuclei_and_background_are_found(self, mode):
        embedding, truth = _nuclei()
        mask = truth >= 0
        found = group_embedding(embedding, mask, mode=mode)
        assert found.dtype == np.int32
        assert (found[~mask] == 0).all() and (found[mask] > 0).all()
        assert adjusted_rand_score(truth[mask], found[mask]) > 0.97
        kept = remove_background_cluster(found)
        core = truth > 0
        assert (kept[core] > 0).mean() > 0.97
        assert (kept[truth == 0] > 0).mean() < 0.1

    def test_no_pixel(self, mode):
        found = group_embedding(np.zeros((16, 5, 7), np.float32), np.zeros((5, 7), bool), mode=mode)
        assert found.shape == (5, 7) and not found.any()

    def test_one_pixel(self, mode):
        mask = np.zeros((5, 7), bool)
        mask[4, 2] = True
        found = group_embedding(np.random.default_rng(0).normal(size=(16, 5, 7)), mask, mode=mode)
        assert np.array_equal(found, mask.astype(np.int32))

    def test_all_identical(self, mode):
        found = group_embedding(np.full((16, 20, 20), 7.25, np.float32), np.ones((20, 20), bool), mode=mode)
        assert (found == 1).all()

    def test_single_cluster(self, mode):
        embedding = np.random.default_rng(0).normal(3, 0.1, (16, 30, 30)).astype(np.float32)
        assert group_embedding(embedding, np.ones((30, 30), bool), mode=mode).max() == 1

    def test_far_from_the_origin(self, mode):
        embedding, truth = _nuclei()
        mask = truth >= 0
        near, far = (group_embedding(embedding + shift, mask, mode=mode) for shift in (0, 300))
        assert adjusted_rand_score(near[mask], far[mask]) > 0.99

    def test_same_input_same_labels(self, mode):
        embedding, truth = _nuclei()
        first, second = (group_embedding(embedding, truth >= 0, mode=mode) for _ in range(2))
        assert np.array_equal(first, second)

    def test_tensor_and_half_precision(self, mode):
        embedding, truth = _nuclei()
        mask = truth >= 0
        expected = group_embedding(embedding, mask, mode=mode)
        tensor = torch.from_numpy(embedding).requires_grad_()
        assert np.array_equal(group_embedding(tensor, torch.from_numpy(mask), mode=mode), expected)
        half = group_embedding(torch.from_numpy(embedding).bfloat16(), mask, mode=mode)
        assert adjusted_rand_score(half[mask], expected[mask]) > 0.95

    def test_autocast_around_it_changes_nothing(self, mode):
        embedding, truth = _nuclei()
        expected = group_embedding(embedding, truth >= 0, mode=mode)
        with torch.autocast("cpu", torch.bfloat16):
            found = group_embedding(embedding, truth >= 0, mode=mode)
        assert np.array_equal(found, expected)

    def test_tiles_equal_one_by_one(self, mode):
        embeddings, truths = zip(*(_nuclei(seed) for seed in range(3)), strict=True)
        masks = np.stack([truth >= 0 for truth in truths])
        masks[1] = False
        torch.set_num_threads(2)
        found = group_tiles(np.stack(embeddings), masks, mode=mode)
        assert torch.get_num_threads() == 2
        for one, embedding, mask in zip(found, embeddings, masks, strict=True):
            assert np.array_equal(one, group_embedding(embedding, mask, mode=mode))

    def test_not_finite_is_refused(self, mode):
        embedding, truth = _nuclei(side=48)
        embedding[3, 12, 12] = np.nan
        with pytest.raises(NucleiError, match="not numbers"):
            group_embedding(embedding, truth >= 0, mode=mode)
        embedding[3, 12, 12], embedding[3, 0, 0] = 0, np.inf
        assert truth[0, 0] < 0  # background may hold anything
        group_embedding(embedding, truth >= 0, mode=mode)


def test_exact_does_not_depend_on_the_order_of_pixels():
    points, _ = _blobs(1500, 10, 1.2, 6)
    order = np.random.default_rng(0).permutation(len(points))
    assert adjusted_rand_score(group_points(points)[order], group_points(points[order])) == pytest.approx(1.0)


def test_fast_is_nearer_to_truth_than_exact_when_stray_pixels_found_nuclei():
    embedding, truth = _nuclei(noise=0.7)
    mask = truth >= 0
    stray = np.random.default_rng(0).random(mask.shape) < 0.05
    embedding[:, stray] += np.random.default_rng(1).normal(0, 3, (16, int(stray.sum()))).astype(np.float32)
    exact, fast = (group_embedding(embedding, mask, mode=mode) for mode in ("exact", "fast"))
    assert exact.max() > 60 > fast.max() >= 17
    scores = [adjusted_rand_score(truth[mask], found[mask]) for found in (exact, fast)]
    assert scores[1] > scores[0]


def test_many_pixels_are_sampled_and_still_grouped():
    embedding, truth = _nuclei(side=168)
    mask = np.ones_like(truth, bool)
    assert mask.sum() > grouping_fast.SAMPLE
    found = group_embedding(embedding, mask)
    assert adjusted_rand_score(np.maximum(truth, 0).ravel(), found.ravel()) > 0.97


def test_a_small_nucleus_between_seeds_is_covered():
    embedding = np.zeros((16, 36, 36), np.float32)
    embedding[0, 6:10, 6:10] = 6  # touches no pixel nearest to the middle of a block of 6 x 6
    found = group_embedding(embedding, np.ones((36, 36), bool))
    inside = np.zeros((36, 36), bool)
    inside[6:10, 6:10] = True
    assert len(np.unique(found[inside])) == 1 and found.max() == 2
    assert (found[~inside] != found[7, 7]).all()


def test_minimum_support():
    points, _ = _blobs(600, 3, 0.4, 7)
    points[:4] = 40
    assert group_points(points, min_support=1).max() == 4
    assert group_points(points, min_support=5).max() == 3
    assert group_points(points[:4], min_support=100).max() == 1  # never none


def test_wrong_settings_are_named():
    points = np.zeros((4, 16), np.float32)
    with pytest.raises(NucleiError, match="bandwidth"):
        group_points(points, bandwidth=0)
    with pytest.raises(NucleiError, match="do not fit"):
        group_embedding(np.zeros((16, 4, 4), np.float32), np.ones((4, 5), bool))
    with pytest.raises(NucleiError, match="2 tiles"):
        group_tiles(np.zeros((2, 16, 4, 4), np.float32), np.ones((3, 4, 4), bool))
    with pytest.raises(NucleiError, match="no grouping"):
        group_points(points, mode="slow")


def test_device_batches_equal_the_cpu(monkeypatch):
    """The GPU's path, on the CPU: same clusters, several batches, empty tiles between."""
    monkeypatch.setattr(grouping_fast, "TILES", 2)
    embeddings, truths = zip(*(_nuclei(seed) for seed in range(4)), strict=True)
    masks = [truth >= 0 for truth in truths]
    masks[2] = np.zeros_like(masks[2])
    points = [grouping._points(one, mask, None) for one, mask in zip(embeddings, masks, strict=True)]
    found = grouping_fast.fast_on_device(points, masks, 1.2, 10)
    for labels, data, mask in zip(found, points, masks, strict=True):
        expected = group_points(data, mask, mode="fast")
        assert len(labels) == len(expected)
        if len(labels):
            assert adjusted_rand_score(labels, expected) > 0.995


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_gpu_equals_cpu(mode):
    embeddings, truths = zip(*(_nuclei(seed) for seed in range(3)), strict=True)
    masks = np.stack([truth >= 0 for truth in truths])
    expected = group_tiles(np.stack(embeddings), masks, mode=mode)
    found = group_tiles(np.stack(embeddings), masks, mode=mode, device="cuda")
    for a, b, mask in zip(found, expected, masks, strict=True):
        assert adjusted_rand_score(a[mask], b[mask]) > 0.995


class TestBackground:
    @staticmethod
    def _scene(specks: int) -> np.ndarray:
        labels = np.zeros((20, 40), np.int32)
        labels[10:18, 2:12] = 1
        labels[10:18, 20:30] = 2
        for k in range(specks):
            labels[0:2, 4 * k : 4 * k + 2] = 7
        return labels

    def test_the_cluster_of_most_components_goes(self):
        labels = self._scene(5)
        assert np.array_equal(remove_background_cluster(labels), np.where(labels == 7, 0, labels))

    def test_fewer_than_five_components_stay(self):
        labels = self._scene(4)
        assert np.array_equal(remove_background_cluster(labels), labels)
        assert not (remove_background_cluster(labels, min_components=4) == 7).any()

    def test_only_one_cluster_goes(self):
        labels = self._scene(5)
        for k in range(6):
            labels[4:6, 4 * k : 4 * k + 2] = 9
        left = remove_background_cluster(labels)
        assert 7 in left and 9 not in left

    def test_of_two_with_as_many_components_the_larger_goes(self):
        labels = self._scene(5)
        for k in range(5):
            labels[4:7, 4 * k : 4 * k + 3] = 3
        left = remove_background_cluster(labels)
        assert 3 not in left and 7 in left

    def test_corners_connect(self):
        labels = np.zeros((12, 12), np.int32)
        labels[np.arange(10), np.arange(10)] = 4  # ten pixels, one component by corners
        assert (remove_background_cluster(labels) == labels).all()

    def test_clusters_that_touch_count_apart(self):
        labels = np.ones((1, 12), np.int32)
        labels[0, ::2] = 2  # 1 and 2 alternate: six components each
        assert set(np.unique(remove_background_cluster(labels))) <= {0, 1, 2}
        assert (remove_background_cluster(labels) > 0).sum() == 6

    def test_nothing_there(self):
        for empty in (np.zeros((6, 6), np.int32), np.zeros((0, 4), np.int32)):
            assert np.array_equal(remove_background_cluster(empty), empty)

    def test_no_zero_at_all(self):
        labels = np.ones((6, 6), np.int32)
        assert np.array_equal(remove_background_cluster(labels), labels)

    def test_low_probability_goes_too(self):
        labels = self._scene(3)
        probability = np.where(labels == 2, 0.4, 0.9)
        left = remove_background_cluster(labels, probability=probability)
        assert np.array_equal(np.unique(left), [0, 1, 7])

    def test_input_is_left_alone(self):
        labels = self._scene(5)
        before = labels.copy()
        result = remove_background_cluster(labels.astype(np.uint16))
        assert result.dtype == np.uint16 and np.array_equal(labels, before)
