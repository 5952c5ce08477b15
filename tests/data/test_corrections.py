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
