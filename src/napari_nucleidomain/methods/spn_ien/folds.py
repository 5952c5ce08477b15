"""The ten folds of the paper's Table 1 (section 3.1: ten-fold cross-validation on MultiOrgan and TNBC)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import Dataset


def fold_of_each(groups: list[str], folds: int, seed: int) -> list[int]:
    """Deal groups out to folds of nearly equal size.

    Parameters
    ----------
    groups : list of str
        Group (patient, slide, or the image itself) of each image.
    folds : int
    seed : int
        Same seed, same folds.

    Returns
    -------
    list of int
        Fold of each image; images of one group share it.

    Raises
    ------
    NucleiError
        There are fewer groups than folds.
    """
    names = sorted(set(groups))
    if folds < 2 or len(names) < folds:
        raise NucleiError(
            f"{len(names)} independent images or groups cannot be divided into {folds} folds.",
            f"Ask for 2 to {max(2, len(names))} folds.",
        )
    order = np.random.default_rng(seed).permutation(len(names))
    # Large groups first, each to the smallest fold: sizes differ as little as the groups allow.
    ranked = sorted((names[k] for k in order), key=lambda name: -groups.count(name))
    sizes = [0] * folds
    chosen: dict[str, int] = {}
    for name in ranked:
        fold = sizes.index(min(sizes))
        chosen[name] = fold
        sizes[fold] += groups.count(name)
    return [chosen[name] for name in groups]


def cross_validation(dataset: Dataset, folds: int = 10, seed: int = 0) -> Iterator[Dataset]:
    """Datasets that differ only in their splits: fold k of the k-th is "test", all else "train".

    Parameters
    ----------
    dataset : Dataset
        Its own splits are ignored.
    folds : int
        Ten in the paper.
    seed : int

    Yields
    ------
    Dataset
        Every image is tested exactly once; images of a group are never on both sides.

    Raises
    ------
    NucleiError
        There are fewer groups than folds.
    """
    groups = [example.group or f"image {number}" for number, example in enumerate(dataset.all)]
    fold = fold_of_each(groups, folds, seed)
    for tested in range(folds):
        examples = [
            example.changed(split="test" if fold[number] == tested else "train")
            for number, example in enumerate(dataset.all)
        ]
        yield Dataset(dataset.path, examples, list(dataset.problems), f"{dataset.name} fold {tested + 1} of {folds}")
