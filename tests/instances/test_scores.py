"""Scores against brute force, hand-made cases and what must not change them."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.contingency import contingency, pair_counts
from napari_nucleidomain.instances.matching import greedy_pairs, optimal_pairs
from napari_nucleidomain.instances.scores import DEFINITIONS, definition, pool, score_labels, summarise


def some_pairs(random_labels, count=60, largest=25):
    """Truths with predictions that are shifted, merged, split and partly lost."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        truth = random_labels(rng, 2 + seed % 2, largest)
        predicted = np.roll(truth, int(rng.integers(0, 3)), axis=int(rng.integers(truth.ndim)))
        ids = np.unique(predicted[predicted > 0])
        if len(ids) > 3:
            predicted = np.where(predicted == ids[0], ids[1], predicted)
            predicted = np.where(predicted == ids[2], 0, predicted)
            half = np.arange(truth.shape[-1]) < truth.shape[-1] // 2
            predicted = np.where((predicted == ids[3]) & half, ids[-1] + 5, predicted)
        yield rng, predicted, truth


def sets_of(image):
    flat = image.ravel()
    return [set(np.flatnonzero(flat == k).tolist()) for k in np.unique(flat[flat > 0])]


def slow_aji(predicted, truth, how):
    """AJI and its variants, written down pixel set by pixel set as their code or paper describes them."""
    p, g = sets_of(predicted), sets_of(truth)
    if not p or not g:
        return 1.0 if not p and not g else 0.0
    flat = predicted.ravel()
    first = sorted(np.unique(flat[flat > 0]).tolist()).index(flat[np.flatnonzero(flat)[0]])
    iou = np.array([[len(a & b) / len(a | b) for a in p] for b in g])
    used, shared, union = set(), 0, 0
    if how == "kumar":
        table = iou.copy()
        taken = {}
        while table.max() > 0:
            b, a = np.unravel_index(np.argmax(table), table.shape)
            taken[b] = a
            table[b], table[:, a] = 0, 0
        for b, nucleus in enumerate(g):
            if b in taken:
                used.add(taken[b])
                shared, union = shared + len(nucleus & p[taken[b]]), union + len(nucleus | p[taken[b]])
            else:
                union += len(nucleus)
    else:
        for b, nucleus in enumerate(g):
            a = int(np.argmax(iou[b])) if iou[b].max() > 0 else None
            if a is None and how == "reuse":
                union += len(nucleus)
                continue
            a = first if a is None else a
            if how == "pdam" and a in used:
                union += len(nucleus)
                continue
            used.add(a)
            shared, union = shared + len(nucleus & p[a]), union + len(nucleus | p[a])
    return shared / (union + sum(len(p[a]) for a in range(len(p)) if a not in used))


@pytest.mark.parametrize(
    ("name", "how"),
    [("aji", "kumar"), ("aji_reuse", "reuse"), ("aji_weaknucleiseg", "seed"), ("aji_pdam", "pdam")],
)
def test_aji_variants_equal_brute_force(random_labels, name, how):
    for _, predicted, truth in some_pairs(random_labels, 30, 12):
        assert getattr(score_labels(predicted, truth, hausdorff=False), name) == pytest.approx(
            slow_aji(predicted, truth, how)
        )


def test_aji_variants_differ_as_they_should():
    truth, predicted = np.zeros((3, 30), int), np.zeros((3, 30), int)
    truth[0, 0:10], truth[0, 10:20], truth[2, 0:10] = 1, 2, 3
    predicted[0, 2:16] = 1  # 8 of nucleus 1, 6 of nucleus 2; nucleus 3 is missed
    predicted[2, 20:25] = 2  # nothing there
    scores = score_labels(predicted, truth)
    assert scores.aji == scores.aji_plus == 8 / (16 + 10 + 10 + 5)
    assert scores.aji_reuse == 14 / (16 + 18 + 10 + 5)
    assert scores.aji_weaknucleiseg == 14 / (16 + 18 + (10 + 14) + 5)
    assert scores.aji_pdam == 8 / (16 + 10 + 10 + 5)


def test_aji_plus_is_the_best_one_to_one_matching(random_labels):
    for _, predicted, truth in some_pairs(random_labels, 60, 9):
        table = contingency(predicted, truth)
        if not 0 < len(table.ids_a) <= 6 or not len(table.ids_b):
            continue
        iou = np.zeros((len(table.ids_a), len(table.ids_b)))
        iou[table.a, table.b] = table.iou
        wide = np.pad(iou, [(0, 0), (0, iou.shape[0])])
        rows = range(iou.shape[0])
        best = (
            max(
                sum(wide[r, c] for r, c in zip(rows, p, strict=True))
                for p in itertools.permutations(range(wide.shape[1]), len(rows))
            )
            if wide.shape[1] <= 8
            else None
        )
        if best is None:
            continue
        chosen = optimal_pairs(table)
        assert table.iou[chosen].sum() == pytest.approx(best)
        assert len(set(table.a[chosen])) == len(chosen) == len(set(table.b[chosen]))


def test_greedy_pairs_hold_every_pair_above_a_half(random_labels):
    for _, predicted, truth in some_pairs(random_labels):
        table = contingency(predicted, truth)
        assert set(np.flatnonzero(table.iou > 0.5)) <= set(greedy_pairs(table))


def test_scores_do_not_depend_on_ids_or_direction(random_labels):
    for rng, predicted, truth in some_pairs(random_labels, 20, 20):

        def permuted(image, rng=rng):
            return np.concatenate([[0], rng.permutation(int(image.max())) + 100]).astype(np.uint32)[image]

        reference = score_labels(predicted, truth).as_dict()
        again = score_labels(permuted(predicted), permuted(truth)).as_dict()
        flipped = score_labels(np.flip(predicted), np.flip(truth)).as_dict()
        for name in reference:
            if name in ("aji_in_order", "aji_pdam", "aji_weaknucleiseg"):
                continue  # these depend on order: that is what is wrong with them
            # Among exactly equal overlaps some nucleus has to go first.
            leeway = 0.02 if name.startswith("aji") else 0.5 if name == "object_hausdorff" else 1e-9
            assert again[name] == pytest.approx(reference[name], abs=leeway), name
            assert flipped[name] == pytest.approx(reference[name], abs=leeway), name


def test_a_perfect_prediction_scores_one(discs):
    scores = score_labels(discs, discs, thresholds=(0.5, 0.9)).as_dict()
    assert scores.pop("n_predicted") == scores.pop("n_true") == 9
    assert scores.pop("object_hausdorff") == 0
    assert set(scores.values()) == {1.0}


def test_empty_images_are_defined(discs):
    empty = np.zeros_like(discs)
    both = score_labels(empty, empty).as_dict()
    assert both.pop("object_hausdorff") == both.pop("n_predicted") == both.pop("n_true") == 0
    assert set(both.values()) == {1.0}
    for predicted, truth in ((empty, discs), (discs, empty)):
        one = score_labels(predicted, truth).as_dict()
        assert one.pop("object_hausdorff") == pytest.approx(np.hypot(89, 89))
        assert {one[name] for name in one if not name.startswith("n_")} == {0.0}


def test_no_pixels_at_all():
    scores = score_labels(np.zeros((0, 5), int), np.zeros((0, 5), int))
    assert scores.aji == 1.0


def test_iou_must_exceed_the_threshold():
    truth, predicted = np.zeros((1, 20), int), np.zeros((1, 20), int)
    truth[0, :10], predicted[0, :5] = 1, 1  # IoU exactly 0.5
    scores = score_labels(predicted, truth, thresholds=(0.5, 0.49))
    assert scores.at[0.5].tp == 0
    assert scores.at[0.49].tp == 1
    assert scores.pq == scores.sq == 0
    predicted[0, 5:7] = 1  # exactly 0.7
    scores = score_labels(predicted, truth, thresholds=(0.7, 0.69))
    assert scores.at[0.7].tp == 0
    assert scores.at[0.69].tp == 1


def test_panoptic_quality_and_seg_by_hand():
    truth, predicted = np.zeros((4, 20), int), np.zeros((4, 20), int)
    truth[0, :10], truth[1, :10], truth[2, :10] = 1, 2, 3
    predicted[0, :8], predicted[1, :6], predicted[2, 5:15], predicted[3, :3] = 1, 2, 3, 4
    scores = score_labels(predicted, truth)
    assert scores.sq == pytest.approx((0.8 + 0.6) / 2)
    assert scores.dq == pytest.approx(2 / (2 + 1 + 0.5))
    assert scores.pq == pytest.approx(scores.sq * scores.dq)
    assert scores.seg == pytest.approx((0.8 + 0.6) / 3)  # exactly half of nucleus 3 is not more than half
    assert scores.at[0.5].precision == 0.5
    assert scores.at[0.5].recall == pytest.approx(2 / 3)


def test_pixel_scores_equal_sets(random_labels):
    for _, predicted, truth in some_pairs(random_labels, 20):
        a, b = predicted > 0, truth > 0
        if not a.any() or not b.any():
            continue
        scores = score_labels(predicted, truth, hausdorff=False)
        assert scores.pixel_precision == pytest.approx((a & b).sum() / a.sum())
        assert scores.pixel_recall == pytest.approx((a & b).sum() / b.sum())
        assert scores.pixel_iou == pytest.approx((a & b).sum() / (a | b).sum())
        assert scores.pixel_dice == scores.pixel_f1 == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))


def slow_objects(predicted, truth):
    """Object Dice and Hausdorff, object by object."""

    def points(image):
        return {k: np.argwhere(image == k) for k in np.unique(image[image > 0])}

    def distance(p, q):
        return max(directed_hausdorff(p, q)[0], directed_hausdorff(q, p)[0])

    def side(one, other):
        mine, theirs = points(one), points(other)
        total = sum(len(p) for p in mine.values())
        dice = hausdorff = 0.0
        for k, p in mine.items():
            overlap = {j: int(((one == k) & (other == j)).sum()) for j in theirs}
            j = max(overlap, key=lambda j: (overlap[j], -len(theirs[j]), -j))
            if overlap[j]:
                dice += len(p) / total * 2 * overlap[j] / (len(p) + len(theirs[j]))
                hausdorff += len(p) / total * distance(p, theirs[j])
            else:
                hausdorff += len(p) / total * min(distance(p, q) for q in theirs.values())
        return dice, hausdorff

    first, second = side(predicted, truth), side(truth, predicted)
    return (first[0] + second[0]) / 2, (first[1] + second[1]) / 2


def test_object_dice_and_hausdorff_equal_brute_force(random_labels):
    for _, predicted, truth in some_pairs(random_labels, 20, 14):
        if predicted.any() and truth.any():
            scores = score_labels(predicted, truth)
            dice, hausdorff = slow_objects(predicted, truth)
            assert scores.object_dice == pytest.approx(dice)
            assert scores.object_hausdorff == pytest.approx(hausdorff)


def slow_cell_tracking(predicted, truth):
    """SEG, DET as the challenge describes them: graph of matches, then its cheapest corrections, nucleus by nucleus."""
    p, g = sets_of(predicted), sets_of(truth)
    match = [[a for a, one in enumerate(p) if len(one & nucleus) > len(nucleus) / 2] for nucleus in g]
    assert all(len(one) <= 1 for one in match)
    seg = np.mean([len(g[b] & p[m[0]]) / len(g[b] | p[m[0]]) if m else 0.0 for b, m in enumerate(match)])
    cost = 0
    for a in range(len(p)):
        children = sum(a in m for m in match)
        cost += 1 if children == 0 else 5 * (children - 1)
    cost += 10 * sum(not m for m in match)
    return seg, 1 - min(cost, 10 * len(g)) / (10 * len(g))


def test_cell_tracking_scores_equal_brute_force(random_labels):
    seen = set()
    for _, predicted, truth in some_pairs(random_labels, 40):
        if not truth.any():
            continue
        scores = score_labels(predicted, truth, hausdorff=False)
        seg, det = slow_cell_tracking(predicted, truth)
        assert scores.seg == pytest.approx(seg)
        assert scores.det == pytest.approx(det)
        assert scores.op_csb == pytest.approx((seg + det) / 2)
        seen.add((truth.ndim, 0 < det < 1))
    assert {(2, True), (3, True)} <= seen


def test_det_by_hand():
    truth, predicted = np.zeros((2, 4, 20), int), np.zeros((2, 4, 20), int)
    for k in range(4):
        truth[:, k, :10] = k + 1
    predicted[:, :2, :10] = 1  # two true nuclei in one: a cut (5)
    predicted[:, 2, :8] = 2
    predicted[:, 3, :5] = 3  # exactly half: nucleus 4 is missed (10), and this one is extra (1)
    predicted[:, 3, 15:] = 4  # extra (1)
    scores = score_labels(predicted, truth)
    assert scores.det == pytest.approx(1 - (5 + 10 + 1 + 1) / 40)
    assert scores.seg == pytest.approx((0.5 + 0.5 + 0.8 + 0) / 4)
    assert pool([scores, scores])["op_csb"] == pytest.approx(scores.op_csb)
    crowd = np.arange(1, 161).reshape(2, 4, 20)
    assert score_labels(crowd, truth).det == 0, "never below 0"


def test_a_distance_of_a_volume_knows_how_far_planes_are_apart(discs):
    volume = np.zeros((5, 90, 90), int)
    volume[1:3] = discs
    scores = score_labels(np.roll(volume, 1, axis=0), volume, spacing=(2.0, 0.5, 0.5)).as_dict()
    assert scores["object_hausdorff_um"] == pytest.approx(2)
    assert "object_hausdorff" not in scores
    assert set(scores) - {"f1@0.5", "precision@0.5", "recall@0.5"} <= set(DEFINITIONS)


def test_hausdorff_in_micrometres(discs):
    moved = np.roll(discs, 2, axis=0)
    assert score_labels(moved, discs).object_hausdorff == pytest.approx(2)
    assert score_labels(moved, discs, spacing=(0.5, 3.0)).object_hausdorff == pytest.approx(1)


def test_contingency_takes_any_ids():
    a = np.array([[0, 4_000_000_000, 4_000_000_000, 7]], np.uint32)
    b = np.array([[2, 2, 0, 9]], np.int64)
    table = contingency(a, b)
    assert table.ids_a.tolist() == [7, 4_000_000_000]
    assert list(zip(table.ids_a[table.a], table.ids_b[table.b], table.shared, strict=True)) == [
        (7, 9, 1),
        (4_000_000_000, 2, 1),
    ]
    assert table.area_a.tolist() == [1, 2]
    assert table.first_a == 1


def test_pair_counts_is_the_same_whether_the_table_is_dense_or_sparse():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (40, 40)), rng.integers(0, 5, (40, 40))
    dense = pair_counts(a, b, 4, 4)
    sparse = pair_counts(a, b, 100_000, 100_000)
    assert all((x == y).all() for x, y in zip(dense, sparse, strict=True))


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        (np.zeros((4, 4), int), "4 × 4"),
        (np.full((5, 5), -1), "negative"),
        (np.full((5, 5), 0.5), "fractions"),
        (np.full((5, 5), np.nan), "fractions"),
        (np.zeros((5, 5, 5, 3), int), "4 axes"),
        (np.full((5, 5), 2**40), "above"),
    ],
)
def test_bad_label_images_are_refused(predicted, words):
    with pytest.raises(NucleiError, match=words):
        score_labels(predicted, np.zeros((5, 5), int))


def test_bad_threshold_is_refused(discs):
    with pytest.raises(NucleiError, match="threshold"):
        score_labels(discs, discs, thresholds=(50,))


def test_whole_floats_and_masks_are_label_images(discs):
    assert score_labels(discs.astype(float), discs).aji == 1.0
    assert score_labels(discs > 0, discs > 0).n_true == 1


def test_summary_and_pool(discs):
    empty = np.zeros_like(discs)
    both = [score_labels(discs, discs), score_labels(empty, discs)]
    summary = summarise(both)
    assert summary["aji"] == pytest.approx((0.5, np.std([0, 1], ddof=1)))
    assert summarise(both[:1])["aji"] == (1.0, 0.0)
    assert summarise([]) == {} == pool([])
    beside = score_labels(
        np.hstack([discs, empty]), np.hstack([discs, np.where(discs, discs + 9, 0)]), hausdorff=False
    ).as_dict()
    pooled = pool(both)
    assert pooled == {name: pytest.approx(beside[name]) for name in pooled}


def test_every_score_has_a_definition(discs):
    scores = score_labels(discs, discs, thresholds=(0.5, 0.75)).as_dict()
    assert all(definition(name) for name in scores)
    assert "0.75" in definition("f1@0.75")
    assert set(DEFINITIONS) >= {"aji", "f1@T", "found"}
    json.dumps(scores)
    with pytest.raises(KeyError):
        definition("f7@0.5")
