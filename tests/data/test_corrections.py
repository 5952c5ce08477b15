"""Corrected parts of an image on disk: new versions, laid over old ones, nothing written over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.corrections import StoredCorrections, box_round_changes, store_corrections
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.regions import Region, read_regions, regions_mask


def blocks(shape: tuple[int, int] = (60, 60), side: int = 8, gap: int = 12) -> np.ndarray:
    labels, number = np.zeros(shape, np.uint32), 0
    for y in range(2, shape[0] - side, gap):
        for x in range(2, shape[1] - side, gap):
            number += 1
            labels[y : y + side, x : x + side] = number
    return labels


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    flat = labels.ravel()
    return {frozenset(np.flatnonzero(flat == k).tolist()) for k in np.unique(flat[flat > 0])}


def test_a_part_is_kept_and_versions_are_never_written_over(tmp_path: Path) -> None:
    labels = blocks()
    one = store_corrections(tmp_path, "a b-1", labels, [Region.box(0, 0, 30, 60)], pixel_size_um=(0.5, 0.5))
    bytes_before = one.labels.read_bytes()
    two = store_corrections(tmp_path, "a b-1", labels, [Region.box(30, 0, 60, 60)], one)
    assert {one.labels, two.labels} == {tmp_path / "a b-1-1.tif", tmp_path / "a b-1-2.tif"}
    assert one.labels.read_bytes() == bytes_before
    inside = regions_mask([Region.box(0, 0, 30, 60)], labels.shape)
    assert partition(np.where(inside, read_labels(one.labels).labels, 0)) == partition(np.where(inside, labels, 0))
    assert one.nuclei == len(np.unique(labels[:30])) - 1
    # The second part continues the first: nuclei cut by the line between them are whole again.
    assert regions_mask(read_regions(two.regions), labels.shape).all()
    assert partition(read_labels(two.labels).labels) == partition(labels)
    assert two.nuclei == labels.max()


def test_the_newer_word_counts_where_both_speak(tmp_path: Path) -> None:
    old = blocks()
    one = store_corrections(tmp_path, "a", old, [Region.box(0, 0, 60, 60)])
    new = old.copy()
    new[old == 1] = 0
    new[old == 2] = 4_000_000_000
    two = store_corrections(tmp_path, "a", new, [Region.box(0, 0, 24, 60)], one)
    expected = old.copy()
    expected[old == 1] = 0
    assert partition(read_labels(two.labels).labels) == partition(expected)


def test_two_nuclei_merged_by_the_new_version_stay_two_outside_it_only_if_nothing_took_them(tmp_path: Path) -> None:
    old = np.zeros((20, 20), np.uint32)
    old[2:18, 2:8], old[2:18, 8:14] = 1, 2
    one = store_corrections(tmp_path, "a", old, [Region.box(0, 0, 20, 20)])
    new = np.where(old > 0, 1, 0).astype(np.uint32)
    two = store_corrections(tmp_path, "a", new, [Region.box(0, 0, 16, 20)], one)
    assert partition(read_labels(two.labels).labels) == partition(new)


def test_nuclei_told_apart_earlier_stay_apart_whatever_joins_them_elsewhere(tmp_path: Path) -> None:
    parted = np.zeros((60, 60), np.uint32)
    parted[10:20, 10:18], parted[10:20, 18:26] = 1, 2
    one = store_corrections(tmp_path, "a", parted, [Region.box(0, 0, 40, 28)])
    for right in (30, 40):
        joined = np.zeros((60, 60), np.uint32)
        joined[10:20, 10:right], joined[10:20, 45:55] = 7, 8
        two = store_corrections(tmp_path, "a", joined, [Region.box(0, 28, 40, 60)], one)
        found = read_labels(two.labels).labels
        assert partition(found[:, :28]) == partition(parted[:, :28])
        assert len(np.unique(found[found > 0])) == 4, "what lies beyond known background is another nucleus"


def test_what_lies_in_neither_part_is_kept_for_later_and_does_not_count(tmp_path: Path) -> None:
    labels = np.zeros((30, 30), np.uint32)
    labels[5:15, 5:15], labels[20:28, 20:28] = 1, 2
    one = store_corrections(tmp_path, "a", labels, [Region.box(0, 0, 10, 30)])
    kept = read_labels(one.labels).labels
    assert (kept[10:15, 5:15] > 0).all(), "a nucleus that the border cuts is kept whole"
    assert not kept[20:28, 20:28].any() and one.nuclei == 1
    grown = labels.copy()
    grown[3:15, 5:15] = 1
    two = store_corrections(tmp_path, "a", grown, [Region.box(12, 0, 30, 30)], one)
    found = read_labels(two.labels).labels
    assert not found[3:5, 5:15].any(), "the earlier part has the last word on its own pixels"
    assert two.nuclei == 2


@pytest.mark.parametrize("seed", range(5))
def test_any_two_parts_of_one_truth_give_the_truth_of_both(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = blocks((80, 80), 7, 9)
    boxes = [Region.box(*rng.integers(0, 40, 2), *rng.integers(45, 80, 2)) for _ in "ab"]
    permuted = rng.permutation(np.arange(1, truth.max() + 1))
    other = np.where(truth > 0, permuted[np.maximum(truth, 1) - 1], 0)
    one = store_corrections(tmp_path, "a", truth, [boxes[0]])
    two = store_corrections(tmp_path, "a", other, [boxes[1]], one)
    inside = regions_mask(boxes, truth.shape)
    found = read_labels(two.labels).labels
    assert partition(np.where(inside, found, 0)) == partition(np.where(inside, truth, 0))


def test_parts_that_will_not_do(tmp_path: Path) -> None:
    labels = blocks()
    with pytest.raises(NucleiError, match="outside the image"):
        store_corrections(tmp_path, "a", labels, [Region.box(100, 100, 120, 120)])
    one = store_corrections(tmp_path, "a", labels, [Region.box(0, 0, 20, 20)])
    with pytest.raises(NucleiError, match="another size"):
        store_corrections(tmp_path, "a", labels[:40], [Region.box(0, 0, 20, 20)], one)
    gone = StoredCorrections(tmp_path / "gone.tif", tmp_path / "gone.geojson", 3)
    with pytest.raises(NucleiError, match="not there"):
        store_corrections(tmp_path, "a", labels, [Region.box(0, 0, 20, 20)], gone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.geojson", "a-1.tif"]


def test_an_empty_part_says_that_there_is_nothing(tmp_path: Path) -> None:
    assert store_corrections(tmp_path, "b", np.zeros((60, 60), int), [Region.box(0, 0, 20, 20)]).nuclei == 0
    one = store_corrections(tmp_path, "a", blocks(), [Region.box(0, 0, 20, 20)])
    two = store_corrections(tmp_path, "a", np.zeros((60, 60), int), [Region.box(40, 40, 60, 60)], one)
    assert two.nuclei == one.nuclei
    assert regions_mask(read_regions(two.regions), (60, 60))[50, 50]


def test_the_box_round_changes_holds_the_nuclei_concerned() -> None:
    before = blocks()
    now = before.copy()
    now[before == 7] = 0
    now[40, 40] = 99
    rows, columns = box_round_changes(before, now, 3)
    y, x = np.nonzero(before == 7)
    assert rows.start == min(y.min(), 40) - 3 and rows.stop >= 41 + 3
    assert columns.start == min(x.min(), 40) - 3
    taken = before[40, 40]
    if taken:
        assert (before[rows, columns] == taken).sum() == (before == taken).sum()
    assert box_round_changes(before, before, 3) is None
